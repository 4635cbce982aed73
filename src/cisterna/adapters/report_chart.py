"""Where each mark of a report's charts is drawn. Pure: values in, coordinates out; the templates write the SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cisterna.domain.finding import Verdict
from cisterna.domain.quality_report import CurveChart, CurveLine, Histogram, Limit, PlateMap, TrendChart, Well

SHADES = 7
_WIDE, _HIGH, _EDGE = 320.0, 132.0, 8.0
_FLOOR, _CEILING = 108.0, 10.0
_NAMED_REGIONS = 48
_MARGIN = 20.0


@dataclass(frozen=True)
class Mark:
    """A limit on an axis."""

    x: str
    limit: Limit


@dataclass(frozen=True)
class HistogramDrawing:
    """Bars as two paths, those within and those beyond the limits, and the limits that lie on the axis."""

    width: str
    height: str
    floor: str
    within: str
    beyond: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Cell:
    """A well: `shade` is None where it has no value."""

    well: Well
    x: str
    y: str
    shade: int | None
    is_worst: bool


@dataclass(frozen=True)
class Label:
    """A word in a drawing."""

    x: str
    y: str
    text: str


@dataclass(frozen=True)
class PlateDrawing:
    """Cells of one size, the empty places of a plate as one path, and what is written beside them."""

    width: str
    height: str
    cell_width: str
    cell_height: str
    cells: tuple[Cell, ...]
    void: str
    labels: tuple[Label, ...]
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Point:
    """A dataset on a control chart; `shape` tells its verdict apart without colour."""

    path: str
    verdict: Verdict
    is_here: bool
    place: int


@dataclass(frozen=True)
class TrendDrawing:
    """Points, and the heights of the median and the limits."""

    width: str
    height: str
    left: str
    right: str
    line: str
    points: tuple[Point, ...]
    median: str | None
    low: str | None
    high: str | None
    band: str


@dataclass(frozen=True)
class CurveDrawing:
    """Lines as SVG points, the band as a closed path."""

    width: str
    height: str
    lines: tuple[tuple[CurveLine, str], ...]
    band: str
    median: str
    x_low: float
    x_high: float
    y_low: float
    y_high: float


def draw_histogram(histogram: Histogram) -> HistogramDrawing:
    """Draw bars; one that lies wholly beyond a limit is drawn as such."""
    tallest = max(histogram.counts) or 1
    step = (_WIDE - 2 * _EDGE) / len(histogram.counts)
    span = (histogram.high - histogram.low) / len(histogram.counts)
    within: list[str] = []
    beyond: list[str] = []
    for place, count in enumerate(histogram.counts):
        if not count:
            continue
        height = max(1.5, (_FLOOR - _CEILING) * count / tallest)
        bar = f"M{_n(_EDGE + place * step)} {_n(_FLOOR)}v{_n(-height)}h{_n(step * 0.9)}v{_n(height)}z"
        near, far = histogram.low + place * span, histogram.low + (place + 1) * span
        is_beyond = any(limit.is_beyond(far if limit.is_least else near) for limit in histogram.limits)
        (beyond if is_beyond else within).append(bar)
    marks = tuple(
        Mark(_n(_EDGE + (_WIDE - 2 * _EDGE) * share), limit)
        for limit in histogram.limits
        if 0 <= (share := (limit.value - histogram.low) / (histogram.high - histogram.low)) <= 1
    )
    return HistogramDrawing(_n(_WIDE), _n(_HIGH), _n(_FLOOR), "".join(within), "".join(beyond), marks)


def draw_plate(plate: PlateMap) -> PlateDrawing:
    """Draw a map; wells of one plate lie as on the plate, other regions in rows with their names below."""
    is_named = not plate.is_plate and len(plate.wells) <= _NAMED_REGIONS
    wide, high = (56.0, 32.0) if is_named else _cell(plate)
    values = [well.value for well in plate.wells if well.value is not None]
    low, high_value = min(values, default=None), max(values, default=None)
    left, top = (_MARGIN, _MARGIN) if plate.is_plate else (2.0, 2.0)
    cells = tuple(
        Cell(
            well,
            _n(left + well.column * wide),
            _n(top + well.row * high),
            _shade(well.value, low, high_value),
            well.name == plate.worst,
        )
        for well in plate.wells
    )
    taken = {(well.row, well.column) for well in plate.wells}
    size = min(wide, high) - 2
    void = "".join(
        f"M{_n(left + column * wide)} {_n(top + row * high)}h{_n(size)}v{_n(size)}h{_n(-size)}z"
        for row in range(plate.rows if plate.is_plate else 0)
        for column in range(plate.columns)
        if (row, column) not in taken
    )
    labels = _axes(plate, wide, high) if plate.is_plate else _names(plate, wide, high) if is_named else ()
    return PlateDrawing(
        width=_n(left + plate.columns * wide + 2),
        height=_n(top + plate.rows * high + 2),
        cell_width=_n(wide - (6 if is_named else 2)),
        cell_height=_n(high - (14 if is_named else 2)),
        cells=cells,
        void=void,
        labels=tuple(labels),
        low=low,
        high=high_value,
    )


def draw_trend(chart: TrendChart) -> TrendDrawing:
    """Draw a control chart; datasets stand at equal distances, since runs come in clumps."""
    wide, high, left, right = 640.0, 170.0, 10.0, 630.0
    known = [one for one in (chart.median, chart.low, chart.high) if one is not None]
    values = [*(point.value for point in chart.points), *known]
    at = _scale(values, low=high - 14.0, high=12.0)
    step = (right - left - 20) / max(1, len(chart.points) - 1)
    places = [(left + 10 + number * step, at(point.value)) for number, point in enumerate(chart.points)]
    points = tuple(
        Point(_shape(x, y, point.verdict, is_here=point.is_here), point.verdict, point.is_here, place)
        for place, ((x, y), point) in enumerate(zip(places, chart.points, strict=True))
    )
    band = ""
    if chart.median is not None:  # where nothing is worse on one side, what is usual has no end there
        lowest = high if chart.low is None else at(chart.low)
        highest = 0.0 if chart.high is None else at(chart.high)
        band = f"M{_n(left)} {_n(lowest)}H{_n(right)}V{_n(highest)}H{_n(left)}z"
    median, lower, upper = (None if one is None else _n(at(one)) for one in (chart.median, chart.low, chart.high))
    return TrendDrawing(
        width=_n(wide),
        height=_n(high),
        left=_n(left),
        right=_n(right),
        line=_points(places),
        points=points,
        median=median,
        low=lower,
        high=upper,
        band=band,
    )


def draw_curves(chart: CurveChart) -> CurveDrawing:
    """Draw the lines of a chart on common axes."""
    wide, high = 640.0, 190.0
    every = [*chart.lines, *chart.band]
    xs, ys = [x for line in every for x in line.x], [y for line in every for y in line.y]
    across, up = _scale(xs, low=6.0, high=wide - 6), _scale(ys, low=high - 8, high=8.0)

    def drawn(line: CurveLine) -> list[tuple[float, float]]:
        return [(across(x), up(y)) for x, y in zip(line.x, line.y, strict=True)]

    band, middle = "", ""
    if chart.band:
        lower, median, upper = (drawn(line) for line in chart.band)
        band, middle = f"M{_points([*lower, *reversed(upper)])}z", _points(median)
    return CurveDrawing(
        width=_n(wide),
        height=_n(high),
        lines=tuple((line, _points(drawn(line))) for line in chart.lines),
        band=band,
        median=middle,
        x_low=min(xs, default=0.0),
        x_high=max(xs, default=0.0),
        y_low=min(ys, default=0.0),
        y_high=max(ys, default=0.0),
    )


def row_name(number: int) -> str:
    """Name a row of a plate: A to Z, then AA."""
    return chr(ord("A") + number) if number < 26 else "A" + chr(ord("A") + number - 26)


class _Scale:
    """Maps values to a stretch of a drawing, whichever way it runs."""

    def __init__(self, least: float, most: float, low: float, high: float) -> None:
        self._least, self._low = least, low
        self._step = (high - low) / (most - least) if most > least else 0.0
        self._middle = (low + high) / 2

    def __call__(self, value: float) -> float:
        return self._low + (value - self._least) * self._step if self._step else self._middle


def _scale(values: Iterable[float], *, low: float, high: float) -> _Scale:
    known = list(values)
    return _Scale(min(known, default=0.0), max(known, default=0.0), low, high)


def _shape(x: float, y: float, verdict: Verdict, *, is_here: bool) -> str:
    """A diamond for this dataset; else a disc, a triangle, a square or a ring, by the verdict."""
    if is_here:
        return f"M{_n(x)} {_n(y - 8)}l8 8l-8 8l-8-8z"
    match verdict:
        case Verdict.REVIEW:
            return f"M{_n(x)} {_n(y - 5)}l5 9h-10z"
        case Verdict.QUARANTINED:
            return f"M{_n(x - 4)} {_n(y - 4)}h8v8h-8z"
        case Verdict.PASSED | Verdict.NOT_ASSESSED:
            return f"M{_n(x - 4)} {_n(y)}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"


def _cell(plate: PlateMap) -> tuple[float, float]:
    size = 9.0 if plate.columns > 24 else 15.0 if plate.columns > 12 else 24.0
    return size, size


def _axes(plate: PlateMap, wide: float, high: float) -> Sequence[Label]:
    step = 2 if plate.columns > 24 else 1
    rows = [
        Label(_n(_MARGIN / 2), _n(_MARGIN + (row + 0.5) * high), row_name(row)) for row in range(0, plate.rows, step)
    ]
    columns = [
        Label(_n(_MARGIN + (column + 0.5) * wide - 1), _n(_MARGIN / 2), str(column + 1))
        for column in range(0, plate.columns, step)
    ]
    return [*rows, *columns]


def _names(plate: PlateMap, wide: float, high: float) -> Sequence[Label]:
    return [
        Label(_n(2 + (well.column + 0.5) * wide - 3), _n(2 + (well.row + 1) * high - 7), _short(well.name))
        for well in plate.wells
    ]


def _short(name: str) -> str:
    return name if len(name) <= 9 else f"{name[:8]}\N{HORIZONTAL ELLIPSIS}"


def _shade(value: float | None, low: float | None, high: float | None) -> int | None:
    if value is None or low is None or high is None:
        return None
    if low == high:
        return SHADES // 2
    return min(SHADES - 1, int(SHADES * ((value - low) / (high - low))))


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in places)


def _n(number: float) -> str:
    text = f"{number:.1f}"
    return text.removesuffix(".0")
