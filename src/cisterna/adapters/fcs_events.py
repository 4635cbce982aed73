"""Turns the bytes of DATA into numbers, block by block, and counts what has to be counted over every event.

What is compiled here runs at the memory's pace and free of the interpreter's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.compiled import compiled
from cisterna.domain.fcs_layout import Layout, Parameter

Values = NDArray[Any]

NONFINITE = 1e30
"""No detector gives as much: beyond it a value counts as no number, as NaN and infinity do."""

_EXACT_BITS = 24
"""Whole numbers of so many bits are the same in single precision."""


@compiled
def count_rows(block: Values, tops: Values, biggest: Values, counts: Values, extremes: Values) -> None:
    """Look at every value of a block of events.

    Args:
        block: One row an event, one column a parameter.
        tops: By parameter, what is at its margin or above; infinite where nobody knows.
        biggest: One value, beyond which none is a number.
        counts: Get, by parameter, how many were at or above `tops`, at or below zero, and no number.
        extremes: Get the least and the largest.
    """
    for row in range(block.shape[0]):
        for column in range(block.shape[1]):
            value = block[row, column]
            counts[0, column] += value >= tops[column]
            counts[1, column] += value <= 0
            counts[2, column] += not (abs(value) <= biggest[0])
            extremes[0, column] = value if value < extremes[0, column] else extremes[0, column]  # noqa: FURB136 - NaN
            extremes[1, column] = value if value > extremes[1, column] else extremes[1, column]  # noqa: FURB136 - NaN


class EventReader:
    """Reads events of one layout.

    Attributes:
        kind: What the values are given in: single precision where that changes none of them, else double.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._order = "<" if layout.is_little else ">"
        exact = all(_is_exact(one) for one in layout.parameters)
        self.kind: type[np.float32 | np.float64] = np.float32 if exact else np.float64
        first = layout.parameters[0]
        self._is_even = all((one.code, one.bits) == (first.code, first.bits) for one in layout.parameters)
        masks = [one.mask for one in layout.parameters]
        self._masks = None if not any(masks) else [2**64 - 1 if mask is None else mask for mask in masks]

    def read(self, body: memoryview, out: Values) -> None:
        """Fill `out`, of one row an event, from bytes that hold so many events."""
        parameters = self._layout.parameters
        first = parameters[0]
        if self._is_even and first.bits in (8, 16, 32, 64):
            values = np.frombuffer(body, dtype=_type_of(first, self._order)).reshape(out.shape)
            if self._masks is not None:
                top = 2**first.bits - 1
                values = values & np.array([min(mask, top) for mask in self._masks], dtype=values.dtype)
            np.copyto(out, values, casting="unsafe")
            return
        events = np.frombuffer(body, dtype=np.uint8).reshape(out.shape[0], -1)
        at = 0
        for column, one in enumerate(parameters):
            width = one.bits // 8
            np.copyto(out[:, column], self._column(events[:, at : at + width], one), casting="unsafe")
            at += width

    def _column(self, raw: NDArray[np.uint8], one: Parameter) -> Values:
        width = raw.shape[1]
        room = next(size for size in (1, 2, 4, 8) if size >= width)
        wide = np.zeros((raw.shape[0], room), dtype=np.uint8)
        wide[:, slice(0, width) if self._layout.is_little else slice(room - width, room)] = raw
        code = "u" if one.code == "I" else "f"
        values: Values = wide.view(f"{self._order}{code}{room}")[:, 0]
        return values if one.mask is None else values & values.dtype.type(one.mask)


def _is_exact(one: Parameter) -> bool:
    if one.code != "I":
        return one.code == "F"
    used = one.bits if one.mask is None else one.mask.bit_length()
    return used <= _EXACT_BITS


def _type_of(one: Parameter, order: str) -> str:
    return f"{order}{'u' if one.code == 'I' else 'f'}{one.bits // 8}"
