"""Wells of plates, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

ROWS, COLUMNS = 32, 48
"""Of the largest plate there is, of 1,536 wells."""

_NAME = re.compile(r"([A-Za-z]{1,2})[ _:-]?0{0,2}([1-9][0-9]?)")


class Well(NamedTuple):
    """A place on a plate; rows and columns count from 1."""

    row: int
    column: int

    @property
    def name(self) -> str:
        """`A1` to `AF48`."""
        return f"{row_letters(self.row)}{self.column}"


def well_of(text: str) -> Well | None:
    """Read a well in the spellings that people and instruments use: `A1`, `a01`, `A-1`; None for any other name."""
    found = _NAME.fullmatch(text.strip()) if text.isascii() else None
    row = row_number(found[1]) if found else None
    if found is None or row is None or int(found[2]) > COLUMNS:
        return None
    return Well(row, int(found[2]))


def well_at(row: str, column: str) -> Well | None:
    """Read a well from its row, by letters or number, and its column; None where they are those of none."""
    number, place = row_number(row), column.strip()
    if number is None or not re.fullmatch(r"0{0,2}[1-9][0-9]?", place) or int(place) > COLUMNS:
        return None
    return Well(number, int(place))


def row_number(text: str) -> int | None:
    """Read a row of a plate, by its letters or its number; None for anything else."""
    letters = text.strip().upper()
    if re.fullmatch(r"[0-9]{1,3}", letters):
        number = int(letters)
    elif re.fullmatch(r"[A-Z]{1,2}", letters):
        number = 0
        for letter in letters:
            number = number * 26 + ord(letter) - ord("A") + 1
    else:
        return None
    return number if 1 <= number <= ROWS else None


def row_letters(row: int) -> str:
    """Write a row: 1 is `A`, 32 is `AF`."""
    high, low = divmod(row - 1, 26)
    return (chr(ord("A") + high - 1) if high else "") + chr(ord("A") + low)


def wells_of(names: Iterable[str]) -> frozenset[Well]:
    """Give the wells among names; those that are none are left out."""
    return frozenset(well for name in names if (well := well_of(name)) is not None)
