"""The one read: each source byte passes by once, and digest, metrics, preview and upload share it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cisterna.domain.delivered import DeliveredDigests, Tally, disagreement
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import ChecksumMismatch, PreconditionFailed, SourceChanged
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry, source_path_base64
from cisterna.ports.object_store import ObjectStore, ServerCopier, SourceObject, Upload
from cisterna.ports.quality import Meter, Reading, Spool
from cisterna.ports.source import EnteredFolder, LandingZone, SourceFile
from cisterna.services.arrival import Arrivals, finished_name, mark_of, upload_name
from cisterna.services.crew import GivenUp, work_through
from cisterna.services.guarded_meter import GuardedMeter

READ_BYTES = 8 * 1024 * 1024
"""Most that is read of a large file at a time, while what was read before is digested.

Each piece costs the digesting thread a wait for the interpreter, which other threads hold for milliseconds.
"""
OWN_BUFFER_BYTES = 16 * 1024 * 1024
"""Largest buffer that a reader keeps; larger files take theirs from what all readers share."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What became of one file: its entry of the manifest and, for an image, what was measured."""

    entry: FileEntry
    reading: Reading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """What to read, and where its bytes go.

    Attributes:
        folder: Of the acquisition, in its landing zone.
        known: Content path by digest of what the object holds already.
        staging: Content folder of the version, relative to the object's root.
        token: 32 hex digits that nobody has used: they name the large files that this run begins.
        arrivals: What earlier attempts brought there.
        is_measured: Tells which paths are to be measured.
        image_limit_bytes: Larger ones of these are streamed, and not measured unless into a spool; other files are from
            16 MiB on.
        delivered: Digests that came with the files, to be compared in the same read.
        copier: Lets the store copy the files instead of being sent them; None where it was not proven to.
        algorithm: What the object is made of; its digest is made in the same read, beside the manifest's.
        readers: Threads.
        keep_on: Called before each file and each piece of a large one; raises when the attempt must stop.
        pace: Told of bytes before they are read; returns when they may be.
        taken: Called with the place in the listing and the result of each file, by one thread at a time.
    """

    folder: str
    listing: Listing
    known: Mapping[str, str]
    object_root: str
    staging: str
    token: str
    arrivals: Arrivals
    is_measured: Callable[[str], bool]
    image_limit_bytes: int
    delivered: DeliveredDigests
    copier: ServerCopier | None
    algorithm: DigestAlgorithm
    readers: int
    keep_on: Callable[[], None]
    pace: Callable[[int], None]
    taken: Callable[[int, ReadFile], None]


def read_once(plan: ReadPlan, *, zone: LandingZone, store: ObjectStore, meter: Meter) -> None:
    """Read every file of the listing once, and put what is new into the store.

    Memory is bounded: 16 MiB a reader, together as much again as the largest image, and the buffers of the store's
    uploads; a file whose reader has to seek in it goes to the meter's spool on the way, and is measured from there.
    A large file is digested while its parts are on their way, and the next one while the last parts of the one
    before are. Uploads are completed as soon as their file is read, into a folder that no version has until the
    root inventory names it: holding completions until the commit would make an earlier version's object no less
    invalid meanwhile, since small files lie there too, and would stake days of waiting on the store's patience.

    However it ends, what has arrived stays, for the next attempt or for who drops the folder.

    Raises:
        SourceChanged: A file is not what was listed, before or after it was read, or when it was to be copied.
        ChecksumMismatch: Files do not have the digests that came with them (all are read and all of them named), a
            large file gave other bytes than to an earlier attempt, though nothing says that it changed, or the store
            says of a copy that it has another size or checksum than what was read.
        NotFound, HostileInput, SourceUnavailable: As the landing zone says.
        StoreUnavailable: As the store says. In every case all readers have stopped when this raises.
    """
    _Reading(plan, zone, store, meter).run()


class _Budget:
    """Bytes that readers may hold together; one request always goes through, however large."""

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, size_bytes: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size_bytes <= self._total)
            self._taken += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size_bytes
                self._changed.notify_all()


class _Reading:
    """One run over a listing by several readers."""

    def __init__(self, plan: ReadPlan, zone: LandingZone, store: ObjectStore, meter: Meter) -> None:
        self._plan = plan
        self._zone = zone
        self._store = store
        self._meter = GuardedMeter(meter)
        self._placed = dict(plan.known)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._entered = ExitStack()
        self._budget = _Budget(plan.image_limit_bytes)
        self._wrong: dict[str, str] = {}
        self._largest_whole = min(OWN_BUFFER_BYTES, plan.image_limit_bytes)

    def run(self) -> None:
        files = enumerate(self._plan.listing.files)
        with self._entered:
            work_through(files, self._reader, workers=self._plan.readers, stop=self._stop)
        if self._wrong:
            paths = sorted(self._wrong)
            told = "; ".join(f"{path}: {self._wrong[path]}" for path in paths[:3])
            msg = (
                f"{len(paths)} files of {self._plan.folder} are not what came with them says ({told}); "
                "copy them again from where they were made, or mend the checksum file"
            )
            raise ChecksumMismatch(msg, paths=paths[:100], reasons=[self._wrong[path] for path in paths[:100]])

    def _reader(self) -> Callable[[tuple[int, SeenFile]], None]:
        """Give one reader its own way into the folder, and a buffer, which grows to the largest file that fits."""
        with self._lock:
            folder = self._entered.enter_context(self._zone.entered(self._plan.folder))
        buffer = bytearray()

        def read(item: tuple[int, SeenFile]) -> None:
            nonlocal buffer
            index, file = item
            self._plan.keep_on()
            if len(buffer) < file.size_bytes <= OWN_BUFFER_BYTES:
                buffer = bytearray(file.size_bytes)
            result = self._read(file, folder, memoryview(buffer))
            with self._lock:
                self._plan.taken(index, result)

        return read

    def _read(self, file: SeenFile, folder: EnteredFolder, own: memoryview) -> ReadFile:
        with folder.open(file.path) as source:
            require_same(file, source.opened)
            is_measured = self._plan.is_measured(file.path)
            place = self._meter.spool(file.path, size_bytes=file.size_bytes) if is_measured else None
            if place is not None:
                with place as spool:
                    return self._spooled(file, source, own, spool)
            if file.size_bytes > (self._plan.image_limit_bytes if is_measured else self._largest_whole):
                return self._stream(file, source, is_measured=is_measured)
            self._plan.pace(file.size_bytes)
            if file.size_bytes <= OWN_BUFFER_BYTES:
                return self._whole(file, source, own[: file.size_bytes], is_measured=is_measured)
            with self._budget.take(file.size_bytes):
                return self._whole(file, source, memoryview(bytearray(file.size_bytes)), is_measured=is_measured)

    def _spooled(self, file: SeenFile, source: SourceFile, own: memoryview, spool: Spool) -> ReadFile:
        """Read a file whose bytes go on to its own reader as well; that one never sees the source."""
        if file.size_bytes > self._largest_whole:
            entry = self._streamed(file, source, spool)
        else:
            self._plan.pace(file.size_bytes)
            body = own[: file.size_bytes]
            entry = self._whole(file, source, body, is_measured=False).entry
            spool.write(body)
        return ReadFile(entry, spool.read(keep_on=self._go_on))

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise GivenUp
        self._plan.keep_on()

    def _whole(self, file: SeenFile, source: SourceFile, body: memoryview, *, is_measured: bool) -> ReadFile:
        if _fill(source, body) != file.size_bytes:
            raise _changed(file, "it is shorter than it was")
        require_same(file, source.still())
        delivered = self._plan.delivered.get(file.path, {})
        tally = Tally({DIGEST_ALGORITHM, self._plan.algorithm, *delivered})
        tally.update(body)
        found = tally.found
        digest = found["sha512"]
        self._compare(file, delivered, found)
        # Sending goes through the kernel and pushes the bytes out of the processor's cache, so measuring comes first.
        reading = self._meter.read(body, path=file.path) if is_measured else None
        content_path, is_new = self._place(digest, f"{self._plan.staging}/{digest[:40]}")
        if is_new:
            with _as_it_was_read(file):
                self._put(content_path, body, stored=source.stored)
        return ReadFile(self._entry(file, found, content_path), reading)

    def _put(self, content_path: str, body: memoryview, *, stored: SourceObject | None) -> None:
        """See that the store has a file: what an attempt before sent there was verified, what it copied perhaps not."""
        key, copier = f"{self._plan.object_root}/{content_path}", self._plan.copier
        has_arrived = self._plan.arrivals.sizes.get(content_path) == len(body)
        if copier is None or stored is None or len(body) < copier.least_bytes:
            if not has_arrived:
                self._store.put(key, body)
        elif not (has_arrived and copier.holds(key, body)):
            copier.put(key, body, source=stored)

    def _compare(self, file: SeenFile, delivered: Mapping[str, str], found: Mapping[str, str]) -> None:
        wrong = disagreement(delivered, found)
        if wrong is not None:
            with self._lock:
                self._wrong[file.path] = wrong

    def _stream(self, file: SeenFile, source: SourceFile, *, is_measured: bool) -> ReadFile:
        entry = self._streamed(file, source)
        reading = None
        if is_measured:
            limit = self._plan.image_limit_bytes
            reading = Reading(
                unmeasured=f"not measured: {file.size_bytes} bytes are more than measure.image_limit_bytes, {limit}"
            )
        return ReadFile(entry, reading)

    def _streamed(self, file: SeenFile, source: SourceFile, spool: Spool | None = None) -> FileEntry:
        finished = self._plan.arrivals.finished.get(mark_of(file))
        if finished is None:
            found, content_path = self._bring(file, source, spool)
        else:
            found = self._digest(file, source, spool=spool)
            _require_digest(file, finished.sha512, found["sha512"])
            content_path, _ = self._place(found["sha512"], finished.content_path)
        return self._entry(file, found, content_path)

    def _bring(self, file: SeenFile, source: SourceFile, spool: Spool | None) -> tuple[dict[str, str], str]:
        """Upload a large file, or what of it has not arrived; give its digests and where it lies."""
        path, upload = self._open_upload(file, source.stored)
        try:
            with _as_it_was_read(file):
                found = self._digest(file, source, upload, spool)
                digest = found["sha512"]
                content_path, is_new = self._place(digest, path)
                if is_new:
                    upload.complete()
            if is_new:
                self._store.put(f"{self._plan.object_root}/{finished_name(path, sha512=digest)}", b"")
            else:
                upload.abort()
        except BaseException:
            upload.leave()
            raise
        return found, content_path

    def _open_upload(self, file: SeenFile, stored: SourceObject | None) -> tuple[str, Upload]:
        begun = self._plan.arrivals.begun.get(mark_of(file))
        if begun is not None:
            resumed = self._resume(f"{self._plan.object_root}/{begun}", stored)
            if resumed is not None:
                return begun, resumed
        path = f"{self._plan.staging}/{upload_name(file, token=self._plan.token)}"
        key = f"{self._plan.object_root}/{path}"
        if self._plan.copier is None or stored is None:
            return path, self._store.begin_upload(key)
        return path, self._plan.copier.begin_upload(key, source=stored)

    def _resume(self, key: str, stored: SourceObject | None) -> Upload | None:
        if self._plan.copier is None or stored is None:
            return self._store.resume_upload(key)
        return self._plan.copier.resume_upload(key, source=stored)

    def _digest(
        self, file: SeenFile, source: SourceFile, upload: Upload | None = None, spool: Spool | None = None
    ) -> dict[str, str]:
        """Read a large file piece by piece, straight into the upload's buffers where there is one.

        A piece is digested by another thread while the next ones are read, as far ahead as the upload lends buffers.
        """
        delivered = self._plan.delivered.get(file.path, {})
        tally, size_bytes = Tally({DIGEST_ALGORITHM, self._plan.algorithm, *delivered}), 0
        own = memoryview(bytearray(0 if upload else READ_BYTES))
        with ThreadPoolExecutor(1, thread_name_prefix="digest") as digester:
            while True:
                rest = upload.room() if upload else own
                room = rest[:READ_BYTES]
                self._go_on()
                self._plan.pace(max(0, min(len(room), file.size_bytes - size_bytes)))
                count = _fill(source, room)
                if count == 0:
                    break
                size_bytes += count
                digesting = digester.submit(tally.update, room[:count])
                if spool:
                    spool.write(room[:count])
                if upload:
                    upload.fill(count, after=digesting)
                else:
                    digesting.result()
        if size_bytes != file.size_bytes:
            raise _changed(file, f"{size_bytes} bytes were read")
        require_same(file, source.still())
        found = tally.found
        self._compare(file, delivered, found)
        return found

    def _entry(self, file: SeenFile, found: Mapping[str, str], content_path: str) -> FileEntry:
        return FileEntry(
            path=file.path,
            size_bytes=file.size_bytes,
            sha512=found["sha512"],
            modified=_moment(file.mtime_ns),
            content_path=content_path,
            source_path_base64=source_path_base64(file.path),
            delivered=self._plan.delivered.get(file.path, {}),
            sha256=found["sha256"] if self._plan.algorithm == "sha256" else None,
        )

    def _place(self, digest: str, wanted: str) -> tuple[str, bool]:
        """Tell where bytes with that digest go, and whether it is this reader that has to bring them there."""
        with self._lock:
            is_new = digest not in self._placed
            return self._placed.setdefault(digest, wanted), is_new


def _fill(source: SourceFile, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer):
        count = source.readinto(buffer[filled:])
        if count == 0:
            break
        filled += count
    return filled


def require_same(file: SeenFile, now: SeenFile) -> None:
    """Raises `SourceChanged` when anything that a look shows of a file is not as it was listed."""
    for name, label in (("size_bytes", "size"), ("mtime_ns", "modification time"), ("inode", "inode")):
        before, found = getattr(file, name), getattr(now, name)
        if before != found:
            raise _changed(file, f"its {label} was {before} and is {found}")


@contextmanager
def _as_it_was_read(file: SeenFile) -> Iterator[None]:
    """Say it in the words of a reading when the store would not copy what was read, because it is no more."""
    try:
        yield
    except PreconditionFailed as other:
        raise _changed(
            file, "another object was written to its key, or it was deleted, before it was copied"
        ) from other


def _require_digest(file: SeenFile, before: str, now: str) -> None:
    if before != now:
        msg = (
            f"{file.path} was read twice and gave two digests, {before[:16]}... and {now[:16]}..., though its size, "
            "time and inode are the same: look at the disk or share it lies on, then reprocess the acquisition"
        )
        raise ChecksumMismatch(msg, path=file.path, expected=before, found=now)


def _changed(file: SeenFile, how: str) -> SourceChanged:
    msg = f"{file.path} changed since the acquisition was declared complete: {how}; it is looked at again when it rests"
    return SourceChanged(msg, path=file.path)


def _moment(mtime_ns: int) -> datetime | None:
    """Give the time to the microsecond, or None for one that no calendar has: an instrument may set anything."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=mtime_ns // 1000)
    except OverflowError:
        return None
