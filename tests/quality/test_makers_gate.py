"""The microscopy suite judges the planes of a maker's file as it judges the same pixels in TIFF files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.maker_meter import MakerMeter
from cisterna.adapters.plane_child import PlaneChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.domain.dataset import Version
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry
from cisterna.ports.quality import Reading
from cisterna.profiles.czi import Czi
from cisterna.services.measurement import Measurement
from cisterna.services.one_read import ReadFile
from cisterna.testing.clock import SettableClock
from tests.planes.czi_by_hand import Tile, czi_of
from tests.planes.makers import cells
from tests.quality.test_validate import Bench

SIDE = 512
SHARP = [gaussian_filter(cells("uint16", (SIDE, SIDE), seed), 1) for seed in range(6)]


@pytest.fixture(scope="module")
def meter() -> Iterator[MakerMeter]:
    with tempfile.TemporaryDirectory(prefix="cp-") as folder:
        children = PlaneChildren(log=Path(folder) / "planes.log", plane_bytes=1 << 26)
        spools = SpoolFolder(Path(folder), limit_bytes=1 << 30, room=None)
        yield MakerMeter(TiffMeter(), spools=spools, children=children, plane_bytes=1 << 26, most_planes=4)
        children.close()


def judged(bench: Bench, *readings: Reading) -> Version:
    names = [f"{number}.czi" for number in range(len(readings))]
    files = tuple(SeenFile(path=name, size_bytes=1, mtime_ns=1, inode=1) for name in names)
    profile = Czi()
    measurement = Measurement(
        Listing(files=files), meter=TiffMeter(), is_measured=profile.is_image, plane=profile.plane
    )
    for index, reading in enumerate(readings):
        entry = FileEntry(path=names[index], size_bytes=1, sha512="0" * 128)
        measurement.take(index, ReadFile(entry, reading))
    return bench.judge(bench.measured([], body=measurement.metrics(tables=bench.tables)))


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock, gate: GxGate) -> Bench:
    return Bench(catalogue, clock, gate)


def slide(images: list[np.ndarray]) -> bytes:
    return czi_of(
        *(Tile(one.astype("<u2").tobytes(), SIDE, SIDE, {"C": 0, "T": number}) for number, one in enumerate(images))
    )


def test_sharp_planes_pass_and_each_finding_says_how_many_stand_behind_it(bench: Bench, meter: MakerMeter) -> None:
    gated = judged(bench, meter.read(memoryview(slide(SHARP)), path="0.czi"))

    found = bench.findings(gated)
    assert gated.verdict is Verdict.PASSED, gated.reason
    assert all(one.message.endswith("Measured on 4 of 6 planes.") for one in found)


def test_blurred_planes_are_found_by_the_suite(bench: Bench, meter: MakerMeter) -> None:
    blurred = [gaussian_filter(one, 8) for one in SHARP]

    gated = judged(bench, meter.read(memoryview(slide(blurred)), path="0.czi"))

    assert gated.verdict is Verdict.QUARANTINED
    assert {one.check for one in bench.findings(gated) if one.outcome is Outcome.FAILED} >= {"focus-lost"}


def test_a_file_that_nobody_could_look_into_is_not_assessed_however_good_the_others_are(
    bench: Bench, meter: MakerMeter
) -> None:
    good = meter.read(memoryview(slide(SHARP[:4])), path="0.czi")

    gated = judged(bench, good, Reading(unmeasured="its reader ended by signal 11 while the file was opened"))

    assert gated.verdict is Verdict.NOT_ASSESSED
    assert "its reader ended by signal 11" in (gated.reason or "")


def test_a_dataset_without_any_reader_is_not_assessed(bench: Bench) -> None:
    gated = judged(bench, Reading(unmeasured="the package pylibCZIrw is not installed"))

    assert gated.verdict is Verdict.NOT_ASSESSED
    assert "not installed" in (gated.reason or "")
    assert not [
        one for one in bench.findings(gated) if one.check == "images-readable" and one.outcome is Outcome.PASSED
    ]


def test_a_damaged_file_is_quarantined(bench: Bench, meter: MakerMeter) -> None:
    whole = slide(SHARP)

    gated = judged(bench, meter.read(memoryview(whole[: len(whole) // 2]), path="0.czi"))

    assert gated.verdict is Verdict.QUARANTINED


def test_a_blurred_file_is_not_hidden_by_a_sharp_one_at_the_same_place_of_another_file(
    bench: Bench, meter: MakerMeter
) -> None:
    sharp, blurred = ([image] for image in (SHARP[0], gaussian_filter(SHARP[1], 8)))

    gated = judged(bench, *(meter.read(memoryview(slide(images)), path="0.czi") for images in (sharp, blurred)))

    (lost,) = [one for one in bench.findings(gated) if one.check == "focus-lost"]
    assert lost.observed == 0.5
    assert lost.files == ("1.czi",)
