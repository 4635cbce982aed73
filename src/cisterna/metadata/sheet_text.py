"""Takes the cells out of text: CSV in the ways that programs write it, and tabs."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.metadata.sheet_grid import Grid, bounded, says_something

_DELIMITERS = (",", ";", "\t")
_LOOKED_AT = 60
"""Rows by which it is told what parts the cells."""
_FIELD_LIMIT = 131_072
"""What Python's reader takes of one cell; a quote that is never closed ends there."""


def read_text_grid(body: bytes, what: str, *, delimiter: str | None = None) -> Grid:
    """Take the cells out of delimited text (RFC 4180).

    Args:
        body: UTF-8, or UTF-16 with its mark, as spreadsheets save it.
        what: The file, for messages.
        delimiter: That the file's name stands for; None looks for the one that its first line has most of.

    Raises:
        HostileInput: There is more of it than of any sheet.
        InvalidInput: It is no such text.
    """
    text = _decoded(body, what)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text), strict=True)
    try:
        return Grid("", bounded(_stripped(reader), what))
    except csv.Error as error:
        msg = f"{what} is no table from line {reader.line_num:,} on ({_reason(error)}); save it anew from a spreadsheet"
        kind = HostileInput if "field larger" in str(error) else InvalidInput
        raise kind(msg) from error


def _stripped(rows: Iterator[list[str]]) -> Iterator[Sequence[str]]:
    for row in rows:
        yield [cell.strip() for cell in row]


def _decoded(body: bytes, what: str) -> str:
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = body.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{what} is not UTF-8 text; save it as CSV UTF-8, or as XLSX") from error
    if "\0" in text:
        raise InvalidInput(f"{what} holds zero bytes, which no text has; save it as CSV UTF-8, or as XLSX")
    return text


def _delimiter(text: str) -> str:
    """Take what makes a table or a map of the first rows, else what the first line has most of.

    A title or a header may have more commas in its words than it has columns, and numbers have some of their own.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    likely = sorted(_DELIMITERS, key=first.count, reverse=True)
    return next((one for one in likely if says_something(Grid("", _first_rows(text, one)))), likely[0])


def _first_rows(text: str, delimiter: str) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    with suppress(csv.Error):  # it is told when the whole is read
        for row in islice(_stripped(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), _LOOKED_AT):
            rows.append(row)  # noqa: PERF402 - those before an error count
    return rows


def _reason(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a cell holds more than {_FIELD_LIMIT:,} characters, or a quote is never closed"
    return str(error)[:100]
