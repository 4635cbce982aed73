"""Reads text formats that others wrote, within bounds: nothing here takes long, takes much or raises its own errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import NoReturn

from cisterna.domain.errors import InvalidInput


def json_object(body: bytes, what: str) -> dict[str, object]:
    """Parse a JSON object; the caller has bounded its size.

    Raises:
        InvalidInput: It is no JSON object in UTF-8, nests too deeply, or holds a number that is none.
    """
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        msg = f"{what} is not the JSON it must be ({_first_line(error)}); look at the file"
        raise InvalidInput(msg, path=what) from error
    if not isinstance(content, dict):
        msg = f"{what} holds a {type(content).__name__} where an object must be; look at the file"
        raise InvalidInput(msg, path=what)
    return content


def csv_rows(body: bytes, what: str, *, columns: Sequence[str], most: int) -> list[dict[str, str]]:
    """Parse a table with a header; cells that are not there are empty.

    Raises:
        InvalidInput: It is no CSV in UTF-8, lacks a column, or has more than `most` rows.
    """
    rows: list[dict[str, str]] = []
    try:
        table = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header = next(table, [])
        absent = [column for column in columns if column not in header]
        if absent:
            msg = f"{what} has no column '{absent[0]}'; look at the file"
            raise InvalidInput(msg, path=what)
        places = [(column, header.index(column)) for column in columns]
        for cells in table:
            if not cells:
                continue
            if len(rows) >= most:
                msg = f"{what} has more than {most} rows; no run of this kind is that large"
                raise InvalidInput(msg, path=what)
            rows.append({column: cells[place] if place < len(cells) else "" for column, place in places})
    except (ValueError, csv.Error) as error:
        msg = f"{what} is not the table it must be ({_first_line(error)}); look at the file"
        raise InvalidInput(msg, path=what) from error
    return rows


def plain_text(value: object, *, longest: int = 500) -> str | None:
    """Return a printable text without its outer blanks, or None for anything else, and for text longer than allowed."""
    if not isinstance(value, str) or len(value) > longest:
        return None
    text = value.strip()
    return text if text and text.isprintable() else None


def whole_number(value: object, *, least: int, most: int) -> int | None:
    """Return an integer within the bounds, or None for anything else (a bool is none)."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if least <= value <= most else None


def real_number(value: object, *, least: float, most: float) -> float | None:
    """Return a number within the bounds, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if least <= number <= most else None


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is no number"
    raise ValueError(msg)


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
