"""Cuts bytes into blocks of one size, so that nothing depends on the pieces in which they come."""

from __future__ import annotations

from collections.abc import Iterator


class ByteBlocks:
    """Holds back what does not fill a block yet.

    Args:
        size_bytes: Of every block but the last.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._held = bytearray()

    def add(self, piece: memoryview | bytes) -> Iterator[bytes]:
        """Give the blocks that are whole with the next bytes."""
        start = 0
        while len(self._held) + len(piece) - start >= self._size_bytes:
            stop = start + self._size_bytes - len(self._held)
            block = bytes(self._held + piece[start:stop])
            self._held.clear()
            start = stop
            yield block
        self._held += piece[start:]

    def rest(self) -> Iterator[bytes]:
        """Give what is left when no more bytes come."""
        if self._held:
            yield bytes(self._held)
            self._held.clear()
