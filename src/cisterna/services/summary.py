"""What every summary of a dataset is made with: the facts, the row, and cells that are not believed unseen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.ports.quality import MetricTable

Cell = str | float | int | None
SummaryRow = dict[str, float | int | str | None]

NO_LIMITS: Mapping[str, float] = MappingProxyType({})
"""By which single files are judged when the suite gives none: each summary has its own defaults."""


class Facts(Value):
    """What is known of a dataset besides its table.

    Attributes:
        planned_missing_share: Share of the files that the acquisition's plan asks for and that are not there; None when
            nobody can tell.
        planned_missing_names: What the look at the run said of those, in words.
        images_in: For labels, how many images the model was given.
        wells_left_out: Shell patterns of wells that may be dark, as the instrument's settings name them.
        channels: What was measured of single channels of files - detectors, lanes - with `path` and `channel`; None
            where nothing was.
    """

    planned_missing_share: float | None = None
    planned_missing_names: str | None = None
    images_in: int | None = None
    wells_left_out: tuple[str, ...] = ()
    channels: MetricTable | None = None


class Summary(Value):
    """One row about a whole dataset, and the table with what the row was made from.

    Attributes:
        row: What the gate judges.
        table: The metrics with columns added that files are named by.
        by_channel: Values of single channels, by channel and then by the name that they have in the row: what a channel
            is usually like is told from them.
    """

    row: SummaryRow
    table: MetricTable
    by_channel: dict[str, dict[str, float | None]] = Field(default_factory=dict)


def split_rows(table: MetricTable, units: Callable[[int], Iterable[str]]) -> dict[str, MetricTable]:
    """Give the rows of each unit as a table of their own; a row may belong to several, or to none."""
    rows: dict[str, list[int]] = {}
    for row in range(table.rows):
        for unit in units(row):
            rows.setdefault(unit, []).append(row)
    return {
        unit: MetricTable(columns={name: [cells[row] for row in of_unit] for name, cells in table.columns.items()})
        for unit, of_unit in rows.items()
    }


def known_values(row: SummaryRow, names: Iterable[str]) -> dict[str, float | None]:
    """Give the numbers among some columns of a row, for one channel."""
    found = ((name, number(row[name])) for name in names)
    return {name: value for name, value in found if value is not None}


def number(cell: object) -> float | None:
    """Give a cell as a finite number; None for anything else."""
    return float(cell) if isinstance(cell, int | float) and math.isfinite(cell) else None


def is_said(cell: Cell) -> bool:
    """Tell whether a cell holds words, such as those of a problem."""
    return cell is not None and cell != ""


def maximum(values: Iterable[float | None]) -> float | None:
    """Give the largest of those that are there."""
    return max((value for value in values if value is not None), default=None)
