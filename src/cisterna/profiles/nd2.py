"""Folders of ND2 files, as Nikon's NIS-Elements writes them; they are kept as they are.

An ND2 file is a row of chunks, and its last 40 bytes tell where the map of them lies, which is written when the file is
closed. So a file that still grows, or was cut off, has no map. Nothing says which file is the last one: silence closes
the folder, or a checksum file. The planes inside are measured, and placed by the file itself. Metadata are read of
files of version 3 and later, as far as they lie near an end of the file.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text, real_number, whole_number
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence
from cisterna.services.nd2_chunks import (
    CHUNK,
    CHUNK_BYTES,
    END_BYTES,
    MAP,
    NEAR_BYTES,
    Tree,
    chunk_map,
    chunk_tree,
)

_FILE = re.compile(r".+\.nd2", re.IGNORECASE)
_OLD = b"\0\0\0\x0cjP  "
_MICROSCOPE = re.compile(r"^\s*Microscope:\s*(\S[^\r\n]*)", re.MULTILINE)
_TREES = {
    b"ImageAttributesLV!": "SLxImageAttributes",
    b"ImageMetadataSeqLV|0!": "SLxPictureMetadata",
    b"ImageMetadataLV!": "SLxExperiment",
    b"ImageTextInfoLV!": "SLxImageTextInfo",
}
_TIME, _POSITIONS, _Z_STACK, _PERIODS = 1, 2, 4, 8
_MOST_DESCRIBED, _MOST_NAMES, _MOST_LOOPS = 20, 200, 8
_JULIAN_1970 = 2_440_587.5


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
        """Read objective, channels and sizes from the first file that tells them."""
        told = _first_told(look)
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "files": len(_files(look)),
            **_fields(told),
            "metadata_source": told.source,
        }
        return Described(
            title=plain_text(look.folder) or "ND2 files",
            data_type="microscopy",
            fields={name: value for name, value in found.items() if value not in (None, [], 0)},
            instrument_model=_microscope(told),
            started_at=_started(told),
        )

    def is_image(self, path: str) -> bool:
        """Measure the planes inside."""
        return bool(_FILE.fullmatch(path))


class _Told(NamedTuple):
    """What a file tells of itself, as trees of named values."""

    attributes: Tree
    picture: Tree
    experiment: Tree
    words: Tree
    source: str | None


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _FILE.fullmatch(file.path)]


def _fault(look: Look, file: SeenFile) -> str | None:
    """Say why a file is not closed and whole, or None."""
    if file.size_bytes == 0:
        return "is empty"
    head = look.head(file.path, limit_bytes=8)
    if head == _OLD:
        return None  # the format before 2004 is JPEG 2000, which tells nothing of its end
    if head[:4] != CHUNK:
        return "does not begin like an ND2 file"
    return _map_fault(look, file)


def _map_fault(look: Look, file: SeenFile) -> str | None:
    size, end = file.size_bytes, look.tail(file.path, limit_bytes=END_BYTES)
    if len(end) < END_BYTES or end[:32] != MAP:
        return "was not closed: it does not end with the place of its chunk map"
    (at,) = struct.unpack_from("<Q", end, 32)
    if at + CHUNK_BYTES > size:
        return f"holds {size} bytes and says that its chunk map begins at {at}"
    if size - at > NEAR_BYTES:
        return None  # so large a map is not read for a look
    chunk = look.tail(file.path, limit_bytes=size - at)[:CHUNK_BYTES]
    return None if chunk[:4] == CHUNK else f"has no chunk map where it tells, at {at}"


def _first_told(look: Look) -> _Told:
    for file in _files(look)[:_MOST_DESCRIBED]:
        try:
            chunks = chunk_map(look, file)
            told = {name: _branch(chunk_tree(look, file, chunks.get(name)), root) for name, root in _TREES.items()}
        except (InvalidInput, NotFound):
            continue  # another file may tell; this one's faults are told by `inspect`
        if any(told.values()):
            attributes, picture, experiment, words = told.values()
            source = f"{file.path}: {', '.join(name.decode() for name, tree in told.items() if tree)}"
            return _Told(attributes, picture, experiment, words, plain_text(source))
    return _Told({}, {}, {}, {}, None)


def _fields(told: _Told) -> dict[str, JsonValue | None]:
    picture = told.picture
    planes = _branch(picture, "sPicturePlanes")
    channels = (_branch(planes, "sPlaneNew") or _branch(planes, "sPlane")).values()
    names = [plain_text(one.get("sDescription")) for one in channels if isinstance(one, dict)][:_MOST_NAMES]
    return {
        "objective": plain_text(picture.get("wsObjectiveName")),
        "magnification": real_number(picture.get("dObjectiveMag"), least=1e-3, most=10_000),
        "numerical_aperture": real_number(picture.get("dObjectiveNA"), least=1e-3, most=3),
        "pixel_size_um": real_number(picture.get("dCalibration"), least=1e-6, most=1e6)
        if picture.get("bCalibrated")
        else None,
        "width_px": whole_number(told.attributes.get("uiWidth"), least=1, most=10**9),
        "height_px": whole_number(told.attributes.get("uiHeight"), least=1, most=10**9),
        "channels": [name for name in names if name is not None],
        "camera": plain_text(picture.get("wsCameraName")),
        "software": plain_text(told.words.get("TextInfoItem_14")),
        **_loops(told.experiment),
    }


def _loops(experiment: Tree) -> dict[str, JsonValue | None]:
    """Read how often each loop goes round; they lie within each other."""
    found: dict[str, JsonValue | None] = {}
    for _ in range(_MOST_LOOPS):
        kind, parameters = experiment.get("eType"), _branch(experiment, "uLoopPars")
        count = whole_number(parameters.get("uiCount"), least=1, most=10**9)
        if kind == _Z_STACK:
            step = real_number(parameters.get("dZStep"), least=-1e6, most=1e6)
            found |= {"z_levels": count, "z_step_um": abs(step) if step else None}
        elif kind == _POSITIONS:
            found["scenes"] = len(_branch(parameters, "Points")) or None
        elif kind == _TIME:
            found["time_points"] = count
        elif kind == _PERIODS:
            periods = (one for one in _branch(parameters, "pPeriod").values() if isinstance(one, dict))
            counts = (whole_number(one.get("uiCount"), least=0, most=10**9) for one in periods)
            found["time_points"] = sum(one for one in counts if one is not None) or None
        experiment = next((one for one in _branch(experiment, "ppNextLevelEx").values() if isinstance(one, dict)), {})
    return found


def _microscope(told: _Told) -> str | None:
    """Find the microscope's name in the description that people read; it has no field of its own."""
    texts = (text for text in told.words.values() if isinstance(text, str))
    found = next((match for text in texts if (match := _MICROSCOPE.search(text)) is not None), None)
    return plain_text(found[1], longest=100) if found is not None else None


def _started(told: _Told) -> datetime | None:
    """Read when the first frame was taken: days since noon of the first of January 4713 before our era, in UTC."""
    days = real_number(told.picture.get("dTimeAbsolute"), least=_JULIAN_1970, most=_JULIAN_1970 + 100_000)
    if days is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round((days - _JULIAN_1970) * 86_400, 3))


def _branch(tree: Tree, name: str) -> Tree:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}
