"""Reads a complete acquisition once: digests, metrics and previews of every file, and its bytes into the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from cisterna.domain.dataset import Version
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import HostileInput, SourceChanged
from cisterna.domain.listing import Listing
from cisterna.domain.ocfl import MOST_FILES
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore, ServerCopier
from cisterna.ports.profile import FilePlanes, Look, Profile, StagePlace, TellsPlaces, TellsPlanes
from cisterna.ports.quality import MeasuresPlanes, Meter, MeterChoice, TableFile
from cisterna.ports.room import Room
from cisterna.ports.source import LandingZone
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.look import FolderLook
from cisterna.services.measure_object import Begun, Means, begin_measuring, measure_object
from cisterna.services.measure_parts import measure_parts
from cisterna.services.pace import Pace
from cisterna.services.take_ahead import await_reader, disown_ahead


def measure_version(
    version_id: str,
    *,
    lease: Attempt,
    zone: LandingZone,
    profile: Profile,
    catalogue: Catalogue,
    store: ObjectStore,
    meters: MeterChoice,
    tables: TableFile,
    clock: Clock,
    image_limit_bytes: int = 256 * 1024 * 1024,
    readers: int = 4,
    digest: DigestAlgorithm = DIGEST_ALGORITHM,
    most_files: int = MOST_FILES,
    room: Room | None = None,
    copier: ServerCopier | None = None,
    wait: Callable[[float], object] = time.sleep,
) -> Version | None:
    """Bring a detected version to `measured`, or remove it when the archive has its bytes already (then None).

    `digest` is what a new object is to be made of; one that is there stays with what it was begun with. A run of more
    than `most_files` is brought into parts, each verified before the version names them. Nothing is read of an object
    that has no `room`. What was read ahead is taken over, once whoever reads ahead has stopped. With a `copier` the
    store copies what was read, and is not sent it.

    Harmless to run twice: a second run reads every file again, goes on in the folder of the first and sends what has
    not arrived there; a version that is measured already is returned as it is.

    Raises:
        ChecksumMismatch: Files are not what came with them says; nothing stays staged, and the acquisition is held.
        SourceChanged: A file is not what it was when the acquisition was declared complete; nothing stays staged.
        ChecksumMismatch: A file that did not change gave other bytes than before, or a copy of the store's has others
            than were read; nothing stays staged.
        NotReady: Another version of the dataset is on its way into the archive; try again later.
        NoRoom: What has not arrived yet would leave too little free; nothing was read.
        SourceUnavailable, StoreUnavailable, CatalogueUnavailable, LeaseLost: As said there.
    """
    begun = begin_measuring(version_id, lease=lease, catalogue=catalogue)
    if isinstance(begun, Version):
        return begun
    listing = _frozen_listing(begun, zone=zone)
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    await_reader(begun.acquisition.acquisition_id, catalogue=catalogue, keep_on=watch.look, wait=wait)
    pace = Pace(
        begun.instrument.bandwidth,
        instrument=begun.instrument.name,
        total_bytes=listing.total_bytes,
        clock=clock,
        keep_on=watch.look,
    )
    look = FolderLook(begun.acquisition.folder, listing, zone, begun.instrument.settings)
    planes = profile.planes(look) if isinstance(profile, TellsPlanes) else {}
    means = Means(
        lease=lease,
        zone=zone,
        profile=profile,
        catalogue=catalogue,
        store=store,
        meter=_meter(meters.of_run(begun.dataset.data_type, look), planes),
        tables=tables,
        clock=clock,
        image_limit_bytes=image_limit_bytes,
        readers=readers,
        digest=digest,
        delivered=profile.delivered(look),
        copier=copier,
        room=room,
        watch=watch,
        pace=pace,
        places=_places(profile, look, planes),
    )
    if len(listing.files) > most_files:
        disown_ahead(begun.acquisition.acquisition_id, lease=lease, catalogue=catalogue)
        return measure_parts(begun, listing, means=means, most_files=most_files)
    return measure_object(begun, listing, means=means)


def _meter(meter: Meter, planes: Mapping[str, FilePlanes]) -> Meter:
    """Have planes measured apart, where the profile tells which is which and the meter can."""
    return meter.of_planes(planes) if planes and isinstance(meter, MeasuresPlanes) else meter


def _places(profile: Profile, look: Look, planes: Mapping[str, FilePlanes]) -> Mapping[str, StagePlace]:
    """Give where and when images were taken; of a file of planes its first one, from which the run's time counts."""
    found = dict(profile.places(look)) if isinstance(profile, TellsPlaces) else {}
    for path, told in planes.items():
        taken = [one.taken for one in told.pages if one is not None and one.taken is not None]
        timed = [place for place in taken if place.seconds is not None]
        if told.is_of_run and timed:
            found[path] = min(timed, key=lambda place: place.seconds or 0.0)
    return found


def _frozen_listing(begun: Begun, *, zone: LandingZone) -> Listing:
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
    if not listing.files:
        msg = f"{acquisition.folder} holds no files; there is nothing to archive"
        raise SourceChanged(msg, acquisition_id=acquisition.acquisition_id)
    return listing
