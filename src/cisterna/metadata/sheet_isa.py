"""Reads the samples of an ISA-Tab: its study files (`s_*.txt`), with what its assay files (`a_*.txt`) add to them.

A reader of our own for two tables: the library that there is for all of ISA asks for earlier versions of numpy and
pandas than stand here, and for a web framework.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.sample_sheet import Sample, SampleSheet, SheetForm
from cisterna.metadata.sheet_column import TERMS, Column, Meaning, read_header
from cisterna.metadata.sheet_grid import MOST_ROWS, Grid, settled
from cisterna.metadata.sheet_row import RowReader
from cisterna.metadata.sheet_text import read_text_grid

_BRACKETED = re.compile(
    r"\s*(characteristics|factor value|parameter value|comment)\s*\[\s*(.+?)\s*\]\s*", re.IGNORECASE
)
_DATA_FILES = {"raw data file", "image file", "raw spectral data file", "array data file"}
_OF_ISA = ("source name", "protocol ref", "characteristics", "factor value")
_HEADER_BYTES = 64 * 1024
_SILENT = {"source name", "protocol ref", "performer", "date", "extract name", "labeled extract name", "assay name"}
"""Names of steps on the way, which say nothing of a sample."""


def is_isa_file(name: str) -> bool:
    """Tell the files of an ISA-Tab that are read here, by their names."""
    return re.fullmatch(r"[sa]_.+\.txt", name.rpartition("/")[2], re.IGNORECASE) is not None


def is_study(body: bytes) -> bool:
    """Tell a study file by its header, whatever it is called."""
    header = body[:_HEADER_BYTES].partition(b"\n")[0].decode("utf-8", "replace").casefold()
    names = [name.strip().strip('"').strip() for name in header.split("\t")]
    return "sample name" in names and any(name.startswith(_OF_ISA) for name in names)


def read_isa(files: Mapping[str, bytes]) -> SampleSheet:
    """Read the samples.

    Args:
        files: Study and assay files, by name; one alone is a study's.

    Raises:
        InvalidInput: There is no study file among them, or one says what cannot be used.
    """
    alone = len(files) == 1
    studies = {name: body for name, body in sorted(files.items()) if alone or _base(name).lower().startswith("s_")}
    assays = {name: body for name, body in sorted(files.items()) if name not in studies}
    if not studies:
        raise InvalidInput("the ISA-Tab has no study file (s_....txt), which names its samples; add it")
    samples: list[Sample] = []
    last: RowReader | None = None
    remarks: list[str] = []
    for name, body in studies.items():
        last, found = _read(name, body)
        samples += found
        remarks += last.remarks
    told = {one.name for one in samples}
    for name, body in assays.items():
        reader, found = _read(name, body)
        remarks += reader.remarks
        samples = _joined(samples, found)
        if unknown := sorted({one.name or "" for one in found} - {one or "" for one in told}):
            remarks.append(f"{_base(name)} names samples that no study file has: {', '.join(unknown[:5])}")
    if last is None:
        raise InvalidInput("the ISA-Tab has no study file")
    last.remarks = remarks[:20]
    return settled(samples, last, ", ".join(map(_base, studies)), form=SheetForm.ISA_TAB)


def _read(name: str, body: bytes) -> tuple[RowReader, list[Sample]]:
    what = _base(name)
    grid = read_text_grid(body, what, delimiter="\t")
    if not grid.rows:
        raise InvalidInput(f"{what} is empty; leave it out or fill it in")
    columns = _columns(grid)
    if not any(column.meaning is Meaning.SAMPLE for column in columns):
        raise InvalidInput(f"{what} has no column 'Sample Name'; it is no study or assay file of an ISA-Tab")
    reader = RowReader(columns, what, sheet=what)
    samples = []
    for number, row in enumerate(grid.rows[1:], start=2):
        texts = {column.place: row[column.place - 1] for column in columns if column.place <= len(row)}
        if any(texts.values()) and (sample := reader.read(number, texts)) is not None:
            samples.append(sample)
    if reader.faults:
        raise InvalidInput(f"the ISA-Tab cannot be used: {'; '.join(reader.faults[:10])}")
    return reader, samples


def _columns(grid: Grid) -> list[Column]:
    """Tell what the columns mean: terms and units follow the column that they belong to."""
    columns: list[Column] = []
    before: Column | None = None
    taken: set[object] = set()
    for place, header in enumerate(grid.rows[0], start=1):
        plain = " ".join(header.casefold().split())
        if plain == "term accession number" and before is not None and before.meaning in TERMS:
            columns.append(before._replace(header=header, place=place, is_term=True))
        elif plain == "unit" and before is not None and before.meaning in _UNITS:
            columns.append(Column(header, _UNITS[before.meaning], place, before.number))
        elif plain not in {"term source ref", "term accession number", "unit", *_SILENT} and plain:
            before = _own(header, plain, place)
            key = (before.meaning, before.number) if before.meaning is not Meaning.OTHER else before.header.casefold()
            if key in taken:
                before = Column(f"{before.header} ({place})", Meaning.OTHER, place)
            taken.add(key)
            columns.append(before)
    return columns


_UNITS = {Meaning.DOSE: Meaning.DOSE_UNIT, Meaning.DURATION: Meaning.DURATION_UNIT}


def _own(header: str, plain: str, place: int) -> Column:
    if plain == "sample name":
        return Column(header, Meaning.SAMPLE, place)
    if plain in _DATA_FILES:
        return Column(header, Meaning.FILE, place)
    if plain == "label":
        return Column(header, Meaning.STAIN, place)
    found = _BRACKETED.fullmatch(header)
    column = read_header(found[2] if found else header, place)
    if column.meaning in {Meaning.SAMPLE, Meaning.FILE}:  # ISA has its own columns for these
        return Column(column.header, Meaning.OTHER, place)
    return column


def _joined(samples: Sequence[Sample], of_assay: Sequence[Sample]) -> list[Sample]:
    """Add to each sample what an assay says of it; one that was measured several times becomes several rows.

    Raises:
        HostileInput: They become more than anybody's sheet has.
        InvalidInput: An assay puts a sample into another well than its study does.
    """
    by_name: dict[str | None, list[Sample]] = {}
    for one in of_assay:
        by_name.setdefault(one.name, []).append(one)
    made = list(islice((row for one in samples for row in _each(one, by_name.get(one.name, ()))), MOST_ROWS + 1))
    if len(made) > MOST_ROWS:
        raise HostileInput(f"the ISA-Tab speaks of more than {MOST_ROWS:,} files of samples; give those of one run")
    return made


def _each(sample: Sample, told: Sequence[Sample]) -> Iterator[Sample]:
    if not told:
        yield sample
    for one in told:
        if (sample.well and one.well and sample.well != one.well) or (
            sample.plate and one.plate and sample.plate != one.plate
        ):
            msg = (
                f"row {sample.row} of {sample.sheet} and row {one.row} of {one.sheet} put {sample.name} into different"
            )
            raise InvalidInput(f"the ISA-Tab cannot be used: {msg} wells: {sample.place} and {one.place}; keep one")
        others = dict((*sample.others, *one.others))
        yield replace(
            sample,
            plate=sample.plate or one.plate,
            well=sample.well or one.well,
            file=one.file or sample.file,
            organisms=sample.organisms or one.organisms,
            tissues=sample.tissues or one.tissues,
            cell_lines=sample.cell_lines or one.cell_lines,
            diseases=sample.diseases or one.diseases,
            control=sample.control or one.control,
            replicate=sample.replicate or one.replicate,
            treatments=sample.treatments or one.treatments,
            stains=sample.stains or one.stains,
            others=tuple(others.items()),
        )


def _base(name: str) -> str:
    return name.rpartition("/")[2]
