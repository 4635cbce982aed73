"""Gives the bytes of a file in blocks as they come, unpacked where it is packed with gzip."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from cisterna.adapters.file_fault import Fault
from cisterna.domain.errors import InvalidInput

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
    """Unpacks gzip, also of several members one after another, as bgzip and `cat` make them."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._is_ended = False
        self._taken = self._given = 0

    def feed(self, piece: memoryview) -> Iterator[bytes]:
        """Take the next bytes. Raises `Fault`, and `InvalidInput` for what unpacks to more than is looked at."""
        left = bytes(piece)
        self._taken += len(left)
        while left:
            if self._member is None:
                if self._is_ended and not left.strip(b"\0"):
                    return  # padding, as a tape or a block device adds it
                self._member = zlib.decompressobj(wbits=31)
            block, left = self._unpacked(self._member, left)
            self._given += len(block)
            if self._given > max(_FREE_BYTES, _MOST_PACKED * self._taken):
                raise InvalidInput(
                    f"it unpacks to more than {_MOST_PACKED} times its size, and was not looked at further"
                )
            if block:
                yield block

    def finish(self) -> None:
        """End the file. Raises `Fault` when it was cut off."""
        if self._member is not None or not self._is_ended:
            raise Fault("it is packed with gzip and cut off: its end is not there")

    def _unpacked(self, member: zlib._Decompress, left: bytes) -> tuple[bytes, bytes]:
        try:
            block = member.decompress(left, _BLOCK_BYTES)
        except zlib.error as error:
            raise Fault(f"it is not the gzip file that its name says, or damaged ({error})") from error
        if not member.eof:
            return block, member.unconsumed_tail
        self._member, self._is_ended = None, True
        return block, member.unused_data


def unpacker(path: str) -> Plain | Gunzip:
    """Give what the name of a file asks for."""
    return Gunzip() if path.lower().endswith(".gz") else Plain()
