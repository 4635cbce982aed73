"""LIF files of as much as a whole file needs: XML that tells of one image, and the block of its pixels."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from cisterna.testing.scripted_run import Mishap, ScriptedRun

_SIDE = 16


def lif_xml(*, size_bytes: int = _SIDE * _SIDE) -> str:
    """Describe one image of 8 bits."""
    steps = (("1", _SIDE, 1), ("2", _SIDE, _SIDE))
    dimensions = "".join(
        f'<DimensionDescription DimID="{axis}" NumberOfElements="{count}" Origin="0" Length="1e-5" Unit="m" '
        f'BitInc="0" BytesInc="{step}"/>'
        for axis, count, step in steps
    )
    return (
        '<LMSDataContainerHeader Version="2"><Element Name="project" Visibility="1"><Data><Experiment Path="x"/></Data>'
        '<Memory Size="0" MemoryBlockID="MemBlock_0"/><Children><Element Name="Series001" Visibility="1"><Data><Image>'
        '<ImageDescription><Channels><ChannelDescription DataType="0" ChannelTag="0" Resolution="8" '
        'NameOfMeasuredQuantity="" Min="0" Max="255" Unit="" LUTName="Gray" IsLUTInverted="0" '
        'BytesInc="0" BitInc="0"/></Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{size_bytes}" MemoryBlockID="MemBlock_1"/></Element></Children></Element>'
        "</LMSDataContainerHeader>"
    )


def lif(*, xml: str | None = None, pixels: int = _SIDE * _SIDE) -> bytes:
    """Write a file with a block of so many bytes; by default the XML tells of as many."""
    text = (lif_xml(size_bytes=pixels) if xml is None else xml).encode("utf-16-le")
    head = struct.pack("<BI", 0x2A, len(text) // 2) + text
    return struct.pack("<iI", 0x70, len(head)) + head + _block("MemBlock_0", b"") + _block("MemBlock_1", bytes(pixels))


def lif_of(images: Mapping[str, NDArray[Any]], *, stamps: Mapping[str, str] | None = None) -> bytes:
    """Write a file of images by name, each with the axes T, Z, C, Y, X, and with `stamps` the text of its times."""
    elements = "".join(
        _image(name, f"MemBlock_{place}", pixels, (stamps or {}).get(name))
        for place, (name, pixels) in enumerate(images.items())
    )
    text = (
        '<LMSDataContainerHeader Version="2"><Element Name="project" Visibility="1"><Data><Experiment Path="x"/></Data>'
        f'<Memory Size="0" MemoryBlockID="MemBlock_none"/><Children>{elements}</Children></Element>'
        "</LMSDataContainerHeader>"
    ).encode("utf-16-le")
    head = struct.pack("<BI", 0x2A, len(text) // 2) + text
    blocks = (_block(f"MemBlock_{place}", pixels.tobytes()) for place, pixels in enumerate(images.values()))
    return struct.pack("<iI", 0x70, len(head)) + head + _block("MemBlock_none", b"") + b"".join(blocks)


def time_stamps(*seconds: float) -> str:
    """Write times since 1970 as a file has them: tenths of a microsecond since 1601, in hexadecimal."""
    return " ".join(f"{round(one * 10_000_000) + 116_444_736_000_000_000:x}" for one in seconds)


def _image(name: str, block: str, pixels: NDArray[Any], stamps: str | None) -> str:
    times, levels, channels, height, width = pixels.shape
    steps = pixels.strides
    axes = ((1, width, steps[4]), (2, height, steps[3]), (3, levels, steps[1]), (4, times, steps[0]))
    dimensions = "".join(
        f'<DimensionDescription DimID="{axis}" NumberOfElements="{count}" Origin="0" Length="1e-5" '
        f'Unit="{"s" if axis == 4 else "m"}" BitInc="0" BytesInc="{step}"/>'
        for axis, count, step in axes
        if count > 1 or axis < 3
    )
    described = "".join(
        f'<ChannelDescription DataType="{int(pixels.dtype.kind == "f")}" ChannelTag="0" '
        f'Resolution="{8 * pixels.dtype.itemsize}" NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="Gray" '
        f'IsLUTInverted="0" BytesInc="{channel * steps[2]}" BitInc="0"/>'
        for channel in range(channels)
    )
    timed = "" if stamps is None else f"<TimeStampList>{stamps}</TimeStampList>"
    return (
        f'<Element Name="{name}" Visibility="1"><Data><Image><ImageDescription><Channels>{described}</Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription>{timed}</Image></Data>"
        f'<Memory Size="{pixels.nbytes}" MemoryBlockID="{block}"/></Element>'
    )


def virtual_lif(files: int = 2, *, mishap: Mishap = Mishap.NONE, victim: str = "") -> ScriptedRun:
    """Give a folder of files; the mishap befalls the one that is named."""
    return ScriptedRun("projects", {f"project-{number:02}.lif": lif() for number in range(files)}, mishap, victim)


def _block(name: str, content: bytes) -> bytes:
    text = name.encode("utf-16-le")
    head = struct.pack("<BQBI", 0x2A, len(content), 0x2A, len(name)) + text
    return struct.pack("<iI", 0x70, len(head)) + head + content
