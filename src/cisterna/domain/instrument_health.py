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
"""A pause this many times the longest one of a usual week is called silence."""
SHORTEST_HISTORY = timedelta(days=7)
"""Of an instrument that has run for less nobody knows what a weekend does."""
LONGEST_HISTORY = timedelta(days=400)
TOGETHER = timedelta(minutes=1)
"""Runs that were first seen within it came together, whenever each of them began."""
CLOCKS_APART = timedelta(hours=1)
"""An instrument's clock that is ahead of ours by more is not believed."""

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


class RunBegin(Value):
    """When a run began, as far as it is known, and when the last of it came.

    Attributes:
        seen: When its folder was first seen, by our clock.
        came: When its folder last changed, by our clock; not before `seen`.
        started: As its instrument says; None where that says nothing.
    """

    seen: Moment
    came: Moment
    started: Moment | None = None


class Silence(Value):
    """How long nothing has come from an instrument, beside what is usual for it.

    Attributes:
        last_run: When the newest run was first seen.
        came: When anything last came.
        quiet_seconds: Since then; 0 while a run is written.
        usual_seconds: Between the beginnings of two runs, the median; None where too few beginnings are known.
        longest_seconds: The longest such pause.
        weekly_seconds: The longest pause of a week, as three of four weeks have it at most.
        said_seconds: How long nothing may come, as the instrument's setting says.
        limit_seconds: After which it counts as silent: what its setting says, or twice the week's longest pause and
            at least a day; None where neither is known.
        runs: Beginnings that this is from.
        is_silent: Whether it is longer than that.
        is_writing: Whether a run is being written.
    """

    last_run: Moment | None
    came: Moment | None
    quiet_seconds: float
    usual_seconds: float | None
    longest_seconds: float | None
    weekly_seconds: float | None
    said_seconds: float | None
    limit_seconds: float | None
    runs: int
    is_silent: bool
    is_writing: bool


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


def silence_of(
    begun: Sequence[RunBegin], *, is_writing: bool, now: datetime, said_seconds: float | None = None
) -> Silence:
    """Hold the present pause against those before.

    One long stop, such as a repair, does not make the next one usual: of the longest pauses of the weeks in which a run
    began, a quarter may be as long as they like.

    Args:
        begun: Of its newest runs.
        is_writing: Whether one is being written.
        now: The moment of asking.
        said_seconds: How long nothing may come, where somebody said so.
    """
    moments = beginnings_of(begun)
    pauses = [(later - earlier).total_seconds() for later, earlier in pairwise(moments)]
    known = len(moments) >= FEWEST_RUNS
    came = max((one.came for one in begun), default=None)
    quiet = 0.0 if came is None or is_writing else max(0.0, (now - came).total_seconds())
    weekly = _weekly(moments) if known else None
    learned = None if weekly is None else max(SILENCE_FACTOR * weekly, SHORTEST_SILENCE.total_seconds())
    limit = (said_seconds or learned) if begun else None
    return Silence(
        last_run=max((one.seen for one in begun), default=None),
        came=came,
        quiet_seconds=quiet,
        usual_seconds=median(pauses) if known else None,
        longest_seconds=max(pauses) if known else None,
        weekly_seconds=weekly,
        said_seconds=said_seconds,
        limit_seconds=limit,
        runs=len(moments),
        is_silent=limit is not None and quiet > limit,
        is_writing=is_writing,
    )


def beginnings_of(begun: Sequence[RunBegin]) -> list[datetime]:
    """Give the moments at which runs began, each once, newest first, as far back as any counts.

    The instrument's own word counts, unless its clock is ahead of ours. Of runs that say nothing, those that were first
    seen together, or one right after the other, came together: when each of them began is not known.
    """
    said = {one.started for one in begun if one.started is not None and one.started <= one.seen + CLOCKS_APART}
    apart: list[datetime] = []
    for one in sorted(begun, key=lambda run: run.seen):
        if (one.started is None or one.started not in said) and (not apart or one.seen - apart[-1] >= TOGETHER):
            apart.append(one.seen)
    moments = sorted({*said, *apart}, reverse=True)
    return [one for one in moments if moments[0] - one <= LONGEST_HISTORY]


def _weekly(moments: Sequence[datetime]) -> float | None:
    """Give the longest pause of a week that three of four weeks do not exceed, of the weeks in which a run began."""
    if moments[0] - moments[-1] < SHORTEST_HISTORY:
        return None
    longest: dict[int, float] = {}
    for later, earlier in pairwise(moments):
        week = (moments[0] - later) // timedelta(days=7)
        longest[week] = max(longest.get(week, 0.0), (later - earlier).total_seconds())
    ordered = sorted(longest.values())
    return ordered[-(-3 * len(ordered) // 4) - 1]


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
