"""The report on planned histories: what others would have taken for whole, what came late, what would be lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.domain.account import Role
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import NotFound
from cisterna.domain.fixity import Fixity
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.shadow_report import RuleOutcome, RunReport
from cisterna.domain.stored_copy import StoredCopy
from cisterna.profiles.squid import Squid
from cisterna.services.detect import SweepMemory, sweep_instrument
from cisterna.services.shadow import begin_shadow, end_shadow
from cisterna.services.shadow_report import shadow_report
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_account, make_dataset, make_id, make_instrument, make_receipt, make_version
from cisterna.testing.virtual_squid import Fault, VirtualSquid
from cisterna.testing.writer_pattern import WriterPattern
from tests.shadow.bench import OPERATOR, Bench

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@dataclass
class SquidBench:
    """A virtual Squid that writes into a real folder, looked at between any two of its steps."""

    root: Path
    catalogue: SqlCatalogue
    clock: SettableClock
    memory: SweepMemory = field(default_factory=SweepMemory)

    def __post_init__(self) -> None:
        self.zone = self.root / "zone"
        self.zone.mkdir()
        settings = {"run_json": str(self.root / "run.json"), "mass_change_floor": "1000"}
        self.declared = make_instrument(
            path=str(self.zone), settings=settings, identity=LandingFolder(self.zone).identity()
        )
        with self.catalogue.begin() as tx:
            tx.accounts.add(make_account(OPERATOR, Role.OPERATOR))
            tx.instruments.add(self.declared)
        begin_shadow(
            "squid-1", markers=(".done",), person=OPERATOR, reason="trial", catalogue=self.catalogue, clock=self.clock
        )

    def run(self, **changes: Any) -> Iterator[Path]:
        given: dict[str, Any] = {
            "started": datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=UTC),
            "wells": ("A1",),
            "fovs": 2,
            "run_json": self.root / "run.json",
            "pause": lambda _: None,
            **changes,
        }
        return VirtualSquid(**given).steps(self.zone)

    def sweep(self, *, after: float = 0.0) -> None:
        self.clock.advance(after)
        sweep_instrument(
            self.declared,
            zone=LandingFolder(self.zone),
            profiles={"squid": Squid()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: None,
            outside=read_outside,
            memory=self.memory,
        )

    def report(self) -> RunReport:
        with self.catalogue.begin() as tx:
            account = tx.accounts.find(OPERATOR)
        (run,) = shadow_report("squid-1", account=account, catalogue=self.catalogue, clock=self.clock).runs
        return run

    def outcomes(self) -> dict[str, RuleOutcome]:
        return {one.rule_id: one for one in self.report().outcomes}


@pytest.fixture
def squid(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> SquidBench:
    return SquidBench(tmp_path, catalogue, clock)


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(catalogue, clock)


def test_an_image_that_comes_after_the_marker_is_what_a_marker_script_would_have_missed(squid: SquidBench) -> None:
    for _ in squid.run(fault=Fault.LATE):
        squid.sweep(after=2.0)
    squid.sweep(after=HOUR)

    marker = squid.outcomes()["marker=.done"]
    run = squid.report()
    assert marker.late.files >= 1
    assert marker.size_bytes + marker.late.size_bytes >= run.size_bytes
    assert any(name.endswith(".tiff") for name in marker.late.names)
    assert marker.after is not None
    assert (marker.at - marker.after).total_seconds() == 2.0
    assert marker.late_after is not None
    assert marker.late_at is not None
    assert marker.at <= marker.late_after < marker.late_at
    assert [one.is_changed for one in run.declared] == [False], "Cisterna waited for the plan"


def test_a_pause_that_is_longer_than_the_window_is_what_a_quiet_script_falls_for(squid: SquidBench) -> None:
    for number, _ in enumerate(squid.run(fovs=4)):
        squid.sweep(after=2.0)
        if number == 8:
            squid.sweep(after=6 * MINUTE)
    squid.sweep(after=2 * HOUR)

    told = squid.outcomes()
    assert told["quiet=1"].is_changed
    assert told["quiet=5"].is_changed
    assert told["quiet=5"].late.files > 0
    assert not told["quiet=15"].is_changed
    assert not told["quiet=60"].is_changed
    assert squid.report().mistakes == ()


def test_what_is_allocated_first_and_written_later_is_there_by_name_and_size_and_yet_not(squid: SquidBench) -> None:
    has_waited = False
    for touched in squid.run(pattern=WriterPattern.PREALLOCATED, fovs=1):
        squid.sweep(after=2.0)
        if touched.suffix == ".tiff" and not has_waited:
            has_waited = True
            squid.sweep(after=70 * MINUTE)
    squid.sweep(after=DAY)

    copied = squid.outcomes()["delete-copied=60"]
    assert copied.is_changed
    assert copied.late.is_some


def test_an_aborted_run_leaves_its_marker_and_is_told_as_one_that_is_not_whole(
    squid: SquidBench, catalogue: SqlCatalogue
) -> None:
    for _ in squid.run(fault=Fault.ABORT, fovs=4):
        squid.sweep(after=2.0)
    squid.sweep(after=2 * HOUR)

    with catalogue.begin() as tx:
        account = tx.accounts.find(OPERATOR)
    report = shadow_report("squid-1", account=account, catalogue=catalogue, clock=squid.clock)
    (marker,) = [one for one in report.rules if one.rule.rule_id == "marker=.done"]
    assert (marker.runs, marker.early, marker.not_whole) == (1, 0, 1)
    assert report.runs[0].state is AcquisitionState.ABORTED
    assert [one.acquisition_id for one in marker.worst] == [report.runs[0].acquisition_id]
    assert "count" not in squid.outcomes()
    assert (report.own.runs, report.own.complete, report.own.mistakes) == (1, 0, 0)


def test_our_own_mistake_is_told_as_well(bench: Bench) -> None:
    for path in ("1.dat", "2.dat", "plan-2", "done"):
        bench.put("run", path)
    bench.sweep()
    bench.sweep(after=11.0)
    bench.put("run", "3.dat", 500)
    bench.sweep_every(20.0, times=4)

    own = bench.report().own
    assert (own.complete, own.mistakes, own.late.files, own.late.size_bytes) == (1, 1, 1, 500)
    first, second = bench.run("run").declared
    assert first.late.names == ("3.dat",)
    assert (first.is_changed, second.is_changed) == (True, False)


def test_the_next_run_and_the_last_n_runs_are_counted_by_looks_and_not_by_names(bench: Bench) -> None:
    for run in ("z-first", "y-first"):
        bench.put(run, "1.dat")
    bench.sweep()
    bench.sweep(after=10.0)
    assert bench.rule("next-run").runs == 0, "which of two that came at once is the next one nobody knows"

    bench.put("a-second", "1.dat", 5)
    bench.sweep(after=10.0)
    bench.put("y-first", "late.dat", 7)
    bench.sweep(after=2 * HOUR)

    rule = bench.rule("next-run")
    assert (rule.runs, rule.early, rule.late.files, rule.late.size_bytes) == (2, 1, 1, 7)
    assert rule.worst[0].folder == "y-first"


def archive(bench: Bench, run: str, *, stage: Stage = Stage.VERIFIED, minutes: float = 5.0) -> str:
    """Let the archive hold what is in the folder now."""
    seen = bench.acquisition(run)
    bench.clock.advance(minutes * MINUTE)
    with bench.catalogue.begin() as tx:
        dataset = tx.datasets.add(make_dataset(run, acquisition=seen))
        version = make_version(
            dataset,
            number=1 + len(tx.datasets.versions(dataset.dataset_id)),
            stage=stage,
            source_fingerprint=seen.fingerprint,
            file_count=seen.file_count,
            total_bytes=seen.total_bytes,
        )
        tx.datasets.add_version(version)
        if stage is Stage.VERIFIED:
            tx.datasets.add_receipt(make_receipt(version, verified_at=bench.clock.now()))
        changed = {"dataset_id": dataset.dataset_id, "ingested_fingerprint": seen.fingerprint}
        tx.acquisitions.save(tx.acquisitions.get(seen.acquisition_id).model_copy(update=changed))
    return dataset.dataset_id


def complete(bench: Bench, run: str, *, size: int = 100) -> None:
    for path in ("1.dat", "2.dat", "plan-2", "done"):
        bench.put(run, path, size)
    bench.sweep()
    bench.sweep(after=11.0)


def test_a_deletion_rule_would_have_lost_what_no_verified_version_held(bench: Bench) -> None:
    for run in ("safe", "unread", "alone"):
        complete(bench, run)
    archive(bench, "safe")
    archive(bench, "unread", stage=Stage.ARCHIVED)
    bench.sweep_every(DAY, times=9)

    rule = bench.rule("delete-days=7")
    assert (rule.runs, rule.unsafe) == (3, 2)
    assert (rule.unarchived.files, rule.unarchived.size_bytes) == (8, 800)
    coverages = {run: bench.outcome(run, "delete-days=7") for run in ("safe", "unread", "alone")}
    lost = {run: one.coverage.unarchived for run, one in coverages.items() if one is not None and one.coverage}
    assert lost["safe"].is_some is False
    assert lost["unread"].names == ("1.dat", "2.dat", "done", "plan-2")
    for run in bench.report().runs:  # what is not archived yet is no fault of a rule that deletes nothing
        assert all((one.coverage is not None) is one.rule_id.startswith(("delete", "keep")) for one in run.outcomes)
    assert bench.run("safe").verified_seconds == 11.0 + 2 * 11.0 + 5 * MINUTE


def test_what_came_after_the_archived_version_is_all_that_would_have_been_lost(bench: Bench) -> None:
    complete(bench, "run")
    archive(bench, "run")
    bench.put("run", "late.dat", 33)
    bench.sweep_every(DAY, times=9)

    outcome = bench.outcome("run", "delete-days=7")
    assert outcome is not None
    assert outcome.coverage is not None
    assert (outcome.coverage.unarchived.files, outcome.coverage.unarchived.size_bytes) == (1, 33)
    assert outcome.coverage.unarchived.names == ("late.dat",)


def test_damage_holds_and_what_arrives_afterwards_are_told_with_the_deletion(bench: Bench) -> None:
    complete(bench, "run")
    dataset_id = archive(bench, "run")
    with bench.catalogue.begin() as tx:
        tx.copies.register(["archive"])
        tx.copies.put(
            StoredCopy(
                dataset_id=dataset_id,
                store="archive",
                fixity=Fixity.DAMAGED,
                reason="3 files differ",
                since=bench.clock.now(),
                looked_at=bench.clock.now(),
                next_at=bench.clock.now(),
            )
        )
        tx.holds.place(
            Hold(
                hold_id=make_id("hold"),
                scope=HoldScope.DATASET,
                target=dataset_id,
                person="ada",
                reason="a patient's name",
                placed_at=bench.clock.now(),
            )
        )
    bench.sweep_every(DAY, times=8)
    bench.put("run", "years-later.dat", 9)
    bench.sweep_every(DAY, times=3)

    rule = bench.rule("delete-days=7")
    assert (rule.runs, rule.unsafe, rule.damaged, rule.held) == (1, 0, 1, 1)
    assert (rule.early, rule.late.files, rule.late.size_bytes) == (1, 1, 9)
    assert "patient" not in bench.report().model_dump_json()


def test_a_jump_of_the_clock_makes_no_rule_act_and_loses_no_late_file(bench: Bench) -> None:
    bench.put("run", "1.dat")
    bench.sweep()
    bench.clock.set(START + timedelta(days=400))
    bench.sweep(after=1.0)
    assert bench.run("run").outcomes == ()

    bench.sweep(after=61.0)
    bench.clock.set(START - timedelta(days=2))
    bench.put("run", "2.dat", 44)
    bench.sweep_every(HOUR, times=3)

    outcome = bench.outcome("run", "quiet=1")
    assert outcome is not None
    assert outcome.is_changed
    assert (outcome.late.files, outcome.late.size_bytes) == (1, 44)


def test_times_of_a_wrong_clock_at_the_instrument_are_compared_with_each_other_alone(bench: Bench) -> None:
    for hour, path in enumerate(("1.dat", "2.dat", "3.dat")):
        bench.put("run", path, 10, mtime=315_532_800.0 + hour)  # 1980
        bench.sweep_every(2 * MINUTE, times=1)
        bench.sweep(after=61.0)

    outcome = bench.outcome("run", "quiet=1")
    assert outcome is not None
    assert (outcome.file_count, outcome.late.files, outcome.late.names) == (1, 2, ("2.dat", "3.dat"))


def test_names_that_mean_to_harm_are_kept_as_text_and_few(bench: Bench) -> None:
    names = [
        "<script>alert(1)</script>",
        "'; DROP TABLE sightings; --",
        "=cmd|' /C calc'!A0",
        "%0A%1B[2J",
        "\u202egpj.exe",
    ]
    bench.put("../run", "1.dat")
    bench.sweep()
    bench.sweep(after=61.0)
    for name in [*names, *(f"x-{number}" for number in range(500))]:
        bench.put("../run", name)
    bench.sweep_every(HOUR, times=2)

    outcome = bench.outcome("../run", "quiet=1")
    assert outcome is not None
    assert outcome.late.files == 505
    assert len(outcome.late.names) == 5


def test_what_is_kept_of_a_run_is_small_however_long_it_writes_and_however_many_files_it_has(bench: Bench) -> None:
    for number in range(1000):
        bench.put("run", f"{number % 700}.dat", number)
        bench.sweep(after=61.0 if number % 3 == 0 else 5.0)
    bench.sweep_every(HOUR, times=4)

    kept = bench.sightings("run")
    assert len(kept) < 90
    assert sum(len(one.model_dump_json()) for one in kept) < 200_000
    assert kept[-1].file_count == 700


def test_a_run_that_flaps_for_ever_fills_nothing(bench: Bench) -> None:
    complete(bench, "run")
    for _ in range(400):
        bench.put("run", "1.dat", 7)
        bench.sweep(after=3.0)
        bench.sweep(after=12.0)

    kept = bench.sightings("run")
    assert len(kept) < 120
    assert max(len(one.later) for one in kept) <= 32
    assert bench.report().own.mistakes == 1


def test_an_ordinary_instrument_is_not_followed_and_a_new_time_begins_anew(bench: Bench) -> None:
    bench.put("run", "1.dat")
    bench.sweep()
    first = bench.report().shadow.shadow_id
    end_shadow(bench.name, person=OPERATOR, reason="over", catalogue=bench.catalogue, clock=bench.clock)
    bench.put("run", "2.dat")
    bench.sweep_every(HOUR, times=3)
    assert len(bench.sightings("run")) == 1
    assert bench.report().until == bench.report().shadow.ended_at

    bench.begin()
    bench.sweep_every(HOUR, times=2)

    assert bench.sightings("run")[0].shadow_id == first
    assert bench.report().shadow.shadow_id != first
    assert bench.run("run").file_count == 2
    assert [one.number for one in bench.sightings("run")] == list(range(1, len(bench.sightings("run")) + 1))


def test_an_instrument_that_never_was_in_shadow_mode_has_no_report(bench: Bench) -> None:
    with bench.catalogue.begin() as tx:
        tx.instruments.add(make_instrument("plain"))

    with pytest.raises(NotFound, match="never was in shadow mode"):
        shadow_report("plain", account=bench.operator, catalogue=bench.catalogue, clock=bench.clock)


def test_two_sweeps_at_once_keep_each_look_once(bench: Bench) -> None:
    other = SweepMemory()
    bench.put("run", "1.dat")
    for pause in (0.0, 61.0, HOUR):
        bench.sweep(after=pause)
        mine, bench.memory = bench.memory, other
        bench.sweep()
        bench.memory = mine

    numbers = [one.number for one in bench.sightings("run")]
    assert numbers == list(range(1, len(numbers) + 1))
    fired = [rule for one in bench.sightings("run") for rule in one.fired]
    assert len(fired) == len(set(fired))
