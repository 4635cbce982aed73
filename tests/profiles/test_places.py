"""What profiles tell of where and when images were taken: only what the run's own files record, whatever is in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.manifest import FileEntry
from cisterna.ports.profile import StagePlace, TellsPlaces, TellsPlanes
from cisterna.ports.quality import MetricTable, Reading
from cisterna.profiles.codex import Codex
from cisterna.profiles.czi import Czi
from cisterna.profiles.ome_tiff import OmeTiff
from cisterna.profiles.squid import Squid
from cisterna.services.measurement import PLACE, Measurement
from cisterna.services.one_read import ReadFile
from cisterna.services.summary import Facts
from cisterna.services.summary_images import summarise_images
from cisterna.testing.virtual_codex import virtual_codex
from cisterna.testing.virtual_squid import VirtualSquid
from cisterna.testing.virtual_squid_modes import squid_control
from tests.profiles.folder_look import Held, look

IMAGE = "0/A1_0_0_DAPI.tiff"
ROW = "A1,0,0,10.5,20.25,1200.5,2026-11-22_10-30-07.250000"
HEADER = "region,fov,z_level,x (mm),y (mm),z (um),time"


def told(*lines: str, image: str = IMAGE) -> StagePlace | None:
    body = "\n".join(lines).encode("utf-8", "surrogateescape")
    return Squid().places(Held({image: b"", "0/coordinates.csv": body})).get(image)


def test_a_squid_run_tells_of_every_image_where_and_when_it_was_taken(tmp_path: Path) -> None:
    squid = VirtualSquid(fovs=2, z_levels=2, time_points=2, started=datetime(2026, 11, 22, 10, 30, tzinfo=UTC))
    folder = squid.write(tmp_path)

    places = Squid().places(look(folder))

    assert len(places) == squid.image_count
    low, high = (places[f"1/A2_1_{z}_BF_LED_matrix_full.tiff"] for z in (0, 1))
    assert (low.x_um, low.z_um) == (pytest.approx(9166.4), 1200.0)
    assert (high.z_um or 0.0) - 1200.0 == pytest.approx(1.5)
    assert (high.seconds or 0.0) - (low.seconds or 0.0) == 1.0


def test_the_older_dialect_tells_it_by_row_column_and_level(tmp_path: Path) -> None:
    run = squid_control(levels=2)
    for _ in run.steps(tmp_path):
        pass

    places = Squid().places(look(tmp_path / run.name))

    assert len(places) == 16
    assert places["0/B2_0_1_1_BF_LED_matrix_full.bmp"][:3] == (10_100.0, 20_200.0, 1201.0)


def test_a_cell_that_is_no_number_tells_nothing_and_the_others_do() -> None:
    assert told(HEADER, ROW) == StagePlace(10_500.0, 20_250.0, 1200.5, 1_795_343_407.25)
    assert told(HEADER, ROW.replace("10.5", "nan").replace("1200.5", "far")) == StagePlace(
        None, 20_250.0, None, 1_795_343_407.25
    )
    assert told(HEADER, ROW.replace("2026-11-22", "yesterday")) == StagePlace(10_500.0, 20_250.0, 1200.5, None)


HOSTILE = {
    "no rows": (HEADER,),
    "nothing": ("",),
    "no columns that are known": ("a,b", "1,2"),
    "another image": (HEADER, ROW.replace("A1,0,0", "A1,0,7")),
    "a level that is no number": (HEADER, ROW.replace("A1,0,0", "A1,0,one")),
    "a number without end": (HEADER, ROW.replace("A1,0,0", f"A1,{'9' * 5000},0")),
    "not text": (HEADER, "\udcff\udcfe,0,0,1,2,3,4"),
    "an open quotation": (HEADER, '"A1,0,0,1,2,3,4'),
}


@pytest.mark.parametrize("lines", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_coordinates_tell_nothing_and_raise_nothing(lines: tuple[str, ...]) -> None:
    assert told(*lines) is None


@pytest.mark.parametrize("number", ["inf", "-inf", "1e300", "1" * 100, ""])
def test_a_place_that_no_stage_reaches_is_not_known(number: str) -> None:
    assert told(HEADER, ROW.replace("10.5", number)) == StagePlace(None, 20_250.0, 1200.5, 1_795_343_407.25)


def test_numbers_with_zeros_before_them_are_the_same_place() -> None:
    assert told(HEADER, ROW, image="0/A1_000_000_DAPI.tiff") == told(HEADER, ROW)


def test_profiles_say_only_what_their_instruments_record() -> None:
    assert [isinstance(one(), TellsPlaces) for one in (Squid, Codex, OmeTiff, Czi)] == [True, True, False, False]
    assert [isinstance(one(), TellsPlanes) for one in (Squid, Codex, OmeTiff, Czi)] == [False, False, True, False]


STAMPED = "cyc002_reg001_200210_170925/1_00001_Z001_CH1.tif"


def test_a_codex_run_tells_when_each_region_of_a_cycle_was_begun(tmp_path: Path) -> None:
    folder = virtual_codex(cycles=2, tiles=(2, 2)).write(tmp_path)

    places = Codex().places(look(folder))

    assert len(places) == 16
    assert set(places.values()) == {StagePlace(seconds=datetime(2020, 2, 10, 12, tzinfo=UTC).timestamp())}
    later = Codex().places(Held({STAMPED: b""}))[STAMPED]
    assert (later.seconds or 0.0) - datetime(2020, 2, 10, 12, tzinfo=UTC).timestamp() == 5 * 3600 + 9 * 60 + 25


@pytest.mark.parametrize(
    "rest", ["", "_", "_200210", "_209910_170925", "_200210_170925x", "_200230_120000", "_\u0661" * 6]
)
def test_a_folder_whose_name_has_no_date_tells_no_time(rest: str) -> None:
    path = f"cyc002_reg001{rest}/1_00001_Z001_CH1.tif"

    assert Codex().is_image(path)
    assert Codex().places(Held({path: b""})) == {}


def test_codex_cycles_that_came_long_after_the_others_are_a_gap() -> None:
    hours = (8, 9, 10, 11, 12, 23)
    bodies = {f"cyc{n:03}_reg001_200210_{hour:02}0000/1_00001_Z001_CH1.tif": b"" for n, hour in enumerate(hours, 1)}
    found = summarise_images(table_of(Codex(), bodies), Facts()).row

    assert (found["time_gaps"], found["stage_drift_um"]) == (1, None)
    assert found["stage_drift_unknown"] == "what it wrote does not say where the stage was"


def table_of(profile: Codex, bodies: dict[str, bytes]) -> MetricTable:
    held, tables = Held(bodies), ParquetTables()
    measurement = Measurement(
        held.listing,
        meter=TiffMeter(),
        is_measured=profile.is_image,
        plane=profile.plane,
        places=profile.places(held),
    )
    for index, file in enumerate(held.listing.files):
        measurement.take(index, ReadFile(FileEntry(path=file.path, size_bytes=0, sha512="0" * 128), Reading()))
    return MetricTable.model_validate({"columns": tables.load(measurement.metrics(tables=tables))})


def columns(places: dict[str, StagePlace]) -> dict[str, list[object]]:
    held = Held({IMAGE: b"", "0/A2_0_0_DAPI.tiff": b"", "0/coordinates.csv": b""})
    profile, tables = Squid(), ParquetTables()
    measurement = Measurement(
        held.listing, meter=TiffMeter(), is_measured=profile.is_image, plane=profile.plane, places=places
    )
    for index, file in enumerate(held.listing.files):
        entry = FileEntry(path=file.path, size_bytes=0, sha512="0" * 128)
        measurement.take(index, ReadFile(entry, Reading() if profile.is_image(file.path) else None))
    return tables.load(measurement.metrics(tables=tables))


def test_places_are_columns_of_the_table_and_time_counts_from_the_first_image_of_the_run() -> None:
    found = columns({IMAGE: StagePlace(1.0, 2.0, 3.0, 1_000.5), "0/gone.tiff": StagePlace(seconds=1_000.0)})

    assert [found[name] for name in PLACE] == [[1.0, None], [2.0, None], [3.0, None], [0.5, None]]


def test_a_table_of_a_run_that_records_no_places_has_no_such_columns() -> None:
    assert not set(columns({})) & set(PLACE)
