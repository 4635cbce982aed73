"""What every summary of a dataset is made with: the facts, the row, and cells that are not believed unseen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
        images_in: For labels, how many images the model was given.
    """

    planned_missing_share: float | None = None
    images_in: int | None = None


class Summary(Value):
    """One row about a whole dataset, and the table with what the row was made from.

    Attributes:
        row: What the gate judges.
        table: The metrics with the columns `unreadable`, `saturated` and `focus_margin` added, to name files by.
        by_channel: Values of single channels, by channel and then by the name that they have in the row: what a channel
            is usually like is told from them.
    """

    row: SummaryRow
    table: MetricTable
    by_channel: dict[str, dict[str, float | None]] = Field(default_factory=dict)


def number(cell: object) -> float | None:
    """Give a cell as a finite number; None for anything else."""
    return float(cell) if isinstance(cell, int | float) and math.isfinite(cell) else None


def is_said(cell: Cell) -> bool:
    """Tell whether a cell holds words, such as those of a problem."""
    return cell is not None and cell != ""


def maximum(values: Iterable[float | None]) -> float | None:
    """Give the largest of those that are there."""
    return max((value for value in values if value is not None), default=None)
