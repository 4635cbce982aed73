"""Folders of LIF files, as Leica's LAS X writes them; they are kept as they are.

A LIF file begins with XML that describes every image and says how many bytes of pixels each has (`Memory Size`); the
pixels follow, a block each. So the file must be at least as long as the XML and all these bytes, and one that still
grows, or was cut off, is not. Nothing says which file is the last one: silence closes the folder, or a checksum file.
The planes inside are measured, and placed by the file itself.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text, real_number
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FILE = re.compile(r".+\.lif", re.IGNORECASE)
_MARK, _TEXT_MARK = 0x70, 0x2A
_HEAD_BYTES, _XML_BYTES = 13, 16 * 1024 * 1024
_LEAST_BLOCK_BYTES = 18  # of the header before the pixels, in the older of two versions, without its name
_MOST_NAMES, _MOST_DESCRIBED, _MOST_IMAGES = 200, 20, 100_000
_DESCRIPTION = "./Data/Image/ImageDescription"


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
        """Read images, objective, channels and sizes from the first file that tells them."""
        root, source = _first_xml(look)
        images = list(_images(root))
        names = [name for one in islice(images, _MOST_NAMES) if (name := plain_text(one.get("Name"))) is not None]
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "files": len(_files(look)),
            "image_names": list(names),
            "scenes": len(images),
            **_objective(root),
            **(_sizes(images[0]) if images else {}),
            "metadata_source": source,
        }
        return Described(
            title=plain_text(look.folder) or "LIF files",
            data_type="microscopy",
            fields={name: value for name, value in found.items() if value not in (None, [], 0)},
            instrument_model=_attribute(root, "SystemTypeName"),
            instrument_serial=_attribute(root, "SystemSerialNumber"),
            started_at=_started(images),
        )

    def is_image(self, path: str) -> bool:
        """Measure the planes inside."""
        return bool(_FILE.fullmatch(path))


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


def _first_xml(look: Look) -> tuple[Element | None, str | None]:
    """Give the XML of the first file that has some, and say where it comes from."""
    for file in _files(look)[:_MOST_DESCRIBED]:
        try:
            length = _xml_bytes(look.head(file.path, limit_bytes=_HEAD_BYTES)) if file.size_bytes else None
            if length is not None and length <= _XML_BYTES:
                return _xml(look, file, length), plain_text(f"{file.path}: LMSDataContainerHeader")
        except (InvalidInput, NotFound, ParseError, DefusedXmlException, ValueError, LookupError):
            continue  # another file may tell; this one's faults are told by `inspect`
    return None, None


def _images(root: Element | None) -> Iterator[Element]:
    elements = root.iter("Element") if root is not None else iter(())
    return islice((one for one in elements if one.find("./Data/Image") is not None), _MOST_IMAGES)


def _sizes(image: Element) -> dict[str, JsonValue | None]:
    """Read the axes of an image: 1, 2, 3 and 4 are X, Y, Z and time. A length is from the first to the last element."""
    axes = {one.get("DimID"): one for one in image.iterfind(f"{_DESCRIPTION}/Dimensions/DimensionDescription")}
    channels = image.findall(f"{_DESCRIPTION}/Channels/ChannelDescription")[:_MOST_NAMES]
    return {
        "pixel_size_um": _step_um(axes.get("1")),
        "z_step_um": _step_um(axes.get("3")),
        "width_px": _count(axes.get("1")),
        "height_px": _count(axes.get("2")),
        "z_levels": _count(axes.get("3")),
        "time_points": _count(axes.get("4")),
        "channels": [name for one in channels if (name := _channel(one)) is not None],
    }


def _channel(described: Element) -> str | None:
    told = {one.findtext("Key"): one.findtext("Value") for one in described.iter("ChannelProperty")}
    return plain_text(told.get("DyeName")) or plain_text(described.get("LUTName"))


def _count(axis: Element | None) -> int | None:
    text = axis.get("NumberOfElements") if axis is not None else None
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 9 else None


def _step_um(axis: Element | None) -> float | None:
    length, count = _real(axis, "Length"), _count(axis)
    if length is None or count is None or count < 2 or axis is None or axis.get("Unit") != "m":
        return None
    return real_number(round(abs(length) / (count - 1) * 1e6, 9), least=1e-9, most=1e6)


def _objective(root: Element | None) -> dict[str, JsonValue | None]:
    lens = next((one for one in root.iter() if one.get("ObjectiveName")), None) if root is not None else None
    if lens is None:
        return {}
    return {
        "objective": plain_text(" ".join((lens.get("ObjectiveName") or "").split())),
        "magnification": real_number(_real(lens, "Magnification"), least=1e-3, most=10_000),
        "numerical_aperture": real_number(_real(lens, "NumericalAperture"), least=1e-3, most=3),
    }


def _real(element: Element | None, name: str) -> float | None:
    text = element.get(name) if element is not None else None
    try:
        return real_number(float(text), least=-1e9, most=1e9) if text is not None and len(text) <= 40 else None
    except ValueError:
        return None


def _attribute(root: Element | None, name: str) -> str | None:
    told = (one.get(name) for one in root.iter()) if root is not None else iter(())
    return next((text for value in told if (text := plain_text(value, longest=100)) is not None), None)


def _started(images: list[Element]) -> datetime | None:
    """Read when the first image was begun: tenths of a microsecond since 1601, in hexadecimal."""
    told = images[0].find(".//TimeStampList") if images else None
    first = (told.text or "")[:100].split() if told is not None else []
    try:
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(first[0], 16) // 10) if first else None
    except (ValueError, OverflowError):
        return None
