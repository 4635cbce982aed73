"""Holds a TIFF's first bytes against the size of its file: a cut-off image is found without reading it.

TIFF 6.0 (Adobe, 1992), sections 2 and 4; only the first image of a classic TIFF is looked at.
"""

from __future__ import annotations

import struct

_TYPE_BYTES = {1: 1, 3: 2, 4: 4}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_OFFSETS, _SAMPLES, _COUNTS = 273, 277, 279
_WANTED = frozenset({_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES, _COUNTS})
_CLASSIC, _BIG = 42, 43


def tiff_fault(head: bytes, *, size_bytes: int) -> str | None:
    """Say why the file cannot be a whole TIFF, or None when its first bytes give no reason.

    Args:
        head: The file's first bytes; what they do not reach is not judged.
        size_bytes: Of the whole file.
    """
    if size_bytes == 0:
        return "is empty"
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    magic, at = struct.unpack_from(f"{order}HI", head, 2) if order and len(head) >= 8 else (0, 0)
    if order is None or magic not in {_CLASSIC, _BIG}:
        return "does not begin like a TIFF"
    if magic == _BIG:
        return None
    return _cut_off(head, at, order, size_bytes)


def _cut_off(head: bytes, at: int, order: str, size_bytes: int) -> str | None:
    if at + 2 > size_bytes:
        return f"ends at {size_bytes} bytes, before its own directory at {at}"
    if at + 2 > len(head):
        return None
    needed = _needed_bytes(_tags(head, at, order))
    if needed > size_bytes:
        return f"holds {size_bytes} bytes where its header tells of {needed}"
    return None


def _tags(head: bytes, at: int, order: str) -> dict[int, list[int]]:
    """Read the wanted entries of the directory as far as the bytes reach."""
    (count,) = struct.unpack_from(f"{order}H", head, at)
    tags: dict[int, list[int]] = {}
    for start in range(at + 2, min(at + 2 + 12 * count, len(head) - 11), 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", head, start)
        width = _TYPE_BYTES.get(kind)
        if tag not in _WANTED or width is None:
            continue
        place = start + 8
        if width * length > 4:
            (place,) = struct.unpack_from(f"{order}I", head, place)
        if place + width * length <= len(head):
            tags[tag] = list(struct.unpack_from(f"{order}{length}{'BHxI'[width - 1]}", head, place))
    return tags


def _needed_bytes(tags: dict[int, list[int]]) -> int:
    """Reckon how long the file must be: to the end of its last strip, and no less than its pixels if uncompressed."""
    strips = zip(tags.get(_OFFSETS, []), tags.get(_COUNTS, []), strict=False)
    needed = max((offset + count for offset, count in strips), default=0)
    if tags.get(_COMPRESSION, [1]) == [1] and tags.get(_WIDTH) and tags.get(_HEIGHT):
        samples = (tags.get(_SAMPLES) or [1])[0]
        bits = (tags.get(_BITS) or [1])[0]
        needed = max(needed, (tags[_WIDTH][0] * tags[_HEIGHT][0] * samples * bits + 7) // 8)
    return needed
