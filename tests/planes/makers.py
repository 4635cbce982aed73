"""What tests of makers' files are made of: pixels, a meter, and readers that are watched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.maker_meter import MakerMeter
from cisterna.adapters.plane_child import PlaneChild, PlaneChildren
from cisterna.adapters.spool_folder import SpoolFolder

PLANE_BYTES = 64 * 1024 * 1024
SPOOL_BYTES = 1 << 30


class Watched(PlaneChildren):
    """Remembers which processes were lent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lent: list[PlaneChild] = []

    def take(self) -> PlaneChild:
        self.lent.append(super().take())
        return self.lent[-1]


def meter_of(children: PlaneChildren, spool: Path, **options: Any) -> MakerMeter:
    wanted = {"plane_bytes": PLANE_BYTES, "most_planes": 500, **options}
    return MakerMeter(
        TiffMeter(), spools=SpoolFolder(spool, limit_bytes=SPOOL_BYTES, room=None), children=children, **wanted
    )


def cells(kind: str = "uint16", shape: tuple[int, int] = (96, 128), seed: int = 3) -> NDArray[Any]:
    """Draw something with structure at every scale, so that every metric has a value."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = np.sin(x / 3.0) * np.cos(y / 4.0) + np.sin((x + y) / 17.0)
    top = 200.0 if kind == "uint8" else 900.0
    return ((waves + 2.5) * top / 5 + rng.random(shape) * top / 10).astype(kind)


def metrics_as_tiff(pixels: NDArray[Any]) -> dict[str, float | None]:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    reading = TiffMeter().read(memoryview(file.getvalue()), path="a.tiff")
    assert reading.problem is None
    return reading.metrics
