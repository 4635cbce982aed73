"""Folders of OME-Zarr as acquisition programs write them: an image or a plate, of either version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.zarr_files import Files, array_v2, array_v3, group_v2, group_v3, multiscales

_SHAPE, _CHUNKS = (1, 2, 1, 8, 8), (1, 1, 1, 8, 8)


def virtual_ome_zarr(
    wells: Sequence[str] = (),
    *,
    is_v2: bool = False,
    store: str = "scan.ome.zarr",
    mishap: Mishap = Mishap.NONE,
    victim: str = "",
) -> ScriptedRun:
    """Give a folder that holds one store: a plate of the wells (`A/1`), or one image when there is none."""
    files = dict(_image(store, is_v2=is_v2)) if not wells else {}
    if wells:
        files |= _group(store, {"plate": {"wells": [{"path": well} for well in wells], "version": "0.4"}}, is_v2=is_v2)
    for well in wells:
        files |= _group(f"{store}/{well}", {"well": {"images": [{"path": "0"}]}}, is_v2=is_v2)
        files |= _image(f"{store}/{well}/0", is_v2=is_v2)
    return ScriptedRun("scan", files, mishap, victim)


def _image(path: str, *, is_v2: bool) -> Files:
    channels = [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]
    said = {"multiscales": multiscales(["0", "1"]), "omero": {"channels": channels}}
    array = array_v2 if is_v2 else array_v3
    levels = array(f"{path}/0", _SHAPE, _CHUNKS) | array(f"{path}/1", (1, 2, 1, 4, 4), (1, 1, 1, 4, 4))
    return _group(path, said, is_v2=is_v2) | levels


def _group(path: str, said: Mapping[str, Any], *, is_v2: bool) -> Files:
    return group_v2(path, said) if is_v2 else group_v3(path, {"ome": {"version": "0.5", **said}})
