"""Small pictures for people: PNG, at most 256 x 256, stretched from the 1st to the 99th percentile."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.image_pixels import frozen, shade, shrink

SIDE_MAX = 256
_HELD = 2**32
_UP = 2  # the PNG filter "up": each row as its difference from the one above
_GREY_8_BIT = (8, 0, 0, 0, 0)  # bit depth, colour type, compression, filter method, no interlace


def draw(image: NDArray[Any], *, low: float, high: float) -> bytes:
    """Average blocks of pixels and map the grey values from `low` (black) to `high` (white).

    Args:
        image: One plane; what is not finite is drawn black.
        low: Grey value drawn black.
        high: Grey value drawn white; without a difference the picture is grey.
    """
    factor = -(-max(image.shape) // SIDE_MAX)
    small = np.empty(tuple(-(-size // factor) for size in image.shape), np.float64)
    plane = frozen(image.astype(np.float32) if image.dtype == np.float16 else image)  # numba has no half precision
    is_counted = plane.dtype.kind == "u" and factor * np.iinfo(plane.dtype).max < _HELD
    shrink(plane, factor, np.empty(plane.shape[1], np.uint32 if is_counted else np.float64), small)
    if not high > low:
        return encode_grey(np.full(small.shape, 128, np.uint8))
    grey = np.empty(small.shape, np.uint8)
    shade(small, float(low), 255.0 / (high - low), grey)
    return encode_grey(grey)


def encode_grey(pixels: NDArray[np.uint8]) -> bytes:
    """Write an 8-bit grey PNG (ISO/IEC 15948).

    Five times quicker than Pillow at its lowest level and no larger: noise compresses by its entropy and runs alone,
    so that zlib's search for longer matches is time lost.
    """
    rows = np.empty((pixels.shape[0], pixels.shape[1] + 1), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])  # wraps around, as the filter wants it
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    body = packer.compress(rows.tobytes()) + packer.flush()
    header = struct.pack(">II5B", pixels.shape[1], pixels.shape[0], *_GREY_8_BIT)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
