"""Fixtures of the releases' tests: on the real catalogue and, where bytes decide, the real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.ports.catalogue import Catalogue
from cisterna.testing.clock import SettableClock
from tests.archive.facility import Facility
from tests.release.world import ReleaseWorld


@pytest.fixture
def world(catalogue: Catalogue, clock: SettableClock, object_store: S3Store, tmp_path: Path) -> ReleaseWorld:
    """A run that may be released, archived in a real SeaweedFS."""
    landing = tmp_path / "landing"
    landing.mkdir()
    made = ReleaseWorld(Facility(catalogue, clock, landing, store=object_store), stores=(object_store.name, "second"))
    made.prepare()
    return made
