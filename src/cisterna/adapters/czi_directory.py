"""The directory of a CZI file, and whether its tiles hold the pixels that it speaks of.

libCZI paints black where a tile holds fewer bytes than its size needs, or none at all, and decodes what there is of a
stream that was cut off; nobody who looks at the pixels can tell. So each tile is held against its own header first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from cisterna.adapters.plane_file import OUTSIDE, CannotRead, require_few

_FILE, _DIRECTORY, _BLOCK = b"ZISRAWFILE", b"ZISRAWDIRECTORY", b"ZISRAWSUBBLOCK"
_SEGMENT_BYTES, _HEADER_BYTES, _ENTRIES_AT, _BLOCK_BYTES = 32, 112, 128, 256
_ENTRY, _AXIS = struct.Struct("<2siqiiB5xi"), struct.Struct("<4siifi")
_PLAIN, _JPEG_XR, _ZSTD, _ZSTD_HEADED = 0, 4, 5, 6
_AXES_MAX, _START_BYTES = 32, 4096
PIXELS = {0: (1, 1), 1: (2, 1), 2: (4, 1), 3: (1, 3), 4: (2, 3), 8: (4, 3)}
"""Bytes of a number, and numbers of a pixel, by the kinds of pixels that are read."""


class Rect(NamedTuple):
    """Where pixels lie."""

    left: int
    top: int
    width: int
    height: int


class Block(NamedTuple):
    """A tile, as the directory has it.

    Attributes:
        places: On the axes other than X and Y.
        stored: Width and height of its pixels as they are kept: less than those of `rect` for a smaller copy.
    """

    at: int
    kind: int
    compression: int
    places: dict[str, int]
    rect: Rect
    stored: tuple[int, int]

    @property
    def is_full(self) -> bool:
        """Whether it is of full resolution."""
        return self.stored == (self.rect.width, self.rect.height) and min(self.stored) > 0

    @property
    def size_bytes(self) -> int:
        """What its pixels take up."""
        item_bytes, samples = PIXELS.get(self.kind, (1, 1))
        return self.stored[0] * self.stored[1] * item_bytes * samples


def blocks(file: BinaryIO) -> Iterator[Block]:
    """Read the directory. Raises `CannotRead`."""
    header = _part(file, 0, _HEADER_BYTES)
    if header[:16].rstrip(b"\0") != _FILE:
        raise CannotRead("it does not begin like a CZI file")
    (at,) = struct.unpack_from("<q", header, 84)
    head = _part(file, at, _SEGMENT_BYTES + _ENTRIES_AT)
    if head[:16].rstrip(b"\0") != _DIRECTORY:
        raise CannotRead("it has no directory where its header tells")
    (count,) = struct.unpack_from("<i", head, _SEGMENT_BYTES)
    require_few(count)
    at += len(head)
    for _ in range(count):
        entry = _part(file, at, _ENTRY.size)
        axes = _axes_of(entry)
        yield _block(entry, _part(file, at + len(entry), axes * _AXIS.size))
        at += len(entry) + axes * _AXIS.size


def block_fault(file: BinaryIO, block: Block) -> str | None:
    """Say why a tile cannot hold its pixels, or None."""
    try:
        head = _part(file, block.at, _SEGMENT_BYTES + 16 + _ENTRY.size)
    except CannotRead:
        return OUTSIDE
    if head[:16].rstrip(b"\0") != _BLOCK:
        return "the file has no tile where its directory tells"
    metadata_bytes, _, size = struct.unpack_from("<iiq", head, _SEGMENT_BYTES)
    axes = _axes_of(head[_SEGMENT_BYTES + 16 :])
    at = block.at + _SEGMENT_BYTES + max(_BLOCK_BYTES, 16 + _ENTRY.size + axes * _AXIS.size) + metadata_bytes
    if metadata_bytes < 0 or size <= 0 or at + size > file.seek(0, 2):
        return OUTSIDE if size > 0 else "a tile of it holds no pixels"
    start = _part(file, at, min(size, _START_BYTES))
    return _stream_fault(block, start, size)


def _stream_fault(block: Block, start: bytes, size: int) -> str | None:
    match block.compression:
        case 0:
            held: int | None = size
        case 5:
            held = _zstd_bytes(start)
        case 6:
            held = _zstd_bytes(start[start[0] :])
        case 4:
            return _jpeg_xr_fault(block, start, size)
        case _:
            return f"a tile of it is compressed in a way that is not read ({block.compression})"
    if held is None:
        return "a tile of it does not tell how large its pixels are"
    is_short = held < block.size_bytes or (block.compression != _PLAIN and held != block.size_bytes)
    return f"a tile of it holds {held:,} bytes and its pixels take {block.size_bytes:,}" if is_short else None


def _zstd_bytes(frame: bytes) -> int | None:
    """Read from the head of a Zstandard frame (RFC 8878) how large its content is."""
    if frame[:4] != b"\x28\xb5\x2f\xfd" or len(frame) < 18:
        return None
    flags = frame[4]
    is_single = bool(flags & 0x20)
    at = 5 + (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3]
    width = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
    if width == 0:
        return None
    return int.from_bytes(frame[at : at + width], "little") + (256 if width == 2 else 0)


def _jpeg_xr_fault(block: Block, start: bytes, size: int) -> str | None:
    """Hold a JPEG XR file (ITU-T T.832, annex A) against its tile: its size in pixels, and where its stream ends."""
    if start[:3] != b"II\xbc" or len(start) < 8:
        return "a tile of it is no JPEG XR"
    (at,) = struct.unpack_from("<I", start, 4)
    count = int.from_bytes(start[at : at + 2], "little")
    if at + 2 + 12 * count > len(start):
        return None  # its list of tags lies behind the pixels: libCZI finds it, or says so
    tags = dict(_tag(start, at + 2 + 12 * number) for number in range(count))
    found = (tags.get(0xBC80), tags.get(0xBC81))
    if found != block.stored:
        return f"a tile of it is of {found[0]} x {found[1]} pixels where its directory tells of {block.stored}"
    end = tags.get(0xBCC0, 0) + tags.get(0xBCC1, 0)
    return f"a tile of it ends early: it holds {size:,} bytes of {end:,}" if end > size else None


def _tag(body: bytes, at: int) -> tuple[int, int]:
    number, kind, _ = struct.unpack_from("<HHI", body, at)
    return number, int.from_bytes(body[at + 8 : at + (10 if kind == 3 else 12)], "little")


def _axes_of(entry: bytes) -> int:
    unpacked = _ENTRY.unpack_from(entry)
    kind, axes = unpacked[0], int(unpacked[-1])
    if kind != b"DV" or not 0 <= axes <= _AXES_MAX:
        raise CannotRead("its directory has an entry that cannot be read")
    return axes


def _block(entry: bytes, body: bytes) -> Block:
    _, kind, at, _, compression, _, _ = _ENTRY.unpack(entry)
    axes = {name.rstrip(b"\0").decode("ascii", "replace"): rest for name, *rest in _AXIS.iter_unpack(body)}
    (left, width, _, own_width), (top, height, _, own_height) = axes.pop("X", [0] * 4), axes.pop("Y", [0] * 4)
    return Block(
        at=at,
        kind=kind,
        compression=compression,
        places={name: start for name, (start, *_) in axes.items()},
        rect=Rect(left, top, width, height),
        stored=(own_width or width, own_height or height),
    )


def _part(file: BinaryIO, at: int, length: int) -> bytes:
    if at < 0:
        raise CannotRead("its header or its directory points before its beginning")
    file.seek(at)
    body = file.read(length)
    if len(body) < length:
        raise CannotRead("it ends before its directory does")
    return body
