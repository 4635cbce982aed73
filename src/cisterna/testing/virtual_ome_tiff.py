"""Folders of OME-TIFF files as acquisition programs write them: single files, or one set of many files."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import tifffile

from cisterna.testing.scripted_run import Mishap, ScriptedRun

_SIDE = 32
_OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome_tiff(*, channels: tuple[str, ...] = ("DAPI", "GFP"), levels: int = 2, xml: str | None = None) -> bytes:
    """Write one file of all channels and levels; by default it describes itself."""
    pixels = np.random.default_rng(levels).integers(0, 4096, (len(channels), levels, _SIDE, _SIDE), dtype=np.uint16)
    encoded = io.BytesIO()
    if xml is None:
        about = {"axes": "CZYX", "Channel": {"Name": list(channels)}, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
        tifffile.imwrite(encoded, pixels, ome=True, metadata=about, photometric="minisblack")
    else:
        tifffile.imwrite(encoded, pixels, description=xml.encode(), metadata=None, photometric="minisblack")
    return encoded.getvalue()


def set_xml(
    names: tuple[str, ...],
    *,
    channels: tuple[str, ...] = ("DAPI", "GFP"),
    levels: int = 2,
    interval_seconds: float | None = None,
    drift_um: float = 0.0,
) -> str:
    """Describe a set: one image a time point, each time point in a file of its own.

    Args:
        names: Of the files.
        channels: Their names.
        levels: Of focus.
        interval_seconds: Between time points, with a second from plane to plane; None records no time and no place.
        drift_um: How far the stage moves from one time point to the next.
    """
    blocks = "".join(
        f'<TiffData FirstT="{number}" IFD="0" PlaneCount="{len(channels) * levels}">'
        f'<UUID FileName="{name}">urn:uuid:00000000-0000-0000-0000-{number:012}</UUID></TiffData>'
        for number, name in enumerate(names)
    )
    named = "".join(f'<Channel ID="Channel:0:{n}" Name="{name}"/>' for n, name in enumerate(channels))
    places = product(range(len(names)), range(len(channels)), range(levels))
    planes = "".join(
        f'<Plane TheZ="{z}" TheC="{c}" TheT="{t}" DeltaT="{t * interval_seconds + z * len(channels) + c}" '
        f'PositionX="{100 + t * drift_um}" PositionXUnit="µm" PositionY="0.05" PositionYUnit="mm" '
        f'PositionZ="{1500 * z}" PositionZUnit="nm"/>'
        for t, c, z in places
        if interval_seconds is not None
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_OME}" Creator="virtual">'
        '<Instrument ID="Instrument:0"><Microscope Manufacturer="Nobody" Model="M1"/>'
        '<Objective ID="Objective:0" Model="Plan Apo" NominalMagnification="40" LensNA="0.95"/></Instrument>'
        '<Image ID="Image:0"><AcquisitionDate>2026-11-22T08:30:01</AcquisitionDate>'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{_SIDE}" SizeY="{_SIDE}" '
        f'SizeZ="{levels}" SizeC="{len(channels)}" SizeT="{len(names)}" PhysicalSizeX="325" PhysicalSizeXUnit="nm">'
        f"{named}{blocks}{planes}</Pixels></Image></OME>"
    )


def virtual_ome_tiff(
    files: int = 3, *, is_set: bool = False, mishap: Mishap = Mishap.NONE, victim: str = ""
) -> ScriptedRun:
    """Give a folder of files, each for itself or all together one set; the mishap befalls the one that is named."""
    names = tuple(f"scan_T{number}.ome.tif" for number in range(files))
    xml = set_xml(names) if is_set else None
    return ScriptedRun("scan", {name: ome_tiff(xml=xml) for name in names}, mishap, victim)
