"""Real object stores for tests: one SeaweedFS a session, a bucket a store."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.adapters.s3_obstore import S3Store

pytest.register_assert_rewrite("cisterna.testing.object_store_contract")

SHORT = Patience(answer_seconds=20.0, connect_seconds=1.0, attempts=3, pause_seconds=0.02)
_numbers = itertools.count(1)


def _new_name() -> str:
    return f"test-{os.getpid()}-{next(_numbers)}"  # forks of one process share a server


def new_seaweedfs(folder: Path) -> EmbeddedSeaweedFS:
    """Make one that is not started, away from the default ports."""
    return EmbeddedSeaweedFS(folder / "store", log=folder / "store.log", port=spare_ports(1)[0])


@contextmanager
def running_seaweedfs(folder: Path) -> Iterator[EmbeddedSeaweedFS]:
    """Run one in a folder of its own."""
    server = new_seaweedfs(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSeaweedFS]:
    """Give the session's running SeaweedFS."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_endpoint(seaweedfs: EmbeddedSeaweedFS) -> S3Access:
    """Give the address and the archive's credentials."""
    return seaweedfs.archive_access


@pytest.fixture
def new_store(s3_endpoint: S3Access) -> Iterator[Callable[..., S3Store]]:
    """Give a maker of stores, each on a bucket of its own."""
    made: list[S3Store] = []
    created: list[S3Store] = []

    def make(access: S3Access = s3_endpoint, *, bucket: str | None = None, patience: Patience = SHORT) -> S3Store:
        store = S3Store(access, bucket=bucket or _new_name(), patience=patience)
        made.append(store)
        if bucket is None:
            store.create_bucket()
            created.append(store)
        return store

    yield make
    for store in created:
        store.control.delete_bucket()  # each bucket holds volumes, and a server has some dozens of them
    for store in made:
        store.close()


@pytest.fixture
def object_store(new_store: Callable[..., S3Store]) -> S3Store:
    """Give a store on a new bucket of the real SeaweedFS."""
    return new_store()


@pytest.fixture
def boto_store(s3_endpoint: S3Access) -> Iterator[S3BotoStore]:
    """Give a store that goes through boto3 alone, on a new bucket."""
    store = S3BotoStore(s3_endpoint, bucket=_new_name(), patience=SHORT)
    store.create_bucket()
    yield store
    store.delete_bucket()
    store.close()


@pytest.fixture
def minio_store(s3_endpoint: S3Access) -> Iterator[S3MinioStore]:
    """Give a store that goes through the MinIO SDK, on a new bucket."""
    store = S3MinioStore(s3_endpoint, bucket=_new_name(), patience=SHORT)
    store.create_bucket()
    yield store
    store.control.delete_bucket()
    store.close()
