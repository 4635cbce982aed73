"""What is said of an instrument: shares, weeks, silence and drift, from plain numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.finding import Verdict
from cisterna.domain.instrument_health import (
    WEEKS,
    DayCount,
    RunBegin,
    Silence,
    beginnings_of,
    drifts_of,
    rate_of,
    silence_of,
    weeks_of,
)
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


def seen(*moments: datetime) -> list[RunBegin]:
    return [RunBegin(seen=one, came=one) for one in moments]


def steady(last: timedelta, pause: timedelta, runs: int = 10) -> list[RunBegin]:
    return seen(*(NOW - last - pause * back for back in range(runs)))


def silence(begun: list[RunBegin], *, is_writing: bool = False, said_seconds: float | None = None) -> Silence:
    return silence_of(begun, is_writing=is_writing, now=NOW, said_seconds=said_seconds)


HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


def test_a_pause_is_silence_only_when_it_is_long_by_what_was_usual_and_longer_than_a_day() -> None:
    assert silence(steady(3 * DAY, HOUR, 200)).is_silent
    assert not silence(steady(20 * HOUR, HOUR, 200)).is_silent
    assert not silence(steady(10 * DAY, WEEK)).is_silent
    assert silence(steady(15 * DAY, WEEK)).is_silent
    assert not silence(steady(15 * DAY, HOUR, 200), is_writing=True).is_silent


def test_weekends_are_usual_and_one_long_stop_does_not_make_the_next_one_so() -> None:
    back = (*range(5), *range(7, 12), *range(14, 19), *range(60, 65), *range(67, 72), *range(74, 79))
    days = seen(*(NOW - 6.5 * DAY - one * DAY for one in back))

    found = silence(days)

    assert found.longest_seconds == 42 * 86_400
    assert (found.weekly_seconds, found.limit_seconds) == (3 * 86_400, 6 * 86_400)
    assert found.is_silent


def test_of_an_instrument_that_has_run_for_less_than_a_week_nobody_knows_what_a_weekend_does() -> None:
    found = silence(steady(3 * DAY, HOUR, 100))

    assert (found.limit_seconds, found.is_silent, found.usual_seconds) == (None, False, 3600.0)


def test_what_somebody_said_counts_for_more_than_what_was_seen_and_never_for_an_instrument_without_runs() -> None:
    assert silence(steady(2 * HOUR, WEEK), said_seconds=3600).is_silent
    assert not silence(steady(3 * DAY, HOUR, 200), said_seconds=7 * 86_400).is_silent
    assert silence(steady(2 * HOUR, HOUR, 1), said_seconds=3600).is_silent
    assert silence([], said_seconds=3600).limit_seconds is None


def test_a_run_that_has_gone_on_for_long_is_no_silence_when_it_ends() -> None:
    long = RunBegin(seen=NOW - 30 * DAY, came=NOW - HOUR)

    assert silence([long, *steady(31 * DAY, HOUR, 200)]).quiet_seconds == 3600.0


@pytest.mark.parametrize("runs", range(5))
def test_of_too_few_runs_nothing_is_called_silence(runs: int) -> None:
    found = silence(seen(*(NOW - 300 * DAY * (1 + back) for back in range(runs))))

    assert (found.is_silent, found.usual_seconds) == (False, None)


def test_a_clock_that_jumped_back_makes_no_negative_silence() -> None:
    assert silence(seen(*[NOW + DAY] * 6)).quiet_seconds == 0


def test_runs_that_were_first_seen_together_tell_nothing_of_how_often_one_begins() -> None:
    together = seen(*[NOW - DAY] * 50)
    one_by_one = seen(*(NOW - DAY + timedelta(seconds=one) for one in range(50)))

    assert (silence(together).runs, silence(together).usual_seconds) == (1, None)
    assert silence(one_by_one).usual_seconds is None


def test_runs_that_were_first_seen_together_are_told_apart_by_what_they_say_themselves() -> None:
    begun = [RunBegin(seen=NOW, came=NOW, started=NOW - back * 3 * HOUR) for back in range(1, 100)]

    found = silence(begun)

    assert (found.runs, found.usual_seconds, found.longest_seconds) == (99, 3 * 3600.0, 3 * 3600.0)


def test_an_instrument_whose_clock_is_ahead_is_not_believed_and_one_that_stood_still_tells_nothing() -> None:
    ahead = [RunBegin(seen=NOW - back * DAY, came=NOW, started=NOW + 400 * DAY) for back in range(10)]
    stopped = [RunBegin(seen=NOW - back * DAY, came=NOW, started=NOW - 9000 * DAY) for back in range(10)]

    assert silence(ahead).usual_seconds == 86_400
    assert silence(stopped).usual_seconds is None


def test_a_time_of_another_age_among_the_others_makes_no_pause_of_years() -> None:
    begun = [*steady(DAY, DAY, 20), RunBegin(seen=NOW - DAY, came=NOW - DAY, started=NOW - 20_000 * DAY)]

    assert silence(begun).longest_seconds == 86_400


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(st.lists(st.builds(RunBegin, seen=MOMENTS, came=MOMENTS, started=st.none() | MOMENTS), max_size=30))
def test_whatever_runs_say_no_pause_is_negative_or_nought_and_silence_needs_a_limit(begun: list[RunBegin]) -> None:
    found = silence(begun)

    moments = beginnings_of(begun)
    assert moments == sorted(set(moments), reverse=True)
    assert found.quiet_seconds >= 0
    assert found.usual_seconds is None or found.usual_seconds > 0
    assert not found.is_silent or found.quiet_seconds > (found.limit_seconds or 0) >= 86_400


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
