"""Reads files that have settled of a run that is still written, and brings their bytes into staging.

Nothing of it is a version of anything: no inventory is written, no dataset opened, and nobody sees more than how far it
has come. The folder is the one that the version's staging will be, in the object that the dataset will have; the ingest
takes over what is the same then as it was when it was read (see `take_ahead`), and reads the rest.

What a round brings is on record batch by batch, in this order: the files' bytes, the table of what was found, the row
that names the table. Killed anywhere, a round leaves what the next one goes on from, or reads a batch's files again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.ahead import Ahead, AheadBatch, AheadState
from cisterna.domain.digest import DigestAlgorithm, sha512_of
from cisterna.domain.errors import CisternaError, HostileInput, NotFound, SourceChanged
from cisterna.domain.identifier import Arks, dataset_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.ocfl import CONTENT, object_root
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.profile import Profile, TellsStretches
from cisterna.ports.quality import Meter, MeterChoice, TableFile
from cisterna.ports.room import Room
from cisterna.ports.source import LandingZone
from cisterna.services.ahead_request import may_be_read_ahead, request_ahead
from cisterna.services.ahead_table import dump_ahead, meter_names
from cisterna.services.arrival import Arrivals, find_arrivals
from cisterna.services.early import tell_settled_early
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.look import FolderLook
from cisterna.services.one_read import ReadFile, ReadPlan, read_once
from cisterna.services.pace import Pace
from cisterna.services.recover import list_object
from cisterna.services.room import require_room
from cisterna.services.settled import in_batches, is_same, left_alone, unchanged

Measured = Callable[[Acquisition, Sequence[ReadFile]], None]
"""Told of the images of a batch, each with its path, its reading and its preview, once the batch is on record.

It may be told of the same image again, after a kill or a change, and of none that a kill came before. What it raises
ends the round; the batch stays on record.
"""

LOOKS_APART_SECONDS = 5.0
ROUND_SECONDS = 60.0
BATCH_FILES, BATCH_BYTES = 256, 512 * 1024 * 1024
_REST_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_GAVE_WAY = timedelta(seconds=10)
_MIB = 1024 * 1024


def tell_nobody(acquisition: Acquisition, images: Sequence[ReadFile]) -> None:
    """Be the `Measured` that does nothing."""
    del acquisition, images


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadMeans:
    """What a round reads ahead with.

    Attributes:
        digest: What a new object is to be made of.
        most_files: Of one object: a run that is planned larger, or has become so, is read at its end, in parts.
        arks: Make the dataset's.
        measured: Told of the images of each batch.
        gives_way: Tells whether something else waits for this worker; asked once a second.
        wait: Sleeps so many seconds.
    """

    zone: LandingZone
    profile: Profile
    catalogue: Catalogue
    store: ObjectStore
    meters: MeterChoice
    tables: TableFile
    clock: Clock
    image_limit_bytes: int
    readers: int
    digest: DigestAlgorithm
    most_files: int
    room: Room | None
    arks: Arks
    measured: Measured = tell_nobody
    gives_way: Callable[[], bool] = lambda: False
    wait: Callable[[float], object] = time.sleep


def read_ahead(acquisition_id: str, *, lease: Attempt, means: AheadMeans) -> str:
    """Read what has settled and was not read, for a minute at most, and say in words what came of it.

    A second run finds what the first one put on record and reads the rest. It stops within a second when the run is not
    written any more or something else waits for this worker, and asks for another round where something is left.

    Raises:
        NoRoom: A batch would leave too little free.
        SourceUnavailable, StoreUnavailable, CatalogueUnavailable, LeaseLost: As said there; what is on record stays.
        ChecksumMismatch: A large file gave other bytes than to an earlier round, though nothing says that it changed.
    """
    return _Round(acquisition_id, lease, means).run()


class _Stopped(Exception):
    """The round ends before its files do."""


@dataclass
class _Round:
    """One round under way."""

    acquisition_id: str
    lease: Attempt
    means: AheadMeans
    files: int = 0
    bytes: int = 0
    stopped: str = ""
    _next_look: float = 0.0
    _acquisition: Acquisition = field(init=False)
    _instrument: Instrument = field(init=False)
    _ahead: Ahead = field(init=False)
    _meter: Meter = field(init=False)
    _arrivals: Arrivals = field(default_factory=Arrivals)

    def __post_init__(self) -> None:
        self._watch = LeaseWatch(self.lease, catalogue=self.means.catalogue, clock=self.means.clock)
        self._until = self.means.clock.monotonic() + ROUND_SECONDS

    def run(self) -> str:
        if not self._may_begin():
            return "it is not written any more, or not to be read ahead; nothing was read"
        try:
            files, known = self._settled()
        except _Stopped as stop:
            self.stopped = str(stop)
            self._ask_again()
            return f"{stop}; nothing was read ahead"
        if not files:
            return "nothing has settled that was not read"
        if not self._open():
            return "it goes its way to the archive already; nothing was read ahead"
        left = self._read_all(files, known)
        self._close(is_clean=not self.stopped)
        if left:
            self._ask_again()
        more = f"; {left} files wait for another round" if left else ""
        why = f"; {self.stopped}" if self.stopped else ""
        return f"{self.files} files, {self.bytes / _MIB:,.1f} MiB, were read ahead{more}{why}"

    def _may_begin(self) -> bool:
        with self.means.catalogue.begin() as tx:
            tx.inbox.require_lease(self.lease)
            self._acquisition = tx.acquisitions.get(self.acquisition_id)
            self._instrument = tx.instruments.get(self._acquisition.instrument)
            return may_be_read_ahead(self._acquisition, self._instrument)

    def _settled(self) -> tuple[list[SeenFile], dict[str, SeenFile]]:
        """Look twice, and give the files that were left alone, are the same, and were not read as they are now.

        Beside them, those that were read ahead before, as they were then.
        """
        profile, zone, folder = self.means.profile, self.means.zone, self._acquisition.folder
        zone.require_identity(self._instrument.identity)
        first = zone.listing(folder)
        if not isinstance(profile, TellsStretches) or first.obstacles:
            return [], {}
        with self.means.catalogue.begin() as tx:
            writing = tx.writings.find(self.acquisition_id)
            known = dict(tx.aheads.seen(self.acquisition_id))
        planned = (writing.expected_files or 0) if writing else 0
        if max(planned, len(first.files)) > self.means.most_files:
            self._drop()
            raise _Stopped(_TOO_MANY)
        look = FolderLook(folder, first, zone, self._instrument.settings)
        self._meter = self.means.meters.of(profile.describe(look).data_type)
        left = left_alone(profile.stretches(look))
        wanted = [one for one in first.files if one.path in left and not is_same(known.get(one.path), one)]
        if not wanted:
            return [], known
        self._rest(LOOKS_APART_SECONDS)
        same = unchanged(first, zone.listing(folder))
        return [one for one in wanted if one.path in same], known

    def _open(self) -> bool:
        """Put the folder on record before the first byte goes there, and look what a round that died left in it."""
        dataset, clock = dataset_id(origin=self.acquisition_id), self.means.clock
        pid = self.means.arks.of(dataset)
        fresh = Ahead(
            acquisition_id=self.acquisition_id,
            pid=pid,
            object_root=object_root(pid),
            staging=f"v1/{CONTENT}/{clock.new_id().replace('-', '')}",
            touched_at=clock.now(),
        )
        with self.means.catalogue.begin() as tx:
            tx.inbox.require_lease(self.lease)
            before = tx.aheads.add(fresh)
            if before.state is not AheadState.OPEN:
                return False
            self._ahead = before.model_copy(update={"is_reading": True})
            tx.aheads.save(self._ahead)
        if before.is_reading:
            self._arrivals = find_arrivals(
                before.staging,
                object_root=before.object_root,
                sizes=list_object(before.object_root, store=self.means.store),
                store=self.means.store,
            )
        return True

    def _read_all(self, files: Sequence[SeenFile], known: dict[str, SeenFile]) -> int:
        """Read batch after batch; give how many files are left for another round."""
        total = sum(file.size_bytes for file in files)
        pace = Pace(
            self._instrument.bandwidth,
            instrument=self._instrument.name,
            total_bytes=total,
            clock=self.means.clock,
            keep_on=self._keep_on,
            wait=self.means.wait,
        )
        left = len(files)
        self._watch.begin(pace)
        try:
            for batch in in_batches(files, most_files=BATCH_FILES, most_bytes=BATCH_BYTES):
                if self.stopped or self.means.clock.monotonic() > self._until:
                    break
                left -= self._read(batch, known, pace)
        finally:
            self._watch.end()
        return left

    def _read(self, batch: tuple[SeenFile, ...], known: dict[str, SeenFile], pace: Pace) -> int:
        """Read a batch and put it on record; a file that changes meanwhile is left for another round."""
        done = 0
        while batch and not self.stopped:
            require_room(self.means.room, wanted_bytes=sum(file.size_bytes for file in batch))
            found: dict[int, ReadFile] = {}
            moved: str | None = None
            try:
                self._read_once(batch, found, pace)
            except _Stopped as stop:
                self.stopped = str(stop)
            except (SourceChanged, NotFound, HostileInput) as change:
                moved = _named(change, batch)
            read = [(file, found[index]) for index, file in enumerate(batch) if index in found]
            if read and not self._record(read, known):
                self.stopped = _COMPLETE
                break
            done += len(read)
            batch = tuple(one for index, one in enumerate(batch) if index not in found and one.path != moved)
        return done

    def _read_once(self, batch: tuple[SeenFile, ...], found: dict[int, ReadFile], pace: Pace) -> None:
        means, profile = self.means, self.means.profile
        awaited = profile.later_digests if isinstance(profile, TellsStretches) else frozenset()
        plan = ReadPlan(
            folder=self._acquisition.folder,
            listing=Listing.model_construct(files=batch, obstacles=()),
            known={},
            object_root=self._ahead.object_root,
            staging=self._ahead.staging,
            token=means.clock.new_id().replace("-", ""),
            arrivals=self._arrivals,
            is_measured=lambda path: self._meter.takes(path, is_image=profile.is_image(path)),
            image_limit_bytes=means.image_limit_bytes,
            delivered={},
            copier=None,  # what is read ahead is sent, wherever it lies
            algorithm="sha256" if "sha256" in awaited else means.digest,
            readers=means.readers,
            keep_on=self._keep_on,
            pace=pace.take,
            taken=found.__setitem__,
        )
        read_once(plan, zone=means.zone, store=means.store, meter=self._meter)

    def _record(self, read: Sequence[tuple[SeenFile, ReadFile]], known: dict[str, SeenFile]) -> bool:
        """Put a batch on record; False when the ingest has taken over, and the batch is nobody's."""
        means = self.means
        body = dump_ahead(read, meter=meter_names(self._meter.names), tables=means.tables)
        digest = sha512_of(body)
        path = f"{self._ahead.staging}/ahead-{digest[:40]}"
        means.store.put(f"{self._ahead.object_root}/{path}", body)
        early = [seen.path for seen, _ in read if seen.path in known]
        with means.catalogue.begin() as tx:
            tx.inbox.require_lease(self.lease)
            ahead = tx.aheads.lock(self.acquisition_id)
            if ahead is None or (ahead.state, ahead.staging) != (AheadState.OPEN, self._ahead.staging):
                return False
            batch = AheadBatch(
                acquisition_id=self.acquisition_id,
                number=ahead.batches + 1,
                content_path=path,
                sha512=digest,
                seen=tuple(seen for seen, _ in read),
            )
            self._add(tx, ahead, batch, known)
            if early:
                tell_settled_early(tx, self._acquisition, early, clock=means.clock)
        known.update({seen.path: seen for seen, _ in read})
        images = tuple(result for _, result in read if result.reading is not None)
        if images:
            means.measured(self._acquisition, images)
        return True

    def _add(self, tx: Transaction, ahead: Ahead, batch: AheadBatch, known: dict[str, SeenFile]) -> None:
        before = [known[one.path] for one in batch.seen if one.path in known]
        size_bytes = sum(one.size_bytes for one in batch.seen)
        tx.aheads.add_batch(batch)
        changed: dict[str, object] = {
            "batches": batch.number,
            "files": ahead.files + len(batch.seen) - len(before),
            "bytes": ahead.bytes + size_bytes - sum(one.size_bytes for one in before),
            "again": ahead.again + len(before),
            "touched_at": self.means.clock.now(),
        }
        tx.aheads.save(ahead.model_copy(update=changed))
        self.files += len(batch.seen)
        self.bytes += size_bytes

    def _close(self, *, is_clean: bool) -> None:
        """Say that the round ended in peace; one that was stopped may have left a large file half way up."""
        with self.means.catalogue.begin() as tx:
            tx.inbox.require_lease(self.lease)
            ahead = tx.aheads.lock(self.acquisition_id)
            if is_clean and ahead is not None and ahead.state is AheadState.OPEN:
                tx.aheads.save(ahead.model_copy(update={"is_reading": False}))

    def _drop(self) -> None:
        """Give up what was read ahead: no part takes its bytes from the folder of another object."""
        with self.means.catalogue.begin() as tx:
            tx.inbox.require_lease(self.lease)
            ahead = tx.aheads.lock(self.acquisition_id)
            if ahead is not None and ahead.state is AheadState.OPEN:
                tx.aheads.save(ahead.model_copy(update={"state": AheadState.DROPPING}))

    def _ask_again(self) -> None:
        if self.stopped in {_COMPLETE, _TOO_MANY}:
            return
        clock = self.means.clock
        with self.means.catalogue.begin() as tx:
            tx.inbox.require_lease(self.lease)
            later = clock.now() + _GAVE_WAY if self.stopped else None
            request_ahead(tx, self._acquisition, sign=self.lease.run_id, not_before=later, clock=clock)

    def _rest(self, seconds: float) -> None:
        for _ in range(round(seconds / _REST_SECONDS)):
            self._keep_on()
            self.means.wait(_REST_SECONDS)

    def _keep_on(self) -> None:
        """Raises `LeaseLost`, or `_Stopped` where the run has come to its end or somebody waits for this worker."""
        self._watch.look()
        now = self.means.clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        with self.means.catalogue.begin() as tx:
            state = tx.acquisitions.get(self.acquisition_id).state
        if state is not AcquisitionState.WRITING:
            raise _Stopped(_COMPLETE)
        if self.means.gives_way():
            raise _Stopped("it gave way to other work")


_COMPLETE = "it is not written any more"
_TOO_MANY = "it has, or will have, more files than one object takes, and is read at its end, in parts"


def _named(change: CisternaError, batch: Sequence[SeenFile]) -> str:
    """Tell which file of the batch changed; raises the error again where it does not say."""
    said = str(change.facts.get("path", ""))
    for file in batch:
        if said == file.path or said.endswith(f"/{file.path}"):
            return file.path
    raise change
