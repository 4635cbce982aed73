"""Runs of Squid microscopes saved in other ways than as single images, and as the older squid-control writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import tifffile

from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.squid_files import Plan, acquisition_yaml, actual_csv, channels_yaml, parameters_json, planned_csv
from cisterna.testing.zarr_files import Files, array_v3, group_v3, multiscales

STARTED = datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=UTC)
_SIDE = 64


class Saving(StrEnum):
    """Into what the images go."""

    STACKS = "stacks"
    OME_TIFF = "ome-tiff"
    PLATE = "plate"
    ZARR = "zarr"
    ZARR_OF_REGIONS = "zarr-of-regions"
    """One array a region, all fields in it."""


@dataclass(frozen=True)
class _Shape:
    wells: tuple[str, ...]
    fovs: int
    channels: tuple[str, ...]
    z_levels: int
    time_points: int

    @property
    def fields(self) -> list[tuple[str, int]]:
        return [(well, fov) for well in self.wells for fov in range(self.fovs)]


def squid_saved_as(
    saving: Saving,
    *,
    wells: tuple[str, ...] = ("A1", "B2"),
    fovs: int = 1,
    channels: tuple[str, ...] = ("BF LED matrix full", "Fluorescence 488 nm Ex"),
    z_levels: int = 2,
    time_points: int = 1,
    mishap: Mishap = Mishap.NONE,
    victim: str = "",
) -> ScriptedRun:
    """Give a run in the order in which Squid writes it; the mishap befalls the file that `victim` names."""
    name = f"demo_{STARTED:%Y-%m-%d_%H-%M-%S.%f}"
    shape = _Shape(wells, fovs, channels, z_levels, time_points)
    positions = {well: [(float(fov), 0.0, 1.2) for fov in range(fovs)] for well in wells}
    plan = Plan(name, STARTED, positions, channels, z_levels, time_points, interval_seconds=0.0)
    files: Files = {
        "acquisition_channels.yaml": channels_yaml(plan).encode(),
        "acquisition parameters.json": parameters_json(plan).encode(),
        "coordinates.csv": planned_csv(plan).encode(),
        "acquisition.yaml": acquisition_yaml(plan).encode(),
        **_images(saving, shape),
    }
    taken = [(well, fov, z) for well, fov in shape.fields for z in range(z_levels)]
    for time in range(time_points):
        files |= {f"{time}/coordinates.csv": actual_csv(plan, taken, time_point=time).encode(), f"{time}/.done": b""}
    return ScriptedRun(name, files | {".done": b""}, mishap, victim)


def squid_control(
    wells: Sequence[str] = ("A1", "B2"),
    *,
    rows: int = 1,
    columns: int = 2,
    levels: int = 1,
    time_points: int = 1,
    channels: tuple[str, ...] = ("BF LED matrix full", "Fluorescence 488 nm Ex"),
    stopped_after: int | None = None,
    mishap: Mishap = Mishap.NONE,
    victim: str = "",
) -> ScriptedRun:
    """Give a run of squid-control.

    Args:
        wells: Visited one after the other.
        rows: Of fields in a well.
        columns: Of fields in a well.
        levels: Of focus.
        time_points: How often.
        channels: Those selected; a third one is configured and is not.
        stopped_after: Positions, when somebody stops it: the coordinates are written all the same.
        mishap: What goes wrong.
        victim: With which file.
    """
    parameters = {"dx(mm)": 0.9, "Nx": columns, "dy(mm)": 0.9, "Ny": rows, "dz(um)": 1.5, "Nz": levels}
    parameters |= {"dt(s)": 0.0, "Nt": time_points}
    objective = {"magnification": 20, "NA": 0.4, "tube_lens_f_mm": 180, "name": "20x"}
    files: Files = {
        "configurations.xml": _configurations(channels, left_out="Fluorescence 638 nm Ex"),
        "acquisition parameters.json": json.dumps(
            {**parameters, "objective": objective, "sensor_pixel_size_um": 1.85, "tube_lens_mm": 50}
        ).encode(),
    }
    places = [(w, i, j, k) for w in wells for i in range(rows) for j in range(columns) for k in range(levels)]
    for time in range(time_points):
        lines = ["region,i,j,k,x (mm),y (mm),z (um),time"]
        for number, (well, i, j, k) in enumerate(places[:stopped_after]):
            for channel in channels:
                stem = f"{well}_{i}_{j}_{k}_{channel.replace(' ', '_')}"
                files[f"{time}/{stem}.bmp"] = _bitmap(number)
            lines.append(f"{well},{i},{j},{k},10.1,20.2,{1200 + k},2025-01-20_10-30-7.123456")
        files[f"{time}/coordinates.csv"] = "\n".join([*lines, ""]).encode()
    return ScriptedRun("demo-20250120T103007", files, mishap, victim)


def _images(saving: Saving, shape: _Shape) -> Files:
    match saving:
        case Saving.STACKS:
            return {
                f"{time}/{well}_{fov}_stack.tiff": _tiff(shape.z_levels * len(shape.channels))
                for time in range(shape.time_points)
                for well, fov in shape.fields
            }
        case Saving.OME_TIFF:
            pages = shape.time_points * shape.z_levels * len(shape.channels)
            return {f"ome_tiff/{well}_{fov}.ome.tiff": _tiff(pages) for well, fov in shape.fields}
        case Saving.ZARR_OF_REGIONS:
            return dict(_regions(shape))
        case _:
            return dict(_stores(shape, is_plate=saving is Saving.PLATE))


def _stores(shape: _Shape, *, is_plate: bool) -> Iterator[tuple[str, bytes]]:
    size = (shape.time_points, len(shape.channels), shape.z_levels, _SIDE, _SIDE)
    for well, fov in shape.fields:
        group = f"plate.ome.zarr/{well[0]}/{well[1:]}/{fov}" if is_plate else f"zarr/{well}/fov_{fov}.ome.zarr"
        ended = {"acquisition_complete": True}
        yield from array_v3(f"{group}/0", size, (1, 1, 1, _SIDE, _SIDE)).items()
        yield from group_v3(group, {"ome": {"multiscales": multiscales(["0"])}, "_squid": ended}).items()


def _regions(shape: _Shape) -> Iterator[tuple[str, bytes]]:
    size = (shape.fovs, shape.time_points, len(shape.channels), shape.z_levels, _SIDE, _SIDE)
    for well in shape.wells:
        store = f"zarr/{well}/acquisition.zarr"
        attributes = {"ome": {"multiscales": multiscales(["."])}, "_squid": {"acquisition_complete": True}}
        yield from array_v3(store, size, (1, 1, 1, 1, _SIDE, _SIDE), attributes=attributes).items()


def _tiff(pages: int) -> bytes:
    encoded = io.BytesIO()
    pixels = np.random.default_rng(pages).integers(0, 4096, (pages, _SIDE, _SIDE), dtype=np.uint16)
    tifffile.imwrite(encoded, pixels, photometric="minisblack")
    return encoded.getvalue()


def _bitmap(seed: int) -> bytes:
    from PIL import Image

    encoded = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (_SIDE, _SIDE), dtype=np.uint8)
    Image.fromarray(pixels).save(encoded, "BMP")
    return encoded.getvalue()


def _configurations(channels: Sequence[str], *, left_out: str) -> bytes:
    lines = [
        f'  <mode ID="{number}" Name="{name}" ExposureTime="20" AnalogGain="0" Selected="{int(name != left_out)}"/>'
        for number, name in enumerate([*channels, left_out])
    ]
    return "\n".join(["<modes>", *lines, "</modes>", ""]).encode()
