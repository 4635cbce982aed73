"""Writes the cells of a workbook as its author sees them: a number may be kept otherwise than it is shown."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from cisterna.domain.errors import InvalidInput

_KEPT = 1e15
"""From here on a spreadsheet has rounded a whole number, and which one was meant cannot be told."""
_FEW_DIGITS = 6
"""Of a large number as people write one, such as 2.5e16: of no name is so little left."""
_FORMAT = re.compile(r'(?:#|0|,)*?(0+)(\.[0#?]*)? *(%?) *(?:"([^"]{1,30})")? *')
_NOT_SHOWN = re.compile(r"\[[^\]]*\]|_.|\*.")
"""Colours and conditions, and what leaves room in the width of a character."""


class _Form(NamedTuple):
    """How a format shows numbers.

    Attributes:
        digits: That are shown at least, zeros before the others.
        unit: Words that are shown behind each.
    """

    digits: int = 0
    is_percent: bool = False
    unit: str = ""


class ShownCells:
    """Writes the cells of one workbook of openpyxl's that is only read."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._forms: dict[int, _Form] = {}

    def text(self, cell: Any) -> str:
        """Write a cell.

        Raises:
            InvalidInput: It is a number of which a spreadsheet did not keep every digit.
        """
        value = cell.value
        match value:
            case None:
                return ""
            case bool():
                return "yes" if value else "no"
            case int() | float():
                return self._number(value, self._form(cell))
            case datetime() | date() | time() | timedelta():
                return _time(value)
            case _:
                return str(value).strip()

    def _form(self, cell: Any) -> _Form:
        style = cell._style_id  # noqa: SLF001 - its format is looked up once for all cells that have it
        if style not in self._forms:
            self._forms[style] = _form_of(cell.number_format or "")
        return self._forms[style]

    @staticmethod
    def _number(value: float, form: _Form) -> str:
        if form.is_percent:
            return f"{value * 100:.15g}%"
        if not float(value).is_integer():
            text = f"{value:.15g}"
        elif abs(value) < _KEPT:
            text = f"{int(value):0{form.digits}}"
        else:
            text = f"{value:.15g}"
            if len(text.partition("e")[0].replace(".", "").strip("-0")) > _FEW_DIGITS:
                msg = "a spreadsheet keeps 15 digits of a number, and this one has more"
                raise InvalidInput(f"{msg}; write it as text, with an apostrophe before it")
        return f"{text} {form.unit}" if form.unit else text


def _form_of(shown: str) -> _Form:
    """Read a format as far as it says what belongs to a number; any other shows the number alone."""
    literal = re.sub(r"\\(.)", r'"\1"', _NOT_SHOWN.sub("", shown)).replace('""', "")
    found = _FORMAT.fullmatch(literal.partition(";")[0])
    if found is None:
        return _Form()
    zeros, decimals, percent, unit = found.groups()
    is_padded = decimals is None and not percent and len(zeros) == len(literal)
    return _Form(digits=len(zeros) if is_padded else 0, is_percent=bool(percent), unit=(unit or "").strip())


def _time(value: date | time | timedelta) -> str:
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat()
