"""Unpacks gzip as its bytes come, and bounds what a small file may unpack to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_PIECE_BYTES = 256 * 1024
_RATIO_MAX = 200
_FREE_BYTES = 64 * 1024 * 1024
"""What any file may unpack to, however small it is."""


class GzipDamaged(Exception):
    """It is no whole gzip file; the message says why, in words."""


class Gunzip:
    """Unpacks one file of one or more gzip members."""

    def __init__(self) -> None:
        self._member = _member()
        self._taken = self._given = 0

    def unpack(self, piece: bytes) -> Iterator[bytes]:
        """Give what the next bytes unpack to, in pieces of at most 256 KiB. Raises `GzipDamaged`."""
        self._taken += len(piece)
        rest = piece
        while rest:
            if self._member.eof:
                rest = self._next_member(rest)
                continue
            try:
                body = self._member.decompress(rest, _PIECE_BYTES)
            except zlib.error as error:
                raise GzipDamaged(f"its gzip data are damaged ({error})") from error
            self._given += len(body)
            if self._given > _FREE_BYTES + _RATIO_MAX * self._taken:
                raise GzipDamaged(f"it unpacks to more than {_RATIO_MAX} times its size")
            if body:
                yield body
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def close(self) -> None:
        """Say that there are no more bytes. Raises `GzipDamaged` when the last member has no end."""
        if not self._member.eof:
            raise GzipDamaged("its gzip data have no end: it was cut off")

    def _next_member(self, rest: bytes) -> bytes:
        """Begin the next member, or leave out the zeros that a block device puts at the end."""
        if not rest.strip(b"\0"):
            return b""
        self._member = _member()
        return rest


def _member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=31)
