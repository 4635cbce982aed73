"""The API, `/api/v1`: what the command line and the pages can do, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.account import Grant
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.digest import Sha512
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import MetadataDefaults, Policy, Project, ViewFormat
from cisterna.domain.publication import Publication
from cisterna.domain.review import Act, Decision
from cisterna.domain.work import Work, WorkKind
from cisterna.ports.roster import Group
from cisterna.services.consent import revoke_consent
from cisterna.services.detail import Detail, detail_of
from cisterna.services.erase_decision import standing_of
from cisterna.services.mass_change import accept_change
from cisterna.services.overview import Choice, Overview, list_overviews, tally_instruments
from cisterna.services.project import list_projects
from cisterna.services.project_edit import add_project
from cisterna.services.publish import request_publication, withdraw_version
from cisterna.services.reprocess import Reprocessing, request_reprocess
from cisterna.web.decision import take_decision
from cisterna.web.parts import WebParts
from cisterna.web.signed import ApiPerson, Parts
from cisterna.web.wording import say

router = APIRouter(prefix="/api/v1", tags=["v1"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Me(BaseModel):
    """Who asks."""

    name: str
    full_name: str
    grants: tuple[Grant, ...]


class DecisionBody(_Body):
    """A decision. `evidence_digest` is the one that `show` gave: it tells what was looked at."""

    act: Act
    reason: str = Field(min_length=1, max_length=10_000)
    evidence_digest: str = Field(max_length=128)
    assignee: str | None = Field(None, max_length=100)


class AcceptedChangeBody(_Body):
    """A word on a guard. `evidence` is the guard's own: it tells what was looked at."""

    reason: str = Field(min_length=1, max_length=10_000)
    evidence: str = Field(max_length=64)


class ReprocessingBody(_Body):
    """A request for the same data again from a stage, with a model, or in a form for viewing: one of them."""

    from_stage: Stage | None = None
    model: str | None = Field(None, max_length=100)
    convert: ViewFormat | None = None
    reason: str = Field(min_length=1, max_length=10_000)


class WithdrawalBody(_Body):
    """A withdrawal, with the reason that the tombstone shows."""

    reason: str = Field(min_length=1, max_length=10_000)


class ProjectBody(_Body):
    """A new project."""

    slug: str
    title: str
    owner: str
    people: tuple[str, ...] = ()
    defaults: MetadataDefaults = MetadataDefaults()
    policy: Policy = Policy()


class DigestsBody(_Body):
    """Digests of somebody's files."""

    digests: tuple[Sha512, ...] = Field(min_length=1, max_length=2000)


class DigestsAnswer(BaseModel):
    """Which of the digests are in the archive, of what the asker may see; the others are left out.

    Attributes:
        copies: Stores that must hold a file before a source copy of it may go.
        stores: By digest, the stores with a copy that was read back lately.
    """

    copies: int
    stores: dict[str, tuple[str, ...]]


@router.get("/me")
def who_am_i(person: ApiPerson) -> Me:
    """Say whose token or session this is."""
    account = person.account
    return Me(name=account.name, full_name=account.full_name, grants=account.grants)


@router.get("/datasets")
def list_datasets(
    parts: Parts,
    person: ApiPerson,
    *,
    project: str | None = None,
    instrument: str | None = None,
    group: Group | None = None,
    words: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    offset: Annotated[int, Query(ge=0, le=100_000_000)] = 0,
) -> Sequence[Overview]:
    """List acquisitions and datasets, the latest change first; with `limit` and `offset`, a page of them."""
    return list_overviews(
        Choice(project=project, instrument=instrument, group=group, words=words),
        catalogue=parts.catalogue,
        bucket=parts.store.bucket,
        account=person.account,
        limit=limit,
        offset=offset,
    )


@router.get("/review")
def list_review(parts: Parts, person: ApiPerson) -> Sequence[Overview]:
    """List what waits for a steward: what failed first, then what waits longest."""
    return list_overviews(
        Choice(group=Group.REVIEW), catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account
    )


@router.get("/datasets/{identifier:path}")
def show_dataset(parts: Parts, person: ApiPerson, identifier: str) -> Detail:
    """Show all that is known, by the id of an acquisition, dataset or version, or by an ARK."""
    return detail_of(
        identifier,
        catalogue=parts.catalogue,
        bucket=parts.store.bucket,
        account=person.account,
        clock=parts.clock,
    )


@router.post("/versions/{version_id}/decisions", status_code=201)
def decide_on(parts: Parts, person: ApiPerson, version_id: str, body: DecisionBody) -> Version:
    """Decide on a version, as a steward of its project. To discard is for good, and withdraws what is public."""
    _require_visible(parts, person, version_id)
    return take_decision(
        parts,
        person.account,
        version_id,
        body.act,
        reason=body.reason,
        evidence_digest=body.evidence_digest,
        assignee=body.assignee,
    )


@router.post("/versions/{version_id}/reprocessing", status_code=202)
def reprocess(parts: Parts, person: ApiPerson, version_id: str, body: ReprocessingBody) -> Reprocessing:
    """Ask for the data to be processed again; nothing is overwritten."""
    _require_visible(parts, person, version_id)
    if body.model is not None and body.model not in parts.models():
        msg = f"there is no model '{body.model}'; `cisterna model list` shows those that may run"
        raise NotFound(msg, model=body.model)
    return request_reprocess(
        version_id,
        from_stage=body.from_stage,
        model=body.model,
        convert=body.convert,
        person=person.account.name,
        reason=body.reason,
        catalogue=parts.catalogue,
        clock=parts.clock,
    )


@router.post("/versions/{version_id}/publication", status_code=202)
def publish(parts: Parts, person: ApiPerson, version_id: str) -> Work | Decision:
    """Ask for a version to be made public, with the consent of who asks; under an embargo the consent is kept."""
    _require_visible(parts, person, version_id)
    return request_publication(version_id, person=person.account.name, catalogue=parts.catalogue, clock=parts.clock)


@router.post("/versions/{version_id}/revocation", status_code=201)
def revoke(parts: Parts, person: ApiPerson, version_id: str, body: WithdrawalBody) -> Decision:
    """Take back the consent to a version that is not public yet."""
    _require_visible(parts, person, version_id)
    return revoke_consent(
        version_id, person=person.account.name, reason=body.reason, catalogue=parts.catalogue, clock=parts.clock
    )


@router.post("/versions/{version_id}/withdrawal", status_code=201)
def withdraw(parts: Parts, person: ApiPerson, version_id: str, body: WithdrawalBody) -> Publication:
    """Take a publication back; a tombstone stays."""
    _require_visible(parts, person, version_id)
    return withdraw_version(
        version_id,
        person=person.account.name,
        reason=body.reason,
        catalogue=parts.catalogue,
        publisher=parts.publisher,
        clock=parts.clock,
    )


@router.get("/inbox/{work_id}")
def show_work(parts: Parts, person: ApiPerson, work_id: str) -> Work:
    """Show how far a request has come."""
    with parts.catalogue.begin() as tx:
        work = tx.inbox.get(work_id)
    if work.kind is WorkKind.ERASE:
        standing_of(work.subject, account=person.account, catalogue=parts.catalogue)
        return work
    _require_visible(parts, person, work.subject)
    return work


@router.post("/digests")
def verify_digests(parts: Parts, person: ApiPerson, body: DigestsBody) -> DigestsAnswer:
    """Say which bytes are safe in the archive. Of what the person may not see the answer is as if it were not there."""
    stores = parts.archived.stores_of(body.digests, account=person.account)
    return DigestsAnswer(copies=parts.release_copies, stores=stores)


@router.get("/projects")
def show_projects(parts: Parts, person: ApiPerson) -> Sequence[Project]:
    """List the projects whose data the person may see."""
    return list_projects(account=person.account, catalogue=parts.catalogue)


@router.post("/projects", status_code=201)
def create_project(parts: Parts, person: ApiPerson, body: ProjectBody) -> Project:
    """Add a project, as an operator."""
    project = Project.model_validate({**dict(body), "created_at": parts.clock.now()})
    return add_project(
        project,
        person=person.account.name,
        catalogue=parts.catalogue,
        clock=parts.clock,
        offered=parts.offered,
        vocabulary=parts.vocabulary,
    )


@router.get("/instruments")
def list_instruments(parts: Parts, person: ApiPerson) -> Sequence[Instrument]:
    """List instruments: all for operators, otherwise those whose acquisitions the person may see."""
    with parts.catalogue.begin() as tx:
        instruments = tx.instruments.list()
    if person.is_operator:
        return instruments
    seen = tally_instruments(catalogue=parts.catalogue, account=person.account)
    return [_nameless(one) for one in instruments if one.name in seen]


@router.post("/instruments/{name}/accepted-change", status_code=201)
def accept_mass_change(parts: Parts, person: ApiPerson, name: str, body: AcceptedChangeBody) -> Instrument:
    """Say that the runs that are gone or changed at a guarded instrument are meant to be, as an operator."""
    return accept_change(
        name,
        person=person.account.name,
        reason=body.reason,
        evidence=body.evidence,
        catalogue=parts.catalogue,
        clock=parts.clock,
    )


def _require_visible(parts: WebParts, person: ApiPerson, identifier: str) -> None:
    """Raises `NotFound` for what the person may not know of."""
    if ":v" not in identifier and not identifier.startswith(("acq-", "ds-")):
        raise InvalidInput(say("problem.422.detail", lines=identifier[:100]))
    detail_of(identifier, catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account)


def _nameless(instrument: Instrument) -> Instrument:
    """Leave out the names of runs, of which the person may not know."""
    if instrument.guard is None:
        return instrument
    return instrument.model_copy(update={"guard": instrument.guard.model_copy(update={"examples": ()})})
