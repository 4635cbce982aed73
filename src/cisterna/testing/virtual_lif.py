"""LIF files of as much as a whole file needs: XML that tells of one image, and the block of its pixels."""

from __future__ import annotations

import struct

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


def virtual_lif(files: int = 2, *, mishap: Mishap = Mishap.NONE, victim: str = "") -> ScriptedRun:
    """Give a folder of files; the mishap befalls the one that is named."""
    return ScriptedRun("projects", {f"project-{number:02}.lif": lif() for number in range(files)}, mishap, victim)


def _block(name: str, content: bytes) -> bytes:
    text = name.encode("utf-16-le")
    head = struct.pack("<BQBI", 0x2A, len(content), 0x2A, len(name)) + text
    return struct.pack("<iI", 0x70, len(head)) + head + content
