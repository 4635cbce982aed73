"""Writes what a look found to the catalogue: the row, what it tells others, and the work it asks for."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import JsonValue

from cisterna.domain.acquisition import INCOMPLETE, Acquisition, AcquisitionState, Assessment, SourceState
from cisterna.domain.erasure import ERASED_TITLE, Erasure
from cisterna.domain.identifier import acquisition_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing
from cisterna.domain.work import Work, WorkKind
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Described
from cisterna.services.alert import end_alerts
from cisterna.services.erased import erasure_on
from cisterna.services.inspection import UNBOUND, Inspection, held_text, is_settled
from cisterna.services.transition import announce

ProjectResolver = Callable[[Acquisition, Described], str | None]
"""Finds the project that an acquisition belongs to, or None; see `services.project.resolve_project`."""


def record_acquisition(
    tx: Transaction, before: Acquisition | None, after: Acquisition, *, clock: Clock, may_be_kept: bool = False
) -> tuple[Acquisition, bool]:
    """Save an acquisition that changed, announce what others want to know, and request its ingest when it is due.

    A second run finds the row as it left it and writes nothing; the request has a key, so it is made once.

    Args:
        tx: All of it is written in it.
        before: The row as it was read.
        after: The row as it shall be.
        clock: Dates it.
        may_be_kept: The run is not whole and could be archived as such, if its project's policy says so.

    Returns:
        The acquisition as saved, and whether work was newly requested.

    Raises:
        Conflict: Somebody else wrote it since it was read.
    """
    if may_be_kept:
        after = _kept_as_it_is(tx, before, after)
    erased = erasure_on(tx, after.acquisition_id)
    if erased is not None:
        after = kept_out(after, erased)
    if before is not None and not differs(before, after):
        return before, request_ingest(tx, before, clock=clock)
    saved = tx.acquisitions.save(after)
    if is_settled(saved.state) and (before is None or not is_settled(before.state)):
        end_alerts(tx, saved, clock=clock)
    for name in _news(before, saved):
        announce(tx, name, saved.acquisition_id, project=saved.project, clock=clock, data=_told(before, saved))
    return saved, request_ingest(tx, saved, clock=clock)


def _kept_as_it_is(tx: Transaction, before: Acquisition | None, after: Acquisition) -> Acquisition:
    """Take a run that is not whole off its hold where the policy archives it as such, unless its ingest failed."""
    if after.project is None or not tx.projects.get(after.project).policy.archive_incomplete:
        return after
    if before is not None and (before.state, before.fingerprint) == (after.state, after.fingerprint):
        failed = before.held not in {None, UNBOUND, before.reason}
        return after.model_copy(update={"held": before.held if failed else None})
    return after.model_copy(update={"held": None})


def kept_out(seen: Acquisition, erasure: Erasure) -> Acquisition:
    """Say that a run whose data were erased is not taken in again, and keep nothing of what it says of itself."""
    told = {"held": f"its data are not taken in again: {erasure.words}", "name": ERASED_TITLE, "reason": "erased"}
    return seen.model_copy(update={**told, "end_reason": None, "progress": None, "started_at": None})


def request_ingest(tx: Transaction, acquisition: Acquisition, *, clock: Clock) -> bool:
    """Ask for the bytes of this listing to be ingested, once; tell whether that was new."""
    if not is_due(acquisition):
        return False
    now, work_id = clock.now(), clock.new_id()
    work = Work(
        work_id=work_id,
        key=f"ingest:{acquisition.acquisition_id}:{acquisition.fingerprint}",
        kind=WorkKind.INGEST,
        subject=acquisition.acquisition_id,
        parameters={"fingerprint": acquisition.fingerprint},
        fairness=acquisition.instrument,
        not_before=now,
        created_at=now,
    )
    return tx.inbox.request(work).work_id == work_id


def is_due(acquisition: Acquisition) -> bool:
    """Tell whether its bytes are to be ingested and have not been; what is not whole and not held is to be as well."""
    return (
        acquisition.state in {AcquisitionState.COMPLETE, *INCOMPLETE}
        and acquisition.project is not None
        and acquisition.held is None
        and acquisition.fingerprint != acquisition.ingested_fingerprint
    )


def source_state(acquisition: Acquisition, fingerprint: str) -> SourceState:
    """Hold what is in the landing zone now against what was archived."""
    if acquisition.ingested_fingerprint is None:
        return SourceState.PRESENT
    if acquisition.ingested_fingerprint != fingerprint:
        return SourceState.CHANGED
    if acquisition.source_state is SourceState.RELEASABLE:
        return SourceState.RELEASABLE
    return SourceState.PRESENT


def differs(before: Acquisition, after: Acquisition) -> bool:
    """Tell whether there is anything to write; that it was looked at again is not."""
    return before != after.model_copy(update={"last_seen": before.last_seen})


def first_seen(folder: str, *, instrument: Instrument, submitter: str, clock: Clock) -> Acquisition:
    """Make the row of a folder that nobody has seen before; the same folder of an instrument always has the same id."""
    now = clock.now()
    return Acquisition(
        acquisition_id=acquisition_id(instrument=instrument.name, folder=folder),
        instrument=instrument.name,
        profile=instrument.profile,
        folder=folder,
        name=folder,
        settled_since=now,
        first_seen=now,
        last_seen=now,
        submitter=submitter,
    )


def taken(fresh: Acquisition, inspection: Inspection, *, project: str | None, clock: Clock) -> Acquisition:
    """Write what a look found into the acquisition's row."""
    listing, assessment, evidence = inspection.listing, inspection.assessment, inspection.evidence
    is_complete = assessment.state is AcquisitionState.COMPLETE
    is_new = is_complete and (
        fresh.completed_at is None
        or fresh.fingerprint != listing.fingerprint
        or fresh.state is AcquisitionState.WRITING
    )
    more = {
        "project": project,
        "progress": evidence.progress,
        "end_reason": evidence.end_reason or fresh.end_reason,
        "completed_at": clock.now() if is_new else fresh.completed_at,
    }
    seen = seen_as(fresh, listing, clock=clock).model_copy(update=more)
    held = held_text(assessment, is_obstructed=bool(inspection.obstacles), project=project)
    return judged(seen, assessment, held=held or (_failure(fresh, listing) if is_complete else None))


def _failure(fresh: Acquisition, listing: Listing) -> str | None:
    """Give the hold of an ingest of these very bytes that failed: no look lifts it, for none asks for another one."""
    is_same = fresh.state is AcquisitionState.COMPLETE and fresh.fingerprint == listing.fingerprint
    return fresh.held if is_same and fresh.held != UNBOUND else None


def seen_as(fresh: Acquisition, listing: Listing, *, clock: Clock) -> Acquisition:
    """Write what the listing shows into the acquisition's row."""
    is_changed = fresh.fingerprint != listing.fingerprint
    return fresh.model_copy(
        update={
            "fingerprint": listing.fingerprint,
            "settled_since": clock.now() if is_changed else fresh.settled_since,
            "file_count": len(listing.files),
            "total_bytes": listing.total_bytes,
            "source_state": source_state(fresh, listing.fingerprint),
        }
    )


def judged(acquisition: Acquisition, assessment: Assessment, *, held: str | None) -> Acquisition:
    """Write a judgement into the acquisition's row."""
    return acquisition.model_copy(update={"state": assessment.state, "reason": assessment.reason, "held": held})


def _news(before: Acquisition | None, after: Acquisition) -> list[str]:
    if before is None:
        return ["acquisition.seen", *(["acquisition.held"] if after.held is not None else [])]
    names = []
    if (before.state, before.source_state) != (after.state, after.source_state):
        names.append("acquisition.state")
    if before.held != after.held:
        names.append("acquisition.held")
    return names


def _told(before: Acquisition | None, after: Acquisition) -> dict[str, JsonValue]:
    return {
        "acquisition_id": after.acquisition_id,
        "instrument": after.instrument,
        "profile": after.profile,
        "folder": after.folder,
        "project": after.project,
        "from": before.state.value if before is not None else None,
        "state": after.state.value,
        "source_state": after.source_state.value,
        "reason": after.reason,
        "held": after.held,
        "file_count": after.file_count,
        "total_bytes": after.total_bytes,
        "progress": after.progress,
    }
