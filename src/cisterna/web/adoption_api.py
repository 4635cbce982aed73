"""The API of shares that are taken in, for those who run the site: how far each is, what was found, and corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.adoption import Adoption, FindKind, Standing, Sureness
from cisterna.domain.errors import NotFound
from cisterna.ports.adoption import FindsWanted, FoundRow
from cisterna.services.adopt_status import AdoptionStatus, adoption_status
from cisterna.services.adoption import Assigned, assign
from cisterna.web.signed import ApiPerson, Parts, Signed
from cisterna.web.wording import say

router = APIRouter(prefix="/api/v1", tags=["v1"])


class AssignmentBody(BaseModel):
    """A person's word on all that lies under a folder of a share, or fits a pattern of `*` and `?`."""

    model_config = ConfigDict(extra="forbid")

    under: str = Field("", max_length=4096)
    project: str | None = Field(None, max_length=63)
    instrument: str | None = Field(None, max_length=63)
    reason: str = Field(min_length=1, max_length=10_000)


@router.get("/adoptions")
def show_adoptions(parts: Parts, person: ApiPerson) -> Sequence[Adoption]:
    """List shares that are taken in. For operators."""
    _require_operator(person)
    with parts.catalogue.begin() as tx:
        return tx.adoptions.list()


@router.get("/adoptions/{name}")
def show_adoption(parts: Parts, person: ApiPerson, name: str) -> AdoptionStatus:
    """Tell how far a share is: found, registered, archived, verified, held, and when it may be done. For operators."""
    _require_operator(person)
    return adoption_status(name, catalogue=parts.catalogue, clock=parts.clock)


@router.get("/adoptions/{name}/finds")
def show_finds(
    parts: Parts,
    person: ApiPerson,
    name: str,
    *,
    sure: Sureness | None = None,
    kind: FindKind | None = None,
    standing: Standing | None = None,
    under: Annotated[str, Query(max_length=4096)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> Sequence[FoundRow]:
    """List what was found in a share, by folder, with each guess, how sure it is and why. For operators."""
    _require_operator(person)
    wanted = FindsWanted(sure=sure, kind=kind, standing=standing, under=under)
    with parts.catalogue.begin() as tx:
        tx.adoptions.get(name)
        return tx.adoptions.finds(name, wanted, limit=limit, offset=offset)


@router.post("/adoptions/{name}/assignments", status_code=201)
def assign_finds(parts: Parts, person: ApiPerson, name: str, body: AssignmentBody) -> Assigned:
    """Put a person's word over what was guessed, now and of what is found later. For operators."""
    _require_operator(person)
    return assign(
        name,
        under=body.under,
        project=body.project,
        instrument=body.instrument,
        profile=None,
        profiles=(),
        person=person.account.name,
        reason=body.reason,
        catalogue=parts.catalogue,
        clock=parts.clock,
    )


def _require_operator(person: Signed) -> None:
    """Folders of a share name people before anybody has said whose they are: nobody else learns of them."""
    if not person.is_operator:
        raise NotFound(say("problem.404.detail"))
