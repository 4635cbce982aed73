"""Limits that follow an instrument: what was usual for it lately, and how far from that a dataset lies.

Centre and spread are the median and the median absolute deviation, so that a few bad datasets among the good ones move
neither. Only datasets that passed or that a steward accepted are looked at, so limits do not follow what nobody agreed
to. A value is held against the latest datasets, and against the older half of the window as well: a drift that is too
slow to be seen from one week to the next is seen from one end of the window to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from statistics import median
from typing import Annotated

from pydantic import Field, FiniteFloat, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.robust import robust_sigma

_FARTHEST = 1e9
_LARGEST = 1e300
"""Beyond it a value is taken for it, so that no median and no difference of two is infinite."""

_ROUNDING = 1e-9
"""Of a value: less than this share of it is how it was calculated, and no spread."""


class Side(StrEnum):
    """On which side of the usual a value is worse."""

    LOW = "low"
    HIGH = "high"
    BOTH = "both"


class Period(StrEnum):
    """Against which part of the window a value is held."""

    LATEST = "latest"
    OLDER = "older"


class BaselineRule(Value):
    """A rule that a metric must not be worse than what was usual.

    Attributes:
        check: The rule's name.
        metric: Of the summary; where channels have values of their own, each is held against its own.
        side: On which side a value is worse.
        sigmas: How many times the usual spread a value may lie away.
        window_days: How far back data may have come.
        last: The newest so many datasets count.
        least: Of fewer datasets nothing is told.
        floor: The smallest spread that is believed, in the metric's unit: a value that never changed says nothing of
            how it will.
    """

    check: str
    metric: str = Field(min_length=1)
    side: Side
    sigmas: float = Field(default=3.0, gt=0, le=100)
    window_days: int = Field(default=90, ge=1, le=3660)
    last: int = Field(default=30, ge=6, le=200)
    least: int = Field(default=8, ge=6, le=200)
    floor: Annotated[float, Field(ge=1e-12, le=1e12)]

    @model_validator(mode="after")
    def _can_have_enough(self) -> BaselineRule:
        if self.least > self.last:
            msg = "least is more than last, so there would never be enough; make it smaller"
            raise ValueError(msg)
        return self


class Point(Value):
    """The value of one dataset."""

    at: Moment
    value: FiniteFloat


class Usual(Value):
    """What was usual.

    Attributes:
        count: Of how many datasets.
        since, until: When the data of the first and the last of them came.
        centre: Their median.
        sigma: How far they lie from it, as a standard deviation; wider where they are few.
    """

    count: int
    since: Moment
    until: Moment
    centre: float
    sigma: float


class Chart(Value):
    """One value of a dataset beside what was usual for it.

    Attributes:
        check: The rule's name.
        instrument: Whose usual it is; None for a dataset of no instrument.
        channel: None for a value of the whole dataset.
        usual: None where too few datasets are known.
        known: How many datasets there are.
    """

    check: str
    instrument: str | None
    channel: str | None
    period: Period
    value: FiniteFloat
    usual: Usual | None = None
    known: int = 0


def charts_of(
    rule: BaselineRule, value: float, past: Sequence[Point], *, instrument: str | None, channel: str | None
) -> tuple[Chart, ...]:
    """Hold a value against the latest datasets, and against the older half of all where that has enough of them.

    Args:
        rule: What is asked for.
        value: Of the dataset that is judged.
        past: Of the datasets before it within the window, in any order.
        instrument: Whose they are.
        channel: Whose values they are.
    """
    points = sorted(past, key=lambda point: point.at)
    made = Chart(
        check=rule.check, instrument=instrument, channel=channel, period=Period.LATEST, value=value, known=len(points)
    )
    if len(points) < rule.least:
        return (made,)
    charts = [made.model_copy(update={"usual": usual_of(points[-rule.last :], floor=rule.floor)})]
    older = points[: len(points) // 2][: rule.last]
    if len(older) >= rule.least:
        charts.append(made.model_copy(update={"period": Period.OLDER, "usual": usual_of(older, floor=rule.floor)}))
    return tuple(charts)


def usual_of(points: Sequence[Point], *, floor: float) -> Usual:
    """Tell what is usual from points in the order of their times."""
    values, count = [max(min(point.value, _LARGEST), -_LARGEST) for point in points], len(points)
    centre = median(values)
    sigma = _widened(count) * robust_sigma(values, centre=centre)
    return Usual(
        count=count,
        since=points[0].at,
        until=points[-1].at,
        centre=centre,
        sigma=max(min(sigma, _LARGEST), floor, _ROUNDING * abs(centre)),
    )


def _widened(count: int) -> float:
    """Say how much wider a limit from few values has to be, so that no more ordinary values lie beyond 3 sigma.

    Median and median deviation of few values are themselves uncertain: beyond 3 of them lie 3 of 100 ordinary values at
    8 values, where it should be 1 of 740. Fitted to 2,000,000 normal samples for each of 8 to 200 values; within 8 %.
    """
    return 1 + 6.5 / count + 75 / count**2


def sigmas_away(chart: Chart, usual: Usual, *, side: Side) -> float:
    """Tell how many times the usual spread a value is worse than usual; negative on the better side."""
    away = (max(min(chart.value, _LARGEST), -_LARGEST) - usual.centre) / usual.sigma
    match side:
        case Side.LOW:
            away = -away
        case Side.BOTH:
            away = abs(away)
        case Side.HIGH:
            pass
    return max(min(away, _FARTHEST), -_FARTHEST)


def limits_of(usual: Usual, rule: BaselineRule) -> tuple[float | None, float | None]:
    """Give the lower and the upper limit; None on a side where nothing is worse."""
    reach = rule.sigmas * usual.sigma
    low = None if rule.side is Side.HIGH else usual.centre - reach
    high = None if rule.side is Side.LOW else usual.centre + reach
    return low, high


def worst_first(charts: Sequence[Chart], rule: BaselineRule) -> tuple[tuple[float, Chart, Usual], ...]:
    """Give the charts that can be judged, how many sigmas each is away, the worst first."""
    judged = [(sigmas_away(one, one.usual, side=rule.side), one, one.usual) for one in charts if one.usual is not None]
    return tuple(sorted(judged, key=lambda found: -found[0]))
