"""Adds up the numbers of one array of a spectrum as mzML encodes them: base64, perhaps with zlib."""

from __future__ import annotations

import binascii
import zlib
from typing import Any, NamedTuple

import numpy as np

DTYPES: dict[str, np.dtype[Any]] = {
    "MS:1000519": np.dtype("<i4"),
    "MS:1000521": np.dtype("<f4"),
    "MS:1000522": np.dtype("<i8"),
    "MS:1000523": np.dtype("<f8"),
}
"""By accession of the binary data type."""
ZLIB, UNPACKED = "MS:1000574", "MS:1000576"
NUMPRESS = frozenset({"MS:1002312", "MS:1002313", "MS:1002314", "MS:1002746", "MS:1002747", "MS:1002748"})
"""MS-Numpress, alone and with zlib after it, which nothing here decodes."""
TEXT_BYTES_MAX = 32 * 1024 * 1024
"""Most of one array's text that is gathered."""


class ArraySum(NamedTuple):
    """What an array adds up to, and its largest number, as floating-point numbers of 64 bits."""

    total: float
    largest: float


class ArrayWrong(Exception):
    """The array is not what was declared."""


def add_up(text: str, *, dtype: np.dtype[Any], points: int, is_zlib: bool) -> ArraySum:
    """Decode an array and add it up; `points` is how many numbers it is to have.

    Raises:
        ArrayWrong: It cannot be decoded, or has another number of points.
    """
    wanted = points * dtype.itemsize
    try:
        body = binascii.a2b_base64(text)
        if is_zlib:
            # One byte more than is wanted is enough to know, whatever it would unpack to.
            body = zlib.decompressobj().decompress(body, min(wanted, TEXT_BYTES_MAX) + 1)
    except (ValueError, zlib.error) as error:
        raise ArrayWrong from error
    if len(body) != wanted:
        raise ArrayWrong
    numbers = np.frombuffer(body, dtype)
    with np.errstate(all="ignore"):  # an array may hold what is no number, which the sum then tells
        return ArraySum(float(numbers.sum(dtype=np.float64)), float(numbers.max(initial=0)))
