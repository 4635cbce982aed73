"""A run that lies deep in a share goes the ordinary way into the archive, and the dispatcher sees to all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.share_folder import ShareFolder
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import AdoptionState, Order, Standing, Sureness
from cisterna.domain.instrument import Identity, Instrument
from cisterna.ports.catalogue import Catalogue
from cisterna.services.adopt_archive import archive_turn
from cisterna.services.adopt_status import adoption_status
from cisterna.services.adoption import ask_archive, ask_register, set_state
from cisterna.services.complete import open_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project
from cisterna.testing.memory_store import MemoryStore
from flows import adopter as adopter_module
from flows.adopter import Adopter
from tests.adopt.share import NAME, PROFILES, NoBookings, Taken, squid_run
from tests.archive.facility import Facility
from tests.archive.whole import require_whole


class ShareFacility(Facility):
    """The same facility, whose landing zone is a share."""

    @property
    def zone(self) -> ShareFolder:
        return ShareFolder(str(self.landing))


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    (quick_path / "share").mkdir()
    with catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
        tx.instruments.add(make_instrument("squid-1"))
    made = Taken(quick_path / "share", catalogue, clock)
    made.begin()
    return made


def ask(taken: Taken) -> None:
    ask_archive(
        NAME,
        hours=None,
        bytes_per_second=None,
        order=Order.NEWEST,
        under="",
        at_once=1,
        person="olga",
        catalogue=taken.catalogue,
        clock=taken.clock,
    )


def archived(taken: Taken) -> tuple[ShareFacility, Acquisition, str]:
    """Take the one run of the share the whole way."""
    facility = ShareFacility(
        taken.catalogue, taken.clock, taken.top, profile=PROFILES["squid"], image_limit_bytes=2**24
    )
    taken.scan()
    taken.clock.advance(timedelta(days=2))
    taken.register(Sureness.LIKELY)
    ask(taken)
    assert archive_turn(NAME, catalogue=taken.catalogue, clock=taken.clock).begun == 1
    with taken.catalogue.begin() as tx:
        claim = tx.inbox.claim(owner="w", run_id="r", now=taken.clock.now(), lease=timedelta(hours=9))
    assert claim is not None
    version = open_version(
        claim.work.subject,
        lease=claim.attempt,
        zone=facility.zone,
        profile=facility.profile,
        catalogue=taken.catalogue,
        clock=taken.clock,
    )
    facility.walk(version.version_id, claim.attempt)
    with taken.catalogue.begin() as tx:
        tx.inbox.finish(claim.attempt, outcome="done")
        return facility, tx.acquisitions.get(claim.work.subject), version.version_id


def test_a_run_deep_in_a_share_goes_the_ordinary_way_and_is_verified(taken: Taken) -> None:
    run = squid_run(taken.top / "rosa/2021/cells")

    facility, acquisition, version = archived(taken)

    require_whole(facility, version)
    assert acquisition.folder == f"rosa/2021/cells/{run.name}"
    found = facility.version(version)
    assert found.file_count == len([one for one in run.rglob("*") if one.is_file()])
    with taken.catalogue.begin() as tx:
        title = tx.datasets.get(found.dataset_id).title
    assert "/" not in title
    status = adoption_status(NAME, catalogue=taken.catalogue, clock=taken.clock)
    assert status.standings[Standing.VERIFIED].finds == 1
    assert [(one.runs, one.total_bytes) for one in status.nights] == [(1, acquisition.total_bytes)]
    assert run.is_dir()


def test_a_copy_of_an_archived_run_is_known_by_its_manifest_though_the_source_is_gone(taken: Taken) -> None:
    run = squid_run(taken.top / "cells")
    facility, acquisition, _ = archived(taken)
    taken.store = facility.store
    run.rename(taken.top / "copy")
    other = squid_run(taken.top / "other/cells")
    text = other / "acquisition.yaml"
    text.write_bytes(text.read_bytes().swapcase())
    taken.begin(again=True)
    taken.scan()
    taken.clock.advance(timedelta(days=2))

    taken.register()

    assert f"it is a copy of {acquisition.acquisition_id}" in (taken.finds["copy"].held or "")
    assert f"other/cells/{other.name}" in taken.acquisitions


@dataclass
class FewParts:
    """The parts that an adopter needs."""

    catalogue: Catalogue
    clock: SettableClock
    profiles: dict[str, Any] = field(default_factory=lambda: PROFILES)
    booking_tables: NoBookings = field(default_factory=NoBookings)
    archive_store: MemoryStore = field(default_factory=MemoryStore)
    tables: ParquetTables = field(default_factory=ParquetTables)

    @property
    def zones(self) -> FewParts:
        return self

    def share(self, path: str, *, declared: Identity | None = None) -> ShareFolder:
        return ShareFolder(path, declared=declared)

    def zone_of(self, instrument: Instrument) -> ShareFolder:
        return ShareFolder(instrument.path, declared=instrument.identity)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.01)


@pytest.fixture
def adopter(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adopter]:
    monkeypatch.setattr(adopter_module, "TURN_SECONDS", 0.02)
    parts: Any = FewParts(taken.catalogue, taken.clock)
    made = Adopter(parts)
    yield made
    made.stop()


def test_the_dispatcher_looks_through_registers_and_lets_in_without_another_word(
    taken: Taken, adopter: Adopter
) -> None:
    squid_run(taken.top / "cells")
    taken.clock.advance(timedelta(days=2))
    ask_register(
        NAME,
        sure=Sureness.LIKELY,
        under="",
        even_alike=False,
        person="olga",
        catalogue=taken.catalogue,
        clock=taken.clock,
    )
    ask(taken)

    adopter.look()

    def is_let_in() -> bool:
        taken.clock.advance(timedelta(hours=1))
        with taken.catalogue.begin() as tx:
            return len(tx.inbox.list()) == 1

    until(is_let_in)
    assert set(taken.standings.values()) == {"archiving"}


def test_what_is_ended_is_looked_at_no_more_and_a_stop_ends_a_slice(taken: Taken, adopter: Adopter) -> None:
    squid_run(taken.top / "cells")
    adopter.look()
    until(lambda: bool(taken.clock.advance(1.0)) and _walk_ended(taken))
    set_state(NAME, AdoptionState.ENDED, person="olga", catalogue=taken.catalogue, clock=taken.clock)

    adopter.look()

    assert adopter._running == {}


def _walk_ended(taken: Taken) -> bool:
    with taken.catalogue.begin() as tx:
        walk = tx.adoptions.walk(NAME)
    return walk is not None and walk.ended_at is not None
