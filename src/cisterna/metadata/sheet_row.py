"""Reads one row of a sample sheet, by what its columns mean."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from cisterna.domain.credit import Subject
from cisterna.domain.errors import HostileInput
from cisterna.domain.sample_sheet import Quantity, Sample, Stain, Treatment
from cisterna.domain.text import clean_line
from cisterna.domain.well import Well, well_at, well_of
from cisterna.metadata.sheet_column import Column, Meaning, told_apart

_NOTHING = frozenset(
    {"", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "na", "n/a", "nan", "null", "#n/a", "#saknas!", "#nv"}
)
"""What people write into a cell that says nothing."""
_NUMBER = re.compile(r"([+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)\s*(.*)")
_UNIT = re.compile(r"(?![xX] *[0-9^])[^\W\d_].{0,29}|[%\u2030\u00b0].{0,29}|")
"""What may follow a number: `5-10 nM`, `1:1000`, `1 000 nM` and `5 x10^6` are no number and its unit."""
_THOUSANDS = re.compile(r"[0-9]{1,3},[0-9]{3}")
_SHEET_ERROR = re.compile(r"#[^\W\d_a-z]{3,15}(?:/0)?[!?]")
"""In whatever language: `#REF!`, `#DIV/0!`, `#NAME?`, `#NAMN?`."""
_MONTHS = "jan|feb|mar|apr|may|maj|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_DATE = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|[0-9]{{1,2}}-(?:{_MONTHS})(?:-[0-9]{{2,4}})?", re.IGNORECASE)
"""What a spreadsheet makes of names such as SEPT2 and MARCH1."""
_REMARKS_MOST, _FAULTS_MOST = 20, 100


class RowReader:
    """Reads rows of one table; what is at fault is gathered, so that all of it can be told at once.

    Args:
        columns: Of the table.
        what: The file.
        sheet: Of the workbook; empty where there is one alone.

    Attributes:
        faults: What cannot be used, each with its row and column.
        remarks: What was left out and does no harm.
    """

    def __init__(self, columns: Sequence[Column], what: str, *, sheet: str) -> None:
        self._columns = told_apart(columns)
        self._sheet = sheet
        self._what = what
        self._cleaned: dict[str, str] = {}
        self._subjects: dict[tuple[str, str | None], Subject] = {}
        self.faults: list[str] = []
        self.remarks: list[str] = []
        self._require_each_once()

    def read(self, number: int, texts: Mapping[int, str]) -> Sample | None:
        """Read the row of that number; None for one that says nothing, or that is at fault.

        Args:
            number: For people, counted from 1.
            texts: By the place of their columns.
        """
        before = len(self.faults)
        said = [
            (column, text)
            for column in self._columns
            if (text := self._clean(texts.get(column.place, ""), column, number)) is not None
        ]
        if not said or before != len(self.faults):
            return None
        well = self._well(said, number)
        name, file = self._first(said, Meaning.SAMPLE), self._first(said, Meaning.FILE)
        if before != len(self.faults):
            return None
        if well is None and name is None and file is None:
            self._fault(number, None, "no well, sample or file is named; fill it in or take the row out")
            return None
        treatments, loose = self._treatments(said, number)
        return Sample(
            row=number,
            sheet=self._sheet,
            plate=self._first(said, Meaning.PLATE),
            well=well,
            name=name,
            file=file,
            organisms=self._terms(said, Meaning.ORGANISM, number),
            tissues=self._terms(said, Meaning.TISSUE, number),
            cell_lines=self._terms(said, Meaning.CELL_LINE, number),
            diseases=self._terms(said, Meaning.DISEASE, number),
            treatments=treatments,
            stains=self._stains(said, number),
            control=self._first(said, Meaning.CONTROL),
            replicate=self._first(said, Meaning.REPLICATE),
            others=(*((one.header, text) for one, text in said if one.meaning is Meaning.OTHER), *loose),
        )

    def _require_each_once(self) -> None:
        taken: dict[object, Column] = {}
        headers: dict[str, Column] = {}
        for column in self._columns:
            first = headers.setdefault(column.header.casefold(), column)
            if first is column and column.meaning is not Meaning.OTHER:
                first = taken.setdefault((column.meaning, column.number, column.is_term), column)
            if first is not column:
                msg = f"columns {_named(first)} and {_named(column)} mean the same; keep one of them"
                self.faults.append(f"{self._in_sheet()}{msg}, or number them, such as compound 1 and compound 2")

    def _clean(self, text: str, column: Column, number: int) -> str | None:
        if text.strip().casefold() in _NOTHING:
            return None
        if is_sheet_error(text):
            self._fault(number, column, f"the cell holds an error of the spreadsheet ({text}); mend its formula")
            return None
        try:
            if text not in self._cleaned:  # a plate says the same few things in many cells
                self._cleaned[text] = clean_line(text)
            return self._cleaned[text]
        except HostileInput as refusal:
            self._fault(number, column, str(refusal))
            return None

    def _well(self, said: Sequence[tuple[Column, str]], number: int) -> Well | None:
        """Tell the well, by its own column and by row and column, which have to agree."""
        row, place = self._first(said, Meaning.ROW), self._first(said, Meaning.COLUMN)
        by_two = well_at(row, place) if row is not None and place is not None else None
        named = next(((column, text) for column, text in said if column.meaning is Meaning.WELL), None)
        if named is None:
            if row is not None and place is not None and by_two is None:
                self._fault(number, None, f"row '{row[:20]}' and column '{place[:20]}' are no well of a plate")
            return by_two
        column, text = named
        well = well_of(text)
        if well is None:
            self._fault(number, column, f"'{text[:40]}' is no well; write it as A1, up to AF48")
        elif by_two not in {None, well}:
            words = f"'{text[:40]}' is not row '{row}' and column '{place}'; mend it, or take those two columns out"
            self._fault(number, column, words)
        return well

    @staticmethod
    def _first(said: Sequence[tuple[Column, str]], meaning: Meaning) -> str | None:
        return next((text for column, text in said if column.meaning is meaning), None)

    def _terms(self, said: Sequence[tuple[Column, str]], meaning: Meaning, number: int) -> tuple[Subject, ...]:
        return tuple(subject for _, subject in self._numbered(said, meaning, number))

    def _numbered(
        self, said: Sequence[tuple[Column, str]], meaning: Meaning, number: int
    ) -> list[tuple[Column, Subject]]:
        """Give what the columns of a meaning name, each with its term where another column has that."""
        terms = {column.number: (column, text) for column, text in said if column.meaning is meaning and column.is_term}
        found = []
        for column, text in said:
            if column.meaning is meaning and not column.is_term:
                found.append((column, self._subject(text, terms.get(column.number), column, number)))
        return found

    def _subject(self, text: str, term: tuple[Column, str] | None, column: Column, number: int) -> Subject:
        key = (text, term[1] if term else None)
        if key not in self._subjects:
            self._subjects[key] = self._read_subject(text, term, column, number)
        return self._subjects[key]

    def _read_subject(self, text: str, term: tuple[Column, str] | None, column: Column, number: int) -> Subject:
        if _DATE.fullmatch(text):
            made = "is a date, as a spreadsheet makes of names such as SEPT2; if it is none, write the cell as text"
            self._remark(number, column, f"'{text}' {made}")
        try:
            plain = Subject.model_validate(text)
        except ValidationError:
            self._remark(number, column, f"the term in '{text[:60]}' has not the form of one and counts as words")
            return Subject(label=text)
        if term is None or plain.curie is not None:
            return plain
        try:
            return Subject.model_validate({"label": plain.label, "curie": term[1]})
        except ValidationError:
            self._remark(number, term[0], f"'{term[1][:60]}' has not the form of a term and was left out")
            return plain

    def _treatments(
        self, said: Sequence[tuple[Column, str]], number: int
    ) -> tuple[tuple[Treatment, ...], list[tuple[str, str]]]:
        """Give the treatments with dose and time, and what is told of a dose or a time without any treatment."""
        by_place = {(column.meaning, column.number): (column, text) for column, text in said if not column.is_term}
        treatments, used = [], set()
        for column, what in self._numbered(said, Meaning.TREATMENT, number):
            quantities = {}
            for name, unit in ((Meaning.DOSE, Meaning.DOSE_UNIT), (Meaning.DURATION, Meaning.DURATION_UNIT)):
                found, unit_cell = by_place.get((name, column.number)), by_place.get((unit, column.number))
                used |= {(name, column.number), (unit, column.number)}
                told = unit_cell[1] if unit_cell else found[0].unit if found else None
                quantities[name] = read_quantity(found[1], told) if found else None
            treatments.append(Treatment(what, quantities[Meaning.DOSE], quantities[Meaning.DURATION]))
        about = {Meaning.DOSE, Meaning.DOSE_UNIT, Meaning.DURATION, Meaning.DURATION_UNIT}
        loose = [
            (column.header, text)
            for key, (column, text) in by_place.items()
            if column.meaning in about and key not in used
        ]
        return tuple(treatments), loose

    def _stains(self, said: Sequence[tuple[Column, str]], number: int) -> tuple[Stain, ...]:
        channels = {column.number: text for column, text in said if column.meaning is Meaning.CHANNEL}
        return tuple(
            Stain(what, channels.get(column.number) or column.channel)
            for column, what in self._numbered(said, Meaning.STAIN, number)
        )

    def _fault(self, number: int, column: Column | None, words: str) -> None:
        if len(self.faults) < _FAULTS_MOST:
            where = f"row {number:,}" + (f", column {_named(column)}" if column else "")
            self.faults.append(f"{self._in_sheet()}{where}: {words}")

    def _remark(self, number: int, column: Column, words: str) -> None:
        if len(self.remarks) < _REMARKS_MOST:
            self.remarks.append(f"{self._in_sheet()}row {number:,}, column {_named(column)}: {words}")

    def _in_sheet(self) -> str:
        return f"sheet '{self._sheet}', " if self._sheet else ""


def is_sheet_error(text: str) -> bool:
    """Tell whether a cell holds what a spreadsheet writes where a formula gave no value."""
    return text.startswith("#") and _SHEET_ERROR.fullmatch(text) is not None and text.casefold() not in _NOTHING


def read_quantity(text: str, unit: str | None) -> Quantity:
    """Read a dose or a time: a number with or without its unit, or words.

    A comma is a decimal one unless it may as well part thousands: then what is meant is not known.
    """
    found = _NUMBER.fullmatch(text)
    if found is None or _THOUSANDS.fullmatch(found[1]) or not _UNIT.fullmatch(found[2]):
        return Quantity(text, None, unit)
    value = float(found[1].replace(",", "."))
    if not math.isfinite(value):
        return Quantity(text, None, unit)
    return Quantity(text, value, found[2].strip() or unit)


def _named(column: Column) -> str:
    return f"'{column.header[:60]}'"
