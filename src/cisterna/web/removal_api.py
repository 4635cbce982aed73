"""The API of what goes for good: plans, decisions, and how far each has come. A worker carries decisions out."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.erasure import Erasure, Order, RemovalKind, read_order
from cisterna.domain.errors import InvalidInput
from cisterna.domain.retention import Retention
from cisterna.services.detail import detail_of
from cisterna.services.dispose import disposal_order
from cisterna.services.erase_decision import (
    ErasureStanding,
    ask_again,
    list_standings,
    request_erasure,
    standing_of,
)
from cisterna.services.erase_plan import ErasurePlan, plan_erasure
from cisterna.services.retention import list_retentions
from cisterna.web.parts import WebParts
from cisterna.web.signed import ApiPerson, Parts, Signed
from cisterna.web.wording import say

router = APIRouter(prefix="/api/v1", tags=["v1"])


class _Decision(BaseModel):
    """Fields of any decision that data go.

    Attributes:
        scope: Of the plan that was looked at; a decision is about exactly those datasets and versions.
        confirm: The dataset's id once more, so that no script passes on what it was given by mistake.
    """

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=10_000)
    scope: str = Field(max_length=64)
    confirm: str = Field(max_length=200)


class ErasureBody(_Decision):
    """A decision of data protection: who is responsible, on what legal basis, and its number."""

    controller: str = Field(min_length=1, max_length=500)
    basis: str = Field(min_length=1, max_length=500)
    decision: str = Field(min_length=1, max_length=200)


class DisposalBody(_Decision):
    """A decision on data whose end of life has come; the rule that says so is written down with it."""


class Due(BaseModel):
    """A dataset and how long it is kept."""

    dataset_id: str
    pid: str
    title: str
    project: str | None
    is_due: bool
    words: str
    retention: Retention


@router.get("/datasets/{dataset_id}/erasure/plan")
def plan_of_erasure(parts: Parts, person: ApiPerson, dataset_id: str) -> ErasurePlan:
    """Show what an erasure would take, what not, and what speaks against it; changes nothing. For administrators."""
    return plan(parts, person, dataset_id, RemovalKind.ERASURE)


@router.get("/datasets/{dataset_id}/disposal/plan")
def plan_of_disposal(parts: Parts, person: ApiPerson, dataset_id: str) -> ErasurePlan:
    """Show what a disposal would take, what not, and why not yet; changes nothing. For administrators."""
    return plan(parts, person, dataset_id, RemovalKind.RETENTION)


@router.post("/datasets/{dataset_id}/erasure", status_code=202)
def decide_on_erasure(parts: Parts, person: ApiPerson, dataset_id: str, body: ErasureBody) -> ErasureStanding:
    """Decide that a dataset is erased, with all that was derived from it; a worker carries it out. Nothing undoes it.

    The same decision again asks for what is left to be done.
    """
    order = read_order(
        kind=RemovalKind.ERASURE,
        controller=body.controller,
        basis=body.basis,
        decision=body.decision,
        reason=body.reason,
    )
    return decide(parts, person, dataset_id, order, scope=body.scope, confirm=body.confirm)


@router.post("/datasets/{dataset_id}/disposal", status_code=202)
def decide_on_disposal(parts: Parts, person: ApiPerson, dataset_id: str, body: DisposalBody) -> ErasureStanding:
    """Let a dataset go whose end of life has come by a retention rule; a worker carries it out. Nothing undoes it."""
    order = order_of_disposal(parts, person, dataset_id, reason=body.reason)
    return decide(parts, person, dataset_id, order, scope=body.scope, confirm=body.confirm)


@router.get("/erasures")
def list_erasures(parts: Parts, person: ApiPerson) -> Sequence[ErasureStanding]:
    """List erasures and disposals of data that the person administrates; first those that are not at their end."""
    return list_standings(account=person.account, catalogue=parts.catalogue)


@router.get("/erasures/{erasure_id}")
def show_erasure(parts: Parts, person: ApiPerson, erasure_id: str) -> ErasureStanding:
    """Show how far an erasure has come, and what remains."""
    return standing_of(erasure_id, account=person.account, catalogue=parts.catalogue)


@router.post("/erasures/{erasure_id}/attempts", status_code=202)
def go_on_with_erasure(parts: Parts, person: ApiPerson, erasure_id: str) -> ErasureStanding:
    """Ask for another attempt at what is left; one that is under way is asked for once."""
    return ask_again(erasure_id, person=person.account.name, catalogue=parts.catalogue, clock=parts.clock)


@router.get("/retention/due")
def list_due(parts: Parts, person: ApiPerson, *, everything: bool = False) -> Sequence[Due]:
    """List what has come to its end of life, of what the person may see; with `everything` also what is kept."""
    found = list_retentions(
        account=person.account, catalogue=parts.catalogue, clock=parts.clock, due_only=not everything
    )
    return [
        Due(
            dataset_id=dataset.dataset_id,
            pid=dataset.pid,
            title=dataset.title,
            project=dataset.project,
            is_due=retention.is_due,
            words=retention.words,
            retention=retention,
        )
        for dataset, retention in found
    ]


def plan(parts: WebParts, person: Signed, dataset_id: str, kind: RemovalKind) -> ErasurePlan:
    """Plan a removal in the name of a person. Raises `NotFound` for what they may not know of, `Forbidden`."""
    _require_visible(parts, person, dataset_id)
    return plan_erasure(dataset_id, person=person.account.name, site=parts.survey, kind=kind)


def decide(
    parts: WebParts, person: Signed, dataset_id: str, order: Order | None, *, scope: str, confirm: str
) -> ErasureStanding:
    """Put a decision on record and ask for it, once what was typed is the dataset's id."""
    _require_visible(parts, person, dataset_id)
    if confirm.strip() != dataset_id:
        raise InvalidInput(say("removal.differs", id=dataset_id), dataset_id=dataset_id)
    return request_erasure(dataset_id, person=person.account.name, order=order, site=parts.survey, seen=scope)


def order_of_disposal(parts: WebParts, person: Signed, dataset_id: str, *, reason: str) -> Order | None:
    """Write the decision behind a disposal; None where one is on record."""
    _require_visible(parts, person, dataset_id)
    return disposal_order(
        dataset_id,
        person=person.account.name,
        reason=reason,
        catalogue=parts.catalogue,
        end_of_life=parts.end_of_life,
    )


def erasure_of(parts: WebParts, dataset_id: str) -> Erasure | None:
    """Find the erasure that takes a dataset."""
    with parts.catalogue.begin() as tx:
        return tx.erasures.of(dataset_id)


def _require_visible(parts: WebParts, person: Signed, dataset_id: str) -> None:
    detail_of(dataset_id, catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account)
