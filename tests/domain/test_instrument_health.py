"""What is said of an instrument: shares, weeks, silence and drift, from plain numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.finding import Verdict
from cisterna.domain.instrument_health import WEEKS, DayCount, drifts_of, rate_of, silence_of, weeks_of
from cisterna.domain.trend import ChannelValues, JudgedValues
from cisterna.testing.factory import make_dataset

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def day(days_ago: int, verdict: Verdict | None, count: int = 1) -> DayCount:
    return DayCount(days_ago=days_ago, verdict=verdict, count=count)


def judged(
    name: str, days_ago: float, value: float, *, metric: str = "snr", channel: str | None = "DAPI"
) -> JudgedValues:
    dataset = make_dataset(name).dataset_id
    return JudgedValues(
        version_id=f"{dataset}:v1",
        dataset_id=dataset,
        number=1,
        revision=0,
        instrument="squid-1",
        data_type="microscopy",
        verdict=Verdict.PASSED,
        at=NOW - days_ago * DAY,
        channels=(ChannelValues(channel=channel, metrics={metric: value}),),
    )


def test_what_could_not_be_assessed_did_not_pass_and_what_waits_is_counted_apart() -> None:
    days = [day(0, Verdict.PASSED, 6), day(3, Verdict.NOT_ASSESSED, 2), day(6, None, 5), day(7, Verdict.QUARANTINED, 9)]

    rate = rate_of(days, period=7)

    assert (rate.judged, rate.waiting, rate.passed_share) == (8, 5, 0.75)
    assert rate_of(days, period=30).passed_share == pytest.approx(6 / 17)


def test_a_share_of_nothing_is_none_and_never_everything() -> None:
    assert rate_of([], period=30).passed_share is None
    assert rate_of([day(1, None, 3)], period=30).passed_share is None


@given(st.lists(st.tuples(st.integers(0, 7 * WEEKS - 1), st.sampled_from(Verdict), st.integers(1, 50))))
def test_every_dataset_of_the_window_stands_in_one_week(rows: list[tuple[int, Verdict, int]]) -> None:
    days = [day(*row) for row in rows]

    weeks = weeks_of(days, now=NOW)

    assert len(weeks) == WEEKS
    assert [one.begins for one in weeks] == sorted(one.begins for one in weeks)
    assert sum(sum(one.counts.values()) for one in weeks) == sum(one.count for one in days)


def test_a_pause_is_silence_only_when_it_is_long_by_what_was_usual_and_longer_than_a_day() -> None:
    def begun(last: timedelta, pause: timedelta) -> list[datetime]:
        return [NOW - last - pause * back for back in range(10)]

    hourly, weekly = timedelta(hours=1), timedelta(days=7)

    assert silence_of(begun(3 * DAY, hourly), is_writing=False, now=NOW).is_silent
    assert not silence_of(begun(timedelta(hours=20), hourly), is_writing=False, now=NOW).is_silent
    assert not silence_of(begun(10 * DAY, weekly), is_writing=False, now=NOW).is_silent
    assert silence_of(begun(15 * DAY, weekly), is_writing=False, now=NOW).is_silent
    assert not silence_of(begun(15 * DAY, hourly), is_writing=True, now=NOW).is_silent


@pytest.mark.parametrize("runs", range(5))
def test_of_too_few_runs_nothing_is_called_silence(runs: int) -> None:
    found = silence_of([NOW - 300 * DAY * (1 + back) for back in range(runs)], is_writing=False, now=NOW)

    assert (found.is_silent, found.usual_seconds) == (False, None)


def test_a_clock_that_jumped_back_makes_no_negative_silence() -> None:
    assert silence_of([NOW + DAY] * 6, is_writing=False, now=NOW).quiet_seconds == 0


def test_what_moved_is_told_with_both_medians_and_the_farthest_first() -> None:
    usual = [judged(f"u{n}", 10 + n, 10.0 + n % 3) for n in range(30)]
    lately = [judged(f"l{n}", n, 0.5) for n in range(4)]
    steady = [judged(f"s{n}", n, 10.0 + n % 3, metric="focus") for n in range(4, 30)]

    found = drifts_of([*usual, *lately, *steady], now=NOW, most=10)

    (drift,) = found
    assert (drift.metric, drift.channel, drift.usual, drift.recent) == ("snr", "DAPI", 11.0, 0.5)
    assert drift.sigmas < -5
    assert (drift.usual_count, drift.recent_count) == (30, 4)


def test_rounding_of_what_was_constant_is_no_drift_and_a_real_step_is() -> None:
    constant = [judged(f"u{n}", 10 + n, 100.0) for n in range(12)]

    assert drifts_of([*constant, *(judged(f"l{n}", n, 100.001) for n in range(4))], now=NOW, most=10) == []
    assert drifts_of([*constant, *(judged(f"l{n}", n, 110.0) for n in range(4))], now=NOW, most=10)


@pytest.mark.parametrize(("before", "lately"), [(7, 4), (12, 2), (0, 4), (12, 0)])
def test_of_too_few_datasets_no_drift_is_told(before: int, lately: int) -> None:
    told = [judged(f"u{n}", 10 + n, 10.0 + n % 3) for n in range(before)]
    told += [judged(f"l{n}", n, 99.0) for n in range(lately)]

    assert drifts_of(told, now=NOW, most=10) == []


def test_what_was_nothing_but_zero_has_no_measure_of_distance() -> None:
    told = [judged(f"u{n}", 10 + n, 0.0) for n in range(12)] + [judged(f"l{n}", n, 5.0) for n in range(4)]

    assert drifts_of(told, now=NOW, most=10) == []
