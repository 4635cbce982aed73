"""Unpacks gzip as it is read: of one member or many, in blocks (BGZF), with bounded memory whatever the file claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from isal import isal_zlib

from cisterna.adapters.byte_blocks import ByteBlocks

_Damaged = cast("type[Exception]", isal_zlib.error)  # its stub says that it is an exception, not a class of them
_GZIP = b"\x1f\x8b"
_IN_BYTES, _OUT_BYTES = 64 * 1024, 1024 * 1024
MOST_RATIO, FREE_BYTES = 200, 64 * 1024 * 1024
"""No reads and no spectra that anybody wrote unpack to more than that."""


class GzipStream:
    """One gzip file under way.

    Args:
        most_ratio, free_bytes: What unpacks to more than so many times its size, beyond the first bytes, is given up.

    Attributes:
        problem: What is wrong with it, in words; then nothing more is unpacked.
    """

    def __init__(self, *, most_ratio: int = MOST_RATIO, free_bytes: int = FREE_BYTES) -> None:
        self._most_ratio, self._free_bytes = most_ratio, free_bytes
        self.problem: str | None = None
        self._member: Any = None
        self._members = 0
        self._held = b""
        self._blocks = ByteBlocks(_IN_BYTES)
        self._in_bytes = self._out_bytes = 0

    def unpack(self, piece: memoryview) -> Iterator[bytes]:
        """Give what the next bytes unpack to, in pieces of at most 2 MiB, which many small members fill together."""
        if self.problem is None:
            for block in self._blocks.add(piece):
                yield from self._unpacked(block)

    def end(self) -> Iterator[bytes]:
        """Say that there are no more bytes, and give what is left; a member that has not ended is a `problem`."""
        for block in self._blocks.rest():
            yield from self._unpacked(block)
        if self.problem is None and (self._member is not None or (self._held and not self._members)):
            self.problem = "its packed data end in the middle: the file was cut off; copy it again"
        elif self.problem is None and self._held:
            self.problem = _after_end(self._held)

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        self._in_bytes += len(packed)
        held, held_bytes = list[bytes](), 0
        while packed and self.problem is None:
            if self._member is None:
                packed = self._begin(packed)
                continue
            unpacked, packed = self._go_on(packed)
            held.append(unpacked)
            held_bytes += len(unpacked)
            if held_bytes >= _OUT_BYTES:
                yield b"".join(held)
                held, held_bytes = [], 0
        if held_bytes:
            yield b"".join(held)

    def _begin(self, packed: bytes) -> bytes:
        """Look at what a member begins with, which may come in two pieces."""
        packed, self._held = self._held + packed, b""
        if len(packed) < len(_GZIP) and _GZIP.startswith(packed):
            self._held = packed
            return b""
        if packed.startswith(_GZIP):
            self._member = isal_zlib.decompressobj(wbits=31)
            return packed
        self.problem = _after_end(packed) if self._members else "it does not begin like a gzip file"
        return b""

    def _go_on(self, packed: bytes) -> tuple[bytes, bytes]:
        """Unpack, and give what is left to unpack. What a full buffer holds back comes with the next bytes."""
        try:
            unpacked = self._member.decompress(packed, _OUT_BYTES)
        except _Damaged as error:
            how = "their checksum does not fit" if "checksum" in str(error).lower() else "they cannot be unpacked"
            self.problem = f"its packed data are damaged, since {how}; copy the file again"
            return b"", b""
        self._out_bytes += len(unpacked)
        if self._out_bytes > self._free_bytes + self._most_ratio * self._in_bytes:
            self.problem = f"it unpacks to more than {self._most_ratio} times its size; it was not read on"
            return b"", b""
        if not self._member.eof:
            rest = self._member.unconsumed_tail
            if not unpacked and len(rest) == len(packed):
                self.problem = "its packed data are damaged, since they cannot be unpacked; copy the file again"
            return unpacked, rest
        rest, self._member = self._member.unused_data, None
        self._members += 1
        return unpacked, rest


def _after_end(rest: bytes) -> str:
    what = "zeros" if rest[:1] == b"\0" else "bytes that are no gzip"
    return f"{what} follow the end of its packed data; copy the file again"
