"""A workbook of a few kilobytes may claim work for minutes: it is refused early, with the limit in words."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
from openpyxl import Workbook
from openpyxl.chart import BarChart

from cisterna.domain.errors import HostileInput
from tests.adapters.test_sheet_file import ROWS, changed, packed, read, workbook

MANY = 650_000
SHEET, STYLES = "xl/worksheets/sheet1.xml", "xl/styles.xml"


@pytest.mark.parametrize(
    ("part", "before", "filling", "words"),
    [
        (SHEET, b"</sheetData>", b"<row/>" * 1_000_000, r"more than 20,000 rows, and empty ones from row 4 on"),
        (SHEET, b"</sheetData>", b"<row><c><v>1</v></c></row>" * MANY, r"more than 2,500,000 tags of XML"),
        (STYLES, b"</cellXfs>", b"<xf/>" * 100_001, r"more than 100,000 tags of XML about styles"),
        ("_rels/.rels", b"</Relationships>", b"<x/>" * 100_001, r"more than 100,000 tags of XML about styles"),
    ],
    ids=["empty-rows", "rows", "styles", "relations"],
)
def test_a_workbook_that_would_keep_a_process_busy_is_refused_early_and_names_the_limit(
    part: str, before: bytes, filling: bytes, words: str
) -> None:
    body = changed(workbook(Plate=ROWS), part, before, filling + before)
    begun = time.process_time()

    with pytest.raises(HostileInput, match=words):
        read(body)

    assert len(body) < 200_000
    assert time.process_time() - begun < 5


def test_huge_shared_strings_are_refused_before_they_are_read() -> None:
    kept = io.BytesIO(workbook(Plate=ROWS))
    with zipfile.ZipFile(kept, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b"<sst>" + b"<si><t>a</t></si>" * MANY + b"</sst>")

    with pytest.raises(HostileInput, match=r"more than 2,500,000 tags of XML"):
        read(kept.getvalue())


def test_the_cells_of_all_sheets_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.adapters.sheet_workbook.MOST_CELLS", 30)
    body = workbook(Plate=ROWS, Notes=[["x"] * 10, ["y"] * 10])

    with pytest.raises(HostileInput, match="more than 30 cells in its sheets together"):
        read(body)


def test_a_sheet_that_is_a_chart_is_refused_before_what_it_draws_is_read() -> None:
    book = Workbook()
    for row in ROWS:
        book.active.append(row)
    chart = book.create_chartsheet("Drawn")
    chart.add_chart(BarChart())
    kept = io.BytesIO()
    book.save(kept)

    with pytest.raises(HostileInput, match="a sheet that is a chart; delete it"):
        read(kept.getvalue())


@pytest.mark.parametrize("declared", ["UTF-7", "utf-7", "UNICODE-1-1-UTF-7", "IBM037", "HZ-GB-2312", "x" * 90_000])
@pytest.mark.parametrize("code", ["utf-8", "utf-16"])
def test_tags_cannot_be_hidden_from_the_count_by_another_encoding(declared: str, code: str) -> None:
    body = workbook(Layout=[["Well"], ["A1"]])
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    styles = members["xl/styles.xml"].decode().rpartition("?>")[2].replace("</cellXfs>", "<xf/>" * 1_000 + "</cellXfs>")
    hidden = styles.replace("<", "+ADw-") if "7" in declared else styles.replace("<", "L")

    with pytest.raises(HostileInput, match="encoding that no spreadsheet writes"):
        read(
            packed(**{**members, "xl/styles.xml": f'<?xml version="1.0" encoding="{declared}"?>{hidden}'.encode(code)})
        )


def test_the_encodings_of_spreadsheets_are_read() -> None:
    body = workbook(Layout=[["Well", "Compound"], ["A1", "X"]])
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    bare = members[part].decode().rpartition("?>")[2]

    for declared, code in (("UTF-8", "utf-8"), ("utf-8", "utf-8-sig"), ("UTF-16", "utf-16"), ("US-ASCII", "ascii")):
        written = f'<?xml version="1.0" encoding="{declared}" standalone="yes"?>{bare}'.encode(code)
        assert [one.place for one in read(packed(**{**members, part: written})).samples] == ["A1"]
