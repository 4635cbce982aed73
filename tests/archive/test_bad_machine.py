"""A machine that fails under the worker: full disks, bad blocks, too few descriptors, files larger than they look.

Each ends in an error that is tried again or in words that say what to do, and the next attempt comes to what it should.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import (
    CatalogueUnavailable,
    CisternaError,
    InvalidInput,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.services.attempt import is_retryable
from cisterna.services.restore import restore_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_event
from tests.archive.facility import RUN, Facility
from tests.archive.small_disk import MIB, small_disk
from tests.archive.torture import LARGE
from tests.archive.whole import require_no_strangers, require_whole
from tests.store_fixtures import SHORT, new_seaweedfs

pytestmark = pytest.mark.timeout(180)


def test_a_restore_to_a_full_disk_says_so_and_goes_on_when_there_is_room(
    facility: Facility, object_store: S3Store, tmp_path: Path
) -> None:
    facility.store = object_store
    facility.write("run", LARGE)
    version = facility.detect("run").version_id
    facility.ingest(version)
    with small_disk(tmp_path / "full", size_bytes=48 * MIB) as disk:
        target = disk.folder / "restored"

        def restore() -> int:
            done = restore_version(
                version, to=target, catalogue=facility.catalogue, store=facility.store, tables=facility.tables
            )
            return done.files_present

        disk.fill(but_bytes=4 * MIB)
        with pytest.raises(InvalidInput, match="No space left on device; make room there"):
            restore()
        assert not list(target.rglob("large.avi"))

        disk.make_room()
        assert restore() > 0
        assert {path: (target / "data" / path).read_bytes() for path in LARGE} == LARGE


def test_a_catalogue_on_a_full_disk_is_unavailable_and_carries_on_when_there_is_room(
    object_store: S3Store, clock: SettableClock, tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    with small_disk(tmp_path / "full", size_bytes=512 * MIB) as disk:
        server = EmbeddedPostgres(disk.folder / "pg")
        try:
            endpoint = server.start()
            server.ensure_database("full")
            with closing(SqlCatalogue(endpoint.url("full"))) as catalogue:
                catalogue.migrate()
                facility = Facility(catalogue, clock, landing, store=object_store)
                facility.write("before", RUN)
                first = facility.detect("before").version_id
                facility.ingest(first)
                facility.write("run", RUN)
                version = facility.detect("run").version_id
                disk.fill(but_bytes=0)

                fill_up(catalogue, facility)
                with pytest.raises(CatalogueUnavailable) as refusal:
                    facility.ingest(version)
                assert is_retryable(refusal.value)

                disk.make_room()
                server.start()  # as the stack does for a part that died of it
                carry_on(facility, version)
                for one in (first, version):
                    require_whole(facility, one)
                require_no_strangers(facility)
        finally:
            server.stop()


def fill_up(catalogue: SqlCatalogue, facility: Facility) -> None:
    """Write rows until the database has no page left to put one on."""

    def write_for_ever() -> None:
        for number in itertools.count():
            with catalogue.begin() as tx:
                for _ in range(100):
                    event_id, body = facility.clock.new_id(), {"filler": "x" * 4000}
                    tx.outbox.append(make_event(f"filler-{number}", event_id=event_id, data=body))

    with pytest.raises(CatalogueUnavailable, match="No space left on device"):
        write_for_ever()


def carry_on(facility: Facility, version: str) -> None:
    """Try again as a dispatcher does, until it comes through; a store looks at its disk once a minute."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            facility.ingest(version)
        except (CatalogueUnavailable, StoreUnavailable) as error:
            last = error
        else:
            return
        threading.Event().wait(0.5)
    raise last


def test_a_store_on_a_full_disk_is_unavailable_and_carries_on_when_there_is_room(
    facility: Facility, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "full", size_bytes=3072 * MIB) as disk:
        server = new_seaweedfs(disk.folder)
        server.start()
        try:
            with closing(S3Store(server.archive_access, bucket="full", patience=SHORT)) as store:
                store.create_bucket()
                facility.store = store
                facility.write("before", RUN)
                first = facility.detect("before").version_id
                facility.ingest(first)
                facility.write("run", {**LARGE, "0/more.avi": os.urandom(64 * MIB)})
                version = facility.detect("run").version_id
                disk.fill(but_bytes=24 * MIB)

                with pytest.raises(StoreUnavailable) as refusal:
                    facility.ingest(version)
                assert is_retryable(refusal.value)
                require_whole(facility, first)

                disk.make_room()
                carry_on(facility, version)
                for one in (first, version):
                    require_whole(facility, one)
                require_no_strangers(facility)
        finally:
            server.stop()


def test_a_source_with_a_bad_block_is_unavailable_and_is_archived_when_it_can_be_read(
    facility: Facility, object_store: S3Store, tmp_path: Path
) -> None:
    facility.store = object_store
    with small_disk(tmp_path / "bad", size_bytes=32 * MIB) as disk:
        facility.landing = disk.folder
        facility.write("run", {**RUN, "0/large.avi": os.urandom(16 * MIB)})
        version = facility.detect("run").version_id
        with disk.without_blocks_from(6 * MIB):
            with pytest.raises(OSError, match="Input/output error"):
                (disk.folder / "run/0/large.avi").read_bytes()

            with pytest.raises(SourceUnavailable, match="Input/output error") as refusal:
                facility.ingest(version)

        assert is_retryable(refusal.value)
        assert facility.version(version).stage is Stage.DETECTED
        facility.ingest(version)
        require_whole(facility, version)
        require_no_strangers(facility)


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open so many descriptors more and no other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    plugs: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 16 + count, hard))
    try:
        with suppress(OSError):
            while True:
                plugs.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        for _ in range(min(count, len(plugs))):
            os.close(plugs.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for plug in plugs:
            os.close(plug)


@pytest.mark.parametrize("left", [0, 1, 2, 3, 4, 6, 8, 12])
def test_too_few_descriptors_end_an_attempt_and_not_the_work(
    facility: Facility, object_store: S3Store, left: int
) -> None:
    facility.store = object_store
    facility.write("run", LARGE)
    version = facility.detect("run").version_id
    lease = facility.lease(version)

    came_through = False
    with descriptors_left(left):
        try:
            facility.walk(version, lease)
            came_through = True
        except CisternaError as error:
            if not is_retryable(error):
                raise

    assert came_through or left < 12
    facility.ingest(version)
    require_whole(facility, version)
    require_no_strangers(facility)


def sparse(file: Path, size_bytes: int) -> str:
    """Make a file that is a hole with a word at its end, and return its digest."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as made:
        made.truncate(size_bytes - 3)
        made.seek(0, os.SEEK_END)
        made.write(b"end")
    digest, hole, left = hashlib.sha512(), bytes(MIB), size_bytes - 3
    while left:
        digest.update(hole[: min(left, MIB)])
        left -= min(left, MIB)
    digest.update(b"end")
    return digest.hexdigest()


def archive_sparse(facility: Facility, size_bytes: int) -> None:
    wanted = sparse(facility.landing / "run/0/sparse.avi", size_bytes)
    version = facility.detect("run").version_id

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    receipt = facility.ingest(version)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert receipt is not None
    assert receipt.bytes_read >= size_bytes
    require_whole(facility, version)
    manifest = facility.version(version)
    assert manifest.total_bytes == size_bytes
    with facility.catalogue.begin() as tx:
        root = tx.datasets.get(manifest.dataset_id).object_root
    assert wanted.encode() in facility.store.get(f"{root}/inventory.json")[0]
    assert grown_kib < 512 * 1024


def test_a_sparse_file_is_archived_as_the_bytes_that_it_reads_as(facility: Facility, object_store: S3Store) -> None:
    facility.store = object_store

    archive_sparse(facility, 80 * MIB + 5)


@pytest.mark.large
@pytest.mark.timeout(14_400)
def test_a_large_sparse_file_is_archived_in_bounded_memory(
    facility: Facility, object_store: S3Store, request: pytest.FixtureRequest
) -> None:
    facility.store = object_store

    archive_sparse(facility, request.config.getoption("--sparse-gib") * 1024 * MIB + 5)


@pytest.mark.parametrize(
    "vanishes", [lambda run: (run / "0/A1_1_BF.tiff").unlink(), lambda run: run.rename(run.with_name("elsewhere"))]
)
def test_a_source_that_vanishes_while_it_is_read_leaves_nothing_and_says_what_is_gone(
    facility: Facility, object_store: S3Store, vanishes: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    facility.store, facility.readers = object_store, 1
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    plain_put, gone = object_store.put, []

    def put(key: str, body: bytes, **options: object) -> object:
        if not gone:
            gone.append(key)
            vanishes(facility.landing / "run")
        return plain_put(key, body, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(object_store, "put", put)

    with pytest.raises(CisternaError, match="run"):
        facility.ingest(version)
    assert facility.keys(version) == {}
    assert facility.version(version).stage is Stage.DETECTED
