"""CZI files written byte by byte: what pylibCZIrw does not write (JPEG XR), and what no microscope would."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from cisterna.testing.virtual_czi import XML

GRAY8, GRAY16, GRAY_FLOAT, BGR24 = 0, 1, 2, 3
PLAIN, JPEG_XR, ZSTD = 0, 4, 5


@dataclass(frozen=True)
class Tile:
    """A block of pixels, and what the file says of it."""

    body: bytes
    width: int
    height: int
    places: dict[str, int] = field(default_factory=lambda: {"C": 0})
    left: int = 0
    pixel_type: int = GRAY16
    compression: int = PLAIN
    stored: tuple[int, int] | None = None


def czi_of(*tiles: Tile, xml: str = XML) -> bytes:
    """Write a closed file of these tiles."""
    text = xml.encode()
    blocks, entries, at = b"", b"", 544
    for tile in tiles:
        entry = _entry(tile, at)
        head = (struct.pack("<iiq", 0, 0, len(tile.body)) + entry).ljust(256, b"\0")
        block = _segment(b"ZISRAWSUBBLOCK", head + tile.body)
        blocks, entries, at = blocks + block, entries + entry, at + len(block)
    metadata = _segment(b"ZISRAWMETADATA", struct.pack("<ii", len(text), 0).ljust(256, b"\0") + text)
    directory = _segment(b"ZISRAWDIRECTORY", struct.pack("<i", len(tiles)).ljust(128, b"\0") + entries)
    header = struct.pack("<iiii32xiqqiq", 1, 0, 0, 0, 0, at + len(metadata), at, 0, 0).ljust(512, b"\0")
    return _segment(b"ZISRAWFILE", header) + blocks + metadata + directory


def _entry(tile: Tile, at: int) -> bytes:
    stored = tile.stored or (tile.width, tile.height)
    axes = [("X", tile.left, tile.width, stored[0]), ("Y", 0, tile.height, stored[1])]
    axes += [(axis, place, 1, 1) for axis, place in tile.places.items()]
    head = struct.pack("<2siqiiB5xi", b"DV", tile.pixel_type, at, 0, tile.compression, 0, len(axes))
    return head + b"".join(
        struct.pack("<4siifi", axis.encode(), start, size, 0.0, own) for axis, start, size, own in axes
    )


def _segment(mark: bytes, content: bytes) -> bytes:
    return mark.ljust(16, b"\0") + struct.pack("<qq", len(content), len(content)) + content
