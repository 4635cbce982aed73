"""The one way by which a version changes its stage: the row and the event that tells of it, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import JsonValue

from cisterna.domain.access import Extent, SaidOfDataset, SaidOfVersion, access_of
from cisterna.domain.dataset import Dataset, Stage, Version, require_transition
from cisterna.domain.errors import Conflict
from cisterna.domain.event import Event
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock

T = TypeVar("T")
_TRIES = 5


def write_beside_others(write: Callable[[Transaction], T], *, catalogue: Catalogue) -> T:
    """Run a transaction, and run it again when somebody else wrote a row between its reading and its writing.

    Args:
        write: Reads all that it changes itself, so that running it again is a fresh start.
        catalogue: Where it runs.

    Raises:
        Conflict: It happened five times in a row.
    """
    for _ in range(_TRIES - 1):
        try:
            with catalogue.begin() as tx:
                return write(tx)
        except Conflict:
            continue
    with catalogue.begin() as tx:
        return write(tx)


def advance(tx: Transaction, version: Version, to: Stage, *, clock: Clock, **data: JsonValue) -> Version:
    """Move a version to the next stage, with whatever else has changed in `version`.

    Args:
        tx: Both the row and its event are written in it.
        version: The version as read, with its other fields already as they shall be.
        to: The stage it comes to.
        clock: Dates the change.
        data: More of the event's content.

    Raises:
        IllegalTransition: The stage does not follow the present one.
        Conflict: The version changed since it was read.
    """
    require_transition(version.stage, to, version_id=version.version_id)
    before, now = version.stage, clock.now()
    saved = tx.datasets.save_version(version.model_copy(update={"stage": to, "stage_at": now}))
    dataset = tx.datasets.get(version.dataset_id)
    content: dict[str, JsonValue] = {"from": before.value, "reason": version.reason, **data}
    _tell_stage(tx, saved, dataset, content, clock=clock)
    return saved


def announce_opened(
    tx: Transaction,
    version: Version,
    dataset: Dataset,
    *,
    clock: Clock,
    restricted: bool = False,
    **data: JsonValue,
) -> None:
    """Tell that a version was opened: the event of its first stage.

    Args:
        tx: The version was added in it.
        version: As added.
        dataset: Of the version.
        clock: Dates the event.
        restricted: Whether what it is made from is.
        data: More of the event's content.
    """
    content: dict[str, JsonValue] = {"from": None, "reason": version.cause, "submitter": version.submitter, **data}
    _tell_stage(tx, version, dataset, content, clock=clock, restricted=restricted)


def _tell_stage(
    tx: Transaction,
    version: Version,
    dataset: Dataset,
    content: dict[str, JsonValue],
    *,
    clock: Clock,
    restricted: bool = False,
) -> None:
    facts: dict[str, JsonValue] = {
        "dataset_id": dataset.dataset_id,
        "version": version.label,
        "acquisition_id": dataset.acquisition_id,
        "instrument": dataset.instrument,
        "project": dataset.project,
        "stage": version.stage.value,
        "verdict": version.verdict.value if version.verdict else None,
    }
    announce(
        tx,
        "version.stage",
        version.version_id,
        project=dataset.project,
        clock=clock,
        data=facts | content,
        restricted=restricted,
        version=version,
    )


def announce(
    tx: Transaction,
    name: str,
    subject: str,
    *,
    project: str | None,
    clock: Clock,
    data: dict[str, JsonValue],
    restricted: bool = False,
    version: Version | None = None,
) -> Event:
    """Append an event; see `make_event` for what it takes."""
    event = make_event(
        tx, name, subject, project=project, clock=clock, data=data, restricted=restricted, version=version
    )
    tx.outbox.append(event)
    return event


def make_event(
    tx: Transaction,
    name: str,
    subject: str,
    *,
    project: str | None,
    clock: Clock,
    data: dict[str, JsonValue],
    restricted: bool = False,
    version: Version | None = None,
) -> Event:
    """Make an event without appending it.

    It is restricted unless its project is known and open, and neither the version that it is about (the subject), nor a
    newer description of it, nor what it was made from, nor the caller says otherwise.

    Args:
        tx: What the event tells of is written in it.
        name: One of `EVENT_NAMES`.
        subject: Id of the thing it is about.
        project: The thing's.
        clock: Dates it.
        data: Its content.
        restricted: Whether the caller knows it to be.
        version: The subject, where the caller has it at hand.
    """
    is_inside = restricted or project is None or _is_restricted(tx, subject, project, version, clock=clock)
    return Event(
        event_id=clock.new_id(), name=name, subject=subject, occurred_at=clock.now(), restricted=is_inside, data=data
    )


def _is_restricted(tx: Transaction, subject: str, project: str, version: Version | None, *, clock: Clock) -> bool:
    """Ask once for all that decides: this is asked for every event."""
    dataset_id, _, label = subject.partition(":")
    if not label or not subject.startswith("ds-"):
        return tx.projects.get(project).is_restricted
    dataset, *sources = tx.access.said([dataset_id])[dataset_id]
    claims = dataset.project
    if claims is None or claims.slug != project:
        claims = tx.projects.get(project)
    if claims.is_restricted or (version is not None and version.is_restricted):
        return True
    said = next((one for one in dataset.versions if one.version_id == subject), None)
    return said is not None and (said.is_restricted or _is_kept_inside(said, dataset, sources, clock=clock))


def _is_kept_inside(
    said: SaidOfVersion, dataset: SaidOfDataset, sources: Sequence[SaidOfDataset], *, clock: Clock
) -> bool:
    if said.said is not None:  # a newer description and what it was made from may allow less than it says itself
        return access_of(said, dataset, sources, day=clock.now().date()).extent is not Extent.FILES
    # Not described yet: what it is made from speaks for it, and what cannot be found does not say that it is open.
    if any(one.kind == "IsPartOf" for one in dataset.relations):
        return True  # what its whole is becomes known last
    known = {one.version_id: one for source in sources for one in source.versions}
    wanted = [f"{one.dataset_id}:{one.version}" for one in dataset.relations if one.kind == "IsDerivedFrom"]
    return any(one not in known or known[one].is_restricted for one in wanted)
