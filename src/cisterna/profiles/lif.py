"""Folders of LIF files, as Leica's LAS X writes them; they are kept as they are.

A LIF file begins with XML that describes every image and says how many bytes of pixels each has (`Memory Size`); the
pixels follow, a block each. So the file must be at least as long as the XML and all these bytes, and one that still
grows, or was cut off, is not. Nothing says which file is the last one: silence closes the folder, or a checksum file.
The pixels are not measured.
"""

from __future__ import annotations

import re
import struct
from itertools import islice
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FILE = re.compile(r".+\.lif", re.IGNORECASE)
_MARK, _TEXT_MARK = 0x70, 0x2A
_HEAD_BYTES, _XML_BYTES = 13, 16 * 1024 * 1024
_LEAST_BLOCK_BYTES = 18  # of the header before the pixels, in the older of two versions, without its name
_MOST_NAMES, _MOST_DESCRIBED = 200, 20


class Lif(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "lif"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell such a folder by the names of its files."""
        return any(map(_FILE.fullmatch, look.listing.paths))

    def inspect(self, look: Look) -> Evidence:
        """Hold the size of each file against what its XML tells."""
        return file_evidence(look, _files(look), _fault)

    def describe(self, look: Look) -> Described:
        """Name the images of the first file that tells them."""
        root = _first_xml(look)
        elements = root.iter("Element") if root is not None else iter(())
        images = (one for one in elements if one.find("./Data/Image") is not None)
        names = [name for one in islice(images, _MOST_NAMES) if (name := plain_text(one.get("Name"))) is not None]
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "files": len(_files(look)),
            "image_names": list(names),
        }
        return Described(
            title=plain_text(look.folder) or "LIF files",
            data_type="image_arrays",
            fields={name: value for name, value in found.items() if value not in (None, [])},
        )


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _FILE.fullmatch(file.path)]


def _fault(look: Look, file: SeenFile) -> str | None:
    """Say why a file cannot be whole, or None."""
    if file.size_bytes == 0:
        return "is empty"
    length = _xml_bytes(look.head(file.path, limit_bytes=_HEAD_BYTES))
    if length is None:
        return "does not begin like a LIF file"
    needed = _HEAD_BYTES + length
    if needed <= file.size_bytes and length <= _XML_BYTES:
        try:
            needed += _pixel_bytes(_xml(look, file, length))
        except (ParseError, DefusedXmlException, ValueError, LookupError) as refusal:
            return f"has no XML that can be read ({type(refusal).__name__})"
    return f"holds {file.size_bytes} bytes where its XML tells of {needed}" if needed > file.size_bytes else None


def _xml_bytes(head: bytes) -> int | None:
    """Read how many bytes of XML follow the first 13; None when the file begins otherwise."""
    if len(head) < _HEAD_BYTES:
        return None
    mark, _, text_mark, count = struct.unpack("<iIBI", head)
    return 2 * count if (mark, text_mark) == (_MARK, _TEXT_MARK) else None


def _xml(look: Look, file: SeenFile, length: int) -> Element:
    body = look.head(file.path, limit_bytes=_HEAD_BYTES + length)[_HEAD_BYTES:]
    root: Element = fromstring(body.decode("utf-16-le").rstrip("\0"))
    return root


def _pixel_bytes(root: Element) -> int:
    """Sum up what all blocks of pixels take at least; a block without pixels need not be there."""
    sizes = (text for one in root.iter("Memory") if (text := one.get("Size") or "").isascii() and text.isdecimal())
    known = [int(text) for text in sizes if len(text) <= 19]
    return sum(size + _LEAST_BLOCK_BYTES for size in known if size > 0)


def _first_xml(look: Look) -> Element | None:
    for file in _files(look)[:_MOST_DESCRIBED]:
        try:
            length = _xml_bytes(look.head(file.path, limit_bytes=_HEAD_BYTES)) if file.size_bytes else None
            if length is not None and length <= _XML_BYTES:
                return _xml(look, file, length)
        except (InvalidInput, NotFound, ParseError, DefusedXmlException, ValueError, LookupError):
            continue  # another file may tell; this one's faults are told by `inspect`
    return None
