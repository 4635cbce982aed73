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


class DeclaredArray:
    """One array as it is declared, and its text where that was gathered.

    Attributes:
        points: How many numbers it is to have.
        encoded: How long its text is to be, at least.
        dtype: Accession of its numbers' type.
        is_zlib: Whether it is compressed so; None where it is in another way, or does not tell.
        is_external: It lies in another file.
        at: Where its element begins.
    """

    __slots__ = ("at", "dtype", "encoded", "is_external", "is_intensity", "is_numpress", "is_zlib", "points", "text")

    def __init__(self, points: int, encoded: int | None) -> None:
        self.points, self.encoded = points, encoded
        self.dtype: str | None = None
        self.is_intensity = self.is_external = self.is_numpress = False
        self.is_zlib: bool | None = None
        self.at = 0
        self.text: list[str] | None = None

    @property
    def can_be_decoded(self) -> bool:
        """Whether its text is worth gathering."""
        is_known = self.dtype is not None and self.is_zlib is not None
        return is_known and not self.is_external and not self.is_numpress and self.points <= TEXT_BYTES_MAX // 8

    def require_length(self, text_bytes: int) -> None:
        """Hold the length of its text, which may have white space in it, against what was declared.

        Raises:
            ArrayWrong: It is shorter; or it is not compressed, and then its length and that of its points disagree.
        """
        if self.encoded is not None and text_bytes < self.encoded:
            raise ArrayWrong
        if self.is_zlib is not False or self.dtype is None or self.is_numpress:
            return
        needed = 4 * -(-self.points * DTYPES[self.dtype].itemsize // 3)
        if text_bytes < needed or (self.encoded is not None and self.encoded != needed):
            raise ArrayWrong

    def add_up(self) -> ArraySum:
        """Decode it and add it up.

        Raises:
            ArrayWrong: It cannot be decoded, or has another number of points.
        """
        dtype = DTYPES[self.dtype or ""]
        wanted = self.points * dtype.itemsize
        try:
            body = binascii.a2b_base64("".join(self.text or ()))
            if self.is_zlib:
                # One byte more than is wanted is enough to know, whatever it would unpack to.
                body = zlib.decompressobj().decompress(body, min(wanted, TEXT_BYTES_MAX) + 1)
        except (ValueError, zlib.error) as error:
            raise ArrayWrong from error
        if len(body) != wanted:
            raise ArrayWrong
        numbers = np.frombuffer(body, dtype)
        with np.errstate(all="ignore"):  # an array may hold what is no number, which the sum then tells
            return ArraySum(float(numbers.sum(dtype=np.float64)), float(numbers.max(initial=0)))
