"""Reckons what the directories of a TIFF ask for before a library reads them: a value may be named any number of times.

TIFF 6.0 (Adobe, 1992), section 2, and BigTIFF. A reader that believes them would hold a file of some megabytes
thousands of times over, or read one list of strips for each of a hundred thousand pages.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PAGES_MAX = 65_536
_ENTRIES_MAX = 4096
"""Of a directory; tifffile reads none with more."""
_NUMBERS_MAX, _TEXT_BYTES_MAX = 4_000_000, 64 * 1024 * 1024
"""Most numbers and most bytes of text that a page may list: offset and length of two million tiles, and any OME-XML."""
_FREE_BYTES = 1024 * 1024
"""Pages may share their values; beyond so much, what all of them ask for is no more than twice their file."""
_KIND_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TEXTS = frozenset({1, 2, 7})
_PRIVATE = 32_768
_PRIVATE_READ = frozenset({32_997, 32_998, 33_628, 42_113, 50_838, 50_839})
"""Of the tags from `_PRIVATE` on, those that tifffile reads without being asked."""


class _Layout(NamedTuple):
    """How one of the two kinds of TIFF writes a directory."""

    length: struct.Struct
    entry: struct.Struct
    offset: struct.Struct
    first: int


class _Asked(NamedTuple):
    """What the entries of a directory have a reader read elsewhere in the file."""

    numbers: int
    text_bytes: int
    all_bytes: int


def directory_fault(body: memoryview) -> str | None:
    """Say why a file's directories ask for more than any image has; None where they do not, or cannot be read."""
    layout = _layout(bytes(body[:4]))
    if len(body) < layout.first + layout.offset.size:
        return None
    (place,) = layout.offset.unpack_from(body, layout.first)
    seen, left = set[int](), 2 * len(body) + _FREE_BYTES
    while place and place + layout.length.size <= len(body):
        if place in seen or len(seen) >= PAGES_MAX:
            return f"its list of pages runs in a circle or exceeds {PAGES_MAX}"
        seen.add(place)
        (entries,) = layout.length.unpack_from(body, place)
        start = place + layout.length.size
        end = start + entries * layout.entry.size
        if entries > _ENTRIES_MAX or end > len(body):
            return None
        asked = _asked(body, start, end, layout)
        left -= end - start + asked.all_bytes
        if left < 0 or asked.numbers > _NUMBERS_MAX or asked.text_bytes > _TEXT_BYTES_MAX:
            return f"its page {len(seen):,} asks for more values than an image of {len(body):,} bytes can have"
        if end + layout.offset.size > len(body):
            return None
        (place,) = layout.offset.unpack_from(body, end)
    return None


def _layout(mark: bytes) -> _Layout:
    order = ">" if mark.startswith(b"MM") else "<"
    count, entry, offset, first = ("Q", "HHQ8s", "Q", 8) if b"+" in mark else ("H", "HHI4s", "I", 4)
    return _Layout(struct.Struct(order + count), struct.Struct(order + entry), struct.Struct(order + offset), first)


def _asked(body: memoryview, start: int, end: int, layout: _Layout) -> _Asked:
    numbers = text_bytes = all_bytes = 0
    for code, kind, length, value in layout.entry.iter_unpack(body[start:end]):
        size = _KIND_BYTES.get(kind, 0) * length
        is_read = code < _PRIVATE or code in _PRIVATE_READ
        if not is_read or size <= layout.offset.size or layout.offset.unpack(value)[0] + size > len(body):
            continue  # it stands in the entry itself, or nobody reads it
        all_bytes += size
        if kind in _TEXTS:
            text_bytes += size
        else:
            numbers += length
    return _Asked(numbers, text_bytes, all_bytes)
