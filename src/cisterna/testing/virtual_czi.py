"""CZI files of as many segments as a closed file needs: header, one block of pixels, metadata, directory."""

from __future__ import annotations

import struct

from cisterna.testing.scripted_run import Mishap, ScriptedRun

XML = (
    "<ImageDocument><Metadata><Information><Image><AcquisitionDateAndTime>2026-11-22T08:30:01.1234567Z"
    "</AcquisitionDateAndTime><SizeX>16</SizeX><SizeY>16</SizeY><SizeZ>2</SizeZ><SizeC>1</SizeC><SizeT>1</SizeT>"
    '<Dimensions><Channels><Channel Id="Channel:0" Name="DAPI"/></Channels></Dimensions></Image>'
    '<Instrument><Microscopes><Microscope Name="Nobody LSM 1"/></Microscopes>'
    '<Objectives><Objective Name="Plan-Apochromat 20x/0.8"><LensNA>0.8</LensNA><NominalMagnification>20'
    "</NominalMagnification></Objective></Objectives></Instrument><Application><Name>virtual</Name></Application>"
    '</Information><Scaling><Items><Distance Id="X"><Value>5e-07</Value></Distance>'
    '<Distance Id="Z"><Value>1e-06</Value></Distance></Items></Scaling></Metadata></ImageDocument>'
)


def czi(*, xml: str = XML, is_closed: bool = True, is_changing: bool = False, pixels: int = 512) -> bytes:
    """Write a file.

    Args:
        xml: Of its metadata.
        is_closed: Whether the header tells where directory and metadata lie.
        is_changing: Whether the header says that the file is being changed.
        pixels: Bytes of the one block, which nobody reads.
    """
    body = xml.encode()
    block = _segment(b"ZISRAWSUBBLOCK", bytes(pixels))
    metadata = _segment(b"ZISRAWMETADATA", struct.pack("<ii", len(body), 0).ljust(256, b"\0") + body)
    directory = _segment(b"ZISRAWDIRECTORY", struct.pack("<i", 0).ljust(128, b"\0"))
    metadata_at = 544 + len(block)
    places = (metadata_at + len(metadata), metadata_at) if is_closed else (0, 0)
    header = struct.pack("<iiii32xiqqiq", 1, 0, 0, 0, 0, *places, int(is_changing), 0).ljust(512, b"\0")
    return _segment(b"ZISRAWFILE", header) + block + metadata + directory


def virtual_czi(files: int = 2, *, mishap: Mishap = Mishap.NONE, victim: str = "") -> ScriptedRun:
    """Give a folder of files; the mishap befalls the one that is named."""
    bodies = {f"slide-{number:02}.czi": czi(pixels=512 + number) for number in range(files)}
    return ScriptedRun("slides", bodies, mishap, victim)


def _segment(mark: bytes, content: bytes) -> bytes:
    return mark.ljust(16, b"\0") + struct.pack("<qq", len(content), len(content)) + content
