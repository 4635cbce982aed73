"""Reads MIHCSME workbooks: mihcsme-py judges them and reads what they say of the whole study.

Their rows are read by our own reader of tables, from the same cells: the library does not tell which row says what.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from cisterna.domain.credit import Subject
from cisterna.domain.errors import InvalidInput
from cisterna.domain.sample_sheet import Sample, SampleSheet, SheetForm, Stain
from cisterna.domain.text import cut_line
from cisterna.metadata.sheet_grid import Grid, find_table, read_rows

CONDITIONS = "AssayConditions"
_INFORMATION = frozenset({"InvestigationInformation", "StudyInformation", "AssayInformation"})


def is_mihcsme(grids: Sequence[Grid]) -> bool:
    """Tell by the names of the sheets, which the specification gives."""
    names = {grid.name for grid in grids}
    return CONDITIONS in names and bool(names & _INFORMATION)


def read_mihcsme(body: bytes, grids: Sequence[Grid], what: str) -> SampleSheet:
    """Read the samples; organism and stains of the study hold for every well that says none of its own.

    Args:
        body: The workbook, of which `grids` are the cells: so it is known to be of a bearable size.
        grids: Its sheets.
        what: The file, for messages.

    Raises:
        InvalidInput: It is no MIHCSME workbook in the eyes of mihcsme-py, or a row of it cannot be used.
    """
    told = _parsed(body, what)
    conditions = next(grid for grid in grids if grid.name == CONDITIONS)
    table = find_table(conditions)
    if table is None:
        raise InvalidInput(f"{what}: the sheet {CONDITIONS} has no header with Plate and Well; take it from a template")
    sheet = read_rows(table, what, form=SheetForm.MIHCSME)
    organisms, stains = _organisms(told), _stains(told)
    samples = tuple(_with(one, organisms, stains) for one in sheet.samples)
    return replace(sheet, samples=samples)


def _parsed(body: bytes, what: str) -> Any:
    from mihcsme_py import parser

    # It logs what it reads; what samples are is nobody's business in a log.
    logging.getLogger("mihcsme_py").setLevel(logging.CRITICAL + 1)
    logging.getLogger("mihcsme_py.parser").setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parser.parse_excel_to_model(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:100]
        raise InvalidInput(f"{what} is no MIHCSME workbook as it should be: {place}: {first['msg'][:200]}") from error
    except ValueError as error:
        said = cut_line(str(error)[:600]) or "mihcsme-py gives no reason"
        raise InvalidInput(f"{what} is no MIHCSME workbook as it should be: {said}") from error
    except Exception as error:  # of pandas, which the library lets through
        raise InvalidInput(f"{what} cannot be read as a MIHCSME workbook; take a fresh template") from error


def _with(one: Sample, organisms: tuple[Subject, ...], stains: tuple[Stain, ...]) -> Sample:
    return replace(one, organisms=one.organisms or organisms, stains=one.stains or stains)


def _organisms(told: Any) -> tuple[Subject, ...]:
    group = _group(told.study_information, "Biosample")
    name, taxon = (_said(group.get(f"Biosample {word}")) for word in ("Organism", "Taxon"))
    if name is None:
        return ()
    for term in (taxon, f"NCBITaxon:{taxon}"):
        try:
            return (Subject.model_validate({"label": name, "curie": term}),)
        except ValidationError:
            continue
    return (Subject(label=name),)


def _stains(told: Any) -> tuple[Stain, ...]:
    group = _group(told.assay_information, "Specimen")
    found = []
    for number in range(1, 9):
        method, entity, label = (
            _said(group.get(f"Channel {number} {word}")) for word in ("visualization method", "entity", "label")
        )
        words = method or label or entity
        if words:
            found.append(
                Stain(Subject.model_construct(label=words, curie=None), label or entity or f"Channel {number}")
            )
    return tuple(found)


def _group(information: Any, name: str) -> Mapping[str, object]:
    groups = information.groups if information is not None else {}
    return groups.get(name) or {}


def _said(value: object) -> str | None:
    text = cut_line(str(value)) if value is not None else None
    return None if text is None or text.casefold() in {"na", "n/a", "nan", "-"} else text
