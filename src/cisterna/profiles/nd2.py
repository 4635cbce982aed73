"""Folders of ND2 files, as Nikon's NIS-Elements writes them; they are kept as they are.

An ND2 file is a row of chunks, and its last 40 bytes tell where the map of them lies, which is written when the file is
closed. So a file that still grows, or was cut off, has no map. Nothing says which file is the last one: silence closes
the folder, or a checksum file. Neither pixels nor metadata are read: the latter are in a format of the maker's.
"""

from __future__ import annotations

import re
import struct

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

_FILE = re.compile(r".+\.nd2", re.IGNORECASE)
_CHUNK, _OLD = b"\xda\xce\xbe\x0a", b"\0\0\0\x0cjP  "
_MAP = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_END_BYTES, _CHUNK_BYTES = 40, 16
_NEAR_BYTES = 16 * 1024 * 1024


class Nd2(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "nd2"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell such a folder by the names of its files."""
        return any(map(_FILE.fullmatch, look.listing.paths))

    def inspect(self, look: Look) -> Evidence:
        """Hold the end of each file against the map that it tells of."""
        files = _files(look)
        return file_evidence(look, files, _fault)

    def describe(self, look: Look) -> Described:
        """Name the folder and count its files."""
        fields: dict[str, JsonValue] = {"files": len(_files(look))}
        name = plain_text(look.folder)
        return Described(
            title=name or "ND2 files",
            data_type="image_arrays",
            fields={"experiment_id": name, **fields} if name is not None else fields,
        )


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _FILE.fullmatch(file.path)]


def _fault(look: Look, file: SeenFile) -> str | None:
    """Say why a file is not closed and whole, or None."""
    if file.size_bytes == 0:
        return "is empty"
    head = look.head(file.path, limit_bytes=8)
    if head == _OLD:
        return None  # the format before 2004 is JPEG 2000, which tells nothing of its end
    if head[:4] != _CHUNK:
        return "does not begin like an ND2 file"
    return _map_fault(look, file)


def _map_fault(look: Look, file: SeenFile) -> str | None:
    size, end = file.size_bytes, look.tail(file.path, limit_bytes=_END_BYTES)
    if len(end) < _END_BYTES or end[:32] != _MAP:
        return "was not closed: it does not end with the place of its chunk map"
    (at,) = struct.unpack_from("<Q", end, 32)
    if at + _CHUNK_BYTES > size:
        return f"holds {size} bytes and says that its chunk map begins at {at}"
    if size - at > _NEAR_BYTES:
        return None  # so large a map is not read for a look
    chunk = look.tail(file.path, limit_bytes=size - at)[:_CHUNK_BYTES]
    return None if chunk[:4] == _CHUNK else f"has no chunk map where it tells, at {at}"
