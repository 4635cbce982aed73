"""Fixtures of the erasure's tests: real stores, with and without versions, beside the real catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.testing.clock import SettableClock
from tests.archive.facility import Facility
from tests.erasure.yard import Yard


@pytest.fixture
def yard(
    catalogue: SqlCatalogue,
    clock: SettableClock,
    tmp_path: Path,
    new_store: Callable[..., S3Store],
    s3_endpoint: S3Access,
) -> Iterator[Yard]:
    """Give a facility with an archive, a copy and a public bucket on a real store, and an administrator."""
    landing = tmp_path / "landing"
    landing.mkdir()
    facility = Facility(catalogue, clock, landing)
    made = Yard(facility, catalogue, s3_endpoint, archive=new_store(), copy=new_store(), public=new_store())
    made.settle_in()
    yield made
    made.close()
