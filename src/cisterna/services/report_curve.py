"""The curves of a version's files, thinned and summed up so that a chart of two hundred files can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median

from cisterna.domain.errors import InvalidInput
from cisterna.domain.quality_report import CurveChart, CurveLine
from cisterna.services.report_series import bounded

MOST_CHARTS = 24
LINES = 8
"""Of more files a band is drawn, and lines for those that a finding names."""
_POINTS = 120
Points = list[tuple[float, float]]


def curve_charts(columns: Mapping[str, Sequence[object]], *, failing: Collection[str]) -> tuple[CurveChart, ...]:
    """Draw up a chart for each kind of curve, in the order in which they come.

    Args:
        columns: Of `quality/curves.parquet`: path, curve, x, y.
        failing: Paths of files that a finding names.

    Raises:
        InvalidInput: It is no table of curves.
    """
    by_name: dict[str, dict[str, Points]] = {}
    for name, path, points in _curves(columns):
        if points and (name in by_name or len(by_name) < MOST_CHARTS):
            by_name.setdefault(name, {}).setdefault(path, []).extend(points)
    return tuple(_chart(name, files, failing) for name, files in by_name.items())


def _curves(columns: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, str, Points]]:
    wanted = ("path", "curve", "x", "y")
    if any(name not in columns for name in wanted) or len({len(columns[name]) for name in wanted}) > 1:
        msg = "it has not the columns path, curve, x and y of one length"
        raise InvalidInput(msg)
    rows = zip(*(columns[name] for name in wanted), strict=True)
    for (path, name), group in groupby(rows, key=lambda row: (row[0], row[1])):
        pairs = [(bounded(x), bounded(y)) for _, _, x, y in group]
        points = [(x, y) for x, y in pairs if x is not None and y is not None]
        if isinstance(name, str) and isinstance(path, str):
            yield name, path, points


def _chart(name: str, files: Mapping[str, Points], failing: Collection[str]) -> CurveChart:
    if len(files) <= LINES:
        lines = [_line(path, points, is_failing=path in failing) for path, points in files.items()]
        return CurveChart(name=name, files=len(files), lines=tuple(lines))
    named = [path for path in files if path in failing][:LINES]
    return CurveChart(
        name=name,
        files=len(files),
        lines=tuple(_line(path, files[path], is_failing=True) for path in named),
        band=_band(list(files.values())),
    )


def _line(path: str, points: Points, *, is_failing: bool) -> CurveLine:
    thinned = _thinned(sorted(points))
    return CurveLine(path=path, x=tuple(x for x, _ in thinned), y=tuple(y for _, y in thinned), is_failing=is_failing)


def _thinned(points: Points) -> Points:
    """Keep the lowest and the highest of each stretch, so that no peak is lost."""
    if len(points) <= _POINTS:
        return points
    step = -(-2 * len(points) // _POINTS)
    kept: Points = []
    for start in range(0, len(points), step):
        stretch = points[start : start + step]
        ends = {min(stretch, key=lambda one: one[1]), max(stretch, key=lambda one: one[1])}
        kept += sorted(ends)
    return kept


def _band(files: Sequence[Points]) -> tuple[CurveLine, ...]:
    """Give the lower decile, the median and the upper decile of the files along x."""
    low, high = (end(x for points in files for x, _ in points) for end in (min, max))
    scale = (_POINTS - 1) / (high - low) if high > low else 0.0
    steps: dict[int, list[float]] = {}
    for points in files:
        own: dict[int, list[float]] = {}
        for x, y in points:
            own.setdefault(round((x - low) * scale), []).append(y)
        for place, values in own.items():
            steps.setdefault(place, []).append(sum(value / len(values) for value in values))
    places = sorted(steps)
    at = tuple(low + (place / scale if scale else 0.0) for place in places)
    ordered = [sorted(steps[place]) for place in places]
    return (
        CurveLine(path=None, x=at, y=tuple(one[len(one) // 10] for one in ordered)),
        CurveLine(path=None, x=at, y=tuple(median(one) for one in ordered)),
        CurveLine(path=None, x=at, y=tuple(one[-1 - len(one) // 10] for one in ordered)),
    )
