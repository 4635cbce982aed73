"""Damage on the disks of real stores, and stores that are killed."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import Patience
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import CisternaError, StoreNotDistinct
from cisterna.domain.fixity import Fixity
from cisterna.services.distinct_store import require_distinct
from tests.archive.disk import flip_a_bit
from tests.archive.facility import Facility
from tests.archive.vault import Vault
from tests.store_fixtures import SHORT, new_seaweedfs, running_seaweedfs

_numbers = itertools.count(1)
IMPATIENT = Patience(answer_seconds=3.0, connect_seconds=0.5, attempts=2, pause_seconds=0.02)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSeaweedFS]:
    """Give a second server, with disks and keys of its own."""
    with running_seaweedfs(tmp_path_factory.mktemp("mirror")) as server:
        yield server


@pytest.fixture
def open_store() -> Iterator[Callable[..., S3Store]]:
    """Give a maker of stores, each on a new bucket of a server."""
    made: list[S3Store] = []

    def open_on(server: EmbeddedSeaweedFS, name: str, *, bucket: str = "", patience: Patience = SHORT) -> S3Store:
        store = S3Store(
            server.archive_access, bucket=bucket or f"{name}-{next(_numbers)}", name=name, patience=patience
        )
        store.create_bucket()
        made.append(store)
        return store

    yield open_on
    for store in made:
        store.close()


@pytest.fixture
def vault(
    facility: Facility, seaweedfs: EmbeddedSeaweedFS, mirror: EmbeddedSeaweedFS, open_store: Callable[..., S3Store]
) -> Vault:
    once = SHORT.model_copy(update={"attempts": 1})
    return Vault(facility, open_store(seaweedfs, "archive", patience=once), open_store(mirror, "mirror", patience=once))


def disks_of(server: EmbeddedSeaweedFS) -> Path:
    return server._folder / "data"


def needle(number: int) -> bytes:
    """Give bytes that are nowhere else, small as most files are; no text, since that lies compressed on the disk."""
    return hashlib.shake_256(number.to_bytes(4)).digest(400)


def harm_and_repair(vault: Vault, server: EmbeddedSeaweedFS, *, objects: int) -> None:
    datasets = [vault.archive(f"run-{number}", cells=needle(number), note=b"note") for number in range(objects)]
    for dataset in datasets:
        vault.copy(dataset)
    for number in range(objects):
        assert flip_a_bit(disks_of(server), needle(number)) == 1

    with ThreadPoolExecutor(16) as pool:  # SeaweedFS takes 13 seconds to say that it cannot give a file
        kept = list(pool.map(lambda dataset: vault.keep(dataset, vault.first), datasets))

    named = [[fault.files for fault in one.first.damaged] for one in kept]
    assert named == [[("data/cells.txt",)]] * objects
    assert [one.check.fixity for one in kept] == [Fixity.OK] * objects
    for number, dataset in enumerate(datasets):
        assert needle(number) in vault.content(dataset, vault.first).values()
        assert [one.fixity for one in (vault.known(dataset, vault.first),) if one] == [Fixity.OK]


@pytest.mark.timeout(180)
def test_a_bit_flipped_on_the_disk_is_found_named_and_repaired_from_the_second_copy(
    vault: Vault, seaweedfs: EmbeddedSeaweedFS
) -> None:
    harm_and_repair(vault, seaweedfs, objects=4)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_of_a_hundred_bits_flipped_on_the_disk_a_hundred_are_found_named_and_repaired(
    vault: Vault, seaweedfs: EmbeddedSeaweedFS
) -> None:
    harm_and_repair(vault, seaweedfs, objects=100)


def test_another_name_of_the_archives_bucket_is_no_second_store(
    seaweedfs: EmbeddedSeaweedFS, mirror: EmbeddedSeaweedFS, open_store: Callable[..., S3Store]
) -> None:
    first = open_store(seaweedfs, "archive")
    other_name = seaweedfs.archive_access.model_copy(
        update={"endpoint": seaweedfs.endpoint.replace("127.0.0.1", "localhost")}
    )
    alias = S3Store(other_name, bucket=first.bucket, name="mirror", patience=SHORT)

    with pytest.raises(StoreNotDistinct):
        require_distinct(first, alias, clock=SystemClock())
    require_distinct(first, open_store(mirror, "mirror"), clock=SystemClock())
    alias.close()


@pytest.fixture
def own_mirror(tmp_path: Path) -> Iterator[EmbeddedSeaweedFS]:
    """Give a server that the test may kill."""
    server = new_seaweedfs(tmp_path / "own")
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "files", [pytest.param(1, marks=pytest.mark.torture), 6, pytest.param(11, marks=pytest.mark.torture)]
)
def test_a_store_killed_in_the_middle_of_a_copy_and_of_a_check_loses_nothing(
    facility: Facility,
    seaweedfs: EmbeddedSeaweedFS,
    own_mirror: EmbeddedSeaweedFS,
    open_store: Callable[..., S3Store],
    files: int,
) -> None:
    vault = Vault(facility, open_store(seaweedfs, "archive"), open_store(own_mirror, "mirror", patience=IMPATIENT))
    dataset = vault.archive("run", **{f"f{number}": needle(number) for number in range(12)})
    whole = vault.content(dataset, vault.first)

    kill_after(own_mirror, vault.second, "put", files, lambda: vault.copy(dataset))
    assert vault.receipts(dataset, vault.second) == []
    own_mirror.start()
    vault.copy(dataset)
    assert vault.content(dataset, vault.second) == whole

    kill_after(own_mirror, vault.second, "stream", files, lambda: vault.keep(dataset, vault.second))
    known = vault.known(dataset, vault.second)
    assert known is not None
    assert known.fixity is Fixity.COULD_NOT_CHECK
    assert len(vault.receipts(dataset, vault.second)) == 1
    own_mirror.start()
    assert vault.keep(dataset, vault.second).check.fixity is Fixity.OK
    assert vault.content(dataset, vault.second) == whole


def kill_after(server: EmbeddedSeaweedFS, store: S3Store, method: str, calls: int, act: Callable[[], object]) -> None:
    """Do something and kill the server with SIGKILL at the n-th call of a method; a named failure may come of it."""
    real, count, lock = getattr(store, method), itertools.count(1), threading.Lock()

    def counted(*given: object, **named: object) -> object:
        with lock:
            if next(count) == calls and server.pid is not None:
                os.kill(server.pid, signal.SIGKILL)
        return real(*given, **named)

    setattr(store, method, counted)
    try:
        act()
    except CisternaError:
        pass
    finally:
        setattr(store, method, real)
    server.kill()
