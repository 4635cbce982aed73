"""Takes the cells out of XLSX workbooks by openpyxl; nothing in them is evaluated, run, or followed to elsewhere.

A workbook is a packed folder that may claim anything: it is unpacked piece by piece and thrown away before any of it is
read, and rows and columns are taken up to a bound whatever it says of its own size.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from cisterna.adapters.sheet_cell import ShownCells
from cisterna.adapters.sheet_merge import filled, has_uncalculated, merged_in
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.text import cut_line
from cisterna.metadata.sheet_column import letters_of
from cisterna.metadata.sheet_grid import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Grid, bounded
from cisterna.metadata.sheet_row import is_sheet_error

UNPACKED_LIMIT_BYTES = 32 * 1024 * 1024
_TAGS_MOST, _TAGS_MOST_BESIDE = 2_500_000, 100_000
"""Tags of XML in all parts together, which are four a cell, and in those about cells' looks and what belongs together.

A tag is a few bytes and costs the reader microseconds, in the latter parts ten: by its bytes alone a workbook of 32 MiB
kept a process busy for more than a minute.
"""
_BESIDE = ("xl/styles.xml", "docprops/", "[content_types].xml")
_MEMBERS_MOST, _SHEETS_MOST, _WIDEST = 2_000, 50, 2_000
_ENCODING = re.compile(rb"""\bencoding\s*=\s*["']([^"']*)""")
_ENCODINGS = frozenset({b"utf-8", b"utf-16", b"us-ascii", b"ascii"})
_EBCDIC = b"\x4c\x6f\xa7\x94"
"""How XML begins that is in no relative of ASCII."""
_PIECE_BYTES = 64 * 1024
_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Others are unpacked in one go, however much comes out; no spreadsheet writes them."""
_UNCALCULATED = (
    "has formulas without the values that they give, which count as empty; open it in a spreadsheet and save it"
)


def read_workbook(body: bytes, what: str) -> list[Grid]:
    """Take the cells out of every sheet that is a table; of a formula, what the program saved as its value.

    Args:
        body: The workbook, which `require_bearable` has let pass.
        what: The file, for messages.

    Raises:
        HostileInput: It has more cells than any sheet.
        InvalidInput: It is no XLSX, or a cell holds an error of the spreadsheet.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts of a workbook that openpyxl does not know and nobody asks for
            return list(_grids(body, what))
    except InvalidInput:
        raise
    except Exception as error:  # of openpyxl and of what it stands on: it raises what its parts happen to raise
        msg = f"{what} cannot be read as an XLSX workbook; save it anew from a spreadsheet, as XLSX or as CSV UTF-8"
        raise InvalidInput(msg) from error


def require_bearable(body: bytes, what: str) -> None:
    """Refuse a packed file that unpacks to more than is read, or to more than it claims.

    Raises:
        HostileInput: It is too large, has too much to tell, or has members that hold more than they claim.
        InvalidInput: It is no packed file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            _require_few(packed.infolist(), what)
            tags = beside = 0
            for member in packed.infolist():
                found = _tags_within(packed, member, what)
                tags += found
                beside += found if _is_beside(member.filename) else 0
                _require_bearable_tags(tags, beside, what)
    except HostileInput:
        raise
    except Exception as error:  # of zipfile and what it unpacks with: each raises errors of its own
        msg = f"{what} is not what its name says: no packed file without a password; save it anew"
        raise InvalidInput(msg) from error


def _require_few(members: Sequence[zipfile.ZipInfo], what: str) -> None:
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MEMBERS_MOST or unpacked > UNPACKED_LIMIT_BYTES:
        msg = f"{what} unpacks to {unpacked:,} bytes in {len(members):,} parts, more than any sheet of samples"
        most = f"at most {UNPACKED_LIMIT_BYTES:,} bytes in {_MEMBERS_MOST:,} parts are read"
        raise HostileInput(f"{msg}: {most}; save the one sheet as CSV UTF-8")


def _require_bearable_tags(tags: int, beside: int, what: str) -> None:
    if tags > _TAGS_MOST:
        msg = (
            f"{what} has more than {_TAGS_MOST:,} tags of XML, which are more cells or texts than any sheet of samples"
        )
        raise HostileInput(f"{msg}; leave out what is not about samples, or save the one sheet as CSV UTF-8")
    if beside > _TAGS_MOST_BESIDE:
        msg = f"{what} has more than {_TAGS_MOST_BESIDE:,} tags of XML about styles and properties"
        raise HostileInput(f"{msg}; copy the cells as values into a new workbook, or save the one sheet as CSV UTF-8")


def _is_beside(name: str) -> bool:
    return name.casefold().startswith(_BESIDE) or name.casefold().endswith(".rels")


def _tags_within(packed: zipfile.ZipFile, member: zipfile.ZipInfo, what: str) -> int:
    """Count the tags of a member, unpacked in small pieces.

    Who reads it whole has all of it in memory, and sees only what it claims.
    """
    claimed, found, tags = member.file_size, 0, 0
    if member.compress_type not in _PACKINGS:
        raise HostileInput(f"{what} is packed in a way that no spreadsheet packs; save the one sheet as CSV UTF-8")
    member.file_size += 1  # else zipfile stops at the claim
    with packed.open(member) as content:
        while found <= claimed and (piece := content.read(_PIECE_BYTES)):
            if not found:
                _require_plain(piece, what)
            found += len(piece)
            tags += piece.count(b"<")
    if found > claimed:
        raise HostileInput(f"{what} holds more than the {claimed:,} bytes that a part of it claims; save it anew")
    return tags


def _require_plain(begin: bytes, what: str) -> None:
    """Refuse XML in an encoding in which a tag may begin otherwise than it is counted, as in UTF-7.

    Workbooks are in UTF-8 or UTF-16 (ECMA-376), in which no other character has the byte of `<` in ASCII's place.
    """
    text = begin.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n")
    declared, end, _ = text.partition(b"?>")
    found = _ENCODING.search(declared)
    is_strange = found is not None and found[1].lower() not in _ENCODINGS
    if text.startswith(_EBCDIC) or (text.startswith(b"<?xml") and (not end or is_strange)):
        raise HostileInput(f"{what} has a part in an encoding that no spreadsheet writes; save it anew, as XLSX or CSV")


def _grids(body: bytes, what: str) -> Iterator[Grid]:
    book = _opened(body, what)
    cells = 0
    try:
        shown = ShownCells(book)
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
                continue  # who gives the workbook does not see what stands there
            name = cut_line(sheet.title) or "a sheet without a name"
            where = f"{what}, sheet '{name}'"
            sheet.reset_dimensions()  # what it claims of its own size may be anything
            part = book._archive.read(sheet._worksheet_path)  # noqa: SLF001 - told nowhere else
            rows = filled(bounded(_texts(sheet.iter_rows(), shown, where), where), merged_in(part, where), where)
            cells += sum(map(len, rows))
            if cells > MOST_CELLS:
                msg = f"{what} has more than {MOST_CELLS:,} cells in its sheets together"
                raise HostileInput(f"{msg}; leave out what is not about samples")
            yield Grid(name, rows, (f"sheet '{name}' {_UNCALCULATED}",) if has_uncalculated(part) else ())
    finally:
        book.close()


def _opened(body: bytes, what: str) -> Any:
    """Open a workbook, and look at which parts are its sheets before any of them is read.

    For each sheet of its list openpyxl reads what belongs to it, for one that is a chart all that is drawn there,
    however often the same part is named.
    """
    from openpyxl.reader.excel import ExcelReader

    class Reader(ExcelReader):  # type: ignore[misc]  # openpyxl has no types
        def read_worksheets(self) -> None:
            sheets = [relation for _, relation in self.parser.find_sheets()]
            parts = {relation.target for relation in sheets}
            if len(sheets) > _SHEETS_MOST or len(parts) != len(sheets):
                msg = f"{what} has {len(sheets):,} sheets in {len(parts):,} parts, and at most {_SHEETS_MOST} are read"
                raise HostileInput(f"{msg}, each of its own; save the one sheet as CSV UTF-8")
            if any("chartsheet" in relation.Type for relation in sheets):
                raise HostileInput(f"{what} has a sheet that is a chart; delete it, or save the one sheet as CSV UTF-8")
            super().read_worksheets()

    reader = Reader(io.BytesIO(body), read_only=True, data_only=True, keep_links=False, keep_vba=False)
    reader.read()
    return reader.wb


def _texts(rows: Iterator[Sequence[Any]], shown: ShownCells, what: str) -> Iterator[Sequence[str]]:
    """Write cells as text, but for the empty rows at the end, which a workbook may have by thousands.

    A row that is wider than any is refused even where all of it is empty: mihcsme-py reads it in its full width.
    """
    empty = 0
    for number, row in enumerate(rows, start=1):
        if len(row) > _WIDEST:
            msg = f"{what}, row {number:,}: there are cells up to column {letters_of(len(row))}"
            raise HostileInput(f"{msg}; delete the columns that are empty, or save the sheet as CSV UTF-8")
        if all(cell.value is None for cell in row):
            empty += 1
            if empty > MOST_ROWS:
                msg = f"{what} has more than {MOST_ROWS:,} rows, and empty ones from row {number - empty + 1:,} on"
                raise HostileInput(f"{msg}; save the sheet as CSV UTF-8")
            continue
        for _ in range(empty):
            yield ()
        empty = 0
        yield [_text(cell, shown, f"{what}, row {number:,}", place) for place, cell in enumerate(_within(row), start=1)]


def _within(row: Sequence[Any]) -> Sequence[Any]:
    """Give one cell more than any sheet has columns, so that it is seen to be too wide."""
    return row[: MOST_COLUMNS + 1]


def _text(cell: Any, shown: ShownCells, row: str, place: int) -> str:
    try:
        text = shown.text(cell)
    except InvalidInput as refusal:
        raise InvalidInput(f"{row}, column {letters_of(place)}: {refusal}") from refusal
    if is_sheet_error(text):
        msg = f"{row}, column {letters_of(place)}: the cell holds an error of the spreadsheet"
        raise InvalidInput(f"{msg} ({text}); mend its formula")
    return text
