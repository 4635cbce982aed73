"""Takes the cells out of XLSX workbooks by openpyxl; nothing in them is evaluated, run, or followed to elsewhere.

A workbook is a packed folder that may claim anything: how much it unpacks to is counted before any of it is read, and
rows and columns are taken up to a bound whatever it says of its own size.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.text import cut_line
from cisterna.metadata.sheet_column import letters_of
from cisterna.metadata.sheet_grid import MOST_COLUMNS, MOST_ROWS, Grid, bounded

UNPACKED_LIMIT_BYTES = 32 * 1024 * 1024
_MEMBERS_MOST, _SHEETS_MOST = 2_000, 50
_ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!"})


def read_workbook(body: bytes, what: str) -> list[Grid]:
    """Take the cells out of every sheet that is a table; of a formula, what the program saved as its value.

    Raises:
        HostileInput: It unpacks to more than any sheet has, or has more cells.
        InvalidInput: It is no XLSX, or a cell holds an error of the spreadsheet.
    """
    require_bearable(body, what)
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
    """Refuse a packed file that claims to unpack to more than is read; no member gives more than it claims.

    Raises:
        HostileInput: It claims too much.
        InvalidInput: It is no packed file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            members = packed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise InvalidInput(f"{what} is not what its name says: no packed file; save it anew") from error
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MEMBERS_MOST or unpacked > UNPACKED_LIMIT_BYTES:
        msg = f"{what} unpacks to {unpacked:,} bytes in {len(members):,} parts, more than any sheet of samples"
        raise HostileInput(f"{msg}; save the one sheet as CSV UTF-8")


def _grids(body: bytes, what: str) -> Iterator[Grid]:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False, keep_vba=False)
    try:
        for sheet in book.worksheets[:_SHEETS_MOST]:
            name = cut_line(sheet.title) or "a sheet without a name"
            sheet.reset_dimensions()  # what it claims of its own size may be anything
            rows = sheet.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True)
            yield Grid(name, bounded(_texts(rows, f"{what}, sheet '{name}'"), f"{what}, sheet '{name}'"))
    finally:
        book.close()


def _texts(rows: Iterator[Sequence[Any]], what: str) -> Iterator[Sequence[str]]:
    """Write cells as text, but for the empty rows at the end, which a workbook may have by thousands."""
    empty = 0
    for number, row in enumerate(rows, start=1):
        if row.count(None) == len(row):
            empty += 1
            if empty > MOST_ROWS:
                msg = f"{what} has more than {MOST_ROWS:,} rows, and empty ones from row {number - empty + 1:,} on"
                raise HostileInput(f"{msg}; save the sheet as CSV UTF-8")
            continue
        for _ in range(empty):
            yield ()
        empty = 0
        texts = [_text(cell) for cell in row]
        for place, text in enumerate(texts, start=1):
            if text in _ERRORS:
                msg = f"{what}, row {number:,}, column {letters_of(place)}: the cell holds an error of the spreadsheet"
                raise InvalidInput(f"{msg} ({text}); mend its formula")
        yield texts


def _text(cell: object) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell).strip()
