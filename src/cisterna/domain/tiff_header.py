"""Holds a TIFF's first bytes against the size of its file: a cut-off image is found without reading it.

TIFF 6.0 (Adobe, 1992), sections 2 and 4, and BigTIFF; only the first image of a file is looked at.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import NamedTuple

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 16: 8}
_TYPE_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 16: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION = 256, 257, 258, 259, 270
_OFFSETS, _SAMPLES, _COUNTS = 273, 277, 279
_WANTED = frozenset({_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES, _COUNTS})
_KIND, _PHOTOMETRIC, _STRIP_ROWS, _PLANAR, _SAMPLE_FORMAT = 254, 262, 278, 284, 339
_PLAIN = {
    _KIND: {0},
    _BITS: {8, 16},
    _COMPRESSION: {1},
    _PHOTOMETRIC: {0, 1},
    _SAMPLES: {1},
    _PLANAR: {1},
    _SAMPLE_FORMAT: {1},
}
"""What these tags say, if they are there, of one grey image of whole numbers."""
_SIZES = frozenset({_WIDTH, _HEIGHT, _OFFSETS, _COUNTS, _STRIP_ROWS})
_BESIDE_THE_POINT = frozenset({_DESCRIPTION, 271, 272, 274, 280, 281, 282, 283, 285, 296, 305, 306, 315, 316})
"""Who made the image with what, and how large it is to be printed."""
_DIRECTORY_BYTES = 4096  # no plain image has a larger one, and a claim of billions of entries costs nothing
_TOLD_MOST = 2
"""So often a directory may have one tag: writers that keep a description of their own beside somebody's have two."""
_CLASSIC = 42
_BIG_MARKS = frozenset({b"II+\0", b"MM\0+"})
_UNCOMPRESSED = [1]


class _Layout(NamedTuple):
    """How one of the two kinds of TIFF writes its numbers."""

    order: str
    directory: int
    length: str
    entry: str
    offset: str

    @property
    def entry_bytes(self) -> int:
        return struct.calcsize(f"={self.entry}{self.offset}")

    @property
    def offset_bytes(self) -> int:
        return struct.calcsize(self.offset)


def tiff_fault(head: bytes, *, size_bytes: int) -> str | None:
    """Say why the file cannot be a whole TIFF, or None when its first bytes give no reason.

    Args:
        head: The file's first bytes; what they do not reach is not judged.
        size_bytes: Of the whole file.
    """
    if size_bytes == 0:
        return "is empty"
    layout = _layout(head)
    if layout is None:
        return None if _is_big(head) else "does not begin like a TIFF"
    if layout.directory + 2 > size_bytes:
        return f"ends at {size_bytes} bytes, before its own directory at {layout.directory}"
    needed = _needed_bytes(_tags(head, layout))
    if needed > size_bytes:
        return f"holds {size_bytes} bytes where its header tells of {needed}"
    return None


def page_bytes(head: bytes) -> int | None:
    """Reckon what the pixels of the first image take up, or None when it is compressed or the bytes do not tell."""
    layout = _layout(head)
    return _pixel_bytes(_tags(head, layout)) if layout else None


class PlainImage(NamedTuple):
    """Where the pixels of a file lie that is nothing but one grey image.

    Attributes:
        order: `<` or `>`, as the bytes of a number are in order.
        offset: Of the first pixel in the file; all others follow, row by row.
    """

    height: int
    width: int
    bits: int
    order: str
    offset: int


def plain_image(body: memoryview) -> PlainImage | None:
    """Tell where the pixels lie of one uncompressed image in one strip, which is how most microscopes write.

    Args:
        body: The whole file.

    Returns:
        None for a file of any other kind, one that contradicts itself or has not all its bytes: it takes a reader that
        knows all of TIFF to tell what is in it, or what is wrong.
    """
    layout = _layout(bytes(body[:16]))
    tags = _single_values(body, layout) if layout else None
    if layout is None or tags is None or not tags.keys() >= {_WIDTH, _HEIGHT, _BITS, _OFFSETS, _COUNTS}:
        return None
    if any(tags[tag] not in known for tag, known in _PLAIN.items() if tag in tags):
        return None
    height, width, bits, offset = (tags[tag] for tag in (_HEIGHT, _WIDTH, _BITS, _OFFSETS))
    needed = height * width * bits // 8
    if tags.get(_STRIP_ROWS, height) < height or not 0 < needed <= tags[_COUNTS] or offset + tags[_COUNTS] > len(body):
        return None
    return PlainImage(height, width, bits, layout.order, offset)


def _single_values(body: memoryview, layout: _Layout) -> dict[int, int] | None:
    """Read the one directory of a file; None unless each tag that may say something of pixels has one whole number."""
    entries = _entries(body[: layout.directory + _DIRECTORY_BYTES], layout.directory, layout)
    values: dict[int, int] = {}
    if max(Counter(tag for tag, *_ in entries).values(), default=0) > _TOLD_MOST:
        return None
    for tag, kind, length, at in entries:
        if tag in _BESIDE_THE_POINT:
            continue
        is_one = length == 1 and kind in {3, 4, 16} and _TYPE_BYTES[kind] <= layout.offset_bytes
        if not is_one or tag in values or tag not in _SIZES | _PLAIN.keys():
            return None
        (values[tag],) = struct.unpack_from(layout.order + _TYPE_CODES[kind], body, at)
    end = layout.directory + struct.calcsize(f"={layout.length}") + len(entries) * layout.entry_bytes
    if not entries or end + layout.offset_bytes > len(body):
        return None
    (count,) = struct.unpack_from(layout.order + layout.length, body, layout.directory)
    (further,) = struct.unpack_from(layout.order + layout.offset, body, end)
    return values if count == len(entries) and not further else None


def directory_at(head: bytes) -> int | None:
    """Tell where the directory of the first image lies, or None when the bytes are no TIFF's."""
    layout = _layout(head)
    return layout.directory if layout else None


def description_at(directory: bytes, *, head: bytes) -> tuple[int, int] | None:
    """Tell where the first image's description lies in the file, and how long it is; None when it has none.

    Args:
        directory: The file's bytes from its first directory on, as far as they are known.
        head: The file's first 16 bytes.
    """
    layout = _layout(head)
    if layout is None:
        return None
    for tag, kind, length, at in _entries(directory, 0, layout):
        if tag == _DESCRIPTION and kind == 2:
            if length <= layout.offset_bytes:
                return None  # it stands in the entry itself, too short for anything that is looked for
            (place,) = struct.unpack_from(layout.order + layout.offset, directory, at)
            return place, length
    return None


def _layout(head: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    (magic,) = struct.unpack_from(f"{order}H", head, 2)
    if magic == _CLASSIC:
        return _Layout(order, struct.unpack_from(f"{order}I", head, 4)[0], "H", "HHI", "I")
    if _is_big(head) and len(head) >= 16:
        return _Layout(order, struct.unpack_from(f"{order}Q", head, 8)[0], "Q", "HHQ", "Q")
    return None


def _is_big(head: bytes) -> bool:
    return head[:4] in _BIG_MARKS and len(head) >= 8


def _entries(body: bytes | memoryview, start: int, layout: _Layout) -> list[tuple[int, int, int, int]]:
    """List the directory's entries (tag, type, length, place of the value) as far as the bytes reach."""
    size = struct.calcsize(f"{layout.order}{layout.length}")
    if start + size > len(body):
        return []
    (count,) = struct.unpack_from(f"{layout.order}{layout.length}", body, start)
    first, step = start + size, layout.entry_bytes
    fits = max(0, (len(body) - first) // step)
    places = range(first, first + step * min(count, fits), step)
    value = struct.calcsize(f"{layout.order}{layout.entry}")
    return [(*struct.unpack_from(layout.order + layout.entry, body, place), place + value) for place in places]


def _tags(head: bytes, layout: _Layout) -> dict[int, list[int]]:
    """Read the wanted entries of the first directory as far as the bytes reach."""
    tags: dict[int, list[int]] = {}
    for tag, kind, length, at in _entries(head, layout.directory, layout):
        width = _TYPE_BYTES.get(kind)
        if tag not in _WANTED or width is None:
            continue
        place = at
        if width * length > layout.offset_bytes:
            (place,) = struct.unpack_from(layout.order + layout.offset, head, at)
        if place + width * length <= len(head):
            tags[tag] = list(struct.unpack_from(f"{layout.order}{length}{_TYPE_CODES[kind]}", head, place))
    return tags


def _pixel_bytes(tags: dict[int, list[int]]) -> int | None:
    if tags.get(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED or not (tags.get(_WIDTH) and tags.get(_HEIGHT)):
        return None
    samples = (tags.get(_SAMPLES) or [1])[0]
    bits = (tags.get(_BITS) or [1])[0]
    return (tags[_WIDTH][0] * tags[_HEIGHT][0] * samples * bits + 7) // 8


def _needed_bytes(tags: dict[int, list[int]]) -> int:
    """Reckon how long the file must be: to the end of its last strip, and no less than its pixels if uncompressed."""
    strips = zip(tags.get(_OFFSETS, []), tags.get(_COUNTS, []), strict=False)
    needed = max((offset + count for offset, count in strips), default=0)
    return max(needed, _pixel_bytes(tags) or 0)
