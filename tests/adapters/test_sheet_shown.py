"""A sheet says what its author sees in it: what a spreadsheet shows otherwise than it keeps is read as it is shown."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from openpyxl import Workbook

from cisterna.adapters.sheet_file import SheetFiles
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.sample_sheet import Quantity, SampleSheet
from tests.adapters.test_sheet_file import changed


def a_book(*rows: list[Any], formats: dict[str, str] | None = None) -> Workbook:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    for cell, shown in (formats or {}).items():
        book.active[cell].number_format = shown
    return book


def read(book: Workbook, *, old: str = "</worksheet>", new: str = "</worksheet>") -> SampleSheet:
    """Read a workbook, in whose sheet something is written otherwise."""
    kept = io.BytesIO()
    book.save(kept)
    body = changed(kept.getvalue(), "xl/worksheets/sheet1.xml", old.encode(), new.encode())
    return SheetFiles().read({"samples.xlsx": body})


def text(body: str, name: str = "samples.csv") -> SampleSheet:
    return SheetFiles().read({name: body.encode()})


def dose(sheet: SampleSheet) -> Quantity | None:
    return sheet.samples[0].treatments[0].dose


@pytest.mark.parametrize(
    ("kept", "shown", "expected"),
    [
        (0.001, "0.0%", Quantity("0.1%", 0.1, "%")),
        (0.5, "0%", Quantity("50%", 50.0, "%")),
        (0.123456, "0.00%", Quantity("12.3456%", 12.3456, "%")),
        (10, '0 "nM"', Quantity("10 nM", 10.0, "nM")),
        (2.5, '0.0\\ "mg/l"', Quantity("2.5 mg/l", 2.5, "mg/l")),
        (2.5, "0.0\\ \\n\\M", Quantity("2.5 nM", 2.5, "nM")),
        (10, '#,##0.00"x"', Quantity("10 x", 10.0, "x")),
        (10, "0.00", Quantity("10", 10.0, "uM")),
        (10, "General", Quantity("10", 10.0, "uM")),
        (10, '0;-0;"none"', Quantity("10", 10.0, "uM")),
        (0.1 + 0.2, "General", Quantity("0.3", 0.3, "uM")),
    ],
)  # fmt: skip
def test_a_dose_has_the_unit_that_is_shown_with_it(kept: float, shown: str, expected: Quantity) -> None:
    book = a_book(["Well", "Compound", "Dose (uM)"], ["A1", "DMSO", kept], formats={"C2": shown})

    assert dose(read(book)) == expected


def test_a_name_of_digits_keeps_the_zeros_that_are_shown() -> None:
    book = a_book(["Sample", "Plate"], [7, 12], formats={"A2": "000", "B2": "0000000"})

    [sample] = read(book).samples

    assert (sample.name, sample.plate) == ("007", "0000012")


def test_a_name_of_more_digits_than_a_spreadsheet_keeps_is_refused_and_not_rounded() -> None:
    with pytest.raises(InvalidInput, match=r"row 2, column A: a spreadsheet keeps 15 digits of a number"):
        read(a_book(["Sample", "Compound"], [12345678901234567, "X"]))


def test_a_duration_of_more_than_a_day_is_hours() -> None:
    book = a_book(["Well", "Compound", "Time"], ["A1", "X", timedelta(hours=26)], formats={"C2": "[h]:mm:ss"})

    duration = read(book).samples[0].treatments[0].duration

    assert duration == Quantity("26:00:00", None, None)


def test_a_merged_cell_holds_for_every_row_and_well_that_it_covers() -> None:
    book = a_book(["Well", "Compound"], ["A1", "X"], ["A2", None], ["A3", None], ["A4", "Y"])
    book.active.merge_cells("B2:B4")
    plate = a_book(["", None], ["", 1, 2, 3], ["A", "DMSO", None, "X"], ["B", None, None, "Y"])
    plate.active.merge_cells("B3:C4")
    plate.active.merge_cells("A1:D1")
    plate.active["A1"] = "Treatment"

    table, of_plate = read(book), read(plate)

    assert [one.treatments[0].what.label for one in table.samples] == ["X", "X", "X", "Y"]
    assert {one.place: one.treatments[0].what.label for one in of_plate.samples} == {
        **dict.fromkeys(("A1", "A2", "B1", "B2"), "DMSO"),
        "A3": "X",
        "B3": "Y",
    }


def test_a_merged_cell_of_a_whole_sheet_fills_no_more_than_the_rows_that_there_are() -> None:
    book = a_book(["Well", "Compound"], ["A1", "X"], ["A2", None])
    book.active.merge_cells("B2:B3")

    assert len(read(book, old="B2:B3", new="B2:B1048576").samples) == 2


def test_merged_cells_that_would_fill_more_than_any_sheet_are_refused() -> None:
    book = a_book(["Well", "Compound"], *(["A1", None] for _ in range(4800)))
    book.active["B2"] = "X"
    book.active.merge_cells("B2:B3")

    with pytest.raises(HostileInput, match="merged"):
        read(book, old="B2:B3", new="B2:GR4801")


@pytest.mark.parametrize("begun", ["<c a", "<mergeCell ", "<c><f a", "<c><f>"])
def test_tags_that_only_begin_cost_no_more_than_their_bytes(begun: str) -> None:
    book = a_book(["Well", "Compound"], ["A1", "X"])

    sheet = read(book, old="</sheetData>", new=f"</sheetData><!-- {begun * 300_000} -->")

    assert len(sheet.samples) == 1


def test_sheets_that_are_hidden_say_nothing() -> None:
    book = a_book(["Well", "Compound"], ["A1", "X"])
    old = book.create_sheet("old")
    old.append(["Well", "Compound"])
    old.append(["A1", "Y"])
    old.sheet_state = "hidden"

    assert read(book).samples[0].treatments[0].what.label == "X"
    book.active.delete_rows(1, 2)
    with pytest.raises(InvalidInput, match="empty"):
        read(book)


def test_formulas_that_were_never_calculated_are_told() -> None:
    sheet = read(a_book(["Well", "Compound", "Dose"], ["A1", "X", "=B7*2"]))

    assert sheet.samples[0].treatments[0].dose is None
    assert ["formulas without the values that they give" in one for one in sheet.remarks] == [True]


@pytest.mark.parametrize("name", ["2-Sep", "02-sep", "1-mar-26", "2026-09-02"])
def test_a_name_that_a_spreadsheet_made_a_date_is_told(name: str) -> None:
    sheet = text(f"Well,siRNA\nA1,{name}\n")

    assert sheet.samples[0].treatments[0].what.label == name
    assert [f"'{name}' is a date" in one for one in sheet.remarks] == [True]


def test_a_gene_that_became_a_date_in_a_workbook_is_told() -> None:
    sheet = read(a_book(["Well", "siRNA"], ["A1", datetime(2026, 9, 2)], formats={"B2": "d-mmm"}))  # noqa: DTZ001

    assert ["'2026-09-02' is a date" in one for one in sheet.remarks] == [True]


@pytest.mark.parametrize("error", ["#REF!", "#NAME?", "#DIV/0!", "#V\u00c4RDEFEL!", "#NAMN?"])
def test_errors_of_a_spreadsheet_are_no_values_in_text_either(error: str) -> None:
    with pytest.raises(InvalidInput, match=r"row 2, column 'Compound': the cell holds an error of the spreadsheet"):
        text(f"Well;Compound\nA1;{error}\n")


def test_what_a_swedish_spreadsheet_writes_for_no_value_is_none() -> None:
    assert text("Well;Compound\nA1;#SAKNAS!\nA2;X\n").samples[0].treatments == ()


@pytest.mark.parametrize(
    "body",
    [
        "Plattkarta, f\u00f6rs\u00f6k 1, 2 och 3\nWell;Compound;Dose\nA01;DMSO;0,5\n",
        "Plattkarta\nWell;Compound;Dose\nA01;DMSO;0,5\n",
        "Well;Compound;Dose, given, or not\nA01;DMSO;0,5\n",
        "sep=;\nWell;Compound;Dose\nA01;DMSO;0,5\n",
        "Karta, 1\nWell\tCompound\tDose\nA01\tDMSO\t0,5\n",
        'Well;Compound;"Dose\n, in, three, lines"\nA01;DMSO;0,5\n',
    ],
)
def test_cells_are_parted_by_what_makes_a_table_of_them(body: str) -> None:
    [sample] = text(body).samples

    assert (sample.place, sample.treatments[0].what.label) == ("A1", "DMSO")
    quantity = sample.treatments[0].dose
    assert (quantity.value if quantity else float(dict(sample.others).popitem()[1].replace(",", "."))) == 0.5


def test_a_map_of_a_plate_with_decimal_commas_is_parted_by_semicolons() -> None:
    sheet = text("Doser, i uM\nConcentration;1;2\nA;0,5;1,5\nB;2,5;3,5\n")

    assert dict(sheet.samples[3].others) == {"Concentration": "3,5"}
