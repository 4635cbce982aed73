"""ND2 files of as many chunks as a closed file needs: its signature, one block, and the map of both."""

from __future__ import annotations

import struct

from cisterna.testing.scripted_run import Mishap, ScriptedRun

_SIGNATURE, _BLOCK, _MAP = b"ND2 FILE SIGNATURE CHUNK NAME01!", b"ImageDataSeq|0!", b"ND2 FILEMAP SIGNATURE NAME 0001!"
_END = b"ND2 CHUNK MAP SIGNATURE 0000001!"


def nd2(*, pixels: int = 512) -> bytes:
    """Write a file with a block of so many bytes, which nobody reads."""
    first = _chunk(_SIGNATURE, b"Ver3.0".ljust(64, b"\0"))
    block = _chunk(_BLOCK, bytes(pixels))
    entries = ((_SIGNATURE, 0, 64), (_BLOCK, len(first), pixels))
    listed = b"".join(name + struct.pack("<QQ", place, size) for name, place, size in entries)
    at = len(first) + len(block)
    return first + block + _chunk(_MAP, listed + _END + struct.pack("<Q", at))


def virtual_nd2(files: int = 2, *, mishap: Mishap = Mishap.NONE, victim: str = "") -> ScriptedRun:
    """Give a folder of files; the mishap befalls the one that is named."""
    bodies = {f"field-{number:02}.nd2": nd2(pixels=512 + number) for number in range(files)}
    return ScriptedRun("fields", bodies, mishap, victim)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(content)) + name + content
