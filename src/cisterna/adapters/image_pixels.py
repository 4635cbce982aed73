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
def halve_rows(upper: Plane, lower: Plane, half: Plane) -> None:
    """Sum the 2 x 2 blocks of two rows."""
    for column in range(half.size):
        left = 2 * column
        half[column] = upper[left] + upper[left + 1] + lower[left] + lower[left + 1]


@_compiled
def add_products(pair: Plane, above: int, row: int, below: int, sums: Plane) -> None:
    """Add the Laplacians of one row of two planes to `sums`: of the first, the second, and their three products."""
    number = pair.dtype.type
    above_a, row_a, below_a = pair[0, above], pair[0, row], pair[0, below]
    above_b, row_b, below_b = pair[1, above], pair[1, row], pair[1, below]
    sum_a = sum_b = sum_ab = sum_aa = sum_bb = 0.0
    for column in range(1, row_a.size - 1):
        # Back in the rows' own type, which holds it: numba makes sums of 32 bits 64 bits wide, half as many at a time.
        a = float(number(above_a[column] + below_a[column] + row_a[column - 1] + row_a[column + 1] - 4 * row_a[column]))
        b = float(number(above_b[column] + below_b[column] + row_b[column - 1] + row_b[column + 1] - 4 * row_b[column]))
        sum_a += a
        sum_b += b
        sum_ab += a * b
        sum_aa += a * a
        sum_bb += b * b
    sums[0] += sum_a
    sums[1] += sum_b
    sums[2] += sum_ab
    sums[3] += sum_aa
    sums[4] += sum_bb


@_compiled
def fold(two: int, half: Plane, quarter: Plane, eighth: Plane) -> None:
    """Carry a finished row of the half images on to the coarser ones, where it completes a row of theirs."""
    if two % 2 == 0:
        return
    four = two // 2
    for side in range(2):
        halve_rows(half[side, (two - 1) % 4], half[side, two % 4], quarter[side, four % 2])
        if four % 2:
            halve_rows(quarter[side, 0], quarter[side, 1], eighth[side, four // 2])


@_compiled
def sweep(
    image: Plane, histogram: Plane, rooms: tuple[Plane, Plane, Plane], sums: tuple[Plane, Plane]
) -> tuple[float, float]:
    """Read a plane once: the histogram, the Laplacian, and both half images at 2, 4 and 8 pixels.

    The half images at 2 and 4 pixels live for a few rows only, so that all work is done in the nearest cache.

    Args:
        image: At least 1 x 1.
        histogram: Zeroed, one counter a value; of length 0 for planes of floating-point numbers.
        rooms: For 2 x 4 rows of half the width, 2 x 2 rows of a quarter of it, and the two images in sums of 32 pixels;
            their number type holds the sum of 64 pixels.
        sums: Zeroed; get what `add_products` sums at 2 and at 8 pixels.

    Returns:
        The sum of the Laplacian at full resolution, and of its square.
    """
    half, quarter, eighth = rooms
    rows = image.shape[0]
    total = squares = 0.0
    for row in range(rows):
        if histogram.size:
            count_values(image[row], histogram)
        if 1 <= row < rows - 1:
            of_row, squares_of_row = laplacian_sums(image[row - 1], image[row], image[row + 1], half)
            total += of_row
            squares += squares_of_row
        if row % 2:
            two = row // 2
            split_rows(image[row - 1], image[row], half[0, two % 4], half[1, two % 4])
            if two >= 2:
                add_products(half, (two - 2) % 4, (two - 1) % 4, two % 4, sums[0])
            fold(two, half, quarter, eighth)
    for row in range(1, eighth.shape[1] - 1):
        add_products(eighth, row - 1, row, row + 1, sums[1])
    return total, squares


@_compiled
def fade_out(image: Plane, top: int, left: int, window: Plane, square: Plane) -> None:
    """Take a square out of a plane, subtract its mean, and multiply it by a window along both sides."""
    side = window.size
    total = 0.0
    for row in range(side):
        for column in range(side):
            total += image[top + row, left + column]
    mean = total / (side * side)
    for row in range(side):
        for column in range(side):
            square[row, column] = (image[top + row, left + column] - mean) * window[row] * window[column]


@_compiled
def read_off(histogram: Plane, ranks: Plane, found: Plane) -> tuple[int, int, int, int]:
    """Read off a histogram what values there are.

    Args:
        histogram: With at least one pixel in it.
        ranks: Counted from 1, in rising order; the last is the number of pixels.
        found: Gets the value of the pixel of each rank, in the order of the values.

    Returns:
        The smallest value, the number of different ones, the largest step that divides their differences (0 for a
        single one), and the sum of all pixels.
    """
    smallest, before, levels, step, total = 0, 0, 0, 0, 0
    seen, at = 0, 0
    for value in range(histogram.size):
        count = histogram[value]
        if count == 0:
            continue
        smallest = value if levels == 0 else smallest
        rest = value - before if levels else 0
        while rest:
            step, rest = rest, step % rest
        before, levels = value, levels + 1
        seen += count
        total += value * count
        while at < ranks.size and seen >= ranks[at]:
            found[at] = value
            at += 1
        if at == ranks.size:
            break
    return smallest, levels, step, total


@_compiled
def add_row(row: Plane, sums: Plane) -> None:
    """Add a row to sums by column; they are of a type that holds as many rows as are added."""
    for column in range(row.size):
        sums[column] += sums.dtype.type(row[column])


@_compiled
def shrink(image: Plane, factor: int, sums: Plane, small: Plane) -> None:
    """Average blocks of factor x factor pixels; the last row and column of blocks take what is there.

    Args:
        image: At least 1 x 1.
        factor: At least 1.
        sums: Room for one number a column of the image, of a type that holds the sum of `factor` pixels.
        small: Gets the means.
    """
    rows, columns = image.shape
    for row in range(small.shape[0]):
        top, bottom = row * factor, min((row + 1) * factor, rows)
        sums[:] = 0
        for y in range(top, bottom):
            add_row(image[y], sums)
        for column in range(small.shape[1]):
            left, right = column * factor, min((column + 1) * factor, columns)
            total = 0.0
            for x in range(left, right):
                total += sums[x]
            small[row, column] = total / ((bottom - top) * (right - left))


@_compiled
def shade(sums: Plane, pixels: float, low: float, scale: float, grey: Plane) -> None:
    """Map sums of so many pixels to grey from 0 to 255, cut off at both ends; what is no number is black."""
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            shaded = (sums[row, column] / pixels - low) * scale
            grey[row, column] = np.uint8(min(shaded, 255.0)) if shaded > 0.0 else np.uint8(0)
