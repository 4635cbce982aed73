"""Sheets are read by what their bytes are, in bounds: no workbook unpacks, runs or asks for anything."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from datetime import date
from typing import Any

import pytest
from mihcsme_py import models as mihcsme
from mihcsme_py.writer import write_metadata_to_excel
from openpyxl import Workbook

from cisterna.adapters.sheet_file import SheetFiles
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.sample_sheet import SampleSheet, SheetForm

ROWS = [["Well", "Compound", "Dose", "Cell line"], ["A01", "DMSO", 0, "HeLa"], ["B12", "X", 0.5, "HeLa"]]
MAP = [["Treatment", 1, 2, 3], ["A", "DMSO", "X", None], ["B", "Y", None, "Z"]]


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def packed(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return kept.getvalue()


def changed(body: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """Change a part of a workbook as a program never would."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    assert old in members[name]
    return packed(**{**members, name: members[name].replace(old, new)})


def read(body: bytes, name: str = "samples.xlsx") -> SampleSheet:
    return SheetFiles().read({name: body})


def test_a_workbook_says_what_the_same_csv_says() -> None:
    csv = "\n".join(",".join(map(str, row)) for row in ROWS)

    assert read(workbook(Layout=ROWS)).samples[0].treatments == read(csv.encode(), "samples.csv").samples[0].treatments
    assert [one.place for one in read(workbook(Notes=[["by Ada"]], Layout=ROWS)).samples] == ["A1", "B12"]
    assert [one.place for one in read(workbook(Plate=MAP)).samples] == ["A1", "A2", "B1", "B3"]


def test_a_map_is_called_by_its_sheet_where_that_tells_what_it_shows() -> None:
    sheet = read(workbook(Compound=[[None, *MAP[0][1:]], *MAP[1:]]))

    assert sheet.samples[0].treatments[0].what.label == "DMSO"


def test_a_workbook_with_two_tables_of_samples_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'One' and 'Two' each have a table of samples"):
        read(workbook(One=ROWS, Two=ROWS))


def test_a_fault_names_sheet_row_and_column() -> None:
    with pytest.raises(InvalidInput, match="sheet 'Layout', row 4, column 'Well': 'Z99' is no well"):
        read(workbook(Layout=[*ROWS, ["Z99", "X", 1, "HeLa"]]))


def test_formulas_are_not_evaluated_and_errors_of_a_spreadsheet_are_no_values() -> None:
    body = workbook(Layout=[*ROWS, ["C1", '=HYPERLINK("http://localhost","x")', "=1+1", "HeLa"]])

    assert read(body).samples[2].treatments == ()
    with pytest.raises(InvalidInput, match=r"sheet 'Layout', row 4, column B.*error of the spreadsheet \(#REF!\)"):
        read(workbook(Layout=[*ROWS, ["C1", "#REF!", 1, "HeLa"]]))


def test_a_date_is_kept_as_a_day() -> None:
    body = workbook(Layout=[["Well", "Compound", "Thawed"], ["A1", "DMSO", date(2026, 11, 30)]])

    assert read(body).samples[0].others == (("Thawed", "2026-11-30"),)


def test_a_workbook_that_unpacks_to_more_than_any_sheet_is_refused_before_it_is_read() -> None:
    bomb = packed(**{"xl/workbook.xml": b"0" * (33 * 1024 * 1024)})

    assert len(bomb) < 100_000
    with pytest.raises(HostileInput, match="unpacks to 34,603,008 bytes"):
        read(bomb)


def claiming(body: bytes, name: str, content: bytes, packing: int) -> bytes:
    """Pack a member that holds `body` and claims, with its checksum, to hold `content`."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", packing) as archive:
        archive.writestr(name, body)
    directory = kept.getvalue().rindex(b"PK\x01\x02")
    claim = struct.pack("<I", zlib.crc32(content)), struct.pack("<I", len(content))
    changed = bytearray(kept.getvalue())
    changed[directory + 16 : directory + 20], changed[directory + 24 : directory + 28] = claim
    return bytes(changed)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_packed_file_that_holds_more_than_it_claims_is_not_unpacked_whole(packing: int) -> None:
    header = b"Sample Name\tFactor Value[x]\n"
    bomb = claiming(header + bytes(8 * 1024 * 1024), "s_x.txt", header, packing)

    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput):
            read(bomb, "isa.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4 * 1024 * 1024


def test_a_workbook_with_cells_far_to_the_right_is_refused_before_anybody_takes_them_for_a_table() -> None:
    wide = changed(
        a_mihcsme(mihcsme.AssayCondition(plate="P1", well="A1")),
        "xl/worksheets/sheet2.xml",
        b"</sheetData>",
        b'<row r="900"><c r="XFD900"/></row></sheetData>',
    )

    with pytest.raises(HostileInput, match="sheet 'StudyInformation', row 900: there are cells up to column XFD"):
        read(wide)


def test_a_workbook_of_many_sheets_or_of_one_part_as_two_is_refused() -> None:
    twice = changed(workbook(a=ROWS, b=ROWS), "xl/_rels/workbook.xml.rels", b"sheet2.xml", b"sheet1.xml")

    for body, words in ((twice, "2 sheets in 1 parts"), (workbook(**{f"s{n}": [] for n in range(51)}), "51 sheets")):
        with pytest.raises(HostileInput, match=words):
            read(body)


def test_a_workbook_that_claims_a_million_rows_gives_those_that_it_has() -> None:
    body = workbook(Layout=ROWS)

    claimed = changed(body, "xl/worksheets/sheet1.xml", b'ref="A1:D3"', b'ref="A1:XFD1048576"')

    assert len(read(claimed).samples) == 2


def test_a_cell_in_the_last_row_of_a_workbook_makes_no_million_of_rows() -> None:
    far = changed(
        workbook(Layout=ROWS),
        "xl/worksheets/sheet1.xml",
        b"</sheetData>",
        b'<row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData>',
    )

    with pytest.raises(HostileInput, match="more than 20,000 rows"):
        read(far)


def test_entities_of_xml_are_refused() -> None:
    bomb = changed(
        workbook(Layout=ROWS),
        "xl/worksheets/sheet1.xml",
        b"<worksheet",
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><worksheet',
    )

    with pytest.raises(InvalidInput, match="cannot be read as an XLSX workbook"):
        read(bomb)


@pytest.mark.parametrize(
    ("body", "name", "words"),
    [
        (b"not packed", "samples.xlsx", "not what its name says"),
        (b"PK\x03\x04" + b"\0" * 50, "samples.xlsx", "not what its name says"),
        (packed(**{"word/document.xml": b"<x/>"}), "samples.xlsx", "cannot be read as an XLSX workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "samples.xls", "an old XLS workbook"),
        (b"\x89PNG\r\n\x1a\n\xff", "samples.csv", "not UTF-8"),
    ],
)
def test_a_wrong_file_is_told_as_such(body: bytes, name: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(body, name)


def test_a_file_larger_than_any_sheet_is_not_looked_into() -> None:
    with pytest.raises(HostileInput, match="4,194,305 bytes"):
        read(b"x" * (4 * 1024 * 1024 + 1), "samples.csv")


def a_mihcsme(*conditions: mihcsme.AssayCondition) -> bytes:
    """Write a workbook by the library that keeps the format."""
    biosample = mihcsme.Biosample(**{"Biosample Organism": "Homo sapiens", "Biosample Taxon": "9606"})
    channels = [mihcsme.Channel(visualization_method="Hoechst 33342", entity="DNA", label="Nuclei", id="1")]
    told = mihcsme.MIHCSMEMetadata(
        investigation_information=mihcsme.InvestigationInformation(),
        study_information=mihcsme.StudyInformation(biosample=biosample),
        assay_information=mihcsme.AssayInformation(specimen=mihcsme.Specimen(channels=channels)),
        assay_conditions=list(conditions),
    )
    kept = io.BytesIO()
    write_metadata_to_excel(told, kept)
    return kept.getvalue()


def condition(well: str, **told: str) -> mihcsme.AssayCondition:
    return mihcsme.AssayCondition(plate="P1", well=well, conditions=told)


def test_a_mihcsme_workbook_gives_wells_and_what_holds_for_all_of_them() -> None:
    sheet = read(a_mihcsme(condition("A1", Treatment="DMSO", CellLine="HeLa"), condition("B2", Treatment="X")))

    first, second = sheet.samples
    assert sheet.form is SheetForm.MIHCSME
    assert (first.place, second.place, sheet.plates) == ("A1 of plate P1", "B2 of plate P1", ("P1",))
    assert [one.line for one in second.organisms] == ["Homo sapiens; NCBITaxon:9606"]
    assert [(one.what.label, one.channel) for one in first.stains] == [("Hoechst 33342", "Nuclei")]
    assert (first.treatments[0].what.label, first.cell_lines[0].label) == ("DMSO", "HeLa")


def test_a_mihcsme_workbook_that_its_library_refuses_is_refused_with_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = a_mihcsme(condition("A1", Treatment="DMSO"))
    without = changed(body, "xl/workbook.xml", b'name="StudyInformation"', b'name="Other"')

    with pytest.raises(InvalidInput, match="no MIHCSME workbook as it should be: Missing required sheets: StudyInf"):
        read(without)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["s_study.txt", "metadata/sample-sheet.txt", "plate.tsv"])
def test_one_study_file_of_an_isa_tab_is_known_by_its_header(name: str) -> None:
    body = b'"Source Name"\t"Sample Name"\t"Characteristics[well]"\t"Factor Value[drug]"\nx\ty\tA1\tDMSO\n'

    sheet = read(body, name)

    assert (sheet.form, sheet.samples[0].place) == (SheetForm.ISA_TAB, "A1")


def test_an_isa_tab_may_come_packed() -> None:
    body = packed(
        **{
            "study/s_one.txt": b"Sample Name\tCharacteristics[well]\tFactor Value[drug]\nx\tA1\tDMSO\n",
            "study/i_investigation.txt": b"anything",
        }
    )

    sheet = read(body, "isa.zip")

    assert (sheet.form, sheet.samples[0].place) == (SheetForm.ISA_TAB, "A1")
    with pytest.raises(InvalidInput, match="two files of one name"):
        read(packed(**{"a/s_one.txt": b"x", "b/s_one.txt": b"x"}), "isa.zip")
