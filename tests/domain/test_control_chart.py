"""Limits that follow an instrument: robust, honest about how much they know, and not to be led astray slowly."""

from __future__ import annotations

import random
from datetime import timedelta
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cisterna.domain.control_chart import BaselineRule, Chart, Period, Point, Side, charts_of, limits_of, worst_first
from cisterna.testing.clock import START

VALUES = st.floats(-1e6, 1e6)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NORMAL = NormalDist()


def rule(**fields: Any) -> BaselineRule:
    return BaselineRule(**{"check": "usual", "metric": "focus_median", "side": Side.LOW, "floor": 1e-6, **fields})


def points(*values: float) -> list[Point]:
    return [Point(at=START + timedelta(days=day), value=value) for day, value in enumerate(values)]


def charts(value: float, *past: float, asked: BaselineRule | None = None) -> tuple[Chart, ...]:
    return charts_of(asked or rule(), value, points(*past), instrument="squid-1", channel=None)


def is_worse(value: float, *past: float, asked: BaselineRule | None = None, period: Period | None = None) -> bool:
    judged = worst_first(charts(value, *past, asked=asked), asked or rule())
    return any(away > 3 for away, chart, _ in judged if period in {None, chart.period})


def ordinary(count: int, *, seed: int, centre: float = 10.0, sigma: float = 1.0) -> list[float]:
    return [random.Random(f"{seed} {at}").gauss(centre, sigma) for at in range(count)]


@pytest.mark.parametrize("known", range(8))
def test_of_too_few_datasets_nothing_is_told(known: int) -> None:
    (chart,) = charts(0.0, *[10.0] * known)

    assert chart.usual is None
    assert chart.known == known


def test_a_value_far_below_what_was_usual_is_worse_and_one_far_above_is_not() -> None:
    past = ordinary(30, seed=1)

    assert is_worse(5.0, *past)
    assert not is_worse(15.0, *past)
    assert is_worse(15.0, *past, asked=rule(side=Side.HIGH))
    assert not is_worse(5.0, *past, asked=rule(side=Side.HIGH))
    assert is_worse(15.0, *past, asked=rule(side=Side.BOTH))
    assert is_worse(5.0, *past, asked=rule(side=Side.BOTH))


def test_a_few_bad_datasets_among_the_good_move_the_limit_little() -> None:
    good = ordinary(30, seed=2)
    spoiled = [1e6 if at % 4 == 0 else value for at, value in enumerate(good)]
    (_, _, before), (_, _, after) = (worst_first(charts(10.0, *past), rule())[0] for past in (good, spoiled))
    lows = [limits_of(one, rule())[0] or 0.0 for one in (before, after)]

    assert abs(lows[0] - lows[1]) < 2.5
    assert is_worse(2.0, *spoiled)


def test_a_constant_past_does_not_alarm_on_rounding() -> None:
    past = [0.1 + 0.2] * 30

    assert not is_worse(0.3, *past)
    assert not is_worse(0.3 - 2.9e-6, *past)
    assert is_worse(0.3 - 3.1e-6, *past)


def test_a_drift_too_slow_for_the_latest_is_seen_against_the_older_half() -> None:
    noise = ordinary(200, seed=3, centre=0.0)
    drifting = [100.0 - 0.05 * at + one for at, one in enumerate(noise)]
    now = 100.0 - 0.05 * 200

    assert not is_worse(now, *drifting, period=Period.LATEST)
    assert is_worse(now, *drifting, period=Period.OLDER)


def test_only_the_latest_so_many_are_the_latest() -> None:
    past = [*[100.0] * 40, *[10.0] * 30]
    latest, older = charts(10.0, *past)

    assert latest.usual is not None
    assert older.usual is not None
    assert (latest.usual.centre, latest.usual.count, latest.usual.since) == (10.0, 30, START + timedelta(days=40))
    assert (older.usual.centre, older.usual.count, older.usual.until) == (100.0, 30, START + timedelta(days=29))


@pytest.mark.parametrize("known", [8, 12, 16, 30, 60])
def test_ordinary_values_are_seldom_called_worse(known: int) -> None:
    called = [is_worse(random.Random(seed).gauss(10, 1), *ordinary(known, seed=seed)) for seed in range(2000)]

    assert sum(called) / len(called) < 4 * (1 - NORMAL.cdf(3))  # held against the latest and against the older half


@given(st.lists(VALUES, min_size=8, max_size=60), VALUES)
def test_the_order_in_which_the_past_is_told_changes_nothing(past: list[float], value: float) -> None:
    told = points(*past)
    shuffled = random.Random(0).sample(told, len(told))

    assert charts_of(rule(), value, told, instrument="s", channel=None) == charts_of(
        rule(), value, shuffled, instrument="s", channel=None
    )


@given(st.lists(VALUES, min_size=8, max_size=60), VALUES, st.floats(0, 1e6))
def test_a_worse_value_is_never_judged_better(past: list[float], value: float, by: float) -> None:
    worse, better = (worst_first(charts(one, *past), rule())[0][0] for one in (value - by, value))

    assert worse >= better


@given(st.lists(FINITE, min_size=6, max_size=60), FINITE)
def test_the_centre_of_the_latest_is_never_outside_and_every_number_is_finite(past: list[float], value: float) -> None:
    asked = rule(least=6, side=Side.BOTH)
    for away, _, usual in worst_first(charts(value, *past, asked=asked), asked):
        low, high = limits_of(usual, asked)
        assert low is not None
        assert high is not None
        assert low < usual.centre < high
        assert usual.sigma >= asked.floor
        assert abs(away) <= 1e9


@given(st.lists(VALUES, min_size=16, max_size=40), st.sampled_from([0.001, 1.0, 1000.0]), st.floats(-1e3, 1e3))
def test_another_unit_changes_no_verdict(past: list[float], scale: float, value: float) -> None:
    spread = max(past) - min(past)
    plain = worst_first(charts(value, *past, asked=rule(floor=max(spread, 1.0))), rule())[0][0]
    scaled = [one * scale for one in past]
    other = worst_first(charts(value * scale, *scaled, asked=rule(floor=max(spread, 1.0) * scale)), rule())[0][0]

    assert other == pytest.approx(plain, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {"floor": 0},
        {"floor": float("nan")},
        {"floor": -1},
        {"sigmas": 0},
        {"sigmas": float("inf")},
        {"window_days": 0},
        {"least": 5},
        {"least": 40},
        {"last": 500},
        {"side": "left"},
        {"metric": ""},
        {"mostly": 0.5},
    ],
    ids=str,
)
def test_a_rule_that_could_not_judge_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**fields)
