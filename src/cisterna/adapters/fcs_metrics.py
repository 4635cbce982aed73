"""Makes the metrics and curves of an FCS data set from what was gathered of its events.

What each metric is, its unit and its source stand in `docs/reference/metrics-cytometry.md`; the tests hold a plain
numpy version of each against what is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.fcs_events import NONFINITE
from cisterna.adapters.fcs_gather import time_of
from cisterna.adapters.fcs_spillover import spillover_of
from cisterna.adapters.fcs_time import Rate, rate_of, seconds_of
from cisterna.adapters.fcs_walk import DataSet
from cisterna.domain.fcs_layout import Kind, Parameter
from cisterna.domain.untrusted import plain_text
from cisterna.ports.quality import CHANNELS_OF_FILE, ChannelReading, Curve

Metrics = dict[str, float | None]

COFACTOR = 150.0
"""By which values are divided before the inverse hyperbolic sine: below it the axis is even, above it logarithmic."""
HISTOGRAM_CHANNELS, HISTOGRAM_BINS = 32, 128
DRIFT_SLICES, DRIFT_EVENTS, DRIFT_FEWEST = 20, 400, 4
DOUBLET_MADS = 4.0
_MAD = 1.4826
_DETECTORS = {Kind.SCATTER, Kind.FLUORESCENCE}
_MOST_NAME = 60


class Measured(NamedTuple):
    """What one data set gave, and each of its detectors."""

    metrics: Metrics
    curves: tuple[Curve, ...]
    detectors: tuple[ChannelReading, ...]


def measure(found: DataSet) -> Measured:
    """Measure a data set. Pure; what it has nothing for is None."""
    with np.errstate(all="ignore"):
        return _Measuring(found).run()


class _Measuring:
    def __init__(self, found: DataSet) -> None:
        self._found, self._gathered = found, found.gathered
        self._parameters, self._events = found.layout.parameters, found.layout.events
        self._columns = [
            _numbers(self._gathered.sample[index], has_others=bool(wrong))
            for index, wrong in enumerate(self._gathered.wrong)
        ]
        self._sorted = [np.sort(column) for column in self._columns]
        self._time = time_of(self._parameters)

    def run(self) -> Measured:
        rate = None if self._time is None else rate_of(self._gathered.sample[self._time])
        drifts = self._drifts()
        drift = max(drifts, key=lambda one: one[0], default=None)
        told = seconds_of(self._found.said, ticks=self._ticks())
        seconds = None if told is None else _bounded(told)
        spillover = spillover_of(self._found.said, {one.name for one in self._parameters})
        fluorescence, scatter = (self._of(kind) for kind in (Kind.FLUORESCENCE, Kind.SCATTER))
        metrics: Metrics = {
            "events": self._events,
            "parameters": len(self._parameters),
            "detectors": len(self._of(*_DETECTORS)),
            "sampled_events": self._gathered.sample.shape[1],
            "undeclared_events": self._found.layout.undeclared_events,
            "acquisition_seconds": seconds,
            "event_rate_per_second": self._events / seconds if seconds else None,
            "rate_variation": rate.variation if rate else None,
            "slow_time_share": rate.slow if rate else None,
            "fast_time_share": rate.fast if rate else None,
            "time_backwards_share": self._backwards(),
            "fluorescence_margin_share": self._worst(self._gathered.high, fluorescence, is_topped=True),
            "scatter_margin_share": self._worst(self._gathered.high, scatter, is_topped=True),
            "fluorescence_not_positive_share": self._worst(self._gathered.low, fluorescence),
            "scatter_not_positive_share": self._worst(self._gathered.low, scatter),
            "fluorescence_range_used_share": self._range_used(fluorescence),
            "constant_detectors": self._constant() if self._events else None,
            "nonfinite_share": self._worst(self._gathered.wrong, range(len(self._parameters))),
            "drift": drift[0] if drift else None,
            "doublet_share": self._doublets(),
            "spillover_channels": spillover.channels,
            "spillover_invalid": float(spillover.is_invalid),
            "spillover_condition": spillover.condition,
            "crc_wrong": None if self._found.crc_wrong is None else float(self._found.crc_wrong),
        }
        values = {name: None if value is None else _bounded(value) for name, value in metrics.items()}
        detectors = tuple(self._detectors({index: distance for distance, index, _ in drifts}))
        return Measured(values, tuple(self._curves(rate, drift, seconds)), detectors)

    def _of(self, *kinds: Kind) -> list[int]:
        return [index for index, one in enumerate(self._parameters) if one.kind in kinds]

    def _worst(self, counts: NDArray[np.int64], columns: Sequence[int], *, is_topped: bool = False) -> float | None:
        """Give the largest share of any of the columns; with `is_topped`, of those with a range."""
        known = [index for index in columns if not is_topped or self._parameters[index].top is not None]
        return max(int(counts[index]) for index in known) / self._events if known and self._events else None

    def _backwards(self) -> float | None:
        back = self._gathered.backwards
        return back / (self._events - 1) if back is not None and self._events > 1 else None

    def _ticks(self) -> float | None:
        if self._time is None:
            return None
        ticks = float(self._gathered.largest[self._time] - self._gathered.least[self._time])
        return ticks if 0 <= ticks <= NONFINITE else None

    def _constant(self) -> int:
        """Count detectors that gave one value, whatever passed by."""
        gathered = self._gathered
        return sum(bool(gathered.least[index] == gathered.largest[index]) for index in self._of(*_DETECTORS))

    def _range_used(self, columns: Sequence[int]) -> float | None:
        shares = []
        for index in columns:
            top, values = self._parameters[index].top, self._sorted[index]
            if top is not None and len(values):
                shares.append(float(_at(values, 0.999) - _at(values, 0.001)) / top)
        return min(shares, default=None)

    def _drifts(self) -> list[tuple[float, int, NDArray[np.float64]]]:
        """Give how far the middle of a stretch of events wanders, in ranks: of each detector, which it is, and how.

        In ranks it does not matter how a channel is scaled, and chance is known: half over the root of the events.
        """
        found = []
        for index in self._of(*_DETECTORS):
            column = self._columns[index]
            slices = min(DRIFT_SLICES, len(column) // DRIFT_EVENTS)
            if slices < DRIFT_FEWEST:
                continue
            whole = column[: len(column) // slices * slices].reshape(slices, -1)
            middle = _at(self._sorted[index], 0.5)
            counts = np.count_nonzero(whole < middle, axis=1) + np.count_nonzero(whole <= middle, axis=1)
            below = counts / (2 * whole.shape[1])
            found.append((float(np.abs(below - below.mean()).max()), index, below))
        return found

    def _detectors(self, drifts: Mapping[int, float]) -> Iterator[ChannelReading]:
        """Measure each detector for itself, by the names that the worst of them has in the file."""
        names = Counter(one.name for one in self._parameters)
        for index in self._of(*_DETECTORS)[:CHANNELS_OF_FILE] if self._events else ():
            one = self._parameters[index]
            gathered, scatter = self._gathered, one.kind is Kind.SCATTER
            values: Metrics = {
                f"{'scatter' if scatter else 'fluorescence'}_margin_share": self._worst(
                    gathered.high, [index], is_topped=True
                ),
                "constant_detectors": float(gathered.least[index] == gathered.largest[index]),
                "nonfinite_share": self._worst(gathered.wrong, [index]),
                "drift": drifts.get(index),
            }
            named = plain_text(one.name, longest=_MOST_NAME) if names[one.name] == 1 else None
            yield ChannelReading(channel=named or f"P{one.number}", metrics=values)

    def _doublets(self) -> float | None:
        """Give the share of events whose area is too large for their height, by PeacoQC's rule for doublets."""
        by_name = {one.name.upper(): index for index, one in reversed(list(enumerate(self._parameters)))}
        if not {"FSC-A", "FSC-H"} <= by_name.keys():
            return None
        area, height = (self._gathered.sample[by_name[name]].astype(np.float64) for name in ("FSC-A", "FSC-H"))
        usable = (area > 0) & (height > 0) & (area <= NONFINITE) & (height <= NONFINITE)
        if not usable.any():
            return None
        ratios = area[usable] / height[usable]
        middle = np.median(ratios)
        limit = middle + DOUBLET_MADS * _MAD * np.median(np.abs(ratios - middle))
        return float(np.mean(ratios > limit))

    def _curves(
        self, rate: Rate | None, drift: tuple[float, int, NDArray[np.float64]] | None, seconds: float | None
    ) -> Iterator[Curve]:
        if rate is not None:
            ticks = self._ticks()
            scale = seconds / ticks if seconds and ticks else None
            unit = "second" if scale else "tick"
            x, width = rate.times * (scale or 1.0), rate.width * (scale or 1.0)
            yield _curve(f"event_rate_per_{unit}_by_{unit}s", x, rate.counts * self._gathered.step / width)
        if drift is not None:
            _, index, below = drift
            yield _curve(f"share_below_median_by_stretch {self._shown(index)}", np.arange(len(below)), below)
        if self._events:
            yield from self._of_parameters()
            for index in self._of(*_DETECTORS)[:HISTOGRAM_CHANNELS]:
                if len(self._sorted[index]):
                    yield self._histogram(index)

    def _of_parameters(self) -> Iterator[Curve]:
        numbers = [one.number for one in self._parameters]
        medians = [_at(values, 0.5) if len(values) else np.nan for values in self._sorted]
        curves = {"minimum": self._gathered.least, "median": medians, "maximum": self._gathered.largest}
        for name, values in curves.items():
            yield _curve(f"{name}_by_parameter", numbers, values)

    def _histogram(self, index: int) -> Curve:
        """Count the sampled values on an axis that is even around zero and logarithmic beyond."""
        values = self._sorted[index]
        low, high = np.arcsinh(values[[0, -1]].astype(np.float64) / COFACTOR)
        edges = np.linspace(low, max(high, low + 1e-6), HISTOGRAM_BINS + 1)
        below = np.searchsorted(values, (np.sinh(edges[1:-1]) * COFACTOR).astype(values.dtype))
        counts = np.diff(np.concatenate(([0], below, [len(values)])))
        name = f"events_by_asinh{COFACTOR:.0f} {self._shown(index)}"
        return _curve(name, (edges[:-1] + edges[1:]) / 2, counts)

    def _shown(self, index: int) -> str:
        one: Parameter = self._parameters[index]
        return f"P{one.number} {one.name[:_MOST_NAME]}".rstrip()


def _bounded(value: float) -> float | None:
    """Give a number that a file's claims, such as a tick of 1e300 s, have not made too large to mean anything."""
    return float(value) if abs(value) <= NONFINITE else None


def _numbers(values: NDArray[Any], *, has_others: bool) -> NDArray[Any]:
    """Give the values of a column that are numbers."""
    return values[np.abs(values) <= NONFINITE] if has_others else values


def _at(values: NDArray[Any], share: float) -> float:
    """Give a percentile of sorted values: the least value that at least this share does not exceed."""
    return float(values[max(0, int(np.ceil(share * len(values))) - 1)])


def _curve(name: str, x: Any, y: Any) -> Curve:
    heights = np.asarray(y, dtype=np.float64)
    shown = heights.tolist()
    if not (np.abs(heights) <= NONFINITE).all():
        shown = [value if abs(value) <= NONFINITE else None for value in shown]
    return Curve(name=name, x=tuple(np.asarray(x, dtype=np.float64).tolist()), y=tuple(shown))
