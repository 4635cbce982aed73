"""Reads a complete acquisition once: digests, metrics and previews of every file, and its bytes into the store."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import (
    CatalogueUnavailable,
    CisternaError,
    HostileInput,
    IllegalTransition,
    LeaseLost,
    NotReady,
    SourceChanged,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing
from cisterna.domain.manifest import Manifest
from cisterna.domain.ocfl import CONTENT
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.profile import Profile
from cisterna.ports.quality import ImageMeter, TableFile
from cisterna.ports.source import LandingZone
from cisterna.services.arrival import Arrivals, find_arrivals
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.inspection import too_many_files
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.look import FolderLook
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH, Measurement
from cisterna.services.one_read import ReadPlan, read_once
from cisterna.services.pace import Pace
from cisterna.services.recover import recover_object
from cisterna.services.source_record import note_ingested
from cisterna.services.staging import drop_staging, stage_files
from cisterna.services.transition import advance, announce, write_beside_others

_ON_THE_WAY = frozenset({Stage.MEASURED, Stage.GATED, Stage.DESCRIBED})


def measure_version(
    version_id: str,
    *,
    lease: Attempt,
    zone: LandingZone,
    profile: Profile,
    catalogue: Catalogue,
    store: ObjectStore,
    meter: ImageMeter,
    tables: TableFile,
    clock: Clock,
    image_limit_bytes: int = 256 * 1024 * 1024,
    readers: int = 4,
    digest: DigestAlgorithm = DIGEST_ALGORITHM,
) -> Version | None:
    """Bring a detected version to `measured`, or remove it when the archive has its bytes already (then None).

    `digest` is what a new object is to be made of; one that is there stays with what it was begun with.

    Harmless to run twice: a second run reads every file again, goes on in the folder of the first and sends what has
    not arrived there; a version that is measured already is returned as it is.

    Raises:
        ChecksumMismatch: Files are not what came with them says; nothing stays staged, and the acquisition is held.
        SourceChanged: A file is not what it was when the acquisition was declared complete; nothing stays staged.
        ChecksumMismatch: A file that did not change gave other bytes than before; nothing stays staged.
        NotReady: Another version of the dataset is on its way into the archive; try again later.
        SourceUnavailable, StoreUnavailable, CatalogueUnavailable, LeaseLost: As said there.
    """
    begun = _begin(version_id, lease=lease, catalogue=catalogue)
    if isinstance(begun, Version):
        return begun
    listing = _frozen_listing(begun, zone=zone)
    recovered = recover_object(begun.dataset.dataset_id, lease=lease, catalogue=catalogue, store=store)
    inventory = recovered.held.inventory if recovered.held else None
    head = inventory.head if inventory else 0
    version = _name_staging(begun.version, head, lease=lease, catalogue=catalogue, clock=clock)
    staging = version.staging or ""
    arrivals = Arrivals()
    if staging == begun.version.staging:
        root = begun.dataset.object_root
        arrivals = find_arrivals(staging, object_root=root, sizes=recovered.sizes, store=store)
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    limits = begun.instrument.bandwidth
    pace = Pace(
        limits,
        instrument=begun.instrument.name,
        total_bytes=listing.total_bytes,
        clock=clock,
        keep_on=watch.look,
    )
    measurement = Measurement(listing, meter=meter, is_image=profile.is_image, plane=profile.plane)
    plan = ReadPlan(
        folder=begun.acquisition.folder,
        listing=listing,
        known={digest: paths[0] for digest, paths in inventory.manifest.items()} if inventory else {},
        object_root=begun.dataset.object_root,
        staging=staging,
        token=clock.new_id().replace("-", ""),
        arrivals=arrivals,
        is_image=profile.is_image,
        image_limit_bytes=image_limit_bytes,
        delivered=profile.delivered(
            FolderLook(begun.acquisition.folder, listing, zone, begun.instrument.settings),
        ),
        algorithm=inventory.algorithm if inventory else digest,
        readers=readers,
        keep_on=watch.look,
        pace=pace.take,
        taken=measurement.take,
    )
    try:
        watch.begin(pace)
        try:
            read_once(plan, zone=zone, store=store, meter=meter)
        finally:
            watch.end()
        manifest = Manifest.of([file.entry for file in measurement.files()])
        if _is_known(begun, manifest):
            _remove(version, manifest, lease=lease, catalogue=catalogue, clock=clock)
            drop_staging(version, dataset=begun.dataset, store=store)
            return None
        files = {
            MANIFEST_PATH: dump_manifest(manifest, tables=tables),
            METRICS_PATH: measurement.metrics(tables=tables),
            PREVIEWS_PATH: measurement.previews(tables=tables),
        }
        staged = stage_files(version, files, dataset=begun.dataset, store=store)
        return _finish(staged, manifest, head=head, lease=lease, catalogue=catalogue, clock=clock)
    except (CatalogueUnavailable, StoreUnavailable, SourceUnavailable, LeaseLost):
        raise  # what has arrived stays on record: the next attempt goes on from there
    except CisternaError:
        _forget_staging(version, dataset=begun.dataset, lease=lease, catalogue=catalogue, store=store)
        raise


@dataclass(frozen=True, slots=True)
class _Begun:
    version: Version
    dataset: Dataset
    acquisition: Acquisition
    instrument: Instrument
    siblings: tuple[Version, ...]


def _begin(version_id: str, *, lease: Attempt, catalogue: Catalogue) -> _Begun | Version:
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        version = tx.datasets.get_version(version_id)
        if version.stage is not Stage.DETECTED:
            return version
        dataset = tx.datasets.lock(version.dataset_id)
        siblings = tuple(one for one in tx.datasets.versions(dataset.dataset_id) if one.version_id != version_id)
        _require_turn(version, siblings)
        if dataset.acquisition_id is None:
            msg = f"{version_id} has no acquisition to read; a derived dataset brings its own files"
            raise IllegalTransition(msg, version_id=version_id)
        acquisition = tx.acquisitions.get(dataset.acquisition_id)
        return _Begun(version, dataset, acquisition, tx.instruments.get(acquisition.instrument), siblings)


def _require_turn(version: Version, siblings: Iterable[Version]) -> None:
    """One version of a dataset at a time is on its way: the OCFL version that it will be is named when it begins."""
    busy = next((one for one in siblings if one.stage in _ON_THE_WAY), None)
    if busy is not None:
        msg = f"{version.version_id} waits until {busy.label}, which is {busy.stage.value}, is archived"
        raise NotReady(msg, version_id=version.version_id, waits_for=busy.version_id)


def _frozen_listing(begun: _Begun, *, zone: LandingZone) -> Listing:
    acquisition = begun.acquisition
    zone.require_identity(begun.instrument.identity)
    listing = zone.listing(acquisition.folder)
    if listing.obstacles:
        raise HostileInput(listing.obstacles[0].reason, path=listing.obstacles[0].shown)
    if listing.fingerprint != begun.version.source_fingerprint:
        msg = (
            f"{acquisition.folder} is not what it was when it was declared complete: it has {len(listing.files)} files "
            f"with {listing.total_bytes} bytes now; it is looked at again when it rests"
        )
        raise SourceChanged(msg, acquisition_id=acquisition.acquisition_id)
    too_many = too_many_files(len(listing.files))
    if too_many is not None:
        msg = f"{acquisition.folder} cannot be archived: {too_many}"
        raise HostileInput(msg, acquisition_id=acquisition.acquisition_id)
    if not listing.files:
        msg = f"{acquisition.folder} holds no files; there is nothing to archive"
        raise SourceChanged(msg, acquisition_id=acquisition.acquisition_id)
    return listing


def _name_staging(version: Version, head: int, *, lease: Attempt, catalogue: Catalogue, clock: Clock) -> Version:
    """Put the folder on record before a byte goes there, so that the recovery knows whose it is.

    It is the one of the attempt before, if that read the same files for the same place in the object.
    """
    folder = f"v{head + 1}/{CONTENT}/"
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        if version.staging is not None and version.staging.startswith(folder):
            return tx.datasets.save_version(version.model_copy(update={"staged": {}}))
        staging = folder + clock.new_id().replace("-", "")
        return tx.datasets.save_version(version.model_copy(update={"staging": staging, "staged": {}}))


def _forget_staging(
    version: Version, *, dataset: Dataset, lease: Attempt, catalogue: Catalogue, store: ObjectStore
) -> None:
    """Take the folder off the record and then remove it: nobody deletes what another attempt may go on from.

    Killed in between, or without the lease or the catalogue, it leaves the folder to the recovery.
    """

    def write(tx: Transaction) -> None:
        tx.inbox.require_lease(lease)
        fresh = tx.datasets.get_version(version.version_id)
        if fresh.staging == version.staging:
            tx.datasets.save_version(fresh.model_copy(update={"staging": None, "staged": {}}))

    with suppress(LeaseLost, CatalogueUnavailable):
        write_beside_others(write, catalogue=catalogue)
        drop_staging(version, dataset=dataset, store=store)


def _is_known(begun: _Begun, manifest: Manifest) -> bool:
    archived = [one for one in begun.siblings if one.is_archived]
    newest = max(archived, key=lambda one: (one.number, one.revision), default=None)
    return begun.version.cause == "acquired" and newest is not None and newest.manifest_digest == manifest.digest


def _remove(version: Version, manifest: Manifest, *, lease: Attempt, catalogue: Catalogue, clock: Clock) -> None:
    def write(tx: Transaction) -> None:
        tx.inbox.require_lease(lease)
        dataset = tx.datasets.get(version.dataset_id)
        tx.datasets.remove_version(_still_ours(tx, version))
        note_ingested(tx, dataset, version)
        announce(
            tx,
            "version.removed",
            version.version_id,
            project=dataset.project,
            clock=clock,
            data={
                "dataset_id": dataset.dataset_id,
                "version": version.label,
                "acquisition_id": dataset.acquisition_id,
                "manifest_digest": manifest.digest,
                "reason": "the archive holds exactly these bytes already",
            },
        )

    write_beside_others(write, catalogue=catalogue)


def _finish(
    version: Version, manifest: Manifest, *, head: int, lease: Attempt, catalogue: Catalogue, clock: Clock
) -> Version:
    def write(tx: Transaction) -> Version:
        tx.inbox.require_lease(lease)
        _require_place(tx, version, head)
        measured = _still_ours(tx, version).model_copy(
            update={
                "staged": version.staged,
                "manifest_digest": manifest.digest,
                "file_count": len(manifest.files),
                "total_bytes": manifest.total_bytes,
            }
        )
        return advance(
            tx,
            measured,
            Stage.MEASURED,
            clock=clock,
            manifest_digest=manifest.digest,
            files=len(manifest.files),
            bytes=manifest.total_bytes,
        )

    return write_beside_others(write, catalogue=catalogue)


def _still_ours(tx: Transaction, version: Version) -> Version:
    """Read the version again, with what others noted on it; refuse when it was opened anew, for other files."""
    fresh = tx.datasets.get_version(version.version_id)
    if fresh.staging != version.staging:
        msg = f"{version.version_id} was opened anew while it was read; it is read anew"
        raise NotReady(msg, version_id=version.version_id)
    return fresh


def _require_place(tx: Transaction, version: Version, head: int) -> None:
    """Refuse when another version of the dataset came between: it will take, or took, the same OCFL version."""
    tx.datasets.lock(version.dataset_id)
    siblings = [one for one in tx.datasets.versions(version.dataset_id) if one.version_id != version.version_id]
    _require_turn(version, siblings)
    if any((one.ocfl_version or 0) > head for one in siblings):
        msg = f"{version.version_id} was overtaken by another version while it was read; it is read anew"
        raise NotReady(msg, version_id=version.version_id)
