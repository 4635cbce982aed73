"""Keeps what is public to what access allows today: embargoes end, and what is restricted again goes.

Everything is found by looking, so a day on which nobody looked is made good by the next look.
"""

from __future__ import annotations

from dataclasses import dataclass

from cisterna.domain.access import AccessNow, Extent
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import CisternaError, PublicationRefused
from cisterna.domain.publication import Publication
from cisterna.domain.work import WorkKind
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicRecord, Publisher
from cisterna.ports.quality import TableFile
from cisterna.services.deposit_wish import want_deposits_again, withdraw_deposits
from cisterna.services.disclosure import access_now, public_relations
from cisterna.services.part_table import held_parts
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import Written, names_files, public_record, related_public, standing
from cisterna.services.publish import ended_embargo, tell_publication
from cisterna.services.work_request import request_work

RESTRICTED_AGAIN = "Access to it is restricted at present."
"""For the public to read, in the place of what was there: it tells nothing of what is not public."""


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

    What is public in part, or not at present, is always looked at; of all else as many as `most`, from where the round
    before ended. A second round finds nothing to do.

    Args:
        site: Parts of the core.
        after: Where the round before ended.
        most: Publications that are public in full to be looked at.

    Raises:
        CatalogueUnavailable: It did not answer; look again later.
    """
    requested = _request_ended(site)
    changed: list[str] = []
    failed: list[tuple[str, str]] = []
    with site.catalogue.begin() as tx:
        partly = tx.datasets.standing_publications(whole=False)
        wholly = tx.datasets.standing_publications(whole=True, after=after, limit=most)
    for one in (*partly, *wholly):
        try:
            if show_what_may_be_shown(one.version_id, site=site) is not None:
                changed.append(one.version_id)
        except CisternaError as refusal:  # it keeps no other waiting
            failed.append((one.version_id, f"{refusal.code}: {refusal}"))
    last = wholly[-1].publication_id if len(wholly) == most else None
    return LevelledAccess(requested=tuple(requested), changed=tuple(changed), failed=tuple(failed), after=last)


def show_what_may_be_shown(version_id: str, *, site: AccessSite) -> Publication | None:
    """Bring one publication to what access allows now; None when it is so already, or nothing stands.

    To show less, the catalogue says so first, then the record is replaced; to show more it is the other way round. A
    kill in between is seen by the next run: what is not public in full is held against its record in the bucket.

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
            _say(tx, now, now.access.extent, site)
            tx.public_index.withdraw(now.dataset.pid, now.version.label, clock=site.clock)
            if not now.publication.extent.is_within(now.access.extent):  # so does what was carried outside
                dataset_id = now.dataset.dataset_id
                withdraw_deposits(tx, dataset_id, version_id=version_id, reason=RESTRICTED_AGAIN, clock=site.clock)
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
            want_deposits_again(tx, again.dataset.dataset_id, version_id=version_id, clock=site.clock)
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
    version, dataset = found.version, found.dataset
    shown = site.publisher.find(dataset.pid, version=version.label)
    if found.access.extent is Extent.NOTHING:
        return Written(_nothing(found, shown, site), {})
    with site.catalogue.begin() as tx:
        related, parts = related_public(tx, dataset), held_parts(tx, version)
        named = public_relations(tx, version)
    record, lacking = public_record(
        version,
        dataset,
        parts,
        store=site.store,
        tables=site.tables,
        related=related,
        named=named,
        access=found.access,
        doi=shown.doi if shown else None,
        published_at=found.publication.published_at,
        address=f"{site.base_url.rstrip('/')}/{dataset.pid}",
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
    for version in agreed:
        with site.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
            ended = ended_embargo(tx, version, dataset, clock=site.clock)
            key = f"publish:{version.version_id}:embargo:{ended}"
            if ended is None or any(work.key == key for work in tx.inbox.list(subject=version.version_id)):
                continue
            request_work(tx, WorkKind.PUBLISH, version.version_id, key=key, clock=site.clock)
            requested.append(version.version_id)
    return requested
