"""Finds in a sheet of a workbook what its cells do not tell: which were merged, and which are no values.

openpyxl leaves both out of a workbook that it only reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from cisterna.domain.errors import HostileInput
from cisterna.metadata.sheet_grid import MOST_CELLS, MOST_COLUMNS

_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^<>]*?\bref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_UNCALCULATED = re.compile(
    rb"<(?:\w+:)?c\b(?![^<>]*\st=)[^<>]*><(?:\w+:)?f\b(?:[^<>]*/>|[^<>]*>[^<]*</(?:\w+:)?f>)"
    rb"(?:<(?:\w+:)?v ?/>|<(?:\w+:)?v></(?:\w+:)?v>)?</(?:\w+:)?c>"
)
"""A formula that gave an empty text has a type, and is none of these. No tag is looked for beyond the next one.

In a remark of XML a million of them may begin and none end.
"""
_MERGES_MOST = 10_000
_TITLE_ROWS = 3


class Merged(NamedTuple):
    """Cells that are shown as one; rows and columns count from 1."""

    top: int
    left: int
    bottom: int
    right: int


def has_uncalculated(part: bytes) -> bool:
    """Tell whether a sheet has formulas without the values that they give: a program wrote it, and no spreadsheet."""
    return _UNCALCULATED.search(part) is not None


def merged_in(part: bytes, what: str) -> list[Merged]:
    """Find the cells that are merged. Raises `HostileInput` where there are more than anybody merges."""
    found = []
    for one in _MERGED.finditer(part):
        found.append(Merged(int(one[2]), _number(one[1]), int(one[4]), _number(one[3])))
        if len(found) > _MERGES_MOST:
            raise HostileInput(
                f"{what} has more than {_MERGES_MOST:,} merged cells; copy it as values into a new sheet"
            )
    return found


def filled(rows: Sequence[Sequence[str]], merges: Sequence[Merged], what: str) -> list[Sequence[str]]:
    """Write what a merged cell says into each that it covers, as it is seen; a title alone in its rows stays one.

    Raises:
        HostileInput: That would be more cells than any sheet has.
    """
    full: list[Sequence[str]] = list(rows)
    room = MOST_CELLS
    for one in merges:
        place = (full[one.top - 1 : one.top] or [()])[0]
        text = place[one.left - 1] if one.left <= len(place) else ""
        covered = range(one.top - 1, min(one.bottom, len(full)))
        if not text or (len(covered) <= _TITLE_ROWS and sum(bool(cell) for at in covered for cell in full[at]) == 1):
            continue
        width = min(one.right, MOST_COLUMNS) - one.left + 1
        room -= width * len(covered)
        if room < 0:
            raise HostileInput(f"{what} has merged cells over more than {MOST_CELLS:,} cells; give a smaller sheet")
        for at in covered:
            full[at] = _with(full[at], one.left - 1, width, text)
    return full


def _with(row: Sequence[str], left: int, width: int, text: str) -> Sequence[str]:
    before = [*row[:left], *[""] * (left - len(row))]
    return [*before, *[text] * width, *row[left + width :]]


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
