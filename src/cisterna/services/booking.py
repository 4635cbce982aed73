"""Booking tables: CSV with the columns instrument, start, end, project, read with suspicion."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput
from cisterna.domain.identifier import Slug
from cisterna.ports.booking import BookingTables

COLUMNS = ("instrument", "start", "end", "project")
MOST_BYTES = 8 * 1024 * 1024
MOST_ROWS = 100_000
_MOST_CELL = 200
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


class Booking(Value):
    """One row: an instrument was a project's from one moment until just before another."""

    instrument: Slug
    start: Moment
    end: Moment
    project: Slug


def find_booking(path: str, *, instrument: str, moment: datetime, tables: BookingTables) -> Booking | None:
    """Tell who had an instrument at a moment; None when nobody had booked it.

    Times and projects in rows of other instruments are not judged, so that a slip there stops nobody here.

    Args:
        path: Of the table.
        instrument: By name.
        moment: When the run began.
        tables: Reads the file.

    Raises:
        InvalidInput: The table, or a row of this instrument, does not have its form; or two projects had it at once.
        NotFound, HostileInput: The table cannot be read.
    """
    text = _decoded(tables.read(path, limit_bytes=MOST_BYTES), path=path)
    found: Booking | None = None
    for number, row in _rows(text, path=path):
        if row["instrument"].strip() != instrument:
            continue
        booking = _booking(row, number=number, path=path)
        if not booking.start <= moment < booking.end:
            continue
        if found is not None and found.project != booking.project:
            msg = f"{path}: '{instrument}' is booked for '{found.project}' and for '{booking.project}' at once"
            raise InvalidInput(f"{msg} ({moment.isoformat()}); correct the table", path=path, row=number)
        found = booking
    return found


def _decoded(content: bytes, *, path: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 (byte {error.start}); save it as CSV UTF-8"
        raise InvalidInput(msg, path=path) from error


def _rows(text: str, *, path: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Give rows by column name, with the line that each ends on."""
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",", strict=True)
    try:
        columns = [name.strip().casefold() for name in next(reader, [])]
        if sorted(columns) != sorted(COLUMNS):
            shown = ", ".join(name[:40] for name in columns[:8]) or "none"
            msg = f"{path} must have the columns {', '.join(COLUMNS)} in its first line; it has: {shown}"
            raise InvalidInput(msg, path=path)
        for count, cells in enumerate(reader, start=1):
            if count > MOST_ROWS:
                msg = f"{path} has more than {MOST_ROWS} rows; keep past years elsewhere"
                raise InvalidInput(msg, path=path)
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns) or any(len(cell) > _MOST_CELL for cell in cells):
                msg = f"{path}, line {reader.line_num}: a row has four cells of at most {_MOST_CELL} characters"
                raise InvalidInput(msg, path=path, row=reader.line_num)
            yield reader.line_num, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        msg = f"{path}, line {reader.line_num}: not CSV ({error}); save it again as CSV"
        raise InvalidInput(msg, path=path, row=reader.line_num) from error


def _booking(row: Mapping[str, str], *, number: int, path: str) -> Booking:
    try:
        booking = Booking(
            instrument=row["instrument"].strip(),
            start=datetime.fromisoformat(row["start"].strip()),
            end=datetime.fromisoformat(row["end"].strip()),
            project=_SLUG.validate_python(row["project"].strip()),
        )
    except (ValueError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        msg = f"{path}, line {number}: {reason}; write times as 2026-11-23T09:00+01:00 and the project's short name"
        raise InvalidInput(msg, path=path, row=number) from error
    if booking.end <= booking.start:
        msg = f"{path}, line {number}: the booking ends before it begins; correct the table"
        raise InvalidInput(msg, path=path, row=number)
    return booking
