"""Fixtures of the archive's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.sink_archive_log import ArchiveLogSink
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.told import Told


@pytest.fixture
def facility(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    """Give a facility whose store is in memory."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing)


@pytest.fixture
def told(facility: Facility, catalogue: SqlCatalogue, object_store: S3Store) -> Told:
    """Give a facility on a real store whose archive tells all that its catalogue knows."""
    return _telling(facility, catalogue, object_store)


@pytest.fixture
def told_in_memory(facility: Facility, catalogue: SqlCatalogue) -> Told:
    """Give the same on the store in memory, for what depends on the bytes that are read and not on who gives them."""
    return _telling(facility, catalogue, MemoryStore())


def _telling(facility: Facility, catalogue: SqlCatalogue, store: ObjectStore) -> Told:
    facility.store = store
    sink = ArchiveLogSink(store=store, catalogue=catalogue)
    with catalogue.begin() as tx:
        tx.outbox.register([sink.name])
    made = Told(facility, catalogue, sink)
    made.settle_in()
    return made


@pytest.fixture(scope="session")
def ocfl_validate() -> list[str]:
    """Give the command that validates a folder."""
    checkout = Path(__file__).parents[2]
    folder = Path(os.environ.get("CISTERNA_OCFL_PY", checkout / ".venv-ocfl" / "bin" / "python")).parent
    command = [str(folder / "python"), str(folder / "ocfl-validate.py")]
    if not Path(command[1]).exists():
        pytest.skip(f"NOT VALIDATED BY ocfl-py: no {command[1]}; `python -m venv .venv-ocfl` and install ocfl-py there")
    return command
