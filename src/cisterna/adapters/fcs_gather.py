"""Takes the events of one FCS data set in pieces, however they are cut, and keeps bounded sums and a bounded sample.

Counted over every event are margins, values at or below zero, values that are no number, extremes and steps back in
time. What needs values side by side (medians, rates, drift) stands on a sample: every event of small files, else every
second, fourth, ... one, so that its order is that of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.fcs_events import NONFINITE, EventReader, count_rows
from cisterna.domain.fcs_layout import Kind, Layout, Parameter

BLOCK_BYTES = 256 * 1024
SAMPLE_EVENTS = 65_536
SAMPLE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the events gave.

    Attributes:
        high, low, wrong: By parameter, how many values were at or above $PnR - 1, at or below zero, and no number.
        least, largest: By parameter, over values that are numbers; infinite, the wrong way round, where none is.
        backwards: How many events came earlier than the one before them; None without a time.
        sample: One row a parameter, one column a sampled event.
        step: Every so many events one was sampled.
    """

    high: NDArray[np.int64]
    low: NDArray[np.int64]
    wrong: NDArray[np.int64]
    least: NDArray[np.float64]
    largest: NDArray[np.float64]
    backwards: int | None
    sample: NDArray[Any]
    step: int


class Gatherer:
    """Takes exactly the bytes of the events that a layout declares."""

    def __init__(self, layout: Layout) -> None:
        parameters, width = layout.parameters, len(layout.parameters)
        self._reader = EventReader(layout)
        kind = self._reader.kind
        rows = max(1, BLOCK_BYTES // layout.event_bytes)
        self._event_bytes, self._block_bytes = layout.event_bytes, rows * layout.event_bytes
        self._part = bytearray()
        self._values = np.empty((rows, width), dtype=kind)
        tops = [np.inf if one.top is None else one.top - 1 for one in parameters]
        with np.errstate(over="ignore"):  # what is too large for single precision is above every value
            self._tops = np.array(tops).astype(kind)
        self._counts = np.zeros((3, width), dtype=np.int64)
        self._of_block = np.zeros((3, width), dtype=np.int32)
        self._extremes = np.array([[np.inf] * width, [-np.inf] * width], dtype=kind)
        most = min(SAMPLE_EVENTS, SAMPLE_BYTES // (width * self._values.itemsize))
        self._step = 1
        while -(-layout.events // self._step) > most:
            self._step *= 2
        self._sample = np.empty((width, -(-layout.events // self._step)), dtype=kind)
        self._sampled, self._events = 0, 0
        self._time = time_of(parameters)
        self._backwards, self._last = 0, -np.inf

    def take(self, piece: memoryview) -> None:
        """Take the next bytes. Blocks begin at the same events however pieces are cut, so the sums are the same."""
        if self._part:
            lacking = self._block_bytes - len(self._part)
            self._part += piece[:lacking]
            piece = piece[lacking:]
            if len(self._part) < self._block_bytes:
                return
            self._add(memoryview(bytes(self._part)))
            self._part.clear()
        while len(piece) >= self._block_bytes:
            self._add(piece[: self._block_bytes])
            piece = piece[self._block_bytes :]
        self._part += piece

    def end(self) -> Gathered:
        """Give what there is when all of it has been taken."""
        if self._part:
            self._add(memoryview(bytes(self._part)))
            self._part.clear()
        return Gathered(
            high=self._counts[0],
            low=self._counts[1],
            wrong=self._counts[2],
            least=self._extremes[0].astype(np.float64),
            largest=self._extremes[1].astype(np.float64),
            backwards=None if self._time is None else self._backwards,
            sample=self._sample[:, : self._sampled],
            step=self._step,
        )

    def _add(self, body: memoryview) -> None:
        block = self._values[: len(body) // self._event_bytes]
        with np.errstate(all="ignore"):
            self._reader.read(body, block)
        self._of_block[:] = 0
        biggest = np.array([NONFINITE], dtype=block.dtype)
        count_rows(block, self._tops, biggest, self._of_block, self._extremes)
        self._counts += self._of_block
        picked = block[-self._events % self._step :: self._step]
        self._sample[:, self._sampled : self._sampled + len(picked)] = picked.T
        self._sampled += len(picked)
        self._events += len(block)
        if self._time is not None:
            self._look_back(block[:, self._time])

    def _look_back(self, times: NDArray[Any]) -> None:
        self._backwards += int(times[0] < self._last) + int(np.count_nonzero(times[1:] < times[:-1]))
        self._last = float(times[-1])


def time_of(parameters: tuple[Parameter, ...]) -> int | None:
    """Give the column of the first parameter that is a time."""
    return next((index for index, one in enumerate(parameters) if one.kind is Kind.TIME), None)
