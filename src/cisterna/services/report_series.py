"""The metrics of a report's files by metric and channel, of a table that nobody vouches for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from cisterna.domain.errors import InvalidInput
from cisterna.services.measurement import FOCUS, IN_FILE, UNMEASURED

Column = Sequence[object]

PLACE = ("region", "field", "channel", "z", "t")
_NO_METRIC = frozenset({"path", *PLACE, IN_FILE, "problem", UNMEASURED})
MOST_CHANNELS = 12
"""Of more channels the first by name are drawn."""
MOST_METRICS = 60
_LARGEST = 1e300
"""Beyond it a value is taken for it, so that no difference of two is infinite."""


@dataclass(frozen=True)
class MetricSeries:
    """The table of what was measured, for drawing.

    Attributes:
        columns: As loaded, all of one length.
    """

    columns: Mapping[str, Column]

    @cached_property
    def rows(self) -> int:
        """How many files and planes it has."""
        return len(self.columns.get("path", ()))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of the columns that hold any number, in their order."""
        named = [name for name in self.columns if name not in _NO_METRIC]
        numeric = (name for name in named if any(bounded(cell) is not None for cell in self.columns[name]))
        return tuple(islice(numeric, MOST_METRICS))

    @cached_property
    def _numbers(self) -> dict[str, list[float | None]]:
        """The columns of the metrics as numbers; most cells are ordinary ones, and are told apart without a call."""
        least, most = -_LARGEST, _LARGEST
        return {
            name: [
                cell if type(cell) is float and least <= cell <= most else bounded(cell) for cell in self.columns[name]
            ]
            for name in self.metrics
        }

    @cached_property
    def by_channel(self) -> dict[str | None, list[int]]:
        """Rows by channel; one group of all where no row names a channel."""
        names = self.texts("channel")
        if not any(names):
            return {None: list(range(self.rows))}
        grouped: dict[str | None, list[int]] = {}
        for row, name in enumerate(names):
            grouped.setdefault(name, []).append(row)
        kept = sorted((name for name in grouped if name), key=str)[:MOST_CHANNELS]
        return {name: grouped[name] for name in kept}

    @cached_property
    def channels_more(self) -> int:
        """How many channels are left out."""
        return max(0, len(set(filter(None, self.texts("channel")))) - MOST_CHANNELS)

    @cached_property
    def _stacks(self) -> list[object]:
        """For each row what it is a plane of: the same place but for z."""
        inside = self._column(IN_FILE)
        places = zip(*(self.texts(name) for name in ("region", "field", "t")), strict=True)
        paths = self._column("path")
        return [
            row if place[1] is None else (paths[row] if inside[row] is not None else None, *place)
            for row, place in enumerate(places)
        ]

    def texts(self, name: str) -> list[str | None]:
        """Give a column as text; None for what is empty or not there."""
        return [None if cell is None or cell == "" else str(cell) for cell in self._column(name)]

    def text(self, name: str, row: int) -> str | None:
        """Give one cell as text; None for what is empty or not there."""
        cell = self._column(name)[row]
        return None if cell is None or cell == "" else str(cell)

    def values(self, metric: str, rows: Sequence[int]) -> dict[int, float]:
        """Give the finite values of rows by row; of a stack only the sharpest plane has a focus."""
        cells = self._numbers.get(metric) or [None] * self.rows
        found = {row: value for row in rows if (value := cells[row]) is not None}
        return self._sharpest(found) if metric == FOCUS else found

    def _sharpest(self, values: Mapping[int, float]) -> dict[int, float]:
        best: dict[object, int] = {}
        for row, value in values.items():
            stack = self._stacks[row]
            if stack not in best or value > values[best[stack]]:
                best[stack] = row
        return {row: values[row] for row in sorted(best.values())}

    def _column(self, name: str) -> Column:
        return self.columns.get(name) or [None] * self.rows


def series_of(columns: Mapping[str, Column]) -> MetricSeries:
    """Take a loaded table. Raises `InvalidInput` when its columns are not of one length or it names no files."""
    if "path" not in columns or len({len(column) for column in columns.values()}) > 1:
        msg = "it has no column path, or columns of different lengths"
        raise InvalidInput(msg)
    return MetricSeries(columns)


def bounded(cell: object) -> float | None:
    """Give a cell as a finite number of bearable size; None for anything else."""
    if not isinstance(cell, int | float) or isinstance(cell, bool):
        return None
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return float(max(-_LARGEST, min(_LARGEST, cell)))
