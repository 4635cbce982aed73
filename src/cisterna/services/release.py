"""Deletes an instrument's own copy of what the archive holds: proven anew, and recorded before it begins.

`execute_release` is the one function of the product that deletes at a source.
"""

from __future__ import annotations

import json

from cisterna.domain.acquisition import Acquisition, SourceState
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import Conflict, HostileInput, NotFound, ReleaseRefused, SourceChanged
from cisterna.domain.release import Proof, Release, ReleaseState, Step, judge
from cisterna.domain.shadow import Shadow, refusal_words
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Transaction
from cisterna.services.hold import standing_holds
from cisterna.services.object_log import keep_record, log_key
from cisterna.services.release_facts import ReleaseSite, gather, require_allowed
from cisterna.services.release_record import (
    no_longer_releasable,
    record_body,
    recorded_files,
    release_event,
    tell_release,
)
from cisterna.services.transition import write_beside_others


def execute_release(release_id: str, *, lease: Attempt, site: ReleaseSite) -> Release:
    """Prove everything anew, write the deletion record, and delete: the one function that deletes at a source.

    Nothing is deleted before the record is in the object's `logs/` and the catalogue says `begun`. Killed before that,
    nothing has happened; killed after it, the second run judges again, passes over what is gone and deletes the rest
    of the recorded files and nothing else. A release that has ended is returned as it is.

    Raises:
        CouldNotCheck: Something could not be found out; nothing was deleted, or the rest stays for now.
        SourceChanged, HostileInput, ReleaseRefused: The deletion was stopped midway; the acquisition is held with the
            reason.
        LeaseLost, SourceUnavailable, StoreUnavailable, CatalogueUnavailable: As said there; the next attempt goes on.
    """
    with site.catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        release = tx.releases.get(release_id)
    if not release.state.is_open:
        return release
    try:
        if release.state is ReleaseState.ANNOUNCED:
            release = _begin(release, lease=lease, site=site)
            if release.state is not ReleaseState.BEGUN:
                return release
        else:
            _require_still_allowed(release, lease=lease, site=site)
        gone = _delete(release, lease=lease, site=site)
    except (SourceChanged, HostileInput, ReleaseRefused) as stop:
        _stop(release_id, str(stop), lease=lease, site=site)
        raise
    return _finish(release, gone, lease=lease, site=site)


def _begin(release: Release, *, lease: Attempt, site: ReleaseSite) -> Release:
    """Judge on every byte, write the record, and say so in the catalogue; nothing is deleted yet."""
    case = gather(
        release.acquisition_id,
        step=Step.DELETE,
        site=site,
        announced=release,
        own_work=lease.work_id,
        keep_on=lambda: _require_lease(lease, site=site),
    )
    judgement = judge(case.facts)
    if not judgement.allows:
        if all(one.is_unknown for one in judgement.objections):
            require_allowed(judgement, release.acquisition_id)
        return _refuse(release, judgement.words, lease=lease, site=site)
    begun = release.model_copy(update={"state": ReleaseState.BEGUN, "begun_at": site.clock.now()})
    with site.catalogue.begin() as tx:
        event = release_event(tx, "release.begun", begun, person=release.person, clock=site.clock)
    body = record_body(event, begun, case, judgement)
    key = log_key(case.dataset, event)
    keep_record(key, body, store=site.store)
    proof = Proof(
        receipts=judgement.receipts,
        answers=case.facts.answers,
        rules=case.facts.rules,
        inventory_sha512=case.facts.archive.inventory_sha512 or "",
        proven_at=case.facts.now,
        record_key=key,
        record_sha512=sha512_of(body),
    )
    with site.catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        acquisition = tx.acquisitions.lock(release.acquisition_id)
        if (
            acquisition != case.facts.acquisition
            or standing_holds(tx, acquisition, case.dataset)
            or _shadow(tx, acquisition)
        ):
            msg = f"{release.acquisition_id} changed, or was held, while its release was proven; it is judged again"
            raise Conflict(msg, acquisition_id=release.acquisition_id)
        saved = tx.releases.save(begun.model_copy(update={"proof": proof}))
        marked = {"source_state": SourceState.RELEASABLE, "release": release.release_id}
        tx.acquisitions.save(acquisition.model_copy(update=marked))
        tx.outbox.append(event)
    return saved


def _require_still_allowed(release: Release, *, lease: Attempt, site: ReleaseSite) -> None:
    """Judge what is left of a deletion that was cut short: the archive may have changed since."""
    case = gather(
        release.acquisition_id,
        step=Step.RESUME,
        site=site,
        announced=release,
        proven=recorded_files(release, store=site.store),
        own_work=lease.work_id,
    )
    require_allowed(judge(case.facts), release.acquisition_id)


def _delete(release: Release, *, lease: Attempt, site: ReleaseSite) -> int:
    """Delete the recorded files, after one more look that nothing else is in the folder."""
    files = recorded_files(release, store=site.store)
    with site.catalogue.begin() as tx:
        acquisition = tx.acquisitions.get(release.acquisition_id)
        instrument = tx.instruments.get(acquisition.instrument)
        dataset = tx.datasets.get(release.dataset_id)
    zone = site.zone_of(instrument)
    zone.require_identity(instrument.identity)
    try:
        listing = zone.listing(acquisition.folder)
    except NotFound:
        return 0  # all of it is gone, and the zone is there
    foreign = sorted(listing.paths - {file.path for file in files})
    foreign += [obstacle.reason for obstacle in listing.obstacles]
    if foreign:
        msg = f"{len(foreign)} entries of {acquisition.folder} were not archived, such as {foreign[0]}; nothing goes"
        raise SourceChanged(msg, acquisition_id=acquisition.acquisition_id, paths=foreign[:100])

    def keep_on() -> None:
        with site.catalogue.begin() as tx:
            tx.inbox.require_lease(lease)
            holds, shadow = standing_holds(tx, acquisition, dataset), _shadow(tx, acquisition)
        if shadow is not None:
            msg = f"the deletion stops, the rest stays: {refusal_words(instrument.name, shadow)}"
            raise ReleaseRefused(msg, acquisition_id=acquisition.acquisition_id)
        if holds:
            msg = f"{holds[0].person} placed a hold during the deletion ({holds[0].reason}); the rest stays"
            raise ReleaseRefused(msg, acquisition_id=acquisition.acquisition_id, hold_id=holds[0].hold_id)

    return zone.delete(acquisition.folder, files, keep_on=keep_on)


def _finish(release: Release, gone: int, *, lease: Attempt, site: ReleaseSite) -> Release:
    """Record the end in the object's `logs/` and in the catalogue; killed between the two, a second file tells it."""
    ended = {"state": ReleaseState.DONE, "ended_at": site.clock.now(), "reason": None}
    done = release.model_copy(update=ended)
    with site.catalogue.begin() as tx:
        event = release_event(tx, "release.done", done, person=release.person, clock=site.clock, files_deleted=gone)
        dataset = tx.datasets.get(release.dataset_id)
    content = {
        "schema_version": 1,
        "event": event.model_dump(mode="json"),
        "dataset": dataset.model_dump(mode="json"),
        "release": done.model_dump(mode="json"),
    }
    body = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    keep_record(log_key(dataset, event), body, store=site.store)

    def write(tx: Transaction) -> Release:
        tx.inbox.require_lease(lease)
        saved = tx.releases.save(done)
        acquisition = tx.acquisitions.get(release.acquisition_id)
        after = {"source_state": SourceState.RELEASED, "release": None, "held": None}
        tx.acquisitions.save(acquisition.model_copy(update=after))
        tx.outbox.append(event)
        return saved

    return write_beside_others(write, catalogue=site.catalogue)


def _stop(release_id: str, reason: str, *, lease: Attempt, site: ReleaseSite) -> None:
    """Say on the acquisition and on the release why the rest of a source stays."""

    def write(tx: Transaction) -> None:
        tx.inbox.require_lease(lease)
        release = tx.releases.get(release_id)
        if release.state is not ReleaseState.BEGUN:
            return
        words = f"its release was stopped: {reason}"
        acquisition = tx.acquisitions.get(release.acquisition_id)
        tx.acquisitions.save(acquisition.model_copy(update={"held": words}))
        saved = tx.releases.save(release.model_copy(update={"reason": reason}))
        tell_release(tx, "release.stopped", saved, person=release.person, clock=site.clock)

    write_beside_others(write, catalogue=site.catalogue)


def _refuse(release: Release, reason: str, *, lease: Attempt, site: ReleaseSite) -> Release:
    """End a release of which nothing was deleted."""

    def write(tx: Transaction) -> Release:
        tx.inbox.require_lease(lease)
        present = tx.releases.get(release.release_id)
        if present.state is not ReleaseState.ANNOUNCED:
            return present
        ended = {"state": ReleaseState.REFUSED, "reason": reason, "ended_at": site.clock.now()}
        saved = tx.releases.save(present.model_copy(update=ended))
        no_longer_releasable(tx, release.acquisition_id)
        tell_release(tx, "release.refused", saved, person=release.person, clock=site.clock)
        return saved

    return write_beside_others(write, catalogue=site.catalogue)


def _shadow(tx: Transaction, acquisition: Acquisition) -> Shadow | None:
    """Ask anew, at every file, whether its instrument was put into shadow mode."""
    return tx.instruments.get(acquisition.instrument).in_shadow


def _require_lease(lease: Attempt, *, site: ReleaseSite) -> None:
    with site.catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
