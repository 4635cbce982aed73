"""Folders of CZI files, as ZEISS microscopes write them; they are kept as they are.

A CZI file begins with a segment `ZISRAWFILE` that tells where its directory and its metadata lie. Both positions are
nought until the file is closed, and a flag says while it is changed, so a file that still grows, or was cut off,
contradicts itself. The metadata are XML. Nothing says which file is the last one: silence closes the folder, or a
checksum file. The planes inside are measured, and placed by the file itself.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

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

_FILE = re.compile(r".+\.czi", re.IGNORECASE)
_HEADER, _DIRECTORY, _METADATA = b"ZISRAWFILE", b"ZISRAWDIRECTORY", b"ZISRAWMETADATA"
_SEGMENT_BYTES, _HEADER_BYTES, _BEFORE_XML_BYTES = 32, 112, 256
_NEAR_BYTES = 16 * 1024 * 1024
_MOST_DESCRIBED = 20


class _Header(NamedTuple):
    directory_at: int
    metadata_at: int
    is_changing: bool


class Czi(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "czi"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell such a folder by the names of its files."""
        return any(map(_FILE.fullmatch, look.listing.paths))

    def inspect(self, look: Look) -> Evidence:
        """Hold the header of each file against the segments that it points to."""
        return file_evidence(look, _files(look), _fault)

    def describe(self, look: Look) -> Described:
        """Read objective, channels and sizes from the first file that tells them."""
        root, source = _first_metadata(look)
        fields = {"experiment_id": plain_text(look.folder), "files": len(_files(look)), **_fields(root)}
        fields["metadata_source"] = source
        return Described(
            title=plain_text(look.folder) or "CZI files",
            data_type="microscopy",
            fields={name: value for name, value in fields.items() if value not in (None, [], 0)},
            instrument_model=_microscope(root),
            instrument_serial=_serial(root),
            started_at=_started(root),
        )

    def is_image(self, path: str) -> bool:
        """Measure the planes inside."""
        return bool(_FILE.fullmatch(path))


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _FILE.fullmatch(file.path)]


def _fault(look: Look, file: SeenFile) -> str | None:
    """Say why a file is not closed and whole, or None."""
    if file.size_bytes == 0:
        return "is empty"
    header = _header(look.head(file.path, limit_bytes=_HEADER_BYTES))
    if header is None:
        return "does not begin like a CZI file"
    if header.directory_at == 0:
        return "was not closed: its header does not tell yet where its directory lies"
    if header.is_changing:
        return "was not closed: its header says that it is being changed"
    places = {"directory": (header.directory_at, _DIRECTORY), "metadata": (header.metadata_at, _METADATA)}
    faults = (_segment_fault(look, file, what, *place) for what, place in places.items() if place[0] != 0)
    return next((fault for fault in faults if fault is not None), None)


def _segment_fault(look: Look, file: SeenFile, what: str, at: int, mark: bytes) -> str | None:
    size = file.size_bytes
    if at < 0 or at + _SEGMENT_BYTES > size:
        return f"holds {size} bytes and says that its {what} begins at {at}"
    segment = _near(look, file, at, _SEGMENT_BYTES)
    if segment is None:
        return None  # it lies deeper in the file than a look reads
    if segment[:16].rstrip(b"\0") != mark:
        return f"has no {what} where its header tells, at {at}"
    used = struct.unpack_from("<q", segment, 24)[0] or struct.unpack_from("<q", segment, 16)[0]
    end = at + _SEGMENT_BYTES + used
    return f"holds {size} bytes and its {what} ends at {end}" if used < 0 or end > size else None


def _header(head: bytes) -> _Header | None:
    if head[:16].rstrip(b"\0") != _HEADER or len(head) < _HEADER_BYTES:
        return None
    directory, metadata, changing = struct.unpack_from("<qqi", head, 84)
    return _Header(directory, metadata, changing != 0)


def _near(look: Look, file: SeenFile, start: int, length: int) -> bytes | None:
    """Read a part that lies near one of the file's ends; None for any other."""
    if file.size_bytes - start <= _NEAR_BYTES:
        return look.tail(file.path, limit_bytes=file.size_bytes - start)[:length]
    if start + length <= _NEAR_BYTES:
        return look.head(file.path, limit_bytes=start + length)[start:]
    return None


def _first_metadata(look: Look) -> tuple[Element | None, str | None]:
    """Give the metadata of the first file that has some, and say where they come from."""
    for file in _files(look)[:_MOST_DESCRIBED]:
        try:
            text = _xml(look, file)
            if text is not None:
                return fromstring(text), plain_text(f"{file.path}: ImageDocument/Metadata")
        except (InvalidInput, NotFound, ParseError, DefusedXmlException, ValueError, LookupError):
            continue  # another file may tell; this one's faults are told by `inspect`
    return None, None


def _xml(look: Look, file: SeenFile) -> bytes | None:
    header = _header(look.head(file.path, limit_bytes=_HEADER_BYTES)) if file.size_bytes else None
    if header is None or not 0 < header.metadata_at < file.size_bytes - _SEGMENT_BYTES - 4:
        return None
    sizes = _near(look, file, header.metadata_at, _SEGMENT_BYTES + 4)
    if sizes is None or len(sizes) < _SEGMENT_BYTES + 4 or sizes[:16].rstrip(b"\0") != _METADATA:
        return None
    (length,) = struct.unpack_from("<i", sizes, _SEGMENT_BYTES)
    begin = header.metadata_at + _SEGMENT_BYTES + _BEFORE_XML_BYTES
    return _near(look, file, begin, length) if 0 < length <= _NEAR_BYTES and begin < file.size_bytes else None


def _fields(root: Element | None) -> dict[str, JsonValue | None]:
    if root is None:
        return {}
    image, objective = "./Metadata/Information/Image", "./Metadata/Information/Instrument/Objectives/Objective"
    lens = root.find(objective)
    channels = root.findall(f"{image}/Dimensions/Channels/Channel")[:200]
    return {
        "objective": plain_text(lens.get("Name")) if lens is not None else None,
        "magnification": _real(root, f"{objective}/NominalMagnification", most=10_000),
        "numerical_aperture": _real(root, f"{objective}/LensNA", most=3),
        "pixel_size_um": _distance_um(root, "X"),
        "z_step_um": _distance_um(root, "Z"),
        "width_px": _whole(root, f"{image}/SizeX"),
        "height_px": _whole(root, f"{image}/SizeY"),
        "z_levels": _whole(root, f"{image}/SizeZ"),
        "time_points": _whole(root, f"{image}/SizeT"),
        "scenes": _whole(root, f"{image}/SizeS"),
        "channels": [name for one in channels if (name := plain_text(one.get("Name"))) is not None],
        "software": _text(root, "./Metadata/Information/Application/Name"),
    }


def _distance_um(root: Element, axis: str) -> float | None:
    metres = _real(root, f"./Metadata/Scaling/Items/Distance[@Id='{axis}']/Value", most=1.0)
    return None if metres is None else round(metres * 1e6, 9)


def _text(root: Element | None, path: str) -> str | None:
    return plain_text(root.findtext(path)) if root is not None else None


def _real(root: Element, path: str, *, most: float) -> float | None:
    text = _text(root, path)
    try:
        return real_number(float(text), least=1e-12, most=most) if text is not None and len(text) <= 40 else None
    except ValueError:
        return None


def _whole(root: Element, path: str) -> int | None:
    text = _text(root, path)
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 9 else None


def _microscope(root: Element | None) -> str | None:
    found = root.find("./Metadata/Information/Instrument/Microscopes/Microscope") if root is not None else None
    return plain_text(found.get("Name")) if found is not None else None


def _serial(root: Element | None) -> str | None:
    """Read the microscope's serial number, which is an attribute or an element of its own."""
    for found in root.iterfind("./Metadata/Information/Instrument/Microscopes/Microscope") if root is not None else ():
        told = found.get("SerialNumber") or next((one.text for one in found.iter("SerialNumber")), None)
        if (serial := plain_text(told, longest=100)) is not None:
            return serial
    return None


def _started(root: Element | None) -> datetime | None:
    """Read when the image was taken; ZEN writes the time in UTC, to a tenth of a microsecond."""
    text = _text(root, "./Metadata/Information/Image/AcquisitionDateAndTime")
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,6})?\d*Z?", text or "")
    try:
        return datetime.fromisoformat(match[1] + (match[2] or "")).replace(tzinfo=UTC) if match else None
    except ValueError:
        return None
