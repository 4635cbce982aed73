"""Writes a sample sheet as the table that is kept in the object: one row a well or a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TypeVar

from cisterna.domain.credit import Subject
from cisterna.domain.sample_sheet import TERM_KINDS, Quantity, Sample, SampleSheet, Stain, Treatment, terms_of
from cisterna.domain.well import row_letters
from cisterna.metadata.record import SampleFacts

T = TypeVar("T")
Cells = Iterator[tuple[str, object]]

SAMPLES_PATH = "metadata/samples.parquet"
OTHER = "other."
"""Begins the names of columns that the sheet has of its own."""
_TERMS_MOST = 1000

_FIXED: Mapping[str, Callable[[Sample], object]] = {
    "well": lambda one: one.well.name if one.well else None,
    "well_row": lambda one: row_letters(one.well.row) if one.well else None,
    "well_column": lambda one: one.well.column if one.well else None,
    "plate": lambda one: one.plate,
    "sample": lambda one: one.name,
    "file": lambda one: one.file,
}
_SINGLE = {"organism": "organisms", "tissue": "tissues", "cell_line": "cell_lines", "disease": "diseases"}
"""Columns by the kind of sample that they name."""

_WORDS = {
    "well": "Well of the plate, such as A1",
    "well_row": "Its row, a letter",
    "well_column": "Its column, a number",
    "plate": "Plate, as the sheet names it",
    "sample": "Sample, as the sheet names it",
    "file": "File that the row is about, as the sheet names it",
    "organism": "Organism",
    "tissue": "Tissue",
    "cell_line": "Cell line",
    "disease": "Disease",
    "treatment": "What it was treated with",
    "dose": "Dose as it was written",
    "dose_value": "Dose, where it is a number",
    "dose_unit": "Unit of the dose",
    "duration": "How long it was treated, as it was written",
    "duration_value": "The same, where it is a number",
    "duration_unit": "Unit of that time",
    "stain": "Stain, dye or antibody",
    "stain_channel": "Channel in which it is seen",
    "control": "Kind of control",
    "replicate": "Replicate",
    "sheet_row": "Row of the sheet",
}


def samples_columns(sheet: SampleSheet) -> dict[str, list[object]]:
    """Give the columns of the table; those of the first of several organisms, treatments or stains are always there."""
    samples = sheet.samples
    columns: dict[str, list[object]] = {name: [give(one) for one in samples] for name, give in _FIXED.items()}
    for name, kind in _SINGLE.items():
        columns |= _each(samples, attrgetter(kind), partial(_term, name))
    columns |= _each(samples, attrgetter("treatments"), _treatment)
    columns |= _each(samples, attrgetter("stains"), _stain)
    columns["control"] = [one.control for one in samples]
    columns["replicate"] = [one.replicate for one in samples]
    others = [dict(one.others) for one in samples]
    for header in dict.fromkeys(name for one in others for name in one):
        columns[f"{OTHER}{header}"] = [one.get(header) for one in others]
    columns["sheet_row"] = [one.row for one in samples]
    return columns


def column_words(name: str) -> str:
    """Say what a column of the table holds."""
    if name.startswith(OTHER):
        return "As the sheet has it"
    bare = name.rstrip("0123456789").rstrip("_") if name[-1].isdigit() else name
    if bare.endswith("_term"):
        return f"Term of a vocabulary for the {bare.removesuffix('_term').replace('_', ' ')}, PREFIX:identifier"
    number = name.removeprefix(bare).strip("_")
    return _WORDS.get(bare, bare) + (f", number {number}" if number else "")


def sample_facts(sheet: SampleSheet) -> tuple[SampleFacts, list[str]]:
    """Sum up what the samples are, and tell of what kinds there is more than a record names."""
    terms = terms_of(sheet.samples)
    remarks = [
        f"there are {len(found):,} {kind.replace('_', ' ')}: the first {_TERMS_MOST:,} are named, and the table has all"
        for kind, found in terms.items()
        if len(found) > _TERMS_MOST
    ]
    wells = {(one.plate, one.well) for one in sheet.samples if one.well is not None and _holds_something(one)}
    kept = {kind: terms[kind][:_TERMS_MOST] for kind in TERM_KINDS}
    return SampleFacts(**kept, wells=len(wells) or None), remarks


def _holds_something(one: Sample) -> bool:
    return any(getattr(one, kind) for kind in TERM_KINDS) or bool(one.control or one.name or one.others)


def _each(
    samples: Sequence[Sample],
    give: Callable[[Sample], Sequence[T]],
    write: Callable[[T | None], Cells],
) -> dict[str, list[object]]:
    """Give the columns of what a row may have several of; those of the first have no number."""
    columns: dict[str, list[object]] = {}
    for place in range(max(1, *(len(give(one)) for one in samples)) if samples else 1):
        end = f"_{place + 1}" if place else ""
        for one in samples:
            told = give(one)
            for name, value in write(told[place] if place < len(told) else None):
                columns.setdefault(f"{name}{end}", []).append(value)
    return columns


def _term(name: str, subject: Subject | None) -> Cells:
    yield name, subject.label if subject else None
    yield f"{name}_term", subject.curie if subject else None


def _treatment(told: Treatment | None) -> Cells:
    yield from _term("treatment", told.what if told else None)
    yield from _quantity("dose", told.dose if told else None)
    yield from _quantity("duration", told.duration if told else None)


def _quantity(name: str, told: Quantity | None) -> Cells:
    yield name, told.text if told else None
    yield f"{name}_value", told.value if told else None
    yield f"{name}_unit", told.unit if told else None


def _stain(told: Stain | None) -> Cells:
    yield from _term("stain", told.what if told else None)
    yield "stain_channel", told.channel if told else None
