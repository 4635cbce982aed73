"""A tar archive as a stream: file after file, whatever their number and sizes, with a few blocks in memory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cisterna.domain.errors import ObjectInvalid

_BLOCK = tarfile.BLOCKSIZE
_MODIFIED = 0
"""The same files make the same bytes, whenever they are asked for."""


class Member(NamedTuple):
    """A file of the archive.

    Attributes:
        path: Relative and normalised, so that nothing unpacks outside of the folder it is unpacked in.
        chunks: Its bytes, opened when its turn comes.
    """

    path: str
    size_bytes: int
    chunks: Iterable[bytes]


def tar_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """Write an archive in the format of POSIX.1-2001 (pax), which takes names and sizes of any length.

    Raises:
        ObjectInvalid: A file has another size than was said; the archive ends there and does not look whole.
    """
    for member in members:
        info = tarfile.TarInfo(member.path)
        info.size, info.mode, info.mtime = member.size_bytes, 0o644, _MODIFIED
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        sent = 0
        for chunk in member.chunks:
            sent += len(chunk)
            if sent > member.size_bytes:
                break
            yield chunk
        if sent != member.size_bytes:
            msg = f"{member.path} has not the {member.size_bytes} bytes that its manifest says; run `cisterna check`"
            raise ObjectInvalid(msg, path=member.path)
        yield bytes(-sent % _BLOCK)
    yield bytes(2 * _BLOCK)
