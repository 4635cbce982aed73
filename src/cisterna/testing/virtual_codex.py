"""CODEX runs that no fluidics stained: real TIFF files, the side files of either generation of the software."""

from __future__ import annotations

import io
import json

import numpy as np
import tifffile

from cisterna.testing.scripted_run import Mishap, ScriptedRun

_SIDE = 32


def virtual_codex(
    *,
    cycles: int = 2,
    regions: int = 1,
    tiles: tuple[int, int] = (2, 1),
    levels: int = 1,
    channels: int = 2,
    is_newer: bool = False,
    mishap: Mishap = Mishap.NONE,
    victim: str = "",
) -> ScriptedRun:
    """Give a run in the order in which the instrument writes it.

    Args:
        cycles: Of staining, one after the other.
        regions: Of the slide.
        tiles: Of a region, as columns and rows.
        levels: Of focus.
        channels: Of one cycle.
        is_newer: Whether `experiment.json` has the words of newer software.
        mishap: What goes wrong.
        victim: With which file.
    """
    counts = {"cycles": cycles, "regions": regions, "z_planes": levels, "channels": channels}
    said: dict[str, float]
    if is_newer:
        said = {f"num_{name}": count for name, count in counts.items()}
        said |= {"region_width": tiles[0], "region_height": tiles[1], "numerical_aperture": 0.75}
    else:
        said = {f"num{name.title().replace('_P', 'P')}": count for name, count in counts.items()}
        said |= {"regionWidth": tiles[0], "regionHeight": tiles[1], "aperture": 0.75}
    about = {"projName": "tonsil", "magnification": 20, "xyResolution": 377.5, "zPitch": 1500.0, "objectiveType": "air"}
    stains = [f"stain {cycle}-{channel}" for cycle in range(1, cycles + 1) for channel in range(1, channels + 1)]
    files = {
        "experiment.json": json.dumps({**said, **about}).encode(),
        "channelNames.txt": "\n".join([*stains, ""]).encode(),
    }
    for cycle in range(1, cycles + 1):
        for region in range(1, regions + 1):
            folder = f"cyc{cycle:03}_reg{region:03}_200210_120000"
            for tile in range(1, tiles[0] * tiles[1] + 1):
                for level in range(1, levels + 1):
                    for channel in range(1, channels + 1):
                        name = f"{folder}/{region}_{tile:05}_Z{level:03}_CH{channel}.tif"
                        files[name] = _tiff(len(files))
    return ScriptedRun("src_tonsil", files, mishap, victim)


def _tiff(seed: int) -> bytes:
    encoded = io.BytesIO()
    tifffile.imwrite(encoded, np.random.default_rng(seed).integers(0, 4096, (_SIDE, _SIDE), dtype=np.uint16))
    return encoded.getvalue()
