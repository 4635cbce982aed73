"""Small pictures for people: PNG, at most 256 x 256, stretched from the 1st to the 99th percentile."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from cisterna.adapters.image_pixels import frozen, shade, shrink

SIDE_MAX = 256
_HELD = 2**32
_COARSE = 8
_UP = 2  # the PNG filter "up": each row as its difference from the one above
_GREY_8_BIT = (8, 0, 0, 0, 0)  # bit depth, colour type, compression, filter method, no interlace


def draw(image: NDArray[Any], *, low: float, high: float, coarse: NDArray[Any] | None = None) -> bytes:
    """Average blocks of pixels and map the grey values from `low` (black) to `high` (white).

    Args:
        image: One plane; what is not finite is drawn black.
        low: Grey value drawn black.
        high: Grey value drawn white; without a difference the picture is grey.
        coarse: The plane in sums of 8 x 8 pixels, where somebody has made them: it need not be read again for blocks
            that they fill.
    """
    sums, pixels = _blocks(image, coarse)
    if not high > low:
        return encode_grey(np.full(sums.shape, 128, np.uint8))
    grey = np.empty(sums.shape, np.uint8)
    shade(sums, pixels, float(low), 255.0 / (high - low), grey)
    return encode_grey(grey)


def _blocks(image: NDArray[Any], coarse: NDArray[Any] | None) -> tuple[NDArray[Any], float]:
    """Give the sums of blocks, and of how many pixels each is; or the means, as of one."""
    factor = -(-max(image.shape) // SIDE_MAX)
    if coarse is not None and image.dtype.kind in "bu" and not any(one % _COARSE for one in (factor, *image.shape)):
        if factor == _COARSE:
            return coarse, float(_COARSE * _COARSE)
        return _means(coarse, factor // _COARSE), 1.0
    small = np.empty(tuple(-(-size // factor) for size in image.shape), np.float64)
    plane = frozen(image.astype(np.float32) if image.dtype == np.float16 else image)  # numba has no half precision
    is_counted = plane.dtype.kind == "u" and factor * np.iinfo(plane.dtype).max < _HELD
    shrink(plane, factor, np.empty(plane.shape[1], np.uint32 if is_counted else np.float64), small)
    return small, 1.0


def _means(coarse: NDArray[Any], factor: int) -> NDArray[np.float64]:
    """Give what `shrink` does: sums of whole numbers are exact in whatever order they are made."""
    sums, counts = coarse.astype(np.float64), []
    for axis, size in enumerate(coarse.shape):
        starts = np.arange(0, size, factor)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts.append(np.diff(starts, append=size) * float(_COARSE))
    means: NDArray[np.float64] = sums / np.multiply.outer(*counts)
    return means


def encode_grey(pixels: NDArray[np.uint8]) -> bytes:
    """Write an 8-bit grey PNG (ISO/IEC 15948).

    Of noise, zlib's search for matches makes next to nothing: Intel's, which hardly looks, is four times as quick as
    zlib without any search, and its files are smaller.
    """
    rows = np.empty((pixels.shape[0], pixels.shape[1] + 1), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])  # wraps around, as the filter wants it
    body = isal_zlib.compress(rows.tobytes(), 1)
    header = struct.pack(">II5B", pixels.shape[1], pixels.shape[0], *_GREY_8_BIT)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
