"""Reads files once into one object: digests, metrics and previews of each, and its bytes into the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.digest import DigestAlgorithm, Sha512
from cisterna.domain.errors import (
    CatalogueUnavailable,
    CisternaError,
    IllegalTransition,
    LeaseLost,
    NoRoom,
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
from cisterna.ports.object_store import ObjectStore, ServerCopier
from cisterna.ports.profile import Profile, StagePlace
from cisterna.ports.quality import Meter, TableFile
from cisterna.ports.room import Room
from cisterna.ports.source import LandingZone
from cisterna.services.arrival import Arrivals, abort_unwanted, find_arrivals, mark_of
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.measurement import CHANNELS_PATH, CURVES_PATH, METRICS_PATH, PREVIEWS_PATH, Measurement
from cisterna.services.one_read import ReadFile, ReadPlan, read_once
from cisterna.services.pace import Pace
from cisterna.services.recover import Recovery, recover_object
from cisterna.services.room import require_room
from cisterna.services.source_record import note_ingested
from cisterna.services.staging import drop_staging, stage_files
from cisterna.services.take_ahead import TakenAhead, adopt_ahead, take_over, tell_taken_over
from cisterna.services.transition import advance, announce, write_beside_others

_ON_THE_WAY = frozenset({Stage.MEASURED, Stage.GATED, Stage.DESCRIBED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What one attempt measures with.

    Attributes:
        digest: What a new object is to be made of.
        delivered: Digests that came with the files.
        copier: Lets the store copy from the zone; None where it was not proven to.
        room: Where the bytes land; None when nobody can tell.
        places: Where and when images were taken, by path, as far as the run's files tell.
        watch, pace: Of the whole attempt, however many objects it fills.
    """

    lease: Attempt
    zone: LandingZone
    profile: Profile
    catalogue: Catalogue
    store: ObjectStore
    meter: Meter
    tables: TableFile
    clock: Clock
    image_limit_bytes: int
    readers: int
    digest: DigestAlgorithm
    delivered: DeliveredDigests
    copier: ServerCopier | None
    room: Room | None
    watch: LeaseWatch
    pace: Pace
    places: Mapping[str, StagePlace]

    def is_measured(self, path: str) -> bool:
        """Tell whether a file is to be measured."""
        return self.meter.takes(path, is_image=self.profile.is_image(path))


@dataclass(frozen=True, slots=True)
class Begun:
    """A detected version whose turn it is, and where its files come from."""

    version: Version
    dataset: Dataset
    acquisition: Acquisition
    instrument: Instrument
    siblings: tuple[Version, ...]


def begin_measuring(version_id: str, *, lease: Attempt, catalogue: Catalogue) -> Begun | Version:
    """Give what there is to be read, or the version itself when it has been.

    Raises:
        IllegalTransition: It was derived, and has no source.
        NotReady: Another version of the dataset is on its way.
    """
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        version = tx.datasets.get_version(version_id)
        if version.stage is not Stage.DETECTED:
            return version
        dataset = tx.datasets.lock(version.dataset_id)
        siblings = tuple(one for one in tx.datasets.versions(dataset.dataset_id) if one.version_id != version_id)
        _require_turn(version, siblings)
        acquisition_id = (tx.datasets.get(dataset.part_of) if dataset.part_of else dataset).acquisition_id
        if acquisition_id is None:
            msg = f"{version_id} has no acquisition to read; a derived dataset brings its own files"
            raise IllegalTransition(msg, version_id=version_id)
        acquisition = tx.acquisitions.get(acquisition_id)
        return Begun(version, dataset, acquisition, tx.instruments.get(acquisition.instrument), siblings)


def _require_turn(version: Version, siblings: Iterable[Version]) -> None:
    """One version of a dataset at a time is on its way: the OCFL version that it will be is named when it begins."""
    busy = next((one for one in siblings if one.stage in _ON_THE_WAY), None)
    if busy is not None:
        msg = f"{version.version_id} waits until {busy.label}, which is {busy.stage.value}, is archived"
        raise NotReady(msg, version_id=version.version_id, waits_for=busy.version_id)


def measure_object(begun: Begun, listing: Listing, *, means: Means) -> Version | None:
    """Read the files of one object and bring its version to `measured`; None when the archive has them already.

    What was read ahead is taken over, and its bytes are not read again. Harmless to run twice, as
    `measure.measure_version` says.
    """
    catalogue, store, lease, clock = means.catalogue, means.store, means.lease, means.clock
    recovered = recover_object(begun.dataset.dataset_id, lease=lease, catalogue=catalogue, store=store)
    inventory = recovered.held.inventory if recovered.held else None
    head = inventory.head if inventory else 0
    version = name_staging(
        begun.version, head, lease=lease, catalogue=catalogue, clock=clock, origin=begun.dataset.acquisition_id
    )
    try:
        measurement = _read(begun, version, listing, recovered, means=means)
        manifest = Manifest.of([file.entry for file in measurement.files()])
        if is_known(begun, manifest.digest):
            remove_known(version, manifest.digest, dataset=begun.dataset, means=means)
            return None
        files = {
            MANIFEST_PATH: dump_manifest(manifest, tables=means.tables),
            METRICS_PATH: measurement.metrics(tables=means.tables),
            PREVIEWS_PATH: measurement.previews(tables=means.tables),
        }
        more = {
            CURVES_PATH: measurement.curves(tables=means.tables),
            CHANNELS_PATH: measurement.channels(tables=means.tables),
        }
        files |= {path: body for path, body in more.items() if body is not None}
        staged = stage_files(version, files, dataset=begun.dataset, store=store)
        counted: dict[str, object] = {
            "manifest_digest": manifest.digest,
            "file_count": len(manifest.files),
            "total_bytes": manifest.total_bytes,
            "parts": (),
        }
        return finish(staged.model_copy(update=counted), head=head, lease=lease, catalogue=catalogue, clock=clock)
    except (CatalogueUnavailable, StoreUnavailable, SourceUnavailable, LeaseLost, NoRoom):
        raise  # what has arrived stays on record: the next attempt goes on from there
    except CisternaError as refusal:
        forget_staging(
            version,
            dataset=begun.dataset,
            lease=lease,
            catalogue=catalogue,
            store=store,
            keeps_ahead=isinstance(refusal, SourceChanged),
        )
        raise


def _read(begun: Begun, version: Version, listing: Listing, recovered: Recovery, *, means: Means) -> Measurement:
    """Read what was not read ahead, and what is not to be believed of that."""
    staging, root = version.staging or "", begun.dataset.object_root
    ahead = _ahead_of(begun, version, catalogue=means.catalogue)
    arrivals = Arrivals()
    if staging == begun.version.staging or ahead is not None:
        arrivals = find_arrivals(staging, object_root=root, sizes=recovered.sizes, store=means.store)
    require_room(means.room, wanted_bytes=_missing_bytes(listing, arrivals, staging=staging))
    inventory = recovered.held.inventory if recovered.held else None
    plan = ReadPlan(
        folder=begun.acquisition.folder,
        listing=listing,
        known={digest: paths[0] for digest, paths in inventory.manifest.items()} if inventory else {},
        object_root=root,
        staging=staging,
        token=means.clock.new_id().replace("-", ""),
        arrivals=arrivals,
        is_measured=means.is_measured,
        image_limit_bytes=means.image_limit_bytes,
        delivered=means.delivered,
        copier=means.copier,
        algorithm=inventory.algorithm if inventory else means.digest,
        readers=means.readers,
        keep_on=means.watch.look,
        pace=means.pace.take,
        taken=lambda _place, _result: None,
    )
    means.watch.begin(means.pace)
    try:
        measurement, plan = _take_over(plan, ahead, means=means)
        abort_unwanted(arrivals, plan.listing.files, object_root=root, store=means.store)
        read_once(plan, zone=means.zone, store=means.store, meter=means.meter)
    finally:
        means.watch.end()
    return measurement


def _ahead_of(begun: Begun, version: Version, *, catalogue: Catalogue) -> TakenAhead | None:
    """Give what was read ahead, if it lies in the version's staging."""
    if begun.dataset.acquisition_id is None:
        return None
    with catalogue.begin() as tx:
        ahead = tx.aheads.find(begun.dataset.acquisition_id)
        if ahead is None or ahead.staging != version.staging:
            return None
        return TakenAhead(ahead, tx.aheads.batches(ahead.acquisition_id), tx.aheads.seen(ahead.acquisition_id))


def _take_over(plan: ReadPlan, ahead: TakenAhead | None, *, means: Means) -> tuple[Measurement, ReadPlan]:
    """Begin the measurement with what was read ahead, and leave the rest to be read."""
    measurement = _measurement(plan.listing, means=means)
    if ahead is None:
        return measurement, replace(plan, taken=measurement.take)
    over = take_over(
        plan, ahead, meter=means.meter, taken=measurement.take, zone=means.zone, store=means.store, tables=means.tables
    )
    tell_taken_over(over, ahead.row.acquisition_id, lease=means.lease, catalogue=means.catalogue, clock=means.clock)
    arrivals = plan.arrivals
    if over.distrusted:
        measurement = _measurement(plan.listing, means=means)
        arrivals = replace(arrivals, finished={})
    files = plan.listing.files
    left = [place for place in range(len(files)) if place not in over.places]
    means.pace.pass_over(sum(files[place].size_bytes for place in over.places))
    rest = Listing.model_construct(files=tuple(files[place] for place in left), obstacles=())

    def take(place: int, result: ReadFile) -> None:
        measurement.take(left[place], result)

    return measurement, replace(plan, listing=rest, known=over.known, arrivals=arrivals, taken=take)


def _measurement(listing: Listing, *, means: Means) -> Measurement:
    return Measurement(
        listing,
        meter=means.meter,
        is_measured=means.is_measured,
        plane=means.profile.plane,
        places=means.places,
    )


def _missing_bytes(listing: Listing, arrivals: Arrivals, *, staging: str) -> int:
    """Count what earlier attempts have not brought; a file whose upload they began counts as there."""
    there = sum(size for path, size in arrivals.sizes.items() if path.startswith(f"{staging}/"))
    begun = sum(file.size_bytes for file in listing.files if arrivals.begun and mark_of(file) in arrivals.begun)
    return max(0, listing.total_bytes - there - begun)


def name_staging(
    version: Version, head: int, *, lease: Attempt, catalogue: Catalogue, clock: Clock, origin: str | None = None
) -> Version:
    """Put the folder on record before a byte goes there, so that the recovery knows whose it is.

    It is the one of the attempt before, if that read the same files for the same place in the object, or else the one
    that the acquisition, its `origin`, was read ahead into.
    """
    folder = f"v{head + 1}/{CONTENT}/"
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        if version.staging is not None and version.staging.startswith(folder):
            return tx.datasets.save_version(version.model_copy(update={"staged": {}}))
        root = tx.datasets.get(version.dataset_id).object_root
        adopted = adopt_ahead(tx, origin, object_root=root, folder=folder)
        staging = adopted or folder + clock.new_id().replace("-", "")
        return tx.datasets.save_version(version.model_copy(update={"staging": staging, "staged": {}}))


def forget_staging(
    version: Version,
    *,
    dataset: Dataset,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    keeps_ahead: bool = False,
) -> None:
    """Take the folder off the record and then remove it: nobody deletes what another attempt may go on from.

    Killed in between, or without the lease or the catalogue, it leaves the folder to the recovery. What was read ahead
    is kept where `keeps_ahead`: each of its files is held against its evidence when it is taken over once more.
    """

    def write(tx: Transaction) -> bool:
        tx.inbox.require_lease(lease)
        fresh = tx.datasets.get_version(version.version_id)
        if fresh.staging != version.staging:
            return False
        tx.datasets.save_version(fresh.model_copy(update={"staging": None, "staged": {}}))
        ahead = tx.aheads.find(dataset.acquisition_id) if keeps_ahead and dataset.acquisition_id else None
        if ahead is not None and ahead.staging == version.staging:
            return True
        _forget_ahead(tx, dataset, version)
        return False

    with suppress(LeaseLost, CatalogueUnavailable):
        is_kept = write_beside_others(write, catalogue=catalogue)
        if not is_kept:
            drop_staging(version, dataset=dataset, store=store)


def is_known(begun: Begun, manifest_digest: Sha512) -> bool:
    """Tell whether the newest archived version has exactly these files."""
    archived = [one for one in begun.siblings if one.is_archived]
    newest = max(archived, key=lambda one: (one.number, one.revision), default=None)
    return begun.version.cause == "acquired" and newest is not None and newest.manifest_digest == manifest_digest


def remove_known(version: Version, manifest_digest: Sha512, *, dataset: Dataset, means: Means) -> None:
    """Remove a version whose files the archive has already, and what it staged."""

    def write(tx: Transaction) -> None:
        tx.inbox.require_lease(means.lease)
        tx.datasets.remove_version(_still_ours(tx, version))
        _forget_ahead(tx, dataset, version)
        note_ingested(tx, dataset, version)
        announce(
            tx,
            "version.removed",
            version.version_id,
            project=dataset.project,
            clock=means.clock,
            data={
                "dataset_id": dataset.dataset_id,
                "version": version.label,
                "acquisition_id": dataset.acquisition_id,
                "manifest_digest": manifest_digest,
                "reason": "the archive holds exactly these bytes already",
            },
            restricted=dataset.part_of is not None,
        )

    write_beside_others(write, catalogue=means.catalogue)
    drop_staging(version, dataset=dataset, store=means.store)


def finish(version: Version, *, head: int, lease: Attempt, catalogue: Catalogue, clock: Clock) -> Version:
    """Bring a version to `measured` with what was found; `head` is the OCFL version that its object had before."""
    found = ("staged", "manifest_digest", "file_count", "total_bytes", "parts")

    def write(tx: Transaction) -> Version:
        tx.inbox.require_lease(lease)
        _require_place(tx, version, head)
        _forget_ahead(tx, tx.datasets.get(version.dataset_id), version)
        measured = _still_ours(tx, version).model_copy(update={name: getattr(version, name) for name in found})
        return advance(
            tx,
            measured,
            Stage.MEASURED,
            clock=clock,
            manifest_digest=version.manifest_digest,
            files=version.file_count,
            bytes=version.total_bytes,
        )

    return write_beside_others(write, catalogue=catalogue)


def _forget_ahead(tx: Transaction, dataset: Dataset, version: Version) -> None:
    """Forget what was read ahead into the version's folder: all that is needed of it is on the version."""
    ahead = tx.aheads.lock(dataset.acquisition_id) if dataset.acquisition_id else None
    if ahead is not None and ahead.staging == version.staging:
        tx.aheads.remove(ahead.acquisition_id)


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
