"""Planes a second out of CZI, ND2 and LIF: by the library in this process, by the plane process, and measured.

`python bench/planes.py --planes 40 --side 2048 --rounds 5`. The ways take turns in each round, on the same file in the
same folder, which is in the page cache; medians, and the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.maker_meter import MakerMeter
from cisterna.adapters.maker_planes import MakerPlanes
from cisterna.adapters.plane_child import PlaneChildren
from cisterna.adapters.plane_process import load_openers
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.testing.nd2_planes import nd2_of
from cisterna.testing.virtual_lif import lif_of

PLANE_BYTES = 256 * 1024 * 1024


def files(folder: Path, planes: NDArray[Any]) -> Iterator[tuple[str, Path]]:
    from pylibCZIrw.czi import create_czi

    for name, options in (("czi", None), ("czi, zstd", "zstd1:ExplicitLevel=1;PreProcess=HiLoByteUnpack")):
        path = folder / f"{name.replace(', ', '-')}.czi"
        with create_czi(str(path), compression_options=options) as czi:
            for t, plane in enumerate(planes):
                czi.write(plane[..., None], plane={"T": t, "C": 0, "Z": 0})
            czi.write_metadata("bench")
        yield name, path
    (folder / "a.nd2").write_bytes(nd2_of(planes[:, None, None, None]))
    yield "nd2", folder / "a.nd2"
    (folder / "a.lif").write_bytes(lif_of({"one": planes[:, None, None]}))
    yield "lif", folder / "a.lif"


def in_process(path: Path) -> int:
    with path.open("rb") as file:
        opened = load_openers()[path.suffix[1:]](file, plane_bytes=PLANE_BYTES)
        return sum(
            int(opened.plane(one).copy().size > 0) for one in opened.placed()
        )  # what is only mapped was not read


def by_child(path: Path, children: PlaneChildren) -> int:
    with path.open("rb") as file:
        planes = MakerPlanes(file, path.suffix[1:], children, most=10_000, plane_seconds=60.0)
        require(planes.open() is None, "the file cannot be opened")
        count = sum(isinstance(planes.pixels(index), np.ndarray) for index in range(len(planes.placed)))
        planes.close()
        return count


def measured(path: Path, meter: MakerMeter) -> int:
    size = path.stat().st_size
    place = meter.spool(path.name, size_bytes=size) or sys.exit("no place")
    with place as spool, path.open("rb") as file:
        while piece := file.read(8 * 1024 * 1024):
            spool.write(memoryview(piece))
        return sum(one.problem is None for one in spool.read(keep_on=lambda: None).planes)


def require(met: object, otherwise: str) -> None:
    if not met:
        sys.exit(otherwise)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--planes", type=int, default=40)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    pixels = rng.poisson(300, (options.planes, options.side, options.side)).astype(np.uint16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        children = PlaneChildren(log=folder / "log", plane_bytes=PLANE_BYTES)
        meter = MakerMeter(
            TiffMeter(),
            spools=SpoolFolder(folder, limit_bytes=1 << 40, room=None),
            children=children,
            plane_bytes=PLANE_BYTES,
            most_planes=10_000,
        )
        meter.warm()
        for kind, path in files(folder, pixels):
            ways: dict[str, Callable[[], int]] = {
                "library": lambda path=path: in_process(path),
                "process": lambda path=path: by_child(path, children),
                "spooled and measured": lambda path=path: measured(path, meter),
            }
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for turn in range(options.rounds + 1):
                for way, run in ways.items():
                    begun = time.perf_counter()
                    require(run() == options.planes, f"{way} did not read every plane of {kind}")
                    if turn:  # the first one warms up
                        seconds[way].append(time.perf_counter() - begun)
            rates = {way: options.planes / median(one) for way, one in seconds.items()}
            ratio = median(a / b for a, b in zip(seconds["process"], seconds["library"], strict=True))
            told = ", ".join(f"{way} {rate:.0f}" for way, rate in rates.items())
            print(f"{kind}: planes/s {told}; process takes {ratio:.2f} times as long as the library")
        children.close()


if __name__ == "__main__":
    main()
