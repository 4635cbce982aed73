"""How often alerts are raised on good plates, and how often on plates with one bad well, measured by the real meter.

    python bench/alarm.py --seeds 200

Three cameras. `squid` is the virtual Squid, written to disk and read back: 12 wells, 2 channels. `photon` has photon
noise, an offset of 100 counts and read noise; each plate has a light of its own (nuclei of 2,000 to 20,000 photons) and
each well a brightness of its own (half to twice). `photon dim` has a tenth of that light. Each plate is told in rounds
of a random size, in a random order within a round. An alert of another kind or well than the bad one is a wrong one.
Prints one JSON document.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import read_suite
from cisterna.domain.baseline import RunBaseline, SeenImage
from cisterna.domain.digest import sha512_of
from cisterna.domain.manifest import FileEntry
from cisterna.profiles.squid import Squid
from cisterna.services.alarm import seen_image
from cisterna.services.alarm_judge import judge_round
from cisterna.services.one_read import ReadFile
from cisterna.testing.specimen import nuclei
from cisterna.testing.virtual_squid import Fault, VirtualSquid

METER = TiffMeter()
LIMITS = read_suite(shared_folder("expectations"), "microscopy")[0].limits
WELLS = tuple(f"{row}{column}" for row in "ABC" for column in range(1, 5))
BAD = {"dark": Fault.DARK_WELL, "empty": Fault.EMPTY_WELL, "blurred": Fault.BLURRED_WELL}
START = datetime(2026, 11, 23, tzinfo=UTC)


def read(body: bytes, path: str, number: int) -> SeenImage:
    digest = sha512_of(path.encode())
    modified = START + timedelta(seconds=number)
    entry = FileEntry(path=path, size_bytes=len(body), sha512=digest, modified=modified, content_path=f"c/{number}")
    return seen_image(ReadFile(entry, METER.read(memoryview(body), path=path)), Squid())


def squid_plate(seed: int, fault: str | None, odd: int) -> list[SeenImage]:
    squid = VirtualSquid(
        wells=WELLS, fovs=1, seed=seed, fault=BAD[fault] if fault else Fault.NONE, odd_well=odd, pause=lambda _: None
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        written = [path for path in squid.steps(Path(folder)) if path.suffix == ".tiff"]
        named = [(path.read_bytes(), str(path.relative_to(path.parents[1]))) for path in dict.fromkeys(written)]
    return [read(body, path, number) for number, (body, path) in enumerate(named)]


def photon_plate(seed: int, fault: str | None, odd: int, *, least: float = 10.0) -> list[SeenImage]:
    rng = np.random.default_rng(seed)
    light = float(np.exp(rng.uniform(np.log(least), np.log(10 * least))))
    seen = []
    for number, well in enumerate(WELLS):
        brightness = light * float(np.exp2(rng.uniform(-1.0, 1.0)))
        kind = fault if number == odd else None
        for place, channel in enumerate(("BF_LED_matrix_full", "Fluorescence_488_nm_Ex")):
            picture = np.rot90(np.roll(nuclei(), tuple(rng.integers(0, 512, 2)), axis=(0, 1)), rng.integers(0, 4))
            image = camera(picture.astype(np.float64), brightness, kind, rng, is_brightfield=place == 0)
            kept = io.BytesIO()
            tifffile.imwrite(kept, image)
            seen.append(read(kept.getvalue(), f"0/{well}_0_0_{channel}.tiff", 2 * number + place))
    return seen


def camera(
    picture: NDArray[Any], light: float, kind: str | None, rng: np.random.Generator, *, is_brightfield: bool
) -> NDArray[np.uint16]:
    specimen = np.full_like(picture, 12.0) if kind == "empty" else picture
    if kind == "blurred":
        down, across = np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]
        specimen = np.fft.irfft2(np.fft.rfft2(specimen) * np.exp(-2 * (np.pi * 8.0) ** 2 * (down**2 + across**2)))
    shown = (300.0 - specimen if is_brightfield else specimen) * (0.0 if kind == "dark" else light)
    counts = rng.poisson(np.maximum(shown, 0.0)) + 100 + rng.normal(0, 5, picture.shape)
    return counts.clip(0, 65_535).round().astype(np.uint16)


def rounds(images: Sequence[SeenImage], chance: random.Random) -> Iterator[list[SeenImage]]:
    left = list(images)
    while left:
        count = chance.randint(1, 12)
        some, left = left[:count], left[count:]
        chance.shuffle(some)
        yield some


def alerts(images: Sequence[SeenImage], chance: random.Random) -> list[tuple[str, str | None]]:
    """Give kind and well of each alert that the plate raises: the first of each kind."""
    baseline, raised = RunBaseline(), []
    for some in rounds(images, chance):
        judgement = judge_round(some, baseline, pictures={}, limits=LIMITS)
        for kind, failures in judgement.failures.items():
            if kind.value not in baseline.failing:
                raised.append((kind.value, failures[0].image.region))
        baseline = judgement.baseline
    return raised


def one(task: tuple[str, int, str | None]) -> tuple[str, str, list[tuple[str, str | None]], str]:
    name, seed, fault = task
    chance = random.Random(f"{name} {seed} {fault}")
    odd = chance.randrange(len(WELLS))
    plate = MAKERS[name](seed, fault, odd)
    return name, fault or "good", alerts(plate, chance), WELLS[odd]


MAKERS = {"squid": squid_plate, "photon": photon_plate, "photon dim": partial(photon_plate, least=1.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="good plates of each camera, and as many bad ones")
    parser.add_argument("--camera", choices=list(MAKERS), nargs="*", default=list(MAKERS))
    given = parser.parse_args()
    third = -(-given.seeds // len(BAD))
    tasks = [(name, seed, None) for name in given.camera for seed in range(given.seeds)]
    tasks += [(name, seed, fault) for name in given.camera for fault in BAD for seed in range(1000, 1000 + third)]
    counted: dict[str, Counter[str]] = {}
    with ThreadPoolExecutor(2) as pool:
        for name, fault, raised, odd in pool.map(one, tasks):
            count = counted.setdefault(f"{name} {fault}", Counter())
            count["plates"] += 1
            wrong = [alert for alert in raised if alert != (fault, odd)]
            count["right alert"] += (fault, odd) in raised
            count["any alert for the bad well"] += fault != "good" and any(well == odd for _, well in raised)
            count["wrong alert"] += bool(wrong)
            for kind, well in wrong:
                count[f"wrong: {kind}{'' if well == odd and fault != 'good' else ' in a good well'}"] += 1
    print(json.dumps(counted, indent=2))


if __name__ == "__main__":
    main()
