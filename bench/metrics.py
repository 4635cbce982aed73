"""What measuring images costs: one plane by our fused pass beside numpy, scipy and OpenCV, and the one read with it.

    pip install opencv-python-headless        # for this bench only; without it that way is left out
    python bench/metrics.py --side 2048 --rounds 15 --images 12

The ways take turns on one picture of uint16 (real nuclei, photon noise and read noise), all on one thread, and a ratio
is the median over rounds of the rounds' own ratios. Ours makes every metric of a plane, the slope of the power spectrum
among them. The others make less: the variance of the Laplacian, the saturated share, four percentiles, and the noise as
the median absolute Laplacian.

Then the one read: files of such pictures are read once, digested and sent to a server that discards everything
(`bench/discard_store.py`), with the meter and without, in turns in one process with one reader. CPU seconds are of our
process; of the server they are none. Seconds of CPU are what is compared: the clock of a busy machine says nothing.
Prints one JSON document.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import archive  # noqa: E402 - beside this file; threads are bounded before numpy loads
import numpy as np  # noqa: E402
import tifffile  # noqa: E402
from pydantic import SecretStr  # noqa: E402
from scipy import ndimage  # noqa: E402

from cisterna.adapters.image_meter import TiffMeter  # noqa: E402
from cisterna.adapters.landing_folder import LandingFolder  # noqa: E402
from cisterna.adapters.plane_metrics import measure_plane  # noqa: E402
from cisterna.adapters.s3_access import S3Access  # noqa: E402
from cisterna.adapters.s3_obstore import S3Store  # noqa: E402
from cisterna.services.arrival import Arrivals  # noqa: E402
from cisterna.services.one_read import ReadPlan, read_once  # noqa: E402
from cisterna.testing.specimen import nuclei  # noqa: E402

SHARES = (0.01, 0.05, 0.5, 0.99)


def picture(side: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tiles = -(-side // 512)
    light = np.tile(np.roll(nuclei(), tuple(rng.integers(0, 512, 2)), axis=(0, 1)), (tiles, tiles))[:side, :side] * 10.0
    seen = rng.poisson(light) + 100 + rng.normal(0, 5, light.shape)
    return seen.clip(0, 65_535).astype(np.uint16)


def with_numpy(image: np.ndarray) -> tuple[float, ...]:
    wide = image.astype(np.float64)
    edges = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * wide[1:-1, 1:-1]
    noise = np.median(np.abs(edges - np.median(edges)))
    return float(edges.var()), float((image == 65_535).mean()), *np.quantile(image, SHARES), float(noise)


def with_scipy(image: np.ndarray) -> tuple[float, ...]:
    edges = ndimage.laplace(image.astype(np.float32))
    noise = ndimage.median(np.abs(edges - ndimage.median(edges)))
    return float(ndimage.variance(edges)), float((image == 65_535).mean()), *np.percentile(image, (1, 5, 50, 99)), noise


def with_opencv(image: np.ndarray) -> tuple[float, ...]:
    import cv2

    edges = cv2.Laplacian(image, cv2.CV_32F)
    _, deviation = cv2.meanStdDev(edges)
    counts = np.cumsum(cv2.calcHist([image], [0], None, [65_536], [0, 65_536]).ravel())
    levels = np.searchsorted(counts, [share * counts[-1] for share in SHARES])
    spread = cv2.calcHist([cv2.absdiff(edges, 0.0)], [0], None, [4096], [0, 65_536]).ravel()
    noise = 16.0 * np.searchsorted(np.cumsum(spread), spread.sum() / 2)
    return float(deviation[0, 0] ** 2), float(np.mean(image == 65_535)), *map(float, levels), float(noise)


def cpu_of(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def in_turns(ways: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way in sorted(ways, reverse=bool(turn % 2)):
            took = cpu_of(ways[way])
            if turn:  # the first one warms up
                seconds[way].append(took)
    return seconds


def planes(side: int, rounds: int) -> dict[str, object]:
    image = picture(side, 0)
    body = tiff(image)
    meter = TiffMeter()
    ways: dict[str, Callable[[], object]] = {
        "ours, every metric of a plane": lambda: measure_plane(image),
        "ours, a TIFF file with its thumbnail": lambda: meter.read(body, path="x.tiff"),
        "numpy": lambda: with_numpy(image),
        "scipy": lambda: with_scipy(image),
    }
    if importlib.util.find_spec("cv2") is not None:
        import cv2

        cv2.setNumThreads(1)
        ways["opencv"] = lambda: with_opencv(image)
    seconds = in_turns(ways, rounds=rounds)
    ours = seconds["ours, every metric of a plane"]
    return {
        way: {
            "cpu_ms": round(1000 * statistics.median(some), 2),
            "images_a_second_a_core": round(1 / statistics.median(some), 1),
            "times_ours": round(statistics.median(a / b for a, b in zip(some, ours, strict=True)), 2),
        }
        for way, some in seconds.items()
    }


def tiff(image: np.ndarray) -> memoryview:
    file = io.BytesIO()
    tifffile.imwrite(file, image)
    return memoryview(bytearray(file.getvalue()))


def reading(folder: Path, endpoint: str, *, is_measured: bool) -> Callable[[], None]:
    """The one read of a folder, as a worker does it, with one reader."""
    access = S3Access(endpoint=endpoint, access_key_id="anybody", secret_access_key=SecretStr("anything"))
    store, zone, meter = S3Store(access, bucket="bench"), LandingFolder(folder.parent), TiffMeter()
    meter.warm()

    def read() -> None:
        listing, taken = zone.listing(folder.name), []
        plan = ReadPlan(
            folder=folder.name,
            listing=listing,
            known={},
            object_root="a/b/c",
            staging="v1/content/0",
            token="0" * 32,
            arrivals=Arrivals(),
            is_measured=lambda _path: is_measured,
            image_limit_bytes=256 * 1024 * 1024,
            delivered={},
            copier=None,
            algorithm="sha512",
            readers=1,
            keep_on=lambda: None,
            pace=lambda _count: None,
            taken=lambda _index, file: taken.append(file.reading),
        )
        read_once(plan, zone=zone, store=store, meter=meter)
        if len(taken) != len(listing.files) or any((one is None) == is_measured for one in taken):
            sys.exit("some files were not taken as they should be")

    return read


def overhead(side: int, images: int, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name, archive.discarding(Path(name)) as place:
        folder = Path(name) / "run"
        folder.mkdir()
        for number in range(images):
            (folder / f"A{number}_0_0_DAPI.tiff").write_bytes(tiff(picture(side, number)))
        ways = {
            "with": reading(folder, place.endpoint, is_measured=True),
            "without": reading(folder, place.endpoint, is_measured=False),
        }
        seconds = in_turns(ways, rounds=rounds)
    ratio = statistics.median(a / b for a, b in zip(seconds["with"], seconds["without"], strict=True))
    return {
        "cpu_ms_an_image_with": round(1000 * statistics.median(seconds["with"]) / images, 2),
        "cpu_ms_an_image_without": round(1000 * statistics.median(seconds["without"]) / images, 2),
        "overhead_share": round(ratio - 1, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--images", type=int, default=12)
    options = parser.parse_args()
    began = os.getloadavg()[0]
    found = {
        "planes": planes(options.side, options.rounds),
        "one_read": overhead(options.side, options.images, options.rounds),
        "load_average": [round(began, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
