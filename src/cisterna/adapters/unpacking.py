"""Gives the bytes of a file in blocks as they come, unpacked where it is packed with gzip."""

from __future__ import annotations

from collections.abc import Iterator

from cisterna.adapters.file_fault import Fault
from cisterna.adapters.gzip_stream import GzipStream

_BLOCK_BYTES = 4 * 1024 * 1024
_FREE_BYTES, _MOST_PACKED = 1 << 30, 250
"""Beyond the first GiB, no table that anybody wrote unpacks to more than so many times its size."""


class Plain:
    """Gives what it takes."""

    def feed(self, piece: memoryview) -> Iterator[bytes]:
        """Take the next bytes."""
        for start in range(0, len(piece), _BLOCK_BYTES):
            yield bytes(piece[start : start + _BLOCK_BYTES])

    def finish(self) -> None:
        """End the file."""


class Gunzip:
    """Unpacks gzip."""

    def __init__(self) -> None:
        self._stream = GzipStream(most_ratio=_MOST_PACKED, free_bytes=_FREE_BYTES)

    def feed(self, piece: memoryview) -> Iterator[bytes]:
        """Take the next bytes. Raises `Fault`."""
        yield from self._stream.unpack(piece)
        self._require_whole()

    def finish(self) -> None:
        """End the file. Raises `Fault` when it was cut off."""
        self._stream.end()
        self._require_whole()

    def _require_whole(self) -> None:
        if self._stream.problem is not None:
            raise Fault(self._stream.problem)


def unpacker(path: str) -> Plain | Gunzip:
    """Give what the name of a file asks for."""
    return Gunzip() if path.lower().endswith(".gz") else Plain()
