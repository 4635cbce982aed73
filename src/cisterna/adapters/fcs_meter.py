"""Measures FCS files: whether they are whole, how evenly their events came, and what the detectors made of them.

What each metric is, its unit and its source stand in `docs/reference/metrics-cytometry.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cisterna.adapters.fcs_metrics import Measured, Metrics, measure
from cisterna.adapters.fcs_walk import DataSet, FcsWalk
from cisterna.domain.fcs_layout import FcsFault, FcsUnread
from cisterna.ports.quality import CHANNELS_OF_FILE, ChannelReading, Reading

_SUFFIXES = (".fcs", ".lmd")

# How the data sets of one file become one number: what is worst in any of them, and the sum of what they hold.
_AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "events": sum,
    "parameters": max,
    "detectors": max,
    "sampled_events": sum,
    "undeclared_events": sum,
    "acquisition_seconds": sum,
    "event_rate_per_second": min,
    "rate_variation": max,
    "slow_time_share": max,
    "fast_time_share": max,
    "time_backwards_share": max,
    "fluorescence_margin_share": max,
    "scatter_margin_share": max,
    "fluorescence_not_positive_share": max,
    "scatter_not_positive_share": max,
    "fluorescence_range_used_share": min,
    "constant_detectors": max,
    "nonfinite_share": max,
    "drift": max,
    "doublet_share": max,
    "spillover_channels": max,
    "spillover_invalid": max,
    "spillover_condition": max,
    "crc_wrong": max,
}


class FcsMeter:
    """Implements `ports.quality.Meter`; safe to share between threads.

    It takes no more memory for a large file than for one of 16 MiB: at most 120 MiB, and some 20 MiB as a rule.
    """

    has_places = False
    names: tuple[str, ...] = ("data_sets", *_AGGREGATES)

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure what is named like an FCS file."""
        del is_image
        return path.lower().endswith(_SUFFIXES)

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file whose bytes are all here."""
        del path
        spool = _FcsSpool(len(body))
        spool.write(body)
        return spool.read(keep_on=lambda: None)

    @contextmanager
    def spool(self, path: str, *, size_bytes: int) -> Iterator[_FcsSpool]:
        """Give a place that measures the bytes as they come and keeps hardly any of them."""
        del path
        yield _FcsSpool(size_bytes)


class _FcsSpool:
    def __init__(self, size_bytes: int) -> None:
        self._found: list[Measured] = []
        self._refused: Reading | None = None
        self._walk = FcsWalk(size_bytes, found=self._take)

    def _take(self, found: DataSet) -> None:
        measured = measure(found)
        largest = max((one.metrics["events"] or 0 for one in self._found), default=-1)
        if (measured.metrics["events"] or 0) <= largest:
            measured = measured._replace(curves=())
        else:
            self._found = [one._replace(curves=()) for one in self._found]
        self._found.append(measured)

    def write(self, piece: memoryview) -> None:
        """Take the next bytes."""
        self._guarded(lambda: self._walk.feed(piece))

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Give the reading of all that was taken."""
        keep_on()
        self._guarded(self._walk.end)
        if self._refused is not None:
            return self._refused
        metrics: Metrics = {"data_sets": float(len(self._found))}
        for name, aggregate in _AGGREGATES.items():
            values = [value for one in self._found if (value := one.metrics[name]) is not None]
            metrics[name] = float(aggregate(values)) if values else None
        if not metrics["crc_wrong"] and any(one.metrics["crc_wrong"] is None for one in self._found):
            metrics["crc_wrong"] = None  # one that was not checked is not made right by one that was
        curves = tuple(curve for one in self._found for curve in one.curves)
        return Reading(metrics=metrics, curves=curves, channels=tuple(self._detectors()))

    def _detectors(self) -> Iterator[ChannelReading]:
        """Put the data sets of the file together, detector by detector: what is worst in any of them."""
        found: dict[str, dict[str, list[float]]] = {}
        for one in (detector for measured in self._found for detector in measured.detectors):
            values = found.setdefault(one.channel, {}) if len(found) < CHANNELS_OF_FILE else found.get(one.channel, {})
            for name, value in one.metrics.items():
                if value is not None:
                    values.setdefault(name, []).append(value)
        for channel, columns in found.items():
            yield ChannelReading(channel=channel, metrics={name: max(some) for name, some in columns.items()})

    def _guarded(self, step: Callable[[], None]) -> None:
        if self._refused is not None:
            return
        nothing = dict.fromkeys(FcsMeter.names)
        try:
            step()
        except FcsFault as fault:
            self._refused = Reading(problem=f"the file {fault}", metrics=nothing)
        except FcsUnread as reason:
            self._refused = Reading(unmeasured=f"not measured: {reason}", metrics=nothing)
        if self._refused is not None:
            self._found = []
