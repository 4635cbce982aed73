"""One metric over the wells of a plate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from cisterna.domain.quality_report import PlateChoice, PlateMap, Well
from cisterna.services.report_histogram import FileLimits
from cisterna.services.report_series import MetricSeries

IMAGES, UNREADABLE = "images", "unreadable"
"""Counts that a map can show like a metric: of the images of a well, and of those with a problem."""
_SIZES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
_FEW_FOR_LARGEST = 25
"""Fewer regions than these on the largest plate are no wells, but names that look like some, such as R1 and R2."""
_WELL = re.compile(r"([A-Za-z]{1,2})[ _/-]?0*([1-9][0-9]?)")
_IN_A_ROW = 12
MOST_REGIONS = 1536
_LOWER_IS_WORSE = frozenset({"focus", "structure", "snr", "background_uniformity", IMAGES})
_HIGHER_IS_WORSE = frozenset({UNREADABLE, "empty", "nonfinite_share", "saturated_share", "clipped_share"})


class _Place(NamedTuple):
    row: int
    column: int


def plate_choices(series: MetricSeries) -> tuple[PlateChoice, ...]:
    """Name what there can be a map of; nothing where fewer than two regions are named."""
    if len(set(filter(None, series.texts("region")))) < 2:
        return ()
    counts = [PlateChoice(metric=IMAGES, channel=None)]
    if any(series.texts("problem")):
        counts.append(PlateChoice(metric=UNREADABLE, channel=None))
    return (
        *(PlateChoice(metric=metric, channel=channel) for metric in series.metrics for channel in series.by_channel),
        *counts,
    )


def plate_map(series: MetricSeries, choice: PlateChoice, limits: FileLimits) -> PlateMap:
    """Draw up a map: each well by the median of its images, its focus by that of its stacks."""
    regions = series.texts("region")
    names = sorted(set(filter(None, regions)), key=_natural)
    own = range(series.rows) if choice.channel is None else series.by_channel.get(choice.channel, ())
    images = Counter(regions[row] for row in own)
    values = _values(series, choice, regions)
    places = _plate(names)
    size = _size(places) if places else None
    shown = names if size else names[:MOST_REGIONS]
    wells = tuple(
        Well(
            name=name,
            row=place.row,
            column=place.column,
            value=values.get(name),
            images=images[name],
        )
        for name, place in zip(shown, places if size and places else _in_rows(len(shown)), strict=True)
    )
    rows, columns = size or (max(1, -(-len(shown) // _IN_A_ROW)), min(len(shown), _IN_A_ROW))
    worst, has_bad_end = _worst(choice, wells, limits)
    return PlateMap(
        metric=choice.metric,
        channel=choice.channel,
        is_plate=size is not None,
        rows=rows,
        columns=columns,
        wells=wells,
        worst=worst,
        has_bad_end=has_bad_end,
        more=len(names) - len(shown),
    )


def _values(series: MetricSeries, choice: PlateChoice, regions: Sequence[str | None]) -> dict[str, float]:
    if choice.metric == IMAGES:
        return {name: float(count) for name, count in Counter(filter(None, regions)).items()}
    if choice.metric == UNREADABLE:
        bad = Counter(
            region for region, problem in zip(regions, series.texts("problem"), strict=True) if region and problem
        )
        return {name: float(bad[name]) for name in filter(None, regions)}
    grouped: dict[str, list[float]] = {}
    for row, value in series.values(choice.metric, series.by_channel.get(choice.channel, ())).items():
        if (region := regions[row]) is not None:
            grouped.setdefault(region, []).append(value)
    return {name: median(values) for name, values in grouped.items()}


def _worst(choice: PlateChoice, wells: Sequence[Well], limits: FileLimits) -> tuple[str | None, bool]:
    known = [(well.value, well.name) for well in wells if well.value is not None]
    values = [value for value, _ in known]
    if not known or min(values) == max(values):
        return None, False
    middle = median(values)
    ends = {limit.is_least for limit in limits.of(choice.metric, choice.channel, typical=middle)}
    if choice.metric in _LOWER_IS_WORSE or ends == {True}:
        return min(known, key=lambda one: one[0])[1], True
    if choice.metric in _HIGHER_IS_WORSE or ends == {False}:
        return max(known, key=lambda one: one[0])[1], True
    return max(known, key=lambda one: abs(one[0] - middle))[1], False


def _plate(names: Sequence[str]) -> list[_Place] | None:
    """Tell where each well is on its plate; None where one of the regions is no well, or two are the same one."""
    found = [_WELL.fullmatch(name) for name in names]
    places = [_Place(_row(one[1]), int(one[2]) - 1) for one in found if one]
    is_plate = len(places) == len(names) and len(set(places)) == len(places) and _size(places) is not None
    return places if is_plate else None


def _row(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _size(places: Sequence[_Place]) -> tuple[int, int] | None:
    rows, columns = max(one.row for one in places) + 1, max(one.column for one in places) + 1
    size = next((one for one in _SIZES if rows <= one[0] and columns <= one[1]), None)
    return None if size == _SIZES[-1] and len(places) < _FEW_FOR_LARGEST else size


def _in_rows(count: int) -> list[_Place]:
    return [_Place(*divmod(number, _IN_A_ROW)) for number in range(count)]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Order `B2` before `B10`; a number of more than 18 digits is text."""
    pieces = re.findall(r"[0-9]{1,18}|[^0-9]+", name)
    return [(0, int(piece), "") if piece.isascii() and piece.isdigit() else (1, 0, piece) for piece in pieces]
