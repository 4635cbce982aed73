"""Tells how long the events of an FCS data set took to come, and how evenly they came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.fcs_events import NONFINITE
from cisterna.domain.fcs_layout import number_of

BINS = 100
EVENTS_A_BIN = 50
"""On average: chance alone then leaves one bin in 5,000 with less than half of its share."""
FEWEST_BINS = 10
_TIMES_A_BIN = 20
"""With fewer different times a bin, bins must be whole multiples of the clock's tick, or they differ by its beat."""
_DAY_SECONDS = 86_400.0
_MAD = 1.4826


class Rate(NamedTuple):
    """How the events came.

    Attributes:
        times, counts: By bin: where it begins, after the first event, and how many events it has, of the sampled ones.
        width: Of a bin.
        variation: 1.4826 times the median absolute deviation of the counts, over their median.
        slow, fast: Share of the bins with less than half, and with more than twice the median count.
    """

    times: NDArray[np.float64]
    counts: NDArray[np.int64]
    width: float
    variation: float
    slow: float
    fast: float


def rate_of(times: NDArray[Any]) -> Rate | None:
    """Count the events of equal stretches of time; None for too few events, or a clock with no tick to go by."""
    known: NDArray[np.float64] = times[np.abs(times) <= NONFINITE].astype(np.float64)
    distinct = np.unique(known)
    bins = min(BINS, len(known) // EVENTS_A_BIN, len(distinct) // 3)
    if bins < FEWEST_BINS:
        return None
    span = float(distinct[-1] - distinct[0])
    width = span / bins
    if len(distinct) < _TIMES_A_BIN * bins:
        tick = float(np.diff(distinct).min())
        span += tick
        width = np.ceil(width / tick - 1e-6) * tick
    whole = int(span / width + 1e-6)
    if whole < 1:
        return None  # a tick so small beside the span that there is no number for how many fit into it
    place = ((known - distinct[0]) / width + 1e-6).astype(np.int64)
    counts = np.bincount(np.minimum(place, whole), minlength=whole + 1)[:whole]
    if span / width - whole < 1e-6:  # the last moment itself
        counts[-1] += np.count_nonzero(place >= whole)
    middle = float(np.median(counts)) or float(counts.mean())
    return Rate(
        times=np.arange(whole, dtype=np.float64) * width,
        counts=counts,
        width=width,
        variation=float(_MAD * np.median(np.abs(counts - middle)) / middle),
        slow=float(np.mean(counts < middle / 2)),
        fast=float(np.mean(counts > middle * 2)),
    )


def seconds_of(said: Mapping[str, str], *, ticks: float | None) -> float | None:
    """Give how long the data set took: by the time of its events and $TIMESTEP, or by the clock on the wall.

    Args:
        said: The keywords.
        ticks: Between the first and the last event; None where events have no time.
    """
    step = number_of(said.get("$TIMESTEP"))
    if ticks is not None and step is not None and step > 0:
        return ticks * step
    return _by_clock(said)


def _by_clock(said: Mapping[str, str]) -> float | None:
    moments = [_moment(said.get(key)) for key in ("$BEGINDATETIME", "$ENDDATETIME")]
    begun, ended = moments
    if begun is not None and ended is not None and (begun.tzinfo is None) == (ended.tzinfo is None):
        seconds = (ended - begun).total_seconds()
        return seconds if seconds >= 0 else None
    clocks = [_clock(said.get(key)) for key in ("$BTIM", "$ETIM")]
    if clocks[0] is None or clocks[1] is None:
        return None
    return (clocks[1] - clocks[0]) % _DAY_SECONDS  # past midnight


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None


def _clock(text: str | None) -> float | None:
    """Read hh:mm:ss, with 1/60 s behind a third colon (FCS 2.0, 3.0; some write milliseconds), or decimals (3.1)."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2}):(\d{2})(?:([:.])(\d{1,6}))?", (text or "").strip())
    if found is None:
        return None
    hours, minutes, seconds = (float(cell) for cell in found.groups()[:3])
    mark, rest = found[4], found[5] or "0"
    parts = 60.0 if mark == ":" and len(rest) < 3 else 10.0 ** len(rest)
    return 3600 * hours + 60 * minutes + seconds + float(rest) / parts
