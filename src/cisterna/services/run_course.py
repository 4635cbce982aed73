"""How a run went: whether stage and focus drifted, whether it paused, and in which order channels were taken. Pure.

Known only of instruments that record where and when they took each image; of others the words say why it is not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import hypot
from statistics import median

from cisterna.services.summary import SummaryRow

_GAP_FACTOR = 10.0
_GAP_SECONDS = 60.0
"""An interval is a gap when it is longer than both: so much, and so many times the median."""
_LATE_FACTOR = 1.5
"""The same for the intervals between time points, which a run keeps to."""
_FEW = 3
"""Intervals, and time points, from which something can be said of what is usual, and of a trend."""
_MOST_TIMES = 300
"""Of more time points, so many are taken for a trend, evenly."""


@dataclass(frozen=True)
class Taken:
    """One image, where it belongs, and where and when it was taken; None is not recorded.

    Attributes:
        focus: How sharp it is; None where that cannot be told.
        seconds: From any beginning that is the same for the run.
    """

    index: int
    region: str
    field: str
    channel: str
    z: int
    t: int
    focus: float | None = None
    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    seconds: float | None = None

    @property
    def spot(self) -> tuple[str, str]:
        """Name its well and field."""
        return (self.region, self.field)


@dataclass(frozen=True)
class Course:
    """What came of it.

    Attributes:
        row: Columns of the summary, each with one beside it that says why it is unknown.
        late: How long each image was waited for, by its index, where that was a gap.
    """

    row: SummaryRow
    late: Mapping[int, float]


def run_course(taken: Sequence[Taken]) -> Course:
    """Sum up how the run went, from the images whose place in the run is known."""
    late = {**_gaps_within(taken), **_gaps_between(taken)}
    row: SummaryRow = {}
    for name, (value, unknown) in {
        "stage_drift_um": _stage_drift(taken),
        "focus_drift_um": _focus_drift(taken),
        "time_gaps": _counted(taken, late),
        "channel_orders": _channel_orders(taken),
    }.items():
        row[name] = value
        row[f"{name.removesuffix('_um')}_unknown"] = unknown if value is None else None
    row["time_gap_longest_seconds"] = max(late.values(), default=None)
    return Course(row, late)


def joined_courses(courses: Sequence[Course]) -> Course:
    """Put the courses of runs that lie in one dataset together: what was worst in any of them, and all of the gaps."""
    known = list(courses) or [run_course([])]
    row: SummaryRow = {}
    for name in known[0].row:
        values = [one.row[name] for one in known]
        numbers = [value for value in values if isinstance(value, int | float)]
        told = (sum if name == "time_gaps" else max)(numbers) if numbers else None
        row[name] = next(iter(values)) if name.endswith("_unknown") else told
    for name in ("stage_drift_um", "focus_drift_um", "time_gaps", "channel_orders"):
        if row[name] is not None:
            row[f"{name.removesuffix('_um')}_unknown"] = None
    return Course(row, {index: waited for one in known for index, waited in one.late.items()})


_Found = tuple[float | int | None, str]
_NO_PLACES = "what it wrote does not say where the stage was"
_NO_TIMES = "what it wrote does not say when its images were taken"
_ONE_TIME = "it has fewer than {} time points of one field"


def _stage_drift(taken: Sequence[Taken]) -> _Found:
    """Largest displacement of the middle field from its first time point: one field that was moved moves it little."""
    spots: dict[tuple[str, str], dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for one in taken:
        if one.x_um is not None and one.y_um is not None:
            spots[one.spot][one.t].append((one.x_um, one.y_um))
    if not spots:
        return None, _NO_PLACES
    moved: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for by_time in spots.values():
        first_x, first_y = _middle(by_time[min(by_time)])
        for time in sorted(by_time)[1:]:
            x, y = _middle(by_time[time])
            moved[time].append((x - first_x, y - first_y))
    if not moved:
        return None, _ONE_TIME.format(2)
    return max(hypot(*_middle(some)) for some in moved.values()), ""


def _middle(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return median(x for x, _ in points), median(y for _, y in points)


def _focus_drift(taken: Sequence[Taken]) -> _Found:
    """Trend of the sharpest plane's height over the whole run: Theil-Sen over time points, of the middle field."""
    stacks: dict[tuple[str, str, str], dict[int, list[Taken]]] = defaultdict(lambda: defaultdict(list))
    for one in taken:
        if one.z_um is not None:
            stacks[(*one.spot, one.channel)][one.t].append(one)
    if not stacks:
        return None, _NO_PLACES
    moved: dict[int, list[float]] = defaultdict(list)
    for by_time in stacks.values():
        heights = {time: _height(planes) for time, planes in by_time.items()}
        first = heights[min(heights)]
        for time, height in heights.items():
            moved[time].append(height - first)
    if len(moved) < _FEW:
        return None, _ONE_TIME.format(_FEW)
    times = sorted(moved)
    chosen = times[:: -(-len(times) // _MOST_TIMES)]
    trend = [(time, median(moved[time])) for time in chosen]
    slope = median((b - a) / (later - earlier) for (earlier, a), (later, b) in combinations(trend, 2))
    return abs(slope * (times[-1] - times[0])), ""


def _height(planes: Sequence[Taken]) -> float:
    """Give the height of the sharpest plane, or of the middle one where no focus is known."""
    known = [one for one in planes if one.focus is not None]
    if known:
        best = max(known, key=lambda one: (one.focus or 0.0, -one.z))
        return best.z_um or 0.0
    return median(one.z_um or 0.0 for one in planes)


def _gaps_within(taken: Iterable[Taken]) -> dict[int, float]:
    """Find the images of a time point that came long after the one before."""
    by_time: dict[int, dict[float, int]] = defaultdict(dict)
    for one in taken:
        if one.seconds is not None:
            by_time[one.t].setdefault(one.seconds, one.index)
    steps = [(later - earlier, some[later]) for some in by_time.values() for earlier, later in pairwise(sorted(some))]
    return _longer(steps, factor=_GAP_FACTOR, least=_GAP_SECONDS)


def _gaps_between(taken: Iterable[Taken]) -> dict[int, float]:
    """Find the time points that began long after the one before."""
    begun: dict[int, tuple[float, int]] = {}
    for one in taken:
        if one.seconds is not None and (one.t not in begun or one.seconds < begun[one.t][0]):
            begun[one.t] = (one.seconds, one.index)
    starts = [begun[time] for time in sorted(begun)]
    steps = [(later - earlier, index) for (earlier, _), (later, index) in pairwise(starts)]
    return _longer(steps, factor=_LATE_FACTOR, least=_GAP_SECONDS)


def _longer(steps: Sequence[tuple[float, int]], *, factor: float, least: float) -> dict[int, float]:
    if len(steps) < _FEW:
        return {}
    usual = median(step for step, _ in steps)
    return {index: step for step, index in steps if step > least and step > factor * usual}


def _counted(taken: Sequence[Taken], late: Mapping[int, float]) -> _Found:
    times = {one.seconds for one in taken if one.seconds is not None}
    if not times:
        return None, _NO_TIMES
    if len(times) <= _FEW:
        return None, f"its images have {len(times)} different times, from which nothing usual can be told"
    return len(late), ""


def _channel_orders(taken: Sequence[Taken]) -> _Found:
    """Count the orders in which channels were taken at positions that have all of them."""
    spots: dict[tuple[str, str, int, int], dict[str, float]] = defaultdict(dict)
    for one in taken:
        if one.seconds is not None:
            spots[(*one.spot, one.z, one.t)][one.channel] = one.seconds
    if not spots:
        return None, _NO_TIMES
    channels = max(map(len, spots.values()))
    if channels < 2:
        return None, "it has one channel"
    orders = Counter(
        tuple(sorted(times, key=lambda channel: (times[channel], channel)))
        for times in spots.values()
        if len(times) == channels == len(set(times.values()))
    )
    if not orders:
        return None, "it records one time for all channels of a position"
    return len(orders), ""
