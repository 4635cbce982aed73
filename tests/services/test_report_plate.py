"""Maps of a metric over wells: plates of every size, regions that are no wells, and which one is worst."""

from __future__ import annotations

from typing import Any

import pytest

from cisterna.domain.quality_report import PlateChoice, PlateMap
from cisterna.services.report_histogram import FileLimits
from cisterna.services.report_plate import IMAGES, MOST_REGIONS, UNREADABLE, plate_choices, plate_map
from cisterna.services.report_series import series_of

FOCUS = PlateChoice(metric="focus", channel=None)


def table(regions: dict[str, float | None], **columns: list[Any]) -> dict[str, list[Any]]:
    return {
        "path": [f"{name}.tiff" for name in regions],
        "region": list(regions),
        "field": [str(number) for number in range(len(regions))],
        "focus": list(regions.values()),
        **columns,
    }


def drawn(regions: dict[str, float | None], choice: PlateChoice = FOCUS, **columns: list[Any]) -> PlateMap:
    return plate_map(series_of(table(regions, **columns)), choice, FileLimits())


@pytest.mark.parametrize(
    ("wells", "rows", "columns"),
    [
        (["A1", "B3"], 2, 3),
        (["A1", "C4"], 3, 4),
        (["A01", "D06"], 4, 6),
        (["A1", "F8"], 6, 8),
        (["a1", "h12"], 8, 12),
        (["A-1", "P-24"], 16, 24),
        (["B/2", "B/3"], 2, 3),
        ([f"{row}{column}" for row in ("A", "Z", "AA", "AF") for column in range(1, 49)], 32, 48),
    ],
)
def test_the_smallest_plate_that_holds_every_well_is_drawn(wells: list[str], rows: int, columns: int) -> None:
    plate = drawn({name: 0.1 + place for place, name in enumerate(wells)})

    assert plate.is_plate
    assert (plate.rows, plate.columns) == (rows, columns)
    assert all(well.row < rows and well.column < columns for well in plate.wells)


@pytest.mark.parametrize(
    "regions",
    [
        ["reg001", "reg002"],
        ["A1", "slide left"],
        ["R1", "R2", "R3"],  # a plate of 1536 wells with three of them is none
        ["A1", "A01"],  # the same well twice
        ["AG1", "A49"],
        ["A0", "B0"],
        ["<b>", "\u202egpj"],
        ["\u0661", "A\u0661"],  # digits of another script
    ],
)
def test_regions_that_are_no_wells_stand_in_rows_by_their_names(regions: list[str]) -> None:
    plate = drawn({name: 0.1 + place for place, name in enumerate(regions)})

    assert not plate.is_plate
    assert sorted(well.name for well in plate.wells) == sorted(regions)
    assert len({(well.row, well.column) for well in plate.wells}) == len(regions)


def test_regions_are_ordered_as_people_count() -> None:
    plate = drawn(dict.fromkeys(("reg10", "reg2", "reg1"), 1.0))

    assert [well.name for well in plate.wells] == ["reg1", "reg2", "reg10"]


def test_of_very_many_regions_the_first_are_drawn_and_the_rest_counted() -> None:
    plate = drawn({f"tile {number}": float(number) for number in range(MOST_REGIONS + 5)})

    assert len(plate.wells) == MOST_REGIONS
    assert plate.more == 5


def test_the_worst_well_is_the_least_sharp_and_that_which_is_most_saturated() -> None:
    values = {"A1": 0.05, "A2": 0.01, "B1": 0.07}
    saturated = {"saturated_share": [0.0, 0.1, 0.3]}

    assert drawn(values).worst == "A2"
    worst = drawn(values, PlateChoice(metric="saturated_share", channel=None), **saturated)
    assert (worst.worst, worst.has_bad_end) == ("B1", True)


def test_of_a_metric_without_a_bad_end_the_well_most_unlike_the_others_is_marked_as_that() -> None:
    plate = drawn(
        {"A1": 1.0, "A2": 1.0, "B1": 1.0},
        PlateChoice(metric="background_counts", channel=None),
        background_counts=[9, 10, 2],
    )

    assert (plate.worst, plate.has_bad_end) == ("B1", False)


def test_where_all_wells_are_equal_none_is_worst() -> None:
    assert drawn({"A1": 0.5, "A2": 0.5}).worst is None


def test_a_well_whose_images_have_no_value_has_none_and_is_never_the_worst() -> None:
    plate = drawn({"A1": None, "A2": float("nan"), "B1": 0.2, "B2": 0.3})

    assert [well.value for well in plate.wells] == [None, None, 0.2, 0.3]
    assert plate.worst == "B1"


def test_a_stack_counts_by_its_sharpest_plane() -> None:
    stack = {
        "path": ["0", "1", "2", "3"],
        "region": ["A1", "A1", "A1", "B1"],
        "field": ["0"] * 4,
        "t": [0] * 4,
        "z": [0, 1, 2, 0],
        "focus": [0.01, 0.09, 0.02, 0.05],
    }

    plate = plate_map(series_of(stack), FOCUS, FileLimits())

    assert [well.value for well in plate.wells] == [0.09, 0.05]


def test_images_and_unreadable_ones_can_be_counted_by_well() -> None:
    columns = {"problem": [None, "cut off", None]}
    series = series_of(table({"A1": 1.0, "A2": None, "B1": 2.0}, **columns))

    assert plate_choices(series)[-2:] == (
        PlateChoice(metric=IMAGES, channel=None),
        PlateChoice(metric=UNREADABLE, channel=None),
    )
    assert plate_map(series, plate_choices(series)[-1], FileLimits()).worst == "A2"


@pytest.mark.parametrize(
    "columns", [{"path": []}, {"path": ["x"]}, {"path": ["x", "y"], "region": ["A1", "A1"], "m": [1, 2]}]
)
def test_without_two_regions_there_is_no_map(columns: dict[str, list[Any]]) -> None:
    assert plate_choices(series_of(columns)) == ()
