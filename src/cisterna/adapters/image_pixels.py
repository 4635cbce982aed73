"""The arithmetic on pixels: one fused sweep over a plane, compiled by numba and free of the interpreter's lock.

Every definition is written down, with its unit and source, in `docs/reference/metrics.md`; the tests hold a plain numpy
version of each against what is here. Integer planes give integers below 2**53 in every row's sum, so those are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]

LEVELS = 3
"""Bands of the focus: details of 2, 4 and 8 pixels."""
_LANES = {"reassoc", "contract", "nsz", "arcp"}  # lets sums run in lanes; NaN and infinity keep their meaning

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile at first use; what is compiled is kept on disk for the next process where there is a place for it."""
    try:
        return cast("Callable[_P, _R]", numba.njit(nogil=True, cache=True, fastmath=_LANES)(function))
    except RuntimeError:  # numba finds no folder it may write to: a read-only installation of a user without a home
        return cast("Callable[_P, _R]", numba.njit(nogil=True, fastmath=_LANES)(function))


def frozen(image: Plane) -> Plane:
    """Give the plane in the one layout that the functions here are compiled for: C order, aligned, read only."""
    view = np.require(image, requirements=["C", "A"]).view(np.uint8 if image.dtype == np.bool_ else image.dtype)
    view.flags.writeable = False
    return view


@_compiled
def count_values(row: Plane, histogram: Plane) -> None:
    """Add a row of an unsigned plane to its histogram."""
    for column in range(row.size):
        histogram[np.uintp(row[column])] += 1


@_compiled
def laplacian_sums(above: Plane, row: Plane, below: Plane, like: Plane) -> tuple[float, float]:
    """Sum the 4-neighbour Laplacian of a row's inner pixels, and its square; `like` has a type that holds one."""
    number = like.dtype.type
    total = squares = 0.0
    for column in range(1, row.size - 1):
        edge = (
            number(above[column])
            + number(below[column])
            + number(row[column - 1])
            + number(row[column + 1])
            - number(4) * number(row[column])
        )
        wide = float(edge)
        total += wide
        squares += wide * wide
    return total, squares


@_compiled
def split_rows(upper: Plane, lower: Plane, first: Plane, second: Plane) -> None:
    """Sum each 2 x 2 block of two rows along its two diagonals: two images of the scene that share no pixel."""
    for column in range(first.size):
        left = 2 * column
        first[column] = upper[left] + first.dtype.type(lower[left + 1])
        second[column] = upper[left + 1] + second.dtype.type(lower[left])


@_compiled
def halve(plane: Plane, half: Plane) -> None:
    """Sum 2 x 2 blocks."""
    for row in range(half.shape[0]):
        for column in range(half.shape[1]):
            top, left = 2 * row, 2 * column
            half[row, column] = (
                plane[top, left] + plane[top, left + 1] + plane[top + 1, left] + plane[top + 1, left + 1]
            )


@_compiled
def covariance(first: Plane, second: Plane) -> tuple[float, float]:
    """Give the covariance of two planes' Laplacians, and its standard error; (0, 0) where there is no inner pixel."""
    rows, columns = first.shape
    count = max(rows - 2, 0) * max(columns - 2, 0)
    if count == 0:
        return 0.0, 0.0
    sum_a = sum_b = sum_ab = sum_aa = sum_bb = 0.0
    for row in range(1, rows - 1):
        for column in range(1, columns - 1):
            a = float(
                first[row - 1, column]
                + first[row + 1, column]
                + first[row, column - 1]
                + first[row, column + 1]
                - 4 * first[row, column]
            )
            b = float(
                second[row - 1, column]
                + second[row + 1, column]
                + second[row, column - 1]
                + second[row, column + 1]
                - 4 * second[row, column]
            )
            sum_a += a
            sum_b += b
            sum_ab += a * b
            sum_aa += a * a
            sum_bb += b * b
    mean_a, mean_b = sum_a / count, sum_b / count
    variance_a, variance_b = sum_aa / count - mean_a * mean_a, sum_bb / count - mean_b * mean_b
    error = np.sqrt(max(variance_a, 0.0) * max(variance_b, 0.0) / count)
    return sum_ab / count - mean_a * mean_b, error


@_compiled
def sweep(image: Plane, histogram: Plane, first: Plane, second: Plane) -> tuple[float, float]:
    """Read a plane once: fill the histogram and both half planes, and return the Laplacian's sum and sum of squares.

    Args:
        image: At least 1 x 1.
        histogram: Zeroed, one counter a value; of length 0 for planes of floating-point numbers.
        first: Half the size, rounded down; its number type holds the sum of 32 pixels.
        second: Like `first`.
    """
    rows = image.shape[0]
    total = squares = 0.0
    for row in range(rows):
        if histogram.size:
            count_values(image[row], histogram)
        if 1 <= row < rows - 1:
            of_row, squares_of_row = laplacian_sums(image[row - 1], image[row], image[row + 1], first)
            total += of_row
            squares += squares_of_row
        if row % 2:
            split_rows(image[row - 1], image[row], first[row // 2], second[row // 2])
    return total, squares


@_compiled
def quantile(histogram: Plane, rank: int) -> int:
    """Give the value of the rank-th smallest pixel, counted from 1."""
    seen = 0
    for value in range(histogram.size):
        seen += histogram[value]
        if seen >= rank:
            return value
    return histogram.size - 1


@_compiled
def shrink(image: Plane, factor: int, small: Plane) -> None:
    """Average blocks of factor x factor pixels; the last row and column of blocks take what is there."""
    rows, columns = image.shape
    for row in range(small.shape[0]):
        top, bottom = row * factor, min((row + 1) * factor, rows)
        for column in range(small.shape[1]):
            left, right = column * factor, min((column + 1) * factor, columns)
            total = 0.0
            for y in range(top, bottom):
                for x in range(left, right):
                    total += image[y, x]
            small[row, column] = total / ((bottom - top) * (right - left))
