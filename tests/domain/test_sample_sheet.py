"""Wells are known by any of their names, and a sheet says one thing of each."""

from __future__ import annotations

import pytest

from cisterna.domain.credit import Subject
from cisterna.domain.errors import InvalidInput
from cisterna.domain.sample_sheet import (
    Sample,
    SampleSheet,
    SheetForm,
    Treatment,
    match_wells,
    name_wells,
    settled_samples,
    terms_of,
)
from cisterna.domain.well import Well, row_letters, row_number, well_of, wells_of


def treated(well: str, what: str, *, row: int = 2, plate: str | None = None, **more: object) -> Sample:
    place = well_of(well)
    return Sample(row=row, plate=plate, well=place, treatments=(Treatment(Subject(label=what)),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A1", "A1"),
        ("a01", "A1"),
        (" H12 ", "H12"),
        ("A-1", "A1"),
        ("P 24", "P24"),
        ("AF48", "AF48"),
        ("A001", "A1"),
    ],
)
def test_a_well_is_known_by_any_of_its_spellings(text: str, name: str) -> None:
    well = well_of(text)

    assert well is not None
    assert well.name == name


@pytest.mark.parametrize(
    "text", ["", "A0", "A49", "AG1", "Z", "1", "A1.5", "AAA1", "A\u0661", "reg001", "A1B", "Å1", "A" * 9999]
)
def test_what_is_no_well_of_a_plate_is_none(text: str) -> None:
    assert well_of(text) is None


def test_rows_are_written_by_letters_and_read_by_letters_or_numbers() -> None:
    assert [row_letters(row) for row in (1, 26, 27, 32)] == ["A", "Z", "AA", "AF"]
    assert all(row_number(row_letters(row)) == row for row in range(1, 33))
    assert (row_number("3"), row_number("0"), row_number("33"), row_number("AG")) == (3, None, None, None)


def test_regions_that_are_no_wells_are_left_out_of_a_comparison() -> None:
    assert wells_of(["A1", "a01", "manual0"]) == {Well(1, 1)}


def test_equal_rows_count_once_and_different_ones_are_named_with_their_rows() -> None:
    once, none = settled_samples([treated("A1", "DMSO", row=2), treated("A01", "DMSO", row=3)])
    both, faults = settled_samples([treated("A1", "DMSO", row=2), treated("A1", "X", row=7)])

    assert ([one.row for one in once], none) == ([2], [])
    assert (len(both), faults) == (2, ["rows 2 and 7 say different things of A1; keep the right one"])


def test_a_well_may_be_told_once_for_each_of_its_files() -> None:
    rows = [treated("A1", "DMSO", row=2, file="a.tiff", others=(("Field", "1"),))]
    rows += [treated("A1", "DMSO", row=3, file="b.tiff", others=(("Field", "2"),))]

    assert settled_samples(rows) == (tuple(rows), [])


def test_the_same_well_of_two_plates_is_two_wells() -> None:
    assert settled_samples([treated("A1", "DMSO", plate="P1"), treated("A1", "X", plate="P2")])[1] == []


def test_of_several_plates_the_one_in_the_name_of_the_run_is_taken() -> None:
    rows = tuple(treated("A1", plate, plate=plate) for plate in ("plate 1", "plate 10"))
    sheet = SampleSheet(SheetForm.TABLE, rows)

    assert sheet.of_plate("2026-11-30_Plate_10_screen").plates == ("plate 10",)
    with pytest.raises(InvalidInput, match=r"speaks of 2 plates \(plate 1, plate 10\), and none is in the name"):
        sheet.of_plate("run 7")
    with pytest.raises(InvalidInput, match="plate 1 and plate 10 are in the name"):
        sheet.of_plate("plate 1 beside plate 10").of_plate("")


def test_a_row_without_a_plate_is_of_the_one_that_is_read_and_may_not_say_otherwise() -> None:
    rows = (treated("A1", "DMSO", plate="P1"), treated("A1", "DMSO"), treated("B1", "X"))
    others = (treated("A1", "Y", plate="P2"),)

    for sheet in (SampleSheet(SheetForm.TABLE, rows), SampleSheet(SheetForm.TABLE, rows + others)):
        told = sheet.of_plate("run P1").samples
        assert [(one.plate, one.well) for one in told] == [("P1", Well(1, 1)), ("P1", Well(2, 1))]
    with pytest.raises(InvalidInput, match="say different things of A1 of plate P1"):
        SampleSheet(SheetForm.TABLE, (*rows, treated("A1", "Y"))).of_plate("run P1")


def test_wells_are_compared_where_both_sides_name_any() -> None:
    a1, b1, h12 = Well(1, 1), Well(2, 1), Well(8, 12)

    match = match_wells({a1, h12}, {a1, b1})

    assert (match.not_imaged, match.not_described) == ((h12,), (b1,))
    assert match_wells({a1}, ()) == match_wells((), {a1})
    assert name_wells([Well(1, column) for column in range(1, 15)]).endswith("A12 and 2 more")


def test_a_term_that_any_row_has_stands_for_the_words() -> None:
    bare, termed = Subject(label="hela"), Subject(label="HeLa", curie="CLO:0003684")
    samples = [Sample(row=2, name="a", cell_lines=(bare,)), Sample(row=3, name="b", cell_lines=(termed,))]

    assert terms_of(samples)["cell_lines"] == (termed,)
