"""Fixtures of the releases' tests: on the real catalogue and, where bytes decide, the real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.release.world import ReleaseWorld


def make_world(catalogue: Catalogue, clock: SettableClock, folder: Path, store: ObjectStore) -> ReleaseWorld:
    landing = folder / "landing"
    landing.mkdir()
    store.name = "archive"
    made = ReleaseWorld(Facility(catalogue, clock, landing, store=store))
    made.prepare()
    return made


@pytest.fixture
def world(catalogue: Catalogue, clock: SettableClock, object_store: S3Store, tmp_path: Path) -> ReleaseWorld:
    """A run that may be released, archived in a real SeaweedFS."""
    return make_world(catalogue, clock, tmp_path, object_store)


@pytest.fixture
def quick_world(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> ReleaseWorld:
    """The same with a store in memory, for what the store has no part in."""
    return make_world(catalogue, clock, tmp_path, MemoryStore())
