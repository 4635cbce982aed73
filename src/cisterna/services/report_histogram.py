"""How each metric of a report is spread over the files, with the limits that single files are judged by."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median

from cisterna.domain.quality_report import Histogram, Limit
from cisterna.services.image_limit import DEFAULT_LIMITS, focus_limit
from cisterna.services.measurement import FOCUS
from cisterna.services.report_series import MetricSeries

BINS = 40
MOST_HISTOGRAMS = 48
_JUDGED_AS = {"clipped_share": "saturated_share"}
"""Metrics that are judged by the limit of another."""
_OUTLIER_SPANS = 8
"""An axis is cut where it would be so many times longer than what 98 % of the values need."""


@dataclass(frozen=True)
class FileLimits:
    """By which single files are judged.

    Attributes:
        named: Of the suite, by name: `<metric>_min`, `<metric>_max`, each perhaps with `.<channel>`.
        ruled: Of its rules, by the column of the table of files.
    """

    named: Mapping[str, float] = field(default_factory=dict)
    ruled: Mapping[str, Sequence[Limit]] = field(default_factory=dict)

    def of(self, metric: str, channel: str | None, *, typical: float) -> tuple[Limit, ...]:
        """Give the limits of a metric in a channel; one for this channel goes before the one for all."""
        if metric == FOCUS and any(name.startswith("focus_") for name in self.named):
            least = focus_limit({**DEFAULT_LIMITS, **self.named}, channel or "", typical=typical)
            return (Limit(value=least.value, is_least=True, origin=least.origin),)
        found = list(self.ruled.get(metric, ()))
        for end, is_least in (("min", True), ("max", False)):
            name = f"{_JUDGED_AS.get(metric, metric)}_{end}"
            name = f"{name}.{channel}" if f"{name}.{channel}" in self.named else name
            if name in self.named:
                found.append(Limit(value=self.named[name], is_least=is_least, origin=f"{name} of the suite's limits"))
        return tuple({(one.value, one.is_least): one for one in found}.values())


def histograms_of(series: MetricSeries, limits: FileLimits) -> tuple[tuple[Histogram, ...], int]:
    """Draw up histograms: metrics with a limit come first, and those with values beyond it before the others.

    Returns:
        Those that are shown, the channels of a metric together, and how many are left out.
    """
    found = [
        histogram
        for metric in series.metrics
        for channel, rows in series.by_channel.items()
        if (histogram := _histogram(series, metric, channel, rows, limits)) is not None
    ]
    grouped = [list(group) for _, group in groupby(found, key=lambda one: one.metric)]
    grouped.sort(key=lambda group: (not any(one.beyond for one in group), not any(one.limits for one in group)))
    ordered = [one for group in grouped for one in group]
    return tuple(ordered[:MOST_HISTOGRAMS]), len(ordered[MOST_HISTOGRAMS:])


def _histogram(
    series: MetricSeries, metric: str, channel: str | None, rows: Sequence[int], limits: FileLimits
) -> Histogram | None:
    by_row = series.values(metric, rows)
    if not by_row:
        return None
    values = sorted(by_row.values())
    middle = median(values)
    drawn = limits.of(metric, channel, typical=middle)
    low, high = _axis(values, drawn)
    return Histogram(
        metric=metric,
        channel=channel,
        low=low,
        high=high,
        counts=_counts(values, low, high),
        values=len(values),
        without=len(rows) - len(values) if metric != FOCUS else 0,
        minimum=values[0],
        median=middle,
        maximum=values[-1],
        limits=drawn,
        beyond=_beyond(values, drawn),
    )


def _axis(values: Sequence[float], limits: Sequence[Limit]) -> tuple[float, float]:
    """Choose an axis that shows the values, and each limit that is near enough not to press them together."""
    low, high = values[0], values[-1]
    inner_low, inner_high = values[len(values) // 100], values[-1 - len(values) // 100]
    inner = inner_high - inner_low
    if inner > 0 and high - low > _OUTLIER_SPANS * inner:
        low, high = max(low, inner_low - inner), min(high, inner_high + inner)
    if low == high:
        margin = abs(low) / 10 or 0.5
        low, high = 0.0 if low == 0 else low - margin, high + margin
    span = high - low
    near = [limit.value for limit in limits if low - 2 * span <= limit.value <= high + 2 * span]
    return min([low, *near]), max([high, *near])


def _counts(values: Sequence[float], low: float, high: float) -> tuple[int, ...]:
    """Count sorted values by equal steps; what lies outside the axis is in the first or the last."""
    step = (high - low) / BINS
    ends = [0, *(bisect_left(values, low + place * step) for place in range(1, BINS)), len(values)]
    return tuple(after - before for before, after in pairwise(ends))


def _beyond(values: Sequence[float], limits: Sequence[Limit]) -> int:
    """Count sorted values on the wrong side of any limit."""
    below = max((bisect_left(values, limit.value) for limit in limits if limit.is_least), default=0)
    above = max((len(values) - bisect_right(values, limit.value) for limit in limits if not limit.is_least), default=0)
    return min(len(values), below + above)
