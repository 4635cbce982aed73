"""How an instrument does: what of it passes, how long it is silent, and what has moved from what was usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from pydantic import computed_field

from cisterna.domain.base import Moment, Value
from cisterna.domain.control_chart import Point, usual_of
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.trend import JudgedValues

PERIODS = (7, 30, 90)
"""Days of which the share that passed is told."""
WEEKS = 13
WINDOW = timedelta(days=7 * WEEKS)
"""How far back anything here looks."""

FEWEST_RUNS = 5
"""Of fewer runs nobody can say what is usual."""
SHORTEST_SILENCE = timedelta(days=1)
SILENCE_FACTOR = 2.0
"""A pause this many times the longest one seen is called silence."""

RECENT = timedelta(days=7)
FEWEST_RECENT = 3
FEWEST_USUAL = 8
DRIFT_SIGMAS = 3.0
_FLOOR_SHARE = 0.01
"""Of the usual value: a spread smaller than this is rounding, and no measure of anything."""


class DayCount(Value):
    """How many datasets of one day have a verdict, by their newest version; None is not judged yet.

    Attributes:
        days_ago: Full days before the moment of asking.
    """

    days_ago: int
    verdict: Verdict | None
    count: int


class Rate(Value):
    """What became of the datasets of some days.

    Attributes:
        counts: By verdict; every verdict has one.
        waiting: Not judged yet.
    """

    days: int
    counts: Mapping[Verdict, int]
    waiting: int

    @property
    def judged(self) -> int:
        """How many have a verdict."""
        return sum(self.counts.values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed_share(self) -> float | None:
        """Share of the judged that passed, 0 to 1; what could not be assessed did not. None when none was judged."""
        return self.counts[Verdict.PASSED] / self.judged if self.judged else None


class Week(Value):
    """The datasets of one week, counted back from the moment of asking."""

    begins: Moment
    counts: Mapping[Verdict, int]


class CheckCount(Value):
    """How often a check did not pass lately.

    Attributes:
        count: Datasets.
        latest: The newest of them.
        latest_title: What it is called.
    """

    check: str
    outcome: Outcome
    count: int
    latest: str
    latest_title: str


class Silence(Value):
    """How long an instrument has begun no run, beside what is usual for it.

    Attributes:
        last_run: When the newest run was first seen.
        quiet_seconds: Since then; 0 while a run is written.
        usual_seconds: Between the beginnings of two runs, the median; None of too few runs.
        longest_seconds: The longest such pause.
        runs: That this is from.
        is_silent: Whether it is longer than twice the longest pause, and than a day.
    """

    last_run: Moment | None
    quiet_seconds: float
    usual_seconds: float | None
    longest_seconds: float | None
    runs: int
    is_silent: bool


class Drift(Value):
    """A metric that has moved away from what was usual.

    Attributes:
        usual: Median of the datasets before.
        recent: Median of the last days.
        sigmas: How far apart they are, in robust standard deviations of the datasets before.
        usual_count, recent_count: Datasets that these are from.
    """

    data_type: str
    metric: str
    channel: str | None
    usual: float
    recent: float
    sigmas: float
    usual_count: int
    recent_count: int


def rate_of(days: Iterable[DayCount], *, period: int) -> Rate:
    """Add up the last days."""
    chosen = [one for one in days if 0 <= one.days_ago < period]
    return Rate(days=period, counts=_by_verdict(chosen), waiting=sum(one.count for one in chosen if not one.verdict))


def weeks_of(days: Iterable[DayCount], *, now: datetime) -> Sequence[Week]:
    """Add up by week, oldest first; a week without data is there, and empty."""
    every = list(days)
    return [
        Week(
            begins=now - timedelta(days=7 * (back + 1)),
            counts=_by_verdict(one for one in every if one.days_ago // 7 == back),
        )
        for back in reversed(range(WEEKS))
    ]


def silence_of(begun: Sequence[datetime], *, is_writing: bool, now: datetime) -> Silence:
    """Hold the present pause against those between the runs before.

    Args:
        begun: When runs were first seen, newest first.
        is_writing: Whether one is being written.
        now: The moment of asking.
    """
    pauses = [(later - earlier).total_seconds() for later, earlier in pairwise(begun)]
    known = len(begun) >= FEWEST_RUNS
    quiet = max(0.0, (now - begun[0]).total_seconds()) if begun and not is_writing else 0.0
    longest = max(pauses) if known else None
    return Silence(
        last_run=begun[0] if begun else None,
        quiet_seconds=quiet,
        usual_seconds=median(pauses) if known else None,
        longest_seconds=longest,
        runs=len(begun),
        is_silent=longest is not None and quiet > max(SILENCE_FACTOR * longest, SHORTEST_SILENCE.total_seconds()),
    )


def drifts_of(judged: Sequence[JudgedValues], *, now: datetime, most: int) -> Sequence[Drift]:
    """Find what has moved: the last days against those before, by data type, channel and metric; the farthest first.

    Args:
        judged: Datasets that count as usual, of the whole window.
        now: The moment of asking.
        most: So many are given.
    """
    before: dict[tuple[str, str | None, str], list[Point]] = {}
    lately: dict[tuple[str, str | None, str], list[Point]] = {}
    for one in judged:
        side = lately if one.at >= now - RECENT else before
        for channel in one.channels:
            for metric, value in channel.metrics.items():
                side.setdefault((one.data_type, channel.channel, metric), []).append(Point(at=one.at, value=value))
    found = [_drift(key, before.get(key, []), values) for key, values in lately.items()]
    moved = [one for one in found if one is not None and abs(one.sigmas) >= DRIFT_SIGMAS]
    return sorted(moved, key=lambda one: (-abs(one.sigmas), one.metric, one.channel or ""))[:most]


def _drift(key: tuple[str, str | None, str], before: list[Point], lately: list[Point]) -> Drift | None:
    if len(before) < FEWEST_USUAL or len(lately) < FEWEST_RECENT:
        return None
    floor = _FLOOR_SHARE * abs(median(one.value for one in before))
    usual = usual_of(sorted(before, key=lambda one: one.at), floor=floor)
    if not usual.sigma:
        return None  # it was nothing but zero: there is no measure of how far another value is from that
    recent = median(one.value for one in lately)
    return Drift(
        data_type=key[0],
        channel=key[1],
        metric=key[2],
        usual=usual.centre,
        recent=recent,
        sigmas=(recent - usual.centre) / usual.sigma,
        usual_count=len(before),
        recent_count=len(lately),
    )


def _by_verdict(days: Iterable[DayCount]) -> dict[Verdict, int]:
    counts = dict.fromkeys(Verdict, 0)
    for one in days:
        if one.verdict is not None:
            counts[one.verdict] += one.count
    return counts
