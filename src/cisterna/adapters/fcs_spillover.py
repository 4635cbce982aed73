"""Judges the matrix by which the signals of an FCS data set are to be compensated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from cisterna.domain.fcs_layout import number_of

KEYS = ("$SPILLOVER", "SPILL", "SPILLOVER", "$COMP")
"""FCS 3.1's own, what makers used before, and FCS 3.0's, which names no parameters."""
_MOST = 512


class Spillover(NamedTuple):
    """What is known of the matrix.

    Attributes:
        channels: How many parameters it is for; 0 without one.
        is_invalid: Whether nobody can compensate with it: not a square of numbers, for parameters that the data set
            does not have, or without an inverse.
        condition: Largest over smallest singular value; None for one that is invalid.
    """

    channels: int
    is_invalid: bool
    condition: float | None


def spillover_of(said: Mapping[str, str], names: Collection[str]) -> Spillover:
    """Read the matrix; `names` are those of the parameters."""
    key = next((key for key in KEYS if said.get(key, "0").strip() not in {"", "0"}), None)
    if key is None:
        return Spillover(0, is_invalid=False, condition=None)
    cells = said[key].split(",")
    size = int(cells[0]) if cells[0].strip().isdecimal() and len(cells[0]) < 4 else 0
    named = [] if key == "$COMP" else [cell.strip() for cell in cells[1 : size + 1]]
    numbers = [number_of(cell) for cell in cells[1 + len(named) :]]
    values = [one for one in numbers if one is not None]
    known = len(set(named)) == len(named) and set(named) <= set(names)
    if not 0 < size <= _MOST or len(values) != size * size or len(numbers) != size * size or not known:
        return Spillover(size, is_invalid=True, condition=None)
    matrix = np.array(values).reshape(size, size)
    largest = np.abs(matrix).max() or 1.0
    singular = np.linalg.svd(matrix / largest, compute_uv=False)  # of values up to 1, none overflows
    if not singular[-1] > singular[0] * size * np.finfo(float).eps:
        return Spillover(size, is_invalid=True, condition=None)
    return Spillover(size, is_invalid=False, condition=float(singular[0] / singular[-1]))
