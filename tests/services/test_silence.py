"""A run that has fallen silent is told once, whatever the clock on the wall says, and new files answer it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.account import Role
from cisterna.domain.acquisition import Acquisition, AcquisitionState, Evidence
from cisterna.domain.alert import Alert, AlertKind
from cisterna.profiles.squid import Squid
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.services.instrument import change_settings
from cisterna.services.silence import PAUSES_NEEDED, Pauses, silence_limit, span
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_instrument, make_project
from cisterna.testing.virtual_squid import VirtualSquid

MINUTE = 60.0


class Bench:
    """A Squid that writes step by step, and a sweeper that looks between any two of them."""

    def __init__(self, root: Path, catalogue: SqlCatalogue, clock: SettableClock, **squid: Any) -> None:
        self.zone, self.catalogue, self.clock, self.memory = root / "zone", catalogue, clock, SweepMemory()
        self.zone.mkdir()
        made = {"wells": ("A1",), "fovs": 1, "time_points": 3, "interval_seconds": 10 * MINUTE, **squid}
        self.steps: Iterator[Path] = VirtualSquid(**made, started=clock.now()).steps(self.zone)
        with catalogue.begin() as tx:
            tx.outbox.register(["log"])
            tx.instruments.add(make_instrument(path=str(self.zone), identity=LandingFolder(self.zone).identity()))
            tx.projects.add(make_project())
            tx.accounts.add(make_account("olga", Role.OPERATOR))

    def write(self, until: str) -> None:
        for touched in self.steps:
            if str(touched).endswith(until):
                return

    def sweep(self, *, after: float = 0.0) -> SweepResult:
        if after:
            self.clock.advance(after)
        with self.catalogue.begin() as tx:
            instrument = tx.instruments.get("squid-1")
        return sweep_instrument(
            instrument,
            zone=LandingFolder(self.zone),
            profiles={"squid": Squid()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: "cells",
            memory=self.memory,
        )

    def restart(self) -> None:
        self.memory = SweepMemory()

    def set(self, **settings: str) -> None:
        change_settings("squid-1", settings, person="olga", reason="test", catalogue=self.catalogue, clock=self.clock)

    def alerts(self) -> list[Alert]:
        with self.catalogue.begin() as tx:
            return [one for one in tx.alerts.list() if one.kind is AlertKind.SILENT]

    def acquisition(self) -> Acquisition:
        with self.catalogue.begin() as tx:
            (only,) = tx.acquisitions.list()
            return only

    def told(self) -> list[str]:
        with self.catalogue.begin() as tx:
            history = tx.outbox.history([self.acquisition().acquisition_id])
        return [one.name for one in history if one.name.startswith("alert.")]


@pytest.fixture
def bench(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    """A run of three time points, ten minutes apart, of which the first is written."""
    made = Bench(tmp_path, catalogue, clock)
    made.sweep()
    made.write("0/.done")
    made.sweep(after=MINUTE)
    return made


def test_silence_longer_than_the_planned_interval_raises_one_alert_with_the_times_in_words(bench: Bench) -> None:
    bench.sweep(after=14 * MINUTE)
    assert bench.alerts() == []

    for _ in range(3):
        bench.sweep(after=10 * MINUTE)

    (alert,) = bench.alerts()
    assert alert.words == ("Nothing was written for 24 min; by the run's own plan something was due every 10 min.")
    assert (alert.limit, alert.observed) == (15 * MINUTE, 24 * MINUTE)
    assert "10 min" in alert.limit_origin
    assert "alarm_silence_factor" in alert.advice
    assert bench.told() == ["alert.raised"]


def test_new_files_close_it_and_another_silence_raises_another(bench: Bench) -> None:
    bench.sweep(after=16 * MINUTE)
    bench.write("1/.done")

    bench.sweep(after=MINUTE)

    (alert,) = bench.alerts()
    assert alert.closed_reason == "something was written again"
    bench.sweep(after=16 * MINUTE)
    assert [one.is_open for one in bench.alerts()] == [True, False]
    assert bench.told() == ["alert.raised", "alert.closed", "alert.raised"]


def test_a_start_anew_raises_nothing_again_and_closes_nothing(bench: Bench) -> None:
    bench.sweep(after=16 * MINUTE)
    bench.restart()

    for _ in range(4):
        bench.sweep(after=10 * MINUTE)

    (alert,) = bench.alerts()
    assert alert.is_open
    assert bench.told() == ["alert.raised"]


@pytest.mark.parametrize("days", [1, -1, 400])
def test_a_clock_that_jumps_by_days_raises_no_alert_and_hides_none(bench: Bench, days: int) -> None:
    bench.clock.set(bench.clock.now() + timedelta(days=days))
    bench.sweep(after=MINUTE)
    assert bench.alerts() == []

    bench.clock.set(bench.clock.now() - timedelta(days=days))
    bench.sweep(after=15 * MINUTE)

    (alert,) = bench.alerts()
    bench.clock.set(bench.clock.now() + timedelta(days=days))
    bench.sweep(after=MINUTE)
    assert bench.alerts() == [alert]


def test_it_comes_before_the_run_counts_as_stalled_and_stands_when_it_does(bench: Bench) -> None:
    bench.sweep(after=16 * MINUTE)
    assert bench.acquisition().state is AcquisitionState.WRITING

    bench.sweep(after=60 * MINUTE)

    assert bench.acquisition().state is AcquisitionState.STALLED
    assert [one.is_open for one in bench.alerts()] == [True]
    bench.write("1/.done")
    bench.sweep(after=2 * MINUTE)
    assert [one.is_open for one in bench.alerts()] == [False]


def test_the_end_of_the_run_closes_it(bench: Bench) -> None:
    bench.sweep(after=16 * MINUTE)
    bench.write("no such file, so to the end")

    bench.sweep(after=MINUTE)
    bench.sweep(after=MINUTE)

    assert bench.acquisition().state is AcquisitionState.COMPLETE
    assert [one.is_open for one in bench.alerts()] == [False]


def test_a_run_that_has_ended_and_waits_for_its_quiet_window_is_not_silent(bench: Bench) -> None:
    bench.set(quiet_seconds=str(6 * 3600))
    bench.write("no such file, so to the end")
    bench.sweep(after=MINUTE)

    bench.sweep(after=60 * MINUTE)

    assert bench.acquisition().state is AcquisitionState.WRITING
    assert bench.alerts() == []


def test_a_factor_and_an_off_switch_are_the_instrument_s(bench: Bench) -> None:
    bench.set(alarm_silence_factor="4")
    bench.sweep(after=39 * MINUTE)
    assert bench.alerts() == []

    bench.set(alarm_off="silent")
    bench.sweep(after=5 * MINUTE)

    assert bench.alerts() == []


def test_two_sweepers_at_once_raise_one(bench: Bench) -> None:
    other = SweepMemory()
    bench.memory, mine = other, bench.memory
    bench.sweep()
    bench.sweep(after=16 * MINUTE)
    bench.memory = mine

    bench.sweep()

    assert len(bench.alerts()) == 1
    assert bench.told() == ["alert.raised"]


def test_a_run_whose_plan_names_no_interval_goes_by_the_pauses_it_made(
    tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(tmp_path, catalogue, clock, interval_seconds=0.0, time_points=1, wells=("A1", "A2", "A3"), fovs=4)
    for _ in range(PAUSES_NEEDED + 8):
        next(bench.steps)
        bench.sweep(after=90.0)
    bench.sweep(after=7 * MINUTE)
    assert bench.alerts() == []

    bench.sweep(after=2 * MINUTE)

    (alert,) = bench.alerts()
    assert "pauses so far was 90 s" in alert.words


@pytest.mark.parametrize(
    ("evidence", "settings", "pauses", "seconds"),
    [
        pytest.param(Evidence(cadence_seconds=600), {}, Pauses(), 900, id="plan"),
        pytest.param(Evidence(cadence_seconds=1), {}, Pauses(), 120, id="floor-of-a-plan"),
        pytest.param(
            Evidence(cadence_seconds=600), {"alarm_cadence_seconds": "60"}, Pauses(50, 10), 900, id="plan-goes-first"
        ),
        pytest.param(Evidence(), {"alarm_cadence_seconds": "60"}, Pauses(50, 1000), 90, id="setting-before-a-guess"),
        pytest.param(Evidence(), {}, Pauses(PAUSES_NEEDED, 200), 1000, id="pauses"),
        pytest.param(Evidence(), {}, Pauses(PAUSES_NEEDED, 1), 300, id="floor-of-a-guess"),
        pytest.param(Evidence(), {}, Pauses(PAUSES_NEEDED - 1, 200), None, id="too-few-pauses"),
        pytest.param(Evidence(cadence_seconds=0), {}, Pauses(), None, id="nothing-known"),
        pytest.param(Evidence(cadence_seconds=600), {"alarm_silence_factor": "0.1"}, Pauses(), 600, id="never-below"),
        pytest.param(Evidence(cadence_seconds=600), {"alarm_silence_factor": "nan"}, Pauses(), 900, id="no-number"),
    ],
)
def test_how_long_silence_may_last(
    evidence: Evidence, settings: dict[str, str], pauses: Pauses, seconds: float | None
) -> None:
    limit = silence_limit(evidence, settings, pauses)

    assert (limit.seconds if limit else None) == seconds


@pytest.mark.parametrize(("seconds", "words"), [(42, "42 s"), (2520, "42 min"), (9000, "2.5 h")])
def test_a_time_is_said_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
