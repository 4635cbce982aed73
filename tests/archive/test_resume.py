"""An attempt goes on where the one before it ended; whoever was thought dead harms nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.s3_upload import S3Upload
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    LeaseLost,
    SourceChanged,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.fixity import Fixity
from cisterna.domain.listing import SeenFile
from cisterna.domain.progress import Progress
from cisterna.ports.source import EnteredFolder, SourceFile
from cisterna.services.arrival import find_arrivals, finished_name, mark_of, upload_name
from cisterna.services.check import check_object
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility, SetRoom

PART = 4096
MIB = 1024 * 1024
TOKEN = "0" * 32
LARGE = {"movie.avi": os.urandom(10 * PART + 5)}
MIXED = {**LARGE, "a.txt": b"small", "b.txt": b"tiny", "z.avi": os.urandom(3 * PART)}


class Killed(BaseException):
    """Stands for SIGKILL."""


class BrokenFile:
    """A file whose nth read does something."""

    def __init__(self, file: SourceFile, strike: Callable[[int], None]) -> None:
        self._file = file
        self._strike = strike
        self._reads = count(1)
        self.opened = file.opened
        self.stored = file.stored

    def readinto(self, buffer: memoryview) -> int:
        self._strike(next(self._reads))
        return self._file.readinto(buffer[:PART])

    def still(self) -> SeenFile:
        return self._file.still()


class BrokenFolder:
    """An entered folder in which something happens between two reads of one file."""

    def __init__(self, folder: EnteredFolder, *, victim: str, strike: Callable[[int], None]) -> None:
        self._folder = folder
        self._victim = victim
        self._strike = strike

    @contextmanager
    def open(self, path: str) -> Iterator[SourceFile]:
        with self._folder.open(path) as file:
            yield BrokenFile(file, self._strike) if path == self._victim else file


class BrokenZone(LandingFolder):
    """A landing folder whose entered folders are broken ones."""

    def __init__(self, path: str, *, victim: str, strike: Callable[[int], None]) -> None:
        super().__init__(path)
        self._victim = victim
        self._strike = strike

    @contextmanager
    def entered(self, folder: str) -> Iterator[EnteredFolder]:
        with super().entered(folder) as entered:
            yield BrokenFolder(entered, victim=self._victim, strike=self._strike)


@contextmanager
def broken(facility: Facility, victim: str, strike: Callable[[int], None]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Facility, "zone", BrokenZone(str(facility.landing), victim=victim, strike=strike))
        yield


def at(read: int, error: BaseException) -> Callable[[int], None]:
    def strike(number: int) -> None:
        if number == read:
            raise error

    return strike


def memory(facility: Facility) -> MemoryStore:
    assert isinstance(facility.store, MemoryStore)
    return facility.store


def interrupted(facility: Facility, error: BaseException, *, victim: str = "movie.avi", read: int = 7) -> str:
    """Measure a run of one reader until a read of the victim fails; give the version."""
    facility.readers = 1
    version = facility.detect("run").version_id
    with broken(facility, victim, at(read, error)), pytest.raises(type(error)):
        facility.measure(version, facility.lease(version))
    return version


ENDS = [
    pytest.param(Killed(), id="killed"),
    pytest.param(SourceUnavailable("the share is away"), id="share away"),
    pytest.param(StoreUnavailable("the store is away"), id="store away"),
    pytest.param(LeaseLost("another has it"), id="lease lost"),
]


@pytest.mark.parametrize("error", ENDS)
def test_a_large_file_goes_on_from_the_parts_that_arrived(facility: Facility, error: BaseException) -> None:
    facility.write("run", LARGE)
    version = interrupted(facility, error)
    before = memory(facility).calls["write"]

    receipt = facility.ingest(version)

    assert receipt is not None
    assert before == 6
    assert memory(facility).calls["write"] - before == 11 - 6
    assert memory(facility).calls["begin_upload"] == 1
    assert list(facility.store.unfinished_uploads("")) == []


def test_what_is_whole_in_the_store_is_not_sent_again(facility: Facility) -> None:
    facility.write("run", MIXED)
    version = interrupted(facility, Killed(), victim="z.avi", read=2)
    store = memory(facility)
    puts, parts = store.calls["put"], store.calls["write"]
    bodies = set(MIXED.values())
    assert bodies - set(facility.keys(version).values()) == {MIXED["z.avi"]}

    facility.measure(version, facility.lease(version))

    assert store.calls["write"] - parts == 2
    assert store.calls["put"] - puts == 4  # the mark of z.avi and three files of ours
    facility.ingest(version)
    assert bodies <= set(facility.keys(version).values())


@pytest.mark.parametrize("victim", ["movie.avi", "z.avi"])
def test_no_room_is_asked_for_what_has_arrived_or_has_begun_to(facility: Facility, victim: str) -> None:
    facility.write("run", {name: body for name, body in MIXED.items() if victim in {"z.avi", name}})
    version = interrupted(facility, Killed(), victim=victim, read=2)
    facility.room = SetRoom(free=0, reserve_bytes=0)

    assert facility.measure(version, facility.lease(version)) is not None


def test_marks_of_finished_files_are_in_no_version(facility: Facility) -> None:
    facility.write("run", MIXED)
    version = facility.detect("run").version_id

    facility.ingest(version)

    assert not [path for path in facility.keys(version) if "." in path.rsplit("/", 1)[-1] and "/content/" in path]


@pytest.mark.parametrize("error", [SourceChanged("it grew", path="movie.avi"), ValueError("a mistake of ours")])
def test_only_what_an_attempt_can_go_on_from_is_kept(facility: Facility, error: Exception) -> None:
    facility.write("run", MIXED)

    version = interrupted(facility, error)

    kept = bool(facility.keys(version)) or bool(list(facility.store.unfinished_uploads("")))
    assert kept is (facility.version(version).staging is not None)
    assert kept is not isinstance(error, SourceChanged)


def change_silently(facility: Facility, path: str, *, position: int) -> None:
    file = facility.landing / "run" / path
    status = file.stat()
    with file.open("r+b") as opened:
        opened.seek(position)
        opened.write(b"XX")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_part_that_reads_differently_now_is_sent_as_it_reads_now(facility: Facility) -> None:
    facility.write("run", LARGE)
    version = interrupted(facility, Killed())
    change_silently(facility, "movie.avi", position=5)

    receipt = facility.ingest(version)

    assert receipt is not None
    assert (facility.landing / "run/movie.avi").read_bytes() in facility.keys(version).values()


def test_a_finished_file_that_gives_other_bytes_now_is_named_and_nothing_is_kept(facility: Facility) -> None:
    facility.write("run", MIXED)
    version = interrupted(facility, Killed(), victim="z.avi", read=2)
    change_silently(facility, "movie.avi", position=9 * PART)

    with pytest.raises(ChecksumMismatch, match=r"movie\.avi was read twice and gave two digests"):
        facility.measure(version, facility.lease(version))

    assert facility.keys(version) == {}
    assert facility.version(version).staging is None
    assert facility.version(version).stage is Stage.DETECTED


def test_a_worker_that_was_thought_dead_changes_nothing_of_what_another_archived(facility: Facility) -> None:
    facility.write("run", MIXED)
    facility.readers = 1
    version = facility.detect("run").version_id
    lease = facility.lease(version)

    def overtake(number: int) -> None:
        if number == 7:
            with broken(facility, "nothing", at(0, Killed())):
                facility.ingest(version)
            facility.clock.advance(2.0)

    with broken(facility, "movie.avi", overtake), pytest.raises(CisternaError):
        facility.measure(version, lease)

    found = check_object(facility.version(version).dataset_id, catalogue=facility.catalogue, store=facility.store)
    assert (found.fixity, found.damaged, found.leftovers) == (Fixity.OK, (), ())
    assert facility.version(version).stage is Stage.VERIFIED
    assert set(MIXED.values()) <= set(facility.keys(version).values())


def test_uploads_that_nobody_can_go_on_with_are_aborted() -> None:
    store = MemoryStore()
    files = [SeenFile(path=f"{number}.avi", size_bytes=5, mtime_ns=1, inode=number) for number in range(11)]
    sizes = {f"v1/content/x/{upload_name(files[1], token=TOKEN)}": 5}
    sizes[f"v1/content/x/{finished_name(upload_name(files[1], token=TOKEN), sha512='a' * 128)}"] = 0
    sizes[f"v1/content/x/{finished_name(upload_name(files[2], token=TOKEN), sha512='a' * 128)}"] = 0
    names = [upload_name(files[number], token=token) for number, token in ((0, TOKEN), (1, "1" * 32), (10, TOKEN))]
    for name in [*names, "stranger", names[-1], upload_name(files[0], token="1" * 32)]:
        store.begin_upload(f"o/v1/content/x/{name}")
    store.begin_upload("o/v1/content/y/other")

    found = find_arrivals("v1/content/x", object_root="o", sizes=sizes, store=store)

    assert found.begun == {mark_of(files[0]): f"v1/content/x/{names[0]}"}
    assert {mark: one.sha512 for mark, one in found.finished.items()} == {mark_of(files[1]): "a" * 128}
    assert list(store.unfinished_uploads("")) == [f"o/v1/content/x/{names[0]}", "o/v1/content/y/other"]


class WatchedStore(S3Store):
    """The real store, which remembers the uploads it gave."""

    def begin_upload(self, key: str) -> S3Upload:
        self.uploads = [*getattr(self, "uploads", []), super().begin_upload(key)]
        return self.uploads[-1]

    def resume_upload(self, key: str) -> S3Upload | None:
        found = super().resume_upload(key)
        self.uploads = [*getattr(self, "uploads", []), *([found] if found else [])]
        return found


def test_on_a_real_store_a_large_file_goes_on_from_the_parts_that_arrived(
    facility: Facility, object_store: S3Store, s3_endpoint: S3Access
) -> None:
    store = WatchedStore(s3_endpoint, bucket=object_store.bucket)
    facility.store, facility.image_limit_bytes = store, MIB
    body = os.urandom(8 * MIB) + os.urandom(30 * MIB)
    facility.write("run", {"movie.avi": body})
    version = interrupted(facility, Killed(), read=20 * MIB // PART)

    receipt = facility.ingest(version)

    first, second = store.uploads
    assert receipt is not None
    assert first.sent_bytes == 16 * MIB
    assert second.sent_bytes == len(body) - 16 * MIB
    assert list(store.unfinished_uploads("")) == []
    assert body in facility.keys(version).values()
    store.close()


def test_how_far_a_reading_has_come_is_on_record_while_it_goes_on(facility: Facility) -> None:
    facility.write("run", LARGE)
    facility.readers = 1
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    told: list[object] = []

    def look(number: int) -> None:
        facility.clock.advance(2.0)
        if number == 5:
            with facility.catalogue.begin() as tx:
                told.append(tx.inbox.progress()[version])

    with broken(facility, "movie.avi", look):
        facility.measure(version, lease)

    (progress,) = told
    assert isinstance(progress, Progress)
    assert progress.total_bytes == len(LARGE["movie.avi"])
    assert 0 < progress.done_bytes < progress.total_bytes
    assert progress.bytes_per_second == pytest.approx(PART / 2.0, rel=0.5)
    with facility.catalogue.begin() as tx:
        tx.inbox.finish(lease, outcome="done")
        assert tx.inbox.progress() == {}
