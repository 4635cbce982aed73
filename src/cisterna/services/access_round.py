"""Keeps what is public to what access allows today: embargoes end, and what is restricted again goes.

Everything is found by looking, so a day on which nobody looked is made good by the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cisterna.domain.access import AccessNow, Extent, access_of
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import CisternaError, PublicationRefused
from cisterna.domain.publication import Publication
from cisterna.domain.work import WorkKind
from cisterna.ports.access import AccessLook
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicRecord, Publisher
from cisterna.ports.quality import TableFile
from cisterna.services.deposit_wish import RESTRICTED_AGAIN, want_deposits_again, withdraw_deposits
from cisterna.services.disclosure import access_now
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import Written, names_files, public_record, standing, what_is_said
from cisterna.services.publish import ended_embargo, tell_publication
from cisterna.services.work_request import request_work

_AT_ONCE = 500
_LOOKS_AT_ONCE = 100
"""So few that what is changed while a round goes on, and comes first then, does not wait long."""
_ROUND_SECONDS = 40.0
"""How long a round goes on with what changed; the next one goes on with what is left."""
_AGAIN = timedelta(seconds=50)
"""What failed is tried again by the next round, and not by this one."""


@dataclass(frozen=True)
class AccessSite:
    """What a round works with."""

    catalogue: Catalogue
    store: ObjectStore
    publisher: Publisher
    tables: TableFile
    clock: Clock
    base_url: str


class LevelledAccess(Value):
    """What a round did.

    Attributes:
        requested: Versions whose embargo has ended and whose publication was asked for.
        changed: Versions of which more is public now, or less, or nothing.
        failed: Versions that could not be brought right, each with why; the next round tries again.
        after: The last publication that was looked at; None when every one was.
    """

    requested: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    after: str | None = None


def level_access(site: AccessSite, *, after: str | None = None, most: int = 2_000) -> LevelledAccess:
    """Ask for what waited for the end of an embargo, and show of each publication what may be shown today.

    Looked at is what may have changed: the publications that hang on a project, a description or a source that somebody
    changed, and those whose embargo ends; first what must go, then what may come. Should such a change have been
    missed, it is found by a slow walk through all that stands: as many as `most`, from where the round before ended.
    A second round finds nothing to do.

    Args:
        site: Parts of the core.
        after: Where the round before ended.
        most: Publications to be looked at although nothing is known to have changed.

    Raises:
        CatalogueUnavailable: It did not answer; look again later.
    """
    requested = _request_ended(site)
    changed, failed = _look_at_changed(site)
    with site.catalogue.begin() as tx:
        walked = tx.datasets.standing_publications(after=after, limit=most)
    for start in range(0, len(walked), _AT_ONCE):
        versions = [one.version_id for one in walked[start : start + _AT_ONCE]]
        for version_id, judged in _judge(versions, site).items():
            if judged is not None and not judged.is_shown_whole and version_id not in failed:
                _show(version_id, site, changed, failed)
    last = walked[-1].publication_id if len(walked) == most else None
    return LevelledAccess(
        requested=tuple(requested), changed=tuple(dict.fromkeys(changed)), failed=tuple(failed.items()), after=last
    )


class _Judged(NamedTuple):
    """A publication that stands, and what may be public of it."""

    shown: Extent
    access: AccessNow

    @property
    def is_shown_whole(self) -> bool:
        """Whether all of it is public, as it may be: of what is less, the bucket has to be looked at as well."""
        return self.shown is self.access.extent is Extent.FILES

    @property
    def may_wait(self) -> bool:
        """Whether more may be shown, and nothing has to go."""
        return self.shown is not self.access.extent and self.shown.is_within(self.access.extent)


def _look_at_changed(site: AccessSite) -> tuple[list[str], dict[str, str]]:
    """Carry out the looks that are due, as many as there is time for; the next round goes on with what is left."""
    changed: list[str] = []
    failed: dict[str, str] = {}
    until = site.clock.monotonic() + _ROUND_SECONDS
    while site.clock.monotonic() < until:
        with site.catalogue.begin() as tx:
            spread = tx.access.spread(now=site.clock.now())
        if spread:
            continue
        with site.catalogue.begin() as tx:
            looks = tx.access.due(now=site.clock.now(), limit=_LOOKS_AT_ONCE)
        if not looks:
            break
        judged = _judge([one.version_id for one in looks], site)
        done = []
        for look in looks:
            if site.clock.monotonic() >= until:
                break
            done.append((look, _looked(look, judged.get(look.version_id), site, changed, failed)))
        with site.catalogue.begin() as tx:
            tx.access.settle(done)
    return changed, failed


def _looked(
    look: AccessLook, judged: _Judged | None, site: AccessSite, changed: list[str], failed: dict[str, str]
) -> AccessLook | None:
    """Bring one right, and say when it is to be looked at again; None when no day is known."""
    if judged is None:
        return None
    if judged.may_wait and not look.waits:
        return look._replace(waits=True)
    has_failed = look.version_id in failed  # and left a mark before it did
    if has_failed or (not judged.is_shown_whole and not _show(look.version_id, site, changed, failed)):
        return look._replace(due_at=site.clock.now() + _AGAIN)
    day = judged.access.changes_on
    return None if day is None else look._replace(due_at=datetime(day.year, day.month, day.day, tzinfo=UTC), waits=True)


def _show(version_id: str, site: AccessSite, changed: list[str], failed: dict[str, str]) -> bool:
    """Bring one right and note what came of it; tell whether it went well. One that fails keeps no other waiting."""
    try:
        if show_what_may_be_shown(version_id, site=site) is not None:
            changed.append(version_id)
    except CisternaError as refusal:
        failed[version_id] = f"{refusal.code}: {refusal}"
        return False
    return True


def _judge(version_ids: Sequence[str], site: AccessSite) -> dict[str, _Judged | None]:
    """Say of many publications at once what stands and what may; None of what stands no longer."""
    day = site.clock.now().date()
    judged: dict[str, _Judged | None] = dict.fromkeys(version_ids)
    with site.catalogue.begin() as tx:
        standing_now = tx.datasets.publications_of(version_ids)
        said = tx.access.said([one.partition(":")[0] for one in version_ids])
    for publication in standing_now:
        version_id = publication.version_id
        dataset, *sources = said[version_id.partition(":")[0]]
        version = next((one for one in dataset.versions if one.version_id == version_id), None)
        if version is not None and publication.withdrawn_at is None:
            judged[version_id] = _Judged(publication.extent, access_of(version, dataset, sources, day=day))
    return judged


def show_what_may_be_shown(version_id: str, *, site: AccessSite) -> Publication | None:
    """Bring one publication to what access allows now; None when it is so already, or nothing stands.

    To show less, the catalogue says so first, then the record is replaced; to show more it is the other way round. What
    is wanted of places outside is said in the same transaction. A kill in between is seen by the next run: what is not
    public in full is held against its record in the bucket.

    Raises:
        ChecksumMismatch, ObjectInvalid, ObjectNotFound: The archived object is not what it was.
        StoreUnavailable: A store did not answer.
    """
    with site.catalogue.begin() as tx:
        found = _state(tx, version_id, site)
    if found is None or _is_level(found, site):
        return None
    if found.access.extent is not Extent.FILES:
        with site.catalogue.begin() as tx:
            tx.datasets.lock(found.dataset.dataset_id)  # who withdraws it waits, or is seen
            now = _state(tx, version_id, site)
            if now is None or now.access != found.access:
                return None  # it changed meanwhile: the next round sees how
            tx.public_index.withdraw(now.dataset.pid, now.version.label, clock=site.clock)
            if not now.publication.extent.is_within(now.access.extent):
                _say(tx, now, now.access.extent, site)
                withdraw_deposits(  # so does what was carried outside
                    tx,
                    now.dataset.dataset_id,
                    version_id=version_id,
                    reason=RESTRICTED_AGAIN,
                    keeps_description=now.access.extent is Extent.METADATA,
                    clock=site.clock,
                )
    try:
        record, lacking = _written(found, site)
    except PublicationRefused:
        shown = site.publisher.find(found.dataset.pid, version=found.version.label)
        if shown is not None and not shown.extent.is_within(found.access.extent):
            site.publisher.withdraw(_nothing(found, shown, site))  # what cannot be shown in part is not left as a whole
        raise
    with site.catalogue.begin() as tx:
        tx.datasets.lock(found.dataset.dataset_id)
        again = _state(tx, version_id, site)
        if again is None or again.access != found.access:
            return None
        if record.extent is Extent.NOTHING:
            site.publisher.withdraw(record)
        else:
            site.publisher.publish(record)
        changed = _say(tx, again, record.extent, site, lacking=lacking)
        if not record.extent.is_within(again.publication.extent):
            want_deposits_again(
                tx, again.dataset.dataset_id, version_id=version_id, extent=record.extent, clock=site.clock
            )
        tx.public_index.put([entry_of(record, base_url=site.base_url)], clock=site.clock)  # last: others wait from here
    return changed


@dataclass(frozen=True)
class _State:
    """A publication that stands, and what may be public of it."""

    version: Version
    dataset: Dataset
    publication: Publication
    access: AccessNow


def _state(tx: Transaction, version_id: str, site: AccessSite) -> _State | None:
    publication = standing(tx.datasets.publications(version_id))
    if publication is None:
        return None
    version = tx.datasets.get_version(version_id)
    dataset = tx.datasets.get(version.dataset_id)
    return _State(version, dataset, publication, access_now(tx, version, dataset, clock=site.clock))


def _is_level(found: _State, site: AccessSite) -> bool:
    """Tell whether catalogue and, of what is not public in full, the bucket say what may be said today."""
    if found.publication.extent is not found.access.extent:
        return False
    if found.access.extent is Extent.FILES:
        return True
    record = site.publisher.find(found.dataset.pid, version=found.version.label)
    if record is None or record.extent is not found.access.extent:
        return False
    until = found.access.embargo_until.isoformat() if found.access.embargo_until else None
    said = (record.metadata.get("access"), record.metadata.get("embargo_until"))
    is_same = said == (found.access.access.value, until) and not names_files(record.metadata)
    return record.extent is Extent.NOTHING or is_same


def _say(
    tx: Transaction, found: _State, extent: Extent, site: AccessSite, *, lacking: dict[str, str] | None = None
) -> Publication:
    """Record how much is public and which forms it lacks, and tell the former once."""
    said = found.publication
    changed = said.model_copy(update={"extent": extent, "lacking": said.lacking if lacking is None else lacking})
    if changed != said:
        tx.datasets.put_publication(changed)
    if changed.extent is not said.extent:
        tell_publication(tx, "publication.changed", changed, found.version, found.dataset, clock=site.clock)
    return changed


def _nothing(found: _State, shown: PublicRecord | None, site: AccessSite) -> PublicRecord:
    """Tell nothing of it but its identifiers: a DOI leads here for ever, and there is none but this one."""
    return PublicRecord(
        pid=found.dataset.pid,
        dataset_id=found.dataset.dataset_id,
        version=found.version.label,
        title=found.dataset.pid,
        extent=Extent.NOTHING,
        metadata={},
        doi=shown.doi if shown else None,
        doi_leads_here=shown is not None and shown.doi_leads_here,
        published_at=found.publication.published_at,
        withdrawn_at=site.clock.now(),
        tombstone=RESTRICTED_AGAIN,
    )


def _written(found: _State, site: AccessSite) -> Written:
    shown = site.publisher.find(found.dataset.pid, version=found.version.label)
    if found.access.extent is Extent.NOTHING:
        return Written(_nothing(found, shown, site), {})
    with site.catalogue.begin() as tx:
        said = what_is_said(tx, found.version, found.dataset, access=found.access)
    record, lacking = public_record(
        said,
        store=site.store,
        tables=site.tables,
        base_url=site.base_url,
        published_at=found.publication.published_at,
        doi=shown.doi if shown else None,
    )
    if shown is None:
        return Written(record, lacking)
    is_narrower = record.extent is not Extent.FILES
    kept = {"doi_leads_here": shown.doi_leads_here, "elsewhere": () if is_narrower else shown.elsewhere}
    return Written(record.model_copy(update=kept), lacking)


def _request_ended(site: AccessSite) -> list[str]:
    """Ask for the publication of what somebody agreed to before its embargo ended; the same end asks once."""
    requested = []
    with site.catalogue.begin() as tx:
        agreed = tx.datasets.agreed_versions()
        said = tx.access.said([one.dataset_id for one in agreed])
    for version in agreed:
        dataset_said, *sources = said[version.dataset_id]
        its = next((one for one in dataset_said.versions if one.version_id == version.version_id), None)
        if its is None or access_of(its, dataset_said, sources, day=site.clock.now().date()).ended is None:
            continue
        with site.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
            ended = ended_embargo(tx, version, dataset, clock=site.clock)
            key = f"publish:{version.version_id}:embargo:{ended}"
            if ended is None or any(work.key == key for work in tx.inbox.list(subject=version.version_id)):
                continue
            request_work(tx, WorkKind.PUBLISH, version.version_id, key=key, clock=site.clock)
            requested.append(version.version_id)
    return requested
