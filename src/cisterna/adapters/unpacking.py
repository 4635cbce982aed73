"""Gives the bytes of a file in blocks as they come, unpacked where it is packed with gzip."""

from __future__ import annotations

from collections.abc import Iterator

from cisterna.adapters.byte_blocks import ByteBlocks
from cisterna.adapters.file_fault import Fault
from cisterna.adapters.gzip_stream import GzipStream

_BLOCK_BYTES = 4 * 1024 * 1024
_FREE_BYTES, _MOST_PACKED = 1 << 30, 250
"""Beyond the first GiB, no table that anybody wrote unpacks to more than so many times its size."""


class Plain:
    """Gives what it takes."""

    def __init__(self) -> None:
        self._blocks = ByteBlocks(_BLOCK_BYTES)

    def feed(self, piece: memoryview) -> Iterator[bytes]:
        """Take the next bytes."""
        return self._blocks.add(piece)

    def finish(self) -> Iterator[bytes]:
        """End the file, and give what is left of it."""
        return self._blocks.rest()


class Gunzip:
    """Unpacks gzip."""

    def __init__(self) -> None:
        self._stream = GzipStream(most_ratio=_MOST_PACKED, free_bytes=_FREE_BYTES)
        self._blocks = ByteBlocks(_BLOCK_BYTES)

    def feed(self, piece: memoryview) -> Iterator[bytes]:
        """Take the next bytes. Raises `Fault`."""
        for unpacked in self._stream.unpack(piece):
            yield from self._blocks.add(unpacked)
        self._require_whole()

    def finish(self) -> Iterator[bytes]:
        """End the file, and give what is left of it. Raises `Fault` when it was cut off."""
        for unpacked in self._stream.end():
            yield from self._blocks.add(unpacked)
        self._require_whole()
        yield from self._blocks.rest()

    def _require_whole(self) -> None:
        if self._stream.problem is not None:
            raise Fault(self._stream.problem)


def unpacker(path: str) -> Plain | Gunzip:
    """Give what the name of a file asks for."""
    return Gunzip() if path.lower().endswith(".gz") else Plain()
