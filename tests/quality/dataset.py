"""Small datasets of real pixels, sabotaged on purpose."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from cisterna.adapters.image_meter import TiffMeter
from cisterna.ports.quality import MetricTable, Reading
from cisterna.services.measurement import IN_FILE, PLACE
from tests.quality.test_focus import blurred, nuclei

METER = TiffMeter()
WELLS, FIELDS = ("A1", "A2", "B1"), ("0", "1", "2", "3")
CHANNELS = ("BF LED matrix full", "Fluorescence 488 nm Ex")
BLURS = (3, 4, 5, 6, 8)
Row = dict[str, Any]


def tiff(image: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image)
    return file.getvalue()


def camera(light: NDArray[Any], seed: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.maximum(light, 0)) + 100 + rng.normal(0, 5, light.shape)
    return counts.clip(0, 65_535).round().astype(np.uint16)


Light = NDArray[np.float64]

KINDS: dict[str, Callable[[Light, int], NDArray[Any]]] = {
    "sharp": camera,
    "unlit": lambda light, seed: (camera(light, seed) * 0.002).round().astype(np.uint16),
    "dimmed": lambda light, seed: camera(light * 0.1, seed),
    "dim above an offset": lambda light, seed: camera(light * 0.008, seed) + np.uint16(400),
    "8 bit": lambda light, seed: (camera(light, seed) >> 5).clip(0, 255).astype(np.uint16),
    "8 bit stretched": lambda light, seed: (camera(light, seed) >> 5).clip(0, 255).astype(np.uint16) * np.uint16(257),
    "dim": lambda light, seed: camera(light * 0.015, seed),
    "saturated": lambda light, seed: camera(light * 60, seed),
    "clipped": lambda light, seed: camera(light * 8, seed).clip(0, 4095),
    "dark": lambda light, seed: camera(np.zeros_like(light), seed),
    "constant": lambda light, _: np.full(light.shape, 300, np.uint16),
    "black": lambda light, _: np.zeros(light.shape, np.uint16),
    "white": lambda light, _: np.full(light.shape, 65_535, np.uint16),
    "one pixel": lambda light, seed: camera(light, seed)[:1, :1],
    "one line": lambda light, seed: camera(light, seed)[:1],
    "complex": lambda light, seed: camera(light, seed).astype(np.complex64),
    "int32": lambda light, seed: camera(light, seed).astype(np.int32),
    "infinite": lambda light, seed: np.where(light == light.max(), np.inf, camera(light, seed)).astype(np.float32),
    "all nan": lambda light, _: np.full(light.shape, np.nan, np.float32),
    "vignette": lambda light, seed: camera(light * np.linspace(1.0, 0.02, 512)[None, :], seed),
    "small": lambda light, seed: camera(light, seed)[:256, :256],
    "float": lambda light, seed: camera(light, seed).astype(np.float32),
    "nan": lambda light, seed: np.where(np.arange(512)[:, None] < 4, np.nan, camera(light, seed)).astype(np.float32),
    **{
        f"blur {sigma}": partial(lambda sigma, light, seed: camera(blurred(light, sigma), seed), sigma)
        for sigma in BLURS
    },
}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[:200_000],
    "lying": lambda whole: whole.replace((512).to_bytes(4, "little"), (200_000).to_bytes(4, "little")),
    "cut after its header": lambda whole: whole[:8],
    "nothing": lambda _: b"",
    "text": lambda _: b"the network share was full",
}


@cache
def body(kind: str, channel: str, seed: int) -> bytes:
    """One image file of a kind."""
    rng = np.random.default_rng(seed)
    scene = np.roll(nuclei(), tuple(rng.integers(0, 512, 2)), axis=(0, 1)) * 10
    light = 6000.0 - scene if channel.startswith("BF") else scene
    damage = DAMAGE.get(kind)
    whole = tiff(KINDS["sharp" if damage else kind](light, seed))
    return damage(whole) if damage else whole


@cache
def reading(kind: str, channel: str, seed: int) -> Reading:
    return METER.read(memoryview(body(kind, channel, seed)), path="x")


def row(well: str, field: str, channel: str, *, kind: str = "sharp", z: int = 0, t: int = 0, seed: int = 0) -> Row:
    found = reading(kind, channel, seed)
    return {
        "path": f"{t}/{well}_{field}_{z}_{channel.replace(' ', '_')}.tiff",
        "region": well,
        "field": field,
        "channel": channel,
        "z": z,
        "t": t,
        "problem": found.problem,
        **found.metrics,
    }


def dataset(**kinds: str) -> list[Row]:
    """Rows of 3 wells x 4 fields x 2 channels; `all`, `bf`, `fluo`, `well`, `one` or `three` name what is not sharp."""
    rows = []
    for number, (well, field, channel) in enumerate((w, f, c) for w in WELLS for f in FIELDS for c in CHANNELS):
        kind = kinds.get("all", "sharp")
        kind = kinds.get("bf" if channel.startswith("BF") else "fluo", kind)
        if well == WELLS[1] and "well" in kinds:
            kind = kinds["well"]
        if number < 6 and number % 2 and "three" in kinds:
            kind = kinds["three"]
        if number == 1 and "one" in kinds:
            kind = kinds["one"]
        rows.append(row(well, field, channel, kind=kind, seed=number // 2 % 4))
    return rows


def series(times: int = 4, *, levels: int = 1) -> list[Row]:
    """Rows of a time lapse of 3 wells x 2 fields, whose stage comes back to where it was, every 10 minutes."""
    rows = []
    for t in range(times):
        for number, (well, field, z) in enumerate((w, f, z) for w in WELLS for f in FIELDS[:2] for z in range(levels)):
            place = {"stage_x_um": 1000.0 * number, "stage_y_um": 5.0, "stage_z_um": 300.0 + 1.5 * z}
            taken = {"taken_seconds": 600.0 * t + 3.0 * number}
            for channel in CHANNELS:
                kind = "sharp" if z == levels // 2 else "blur 4"
                rows.append({**row(well, field, channel, kind=kind, z=z, t=t, seed=number % 4), **place, **taken})
    return rows


def table(rows: list[Row]) -> MetricTable:
    names = ["path", "region", "field", "channel", "z", "t", *PLACE, IN_FILE, "problem", *METER.names]
    return MetricTable(columns={name: [one.get(name) for one in rows] for name in names})
