"""A long run of a Squid, swept while it is written: its pace is noted, and what settled is read ahead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.ahead import AheadState
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import InvalidInput
from cisterna.domain.identifier import TEST_ARKS, Arks
from cisterna.domain.ocfl import MOST_FILES
from cisterna.domain.work import Attempt, Claim, Work, WorkKind
from cisterna.domain.writing import Writing
from cisterna.ports.quality import MeterChoice
from cisterna.profiles.squid import Squid
from cisterna.services.attempt import complete_attempt, start_attempt
from cisterna.services.complete import open_version
from cisterna.services.detect import SweepMemory
from cisterna.services.instrument import require_sound_settings
from cisterna.services.measure import measure_version
from cisterna.services.overview import list_overviews
from cisterna.services.read_ahead import AheadMeans, read_ahead
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import ByteMeter
from tests.services.test_detect import Bench
from tests.services.world import ATTEMPTS, PLACE

LEASE = timedelta(minutes=5)
TIME_POINTS = 4


class LongBench(Bench):
    """A bench with a Squid that is driven time point by time point, and a store."""

    def begin(self) -> Iterator[Path]:
        self.store = MemoryStore()
        self.memory = SweepMemory()
        squid = self.squid(
            wells=("A1", "B1"), channels=("BF LED matrix full",), time_points=TIME_POINTS, interval_seconds=900.0
        )
        return squid.steps(self.zone)

    def until(self, steps: Iterator[Path], ending: str, *, sweeps: bool = True) -> None:
        """Let the Squid write up to a file, and look after each step."""
        for touched in steps:
            if sweeps:
                self.sweep(after=12.0)
            if str(touched).endswith(ending):
                return

    def asked(self) -> list[Work]:
        return [work for work in self.work() if work.kind is WorkKind.AHEAD]

    def claim(self, kind: WorkKind) -> Claim | None:
        return start_attempt(
            catalogue=self.catalogue,
            clock=self.clock,
            owner="host:worker:1",
            lease=LEASE,
            place=PLACE,
            attempts_max=ATTEMPTS,
            kinds=[kind],
        )

    def read_ahead(self) -> list[str]:
        """Do every round that is asked for."""
        words = []
        while claim := self.claim(WorkKind.AHEAD):
            words.append(read_ahead(claim.work.subject, lease=claim.attempt, means=self.means()))
            complete_attempt(claim, outcome=words[-1], catalogue=self.catalogue, clock=self.clock, place=PLACE)
        return words

    def means(self) -> AheadMeans:
        return AheadMeans(
            zone=self.landing,
            profile=Squid(),
            catalogue=self.catalogue,
            store=self.store,
            meters=MeterChoice(ByteMeter()),
            tables=ParquetTables(),
            clock=self.clock,
            image_limit_bytes=16 * 1024 * 1024,
            readers=2,
            digest="sha512",
            most_files=MOST_FILES,
            room=None,
            arks=TEST_ARKS,
            wait=self.clock.advance,
        )

    @property
    def landing(self) -> object:
        from cisterna.adapters.landing_folder import LandingFolder

        return LandingFolder(str(self.zone))

    def measure(self, lease: Attempt, *, arks: Arks = TEST_ARKS) -> Stage:
        told = {"lease": lease, "zone": self.landing, "profile": Squid(), "catalogue": self.catalogue}
        version = open_version(self.only().acquisition_id, clock=self.clock, arks=arks, **told)  # type: ignore[arg-type]
        measured = measure_version(
            version.version_id,
            store=self.store,
            meters=MeterChoice(ByteMeter()),
            tables=ParquetTables(),
            clock=self.clock,
            image_limit_bytes=16 * 1024 * 1024,
            **told,  # type: ignore[arg-type]
        )
        assert measured is not None
        return measured.stage

    def writing(self) -> Writing | None:
        with self.catalogue.begin() as tx:
            return tx.writings.find(self.only().acquisition_id)


@pytest.fixture
def bench(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> LongBench:
    return LongBench(tmp_path, catalogue, clock)


def test_a_squid_is_read_ahead_field_by_field_and_its_ingest_reads_the_rest(bench: LongBench) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    bench.clock.advance(700.0)
    bench.sweep()
    assert len(bench.asked()) == 1

    words = bench.read_ahead()
    bench.until(steps, "2/B1_1_0_BF_LED_matrix_full.tiff")
    bench.read_ahead()

    with bench.catalogue.begin() as tx:
        seen = tx.aheads.seen(bench.only().acquisition_id)
        ahead = tx.aheads.find(bench.only().acquisition_id)
    assert "6 files" in words[0]
    assert {path.split("/")[0] for path in seen} == {"0", "1", "2"}
    assert "2/B1_1_0_BF_LED_matrix_full.tiff" not in seen
    assert ahead is not None
    assert ahead.again == 0
    puts = bench.store.calls["put"]
    bench.until(steps, "nothing")
    bench.sweep(after=60.0)
    claim = bench.claim(WorkKind.INGEST)
    assert claim is not None

    assert bench.measure(claim.attempt) is Stage.MEASURED
    assert bench.store.calls["put"] - puts < 20
    assert bench.writing() is None
    with bench.catalogue.begin() as tx:
        assert tx.aheads.list() == []


def test_what_was_read_ahead_under_another_naan_is_read_anew_below_the_pid_that_the_dataset_gets(
    bench: LongBench,
) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    bench.clock.advance(700.0)
    bench.sweep()
    bench.read_ahead()
    with bench.catalogue.begin() as tx:
        ahead = tx.aheads.find(bench.only().acquisition_id)
    assert ahead is not None
    bench.until(steps, "nothing")
    bench.sweep(after=60.0)
    claim = bench.claim(WorkKind.INGEST)
    assert claim is not None

    assert bench.measure(claim.attempt, arks=Arks("12345")) is Stage.MEASURED

    with bench.catalogue.begin() as tx:
        (dataset,) = tx.datasets.list()
        (version,) = tx.datasets.versions(dataset.dataset_id)
        left = tx.aheads.find(bench.only().acquisition_id)
    assert dataset.pid.startswith("ark:/12345/")
    held = sum(one.size_bytes for one in bench.store.list(f"{dataset.object_root}/{version.staging}"))
    assert held > sum(one.stat().st_size for one in bench.zone.rglob("*.tiff"))
    assert left is not None, "nobody would remove what lies below the other PID"
    assert (left.object_root, left.state) == (ahead.object_root, AheadState.DROPPING)


def test_a_short_run_is_not_read_ahead(bench: LongBench) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    bench.clock.advance(300.0)

    bench.sweep()

    assert bench.asked() == []


@pytest.mark.parametrize(("setting", "asks"), [("off", False), ("60", False), ("1", True), ("", True)])
def test_an_instruments_setting_says_after_how_long_or_never(bench: LongBench, setting: str, *, asks: bool) -> None:
    bench.declared = bench.declared.model_copy(update={"settings": {**bench.declared.settings, "read_ahead": setting}})
    steps = bench.begin()
    bench.until(steps, "0/.done")
    bench.clock.advance(700.0)

    bench.sweep()

    assert bool(bench.asked()) is asks


@pytest.mark.parametrize("value", ["on", "-1", "nan", "1e9", "10 min"])
def test_a_setting_that_says_neither_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="neither 'off' nor a number of minutes"):
        require_sound_settings({"read_ahead": value})


@pytest.mark.parametrize("value", ["off", "0", "10", "90.5"])
def test_a_setting_that_says_when_is_taken(value: str) -> None:
    require_sound_settings({"read_ahead": value})


def test_the_same_listing_is_not_asked_for_twice_and_a_run_that_goes_on_is_asked_for_once_a_minute(
    bench: LongBench,
) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    bench.clock.advance(700.0)
    for _ in range(20):
        bench.sweep(after=70.0)
    assert len(bench.asked()) == 1

    bench.until(steps, "1/.done")

    assert 1 < len(bench.asked()) <= 3


def test_a_mount_of_ended_runs_asks_for_nothing(bench: LongBench) -> None:
    steps = bench.begin()
    bench.until(steps, "nothing", sweeps=False)
    bench.sweep()
    bench.sweep(after=700.0)

    assert bench.asked() == []
    assert bench.writing() is None


def test_the_row_tells_when_the_run_will_end_and_what_of_it_is_read_ahead(bench: LongBench) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    for _ in range(14):
        bench.sweep(after=60.0)
    bench.until(steps, "1/.done")
    for _ in range(14):
        bench.sweep(after=60.0)
    bench.read_ahead()
    bench.until(steps, "2/A1_0_0_BF_LED_matrix_full.tiff")

    (row,) = list_overviews(catalogue=bench.catalogue, bucket="archive")

    assert row.writing is not None
    assert (row.writing.files, row.writing.expected_files) == (9, 16)
    assert row.writing.earliest is not None
    left = row.writing.earliest - bench.clock.now()
    assert timedelta(minutes=10) < left < timedelta(minutes=45)
    assert row.ahead_files == 12
    assert row.ahead_bytes > 0
    assert row.reading is None


def test_a_pace_that_an_earlier_process_noted_goes_when_its_run_has_ended(bench: LongBench) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    before = bench.writing()
    assert before is not None
    bench.until(steps, "nothing", sweeps=False)
    bench.memory = SweepMemory()
    bench.sweep(after=60.0)
    bench.sweep(after=60.0)

    assert bench.writing() is None


def test_another_process_goes_on_with_the_pace_that_was_noted(bench: LongBench) -> None:
    steps = bench.begin()
    bench.until(steps, "0/.done")
    before = bench.writing()
    bench.memory = SweepMemory()
    bench.until(steps, "1/.done")
    after = bench.writing()

    assert before is not None
    assert after is not None
    assert after.marks[: len(before.marks)] == before.marks
    assert after.watched_seconds > before.watched_seconds
