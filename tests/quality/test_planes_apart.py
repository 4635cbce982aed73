"""Planes of OME-TIFF are measured apart where the XML tells which is which, and the run is followed by them."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Version
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.manifest import FileEntry
from cisterna.ports.profile import FilePlanes, Plane, StagePlace, TakenPlane
from cisterna.ports.quality import MetricTable, Reading
from cisterna.profiles.ome_tiff import OmeTiff
from cisterna.services.measurement import IN_FILE, PLACE, Measurement
from cisterna.services.one_read import ReadFile
from cisterna.services.summary import Facts, SummaryRow
from cisterna.services.summary_images import summarise_images
from cisterna.testing.clock import SettableClock
from cisterna.testing.virtual_ome_tiff import ome_tiff, set_xml
from tests.planes.makers import cells
from tests.profiles.folder_look import Held
from tests.quality.test_validate import Bench

NAMES = tuple(f"t{number}.ome.tif" for number in range(5))


def of_set(
    names: tuple[str, ...] = NAMES, *, interval_seconds: float = 300.0, drift_um: float = 0.0
) -> dict[str, bytes]:
    xml = set_xml(names, interval_seconds=interval_seconds, drift_um=drift_um)
    return {name: ome_tiff(xml=xml) for name in names}


def table_of(bodies: dict[str, bytes]) -> MetricTable:
    held, profile, tables = Held(bodies), OmeTiff(), ParquetTables()
    meter = TiffMeter().of_planes(profile.planes(held))
    measurement = Measurement(held.listing, meter=meter, is_measured=profile.is_image, plane=profile.plane, places={})
    for index, file in enumerate(held.listing.files):
        reading = meter.read(memoryview(bodies[file.path]), path=file.path)
        measurement.take(index, ReadFile(FileEntry(path=file.path, size_bytes=1, sha512="0" * 128), reading))
    return MetricTable.model_validate({"columns": tables.load(measurement.metrics(tables=tables))})


def row_of(bodies: dict[str, bytes]) -> SummaryRow:
    return summarise_images(table_of(bodies), Facts()).row


def test_a_set_is_one_run_whose_planes_have_places_and_times() -> None:
    found = table_of(of_set(drift_um=2.0))

    assert found.rows == 20
    assert set(found.columns["channel"]) == {"DAPI", "GFP"}
    assert set(found.columns[IN_FILE]) == {None}
    assert found.columns[PLACE[0]][-1] == 108.0
    assert found.columns[PLACE[1]][0] == 50.0
    assert found.columns[PLACE[3]][:4] == [0.0, 2.0, 1.0, 3.0]


def test_a_set_tells_of_drift_of_the_stage_and_of_the_order_of_channels() -> None:
    row = row_of(of_set(drift_um=2.0))

    assert (row["stage_drift_um"], row["time_gaps"], row["channel_orders"]) == (8.0, 0, 1)
    assert (row["channels"], row["z_planes_missing"], row["time_points_missing"]) == (2, 0, 0)


def test_a_time_point_that_is_missing_from_a_set_is_named() -> None:
    bodies = of_set()
    del bodies["t2.ome.tif"]

    assert row_of(bodies)["time_points_missing_names"] == "Missing: time point 2"


def test_a_page_that_the_file_has_not_is_a_plane_that_cannot_be_read() -> None:
    short = io.BytesIO()
    with tifffile.TiffFile(io.BytesIO(of_set()["t1.ome.tif"])) as whole:
        pixels, xml = whole.asarray(key=[0, 1, 2]), whole.pages[0].tags["ImageDescription"].value
    tifffile.imwrite(short, pixels, description=xml.encode(), metadata=None, photometric="minisblack")

    table = table_of({**of_set(), "t1.ome.tif": short.getvalue()})

    problems = [one for one in table.columns["problem"] if one]
    assert problems == ["the file speaks of this plane and has no page 4, where it must be"]
    assert summarise_images(table, Facts()).row["images_unreadable"] == 1


def test_single_files_are_each_a_run_of_their_own() -> None:
    bodies = {name: ome_tiff(xml=set_xml((name,), interval_seconds=1.0)) for name in NAMES[:2]}

    table = table_of(bodies)

    assert table.columns[IN_FILE] == [4] * 8
    assert row_of(bodies)["channels"] == 2
    assert row_of(bodies)["stage_drift_unknown"] == "it has fewer than 2 time points of one field"


def test_what_one_single_file_has_is_not_missing_from_another() -> None:
    row = row_of({"a.ome.tif": ome_tiff(), "b.ome.tif": ome_tiff(channels=("DAPI",), levels=5)})

    structure = {name: value for name, value in row.items() if name.endswith("_missing")}
    assert structure == dict.fromkeys(structure, 0)
    assert row["channels"] == 2


def test_two_sets_in_one_folder_are_not_taken_for_one() -> None:
    table = table_of({**of_set(NAMES[:2]), **of_set(("a.ome.tif", "b.ome.tif"))})

    assert set(table.columns[IN_FILE]) == {4}


def test_a_file_whose_xml_records_no_place_has_channels_and_no_such_columns() -> None:
    table = table_of({"a.ome.tif": ome_tiff()})

    assert table.columns["channel"] == ["DAPI", "DAPI", "GFP", "GFP"]
    assert not set(PLACE) & set(table.columns)


def told(*pages: str | None, is_of_run: bool = False) -> FilePlanes:
    planes = (one and TakenPlane(Plane(region="A1", field="0", channel=one), StagePlace(seconds=1.0)) for one in pages)
    return FilePlanes(tuple(one or None for one in planes), is_of_run=is_of_run)


def read(pages: int, planes: FilePlanes) -> Reading:
    file = io.BytesIO()
    tifffile.imwrite(file, np.stack([cells(seed=seed) for seed in range(pages)]), photometric="minisblack")
    return TiffMeter().of_planes({"a.tif": planes}).read(memoryview(file.getvalue()), path="a.tif")


def test_a_plane_apart_has_the_metrics_of_the_same_plane_in_a_file_of_its_own() -> None:
    alone, apart = read(1, told()), read(2, told("DAPI", "GFP"))

    assert apart.planes[0].metrics == alone.metrics
    assert [one.plane.channel for one in apart.planes] == ["DAPI", "GFP"]
    assert (apart.planes_in_file, apart.problem, apart.metrics) == (2, None, {})
    assert apart.thumbnail is not None


@pytest.mark.parametrize("planes", [told("DAPI"), told("DAPI", None), told(None, "GFP"), told()])
def test_a_file_with_a_page_that_nothing_tells_of_is_measured_as_one_image(planes: FilePlanes) -> None:
    reading = read(2, planes)

    assert (reading.planes, reading.planes_in_file) == ((), None)
    assert reading.metrics["planes"] == 2.0


@pytest.mark.parametrize("body", [b"", b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"no image"])
def test_what_cannot_be_read_is_one_problem_whatever_is_told_of_it(body: bytes) -> None:
    reading = TiffMeter().of_planes({"a.tif": told("DAPI", "GFP")}).read(memoryview(body), path="a.tif")

    assert reading.problem
    assert reading.planes == ()


def focused(channel: int, t: int, *, x_um: float) -> tuple[TakenPlane, NDArray[np.uint16]]:
    plane = Plane(region="A1", field="0", channel=f"C{channel}", t=t)
    place = StagePlace(x_um=x_um, y_um=0.0, z_um=0.0, seconds=600.0 * t + channel)
    return TakenPlane(plane, place), gaussian_filter(cells("uint16", (512, 512), t), 1)


def judged(bench: Bench, *, drift_um: float = 0.0, pages: int = 8) -> Version:
    """Judge a time lapse in one file: two channels, four time points."""
    wanted = [focused(channel, t, x_um=drift_um * t) for t, channel in product(range(4), range(2))]
    file = io.BytesIO()
    tifffile.imwrite(file, np.stack([pixels for _, pixels in wanted[:pages]]), photometric="minisblack")
    meter = TiffMeter().of_planes({"a.ome.tif": FilePlanes(tuple(plane for plane, _ in wanted))})
    held = Held({"a.ome.tif": file.getvalue()})
    found = Measurement(held.listing, meter=meter, is_measured=lambda _: True, plane=lambda _: None)
    reading = meter.read(memoryview(file.getvalue()), path="a.ome.tif")
    found.take(0, ReadFile(FileEntry(path="a.ome.tif", size_bytes=1, sha512="0" * 128), reading))
    return bench.judge(bench.measured([], body=found.metrics(tables=bench.tables)))


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock, gate: GxGate) -> Bench:
    return Bench(catalogue, clock, gate)


def test_our_suite_passes_a_whole_file_and_looks_at_its_course(bench: Bench) -> None:
    gated = judged(bench)

    assert gated.verdict is Verdict.PASSED, gated.reason
    outcomes = {one.check: one.outcome for one in bench.findings(gated)}
    assert outcomes["stage-steady"] is outcomes["channel-order"] is outcomes["planes-complete"] is Outcome.PASSED


def test_our_suite_finds_a_stage_that_moved(bench: Bench) -> None:
    moved = judged(bench, drift_um=20.0)

    assert moved.verdict is Verdict.REVIEW, moved.reason
    assert "60" in next(one.message for one in bench.findings(moved) if one.check == "stage-steady")


def test_our_suite_finds_a_page_that_is_missing(bench: Bench) -> None:
    short = judged(bench, pages=7)

    assert short.verdict is Verdict.QUARANTINED, short.reason
    assert {one.check for one in bench.findings(short) if one.outcome is Outcome.FAILED} == {"images-readable"}
