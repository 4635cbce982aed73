"""What shadow mode keeps tells the same as every look there was, told naively, however often and in what order."""

from __future__ import annotations

import random
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.shadow_report import RuleOutcome, report_on
from cisterna.testing.clock import SettableClock
from tests.shadow.bench import Bench
from tests.shadow.simulator import Told, simulate

RULES = (
    "quiet=1",
    "quiet=5",
    "quiet=60",
    "count",
    "next-run",
    "delete-days=1",
    "delete-copied=30",
    "delete-marker=2",
    "keep-runs=2",
)
ALL = ("marker=done", *RULES)
RUNS = ("run-a", "run-b", "run-c", "run-d")
FILES = ("1.dat", "2.dat", "deep/3.dat", "plan-2", "done")
PAUSES = (1.0, 20.0, 59.0, 61.0, 250.0, 400.0, 1900.0, 4000.0, 90_000.0)


class Put(NamedTuple):
    run: str
    file: str
    size: int
    is_old: bool = False


class Drop(NamedTuple):
    run: str
    file: str


class Look(NamedTuple):
    pause: float


runs, files = st.sampled_from(RUNS), st.sampled_from(FILES)
puts = st.builds(Put, runs, files, st.integers(0, 9), st.just(False))
looks = st.builds(Look, st.sampled_from(PAUSES))
forward = st.lists(st.one_of(puts, looks), min_size=3, max_size=25)
anything = st.lists(
    st.one_of(puts, st.builds(Put, runs, files, st.integers(0, 9), st.just(True)), st.builds(Drop, runs, files), looks),
    min_size=3,
    max_size=25,
)
quickly = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

Step = Put | Drop | Look


def replay(bench: Bench, steps: list[Step], *, again: int = 0) -> None:
    """Let it happen, and look long enough afterwards that whatever waited to be kept is kept."""
    for step in [*steps, *(Look(pause) for pause in (20.0, 4000.0, 90_000.0, 4_000_000.0))]:
        match step:
            case Put():
                kept = bench.zone.runs.get(step.run, {}).get(step.file)
                grown = step.size + (kept.size_bytes if kept and not step.is_old else 0)
                bench.put(step.run, step.file, grown, **({"mtime": 1.0} if step.is_old else {}))
            case Drop():
                bench.zone.runs.get(step.run, {}).pop(step.file, None)
            case Look():
                bench.sweep(after=step.pause)
                for _ in range(again):
                    bench.sweep()


def told_by_report(bench: Bench) -> dict[tuple[str, str], RuleOutcome]:
    return {(run.folder, one.rule_id): one for run in bench.report().runs for one in run.outcomes}


def told_by_simulator(bench: Bench) -> dict[tuple[str, str], Told]:
    found = {}
    for run in {one.folder for one in bench.zone.looks}:
        for rule_id in ALL:
            told = simulate(bench.zone.looks, bench.zone.sweeps, run, rule_id)
            if told is not None:
                found[run, rule_id] = told
    return found


@quickly
@given(steps=forward)
def test_every_moment_and_what_was_missing_then_are_those_of_all_looks(
    catalogue: SqlCatalogue, steps: list[Step]
) -> None:
    bench = Bench(catalogue, SettableClock(), rules=RULES, days=300)

    replay(bench, steps)

    reported, wanted = told_by_report(bench), told_by_simulator(bench)
    assert reported.keys() == wanted.keys()
    for key, one in reported.items():
        told = wanted[key]
        assert (one.at, one.after) == (told.at, told.after), key
        assert (one.file_count, one.size_bytes) == (told.files, told.size_bytes), key
        assert (one.late.files, one.late.size_bytes) == (told.late_files, told.late_bytes), key
        assert one.is_changed is told.is_changed, key


@quickly
@given(steps=anything)
def test_no_figure_is_more_than_all_looks_tell_whatever_is_removed_or_dated_back(
    catalogue: SqlCatalogue, steps: list[Step]
) -> None:
    bench = Bench(catalogue, SettableClock(), rules=RULES, days=300)

    replay(bench, steps)

    reported, wanted = told_by_report(bench), told_by_simulator(bench)
    assert reported.keys() == wanted.keys()
    for key, one in reported.items():
        told = wanted[key]
        assert (one.at, one.after) == (told.at, told.after), key
        assert one.late.files <= told.late_files, key
        assert one.late.size_bytes <= told.late_bytes, key
        assert not one.is_changed or told.is_changed, key


@quickly
@given(steps=forward, seed=st.integers(0, 1000))
def test_repeated_sweeps_and_sightings_in_any_order_give_the_same_report(
    catalogue: SqlCatalogue, steps: list[Step], seed: int
) -> None:
    once = Bench(catalogue, SettableClock(), rules=RULES, days=300)
    thrice = Bench(catalogue, SettableClock(), rules=RULES, days=300)

    replay(once, steps)
    replay(thrice, steps, again=2)

    assert told_by_report(once) == told_by_report(thrice)
    report = once.report()
    with catalogue.begin() as tx:
        kept = list(tx.sightings.list(report.shadow.shadow_id))
        acquisitions = tx.acquisitions.refresh({}, instrument=once.name)
    shuffled = [*kept, *kept]
    random.Random(seed).shuffle(shuffled)
    assert (
        report_on(
            once.name,
            report.shadow,
            sightings=shuffled,
            acquisitions=acquisitions,
            verified={},
            now=once.clock.now(),
        )
        == report
    )


@quickly
@given(steps=forward)
def test_a_restart_at_every_look_moves_no_moment_that_the_clock_can_tell(
    catalogue: SqlCatalogue, steps: list[Step]
) -> None:
    steady = Bench(catalogue, SettableClock(), rules=RULES, days=300)
    killed = Bench(catalogue, SettableClock(), rules=RULES, days=300, memory=None)

    replay(steady, steps)
    replay(killed, steps)

    ours, theirs = told_by_report(steady), told_by_report(killed)
    copied = {key for key in ours if key[1].startswith("delete-copied")}  # what a copy was made of nobody remembers
    assert {key: one.at for key, one in ours.items() if key not in copied} == {
        key: one.at for key, one in theirs.items() if not key[1].startswith("delete-copied")
    }
    for key in ours.keys() - copied:
        assert ours[key].late == theirs[key].late, key
