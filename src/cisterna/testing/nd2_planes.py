"""ND2 files with real planes, of as many chunks as a reader of planes needs, by what is known of the format.

No microscope wrote them: what they show is that a reader's and our own understanding of the format agree.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_SIGNATURE, _MAP = b"ND2 FILE SIGNATURE CHUNK NAME01!", b"ND2 FILEMAP SIGNATURE NAME 0001!"
_END = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_CAPTURED = "Camera Name: Nobody Flash 1\r\nMicroscope: Nobody Ti2\r\n"
_NAME_BYTES = 4072  # of a chunk with pixels, which begin 4,096 bytes behind its own beginning

Values: TypeAlias = "Mapping[str, float | int | str | bool | Values]"


def nd2_of(
    pixels: NDArray[Any],
    *,
    channels: Sequence[str] = (),
    left_out: Sequence[int] = (),
    told: Values | None = None,
    recorded: Mapping[str, Sequence[float]] | None = None,
) -> bytes:
    """Write a file.

    Args:
        pixels: Axes T, P (positions), Z, C, Y, X.
        channels: Their names.
        left_out: Frames that the experiment speaks of and the file has not.
        told: What the image attributes say otherwise than is true.
        recorded: What the microscope recorded of every frame: `X`, `Y` and `Z` in micrometres, `T` in milliseconds.
    """
    times, positions, levels, count, height, width = pixels.shape
    names = [*channels, *(f"C{place}" for place in range(len(channels), count))]
    attributes: dict[str, Any] = {
        "uiWidth": width,
        "uiWidthBytes": width * count * pixels.dtype.itemsize,
        "uiHeight": height,
        "uiComp": count,
        "uiBpcInMemory": 8 * pixels.dtype.itemsize,
        "uiBpcSignificant": 8 * pixels.dtype.itemsize,
        "uiSequenceCount": times * positions * levels,
        "eCompression": 2,
        **(told or {}),
    }
    chunks = [
        (b"ImageAttributesLV!", tree({"SLxImageAttributes": attributes})),
        (b"ImageMetadataLV!", tree({"SLxExperiment": _experiment(times, positions, levels)})),
        (b"ImageMetadataSeqLV|0!", tree({"SLxPictureMetadata": _picture(names)})),
        (
            b"ImageTextInfoLV!",
            tree({"SLxImageTextInfo": {"TextInfoItem_6": _CAPTURED, "TextInfoItem_14": "NIS-Elements AR 5.30"}}),
        ),
    ]
    chunks += _recorded(recorded or {})
    body = _chunk(_SIGNATURE, b"Ver3.0".ljust(64, b"\0"))
    places = [(_SIGNATURE, 0, 64)]
    frames = np.moveaxis(pixels, 3, -1).reshape(-1, height, width, count)
    for number, frame in enumerate(frames):
        if number not in left_out:
            places.append((b"ImageDataSeq|%d!" % number, len(body), frame.nbytes + 8))
            body += _chunk(places[-1][0], bytes(8) + np.ascontiguousarray(frame).tobytes(), name_bytes=_NAME_BYTES)
    for name, content in chunks:
        places.append((name, len(body), len(content)))
        body += _chunk(name, content)
    listed = b"".join(name + struct.pack("<QQ", place, size) for name, place, size in places)
    return body + _chunk(_MAP, listed + _END + struct.pack("<Q", len(body)))


def tree(values: Values) -> bytes:
    """Write a tree of named values."""
    return b"".join(_item(name, value) for name, value in values.items())


def _item(name: str, value: Any) -> bytes:
    said = (name + "\0").encode("utf-16-le")
    head = struct.pack("<B", len(said) // 2) + said
    match value:
        case bool():
            return b"\x01" + head + struct.pack("<?", value)
        case int():
            return b"\x03" + head + struct.pack("<I", value)
        case float():
            return b"\x06" + head + struct.pack("<d", value)
        case str():
            return b"\x08" + head + (value + "\0").encode("utf-16-le")
        case _:
            below = tree(value)
            length = 1 + len(head) + 12 + len(below)
            return b"\x0b" + head + struct.pack("<IQ", len(value), length) + below + bytes(8 * len(value))


def _experiment(times: int, positions: int, levels: int) -> dict[str, Any]:
    """Nest the loops, the outermost first; a loop of one step is left out."""
    points = {f"i{place:010}": {"dPosX": 100.0 * place, "dPosY": 0.0} for place in range(positions)}
    loops: list[tuple[int, int, dict[str, Any]]] = [
        (1, times, {"uiCount": times, "dStart": 0.0, "dPeriod": 1000.0, "dDuration": 0.0}),
        (2, positions, {"Points": points}),
        (4, levels, {"uiCount": levels, "dZLow": 0.0, "dZHigh": 2.0 * (levels - 1), "dZStep": 2.0}),
    ]
    inner: dict[str, Any] = {}
    for kind, count, parameters in reversed(loops):
        if count > 1:
            below = {"ppNextLevelEx": {"i0000000000": inner}} if inner else {}
            inner = {"eType": kind, "uLoopPars": parameters, **below}
    return inner or {"eType": 0}


def _picture(names: Sequence[str]) -> dict[str, Any]:
    planes = {
        f"a{place}": {
            "sDescription": name,
            "uiCompCount": 1,
            "pFluorescentProbe": {"m_sName": name},
        }
        for place, name in enumerate(names)
    }
    return {
        "sPicturePlanes": {"uiCount": len(names), "uiCompCount": len(names), "sPlaneNew": planes},
        "bCalibrated": True,
        "dCalibration": 0.325,
        "dTimeAbsolute": 2461366.75,  # 2026-11-22 06:00 UTC
        "dObjectiveMag": 20.0,
        "dObjectiveNA": 0.75,
        "wsObjectiveName": "Plan Apo 20x DIC M",
        "wsCameraName": "Nobody Flash 1",
    }


def _recorded(columns: Mapping[str, Sequence[float]]) -> list[tuple[bytes, bytes]]:
    """Write the columns of NIS-Elements' table of recorded data, and its times, which lie apart."""
    packed = {name: np.asarray(values, "<f8").tobytes() for name, values in columns.items()}
    tags: dict[str, Any] = {
        f"Tag{place}": {
            "ID": name,
            "Type": 3,
            "Group": 1,
            "Size": len(columns[name]),
            "Desc": f"{name} Coord",
            "Unit": "µm",
        }
        for place, name in enumerate(name for name in columns if name != "T")
    }
    chunks = [
        (b"CustomData|AcqTimesCache!" if name == "T" else f"CustomData|{name}!".encode(), body)
        for name, body in packed.items()
    ]
    return [*chunks, (b"CustomDataVar|CustomDataV2_0!", tree({"CustomTagDescription_v1.0": tags}))] if tags else chunks


def _chunk(name: bytes, content: bytes, *, name_bytes: int = 0) -> bytes:
    padded = name.ljust(name_bytes, b"\0")
    return struct.pack("<IIQ", 0x0ABECEDA, len(padded), len(content)) + padded + content
