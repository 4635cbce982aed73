"""Sums up the tables of a folder in one row; the columns are described in `docs/reference/metrics-table.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import UNMEASURED
from cisterna.services.summary import NO_LIMITS, Cell, Facts, Summary, SummaryRow, is_said, maximum, number

_WORST = ("null_share", "null_share_worst", "ragged_share")
_SUMS = (
    "empty_columns",
    "constant_columns",
    "mixed_columns",
    "unnamed_columns",
    "duplicate_column_names",
    "nonfinite_values",
    "formula_cells",
    "quote_faults",
    "cells_not_utf8",
    "byte_order_mark",
)


_KEY_FAULTS = "key_faults"
_SCHEMA = ("schema_columns_missing", "schema_columns_unknown", "schema_faults")


def summarise_tables(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up tables in one row. Pure; what no table has a value for is None, which no check can pass.

    A fault of keys or schemas is counted among the tables that have them, so that a folder without any has none:
    `tables_with_key` and `tables_with_schema` say how many were held against one.
    """
    del limits
    tables = _Tables(table)
    nobody_looked = table.rows > 0 and all(tables.unmeasured)
    row: SummaryRow = {
        "planned_missing_share": facts.planned_missing_share,
        "tables": None if nobody_looked else len(tables.measured),
        "tables_unreadable": None if nobody_looked else sum(tables.unreadable),
        "rows_fewest": min(tables.known("rows"), default=None),
        "columns_fewest": min(tables.known("columns"), default=None),
        **{name: maximum(tables.known(name)) for name in _WORST},
        **{name: tables.total(name) for name in _SUMS},
        "tables_with_key": sum(value > 0 for value in tables.known("key_columns")),
        "tables_with_schema": sum(value > 0 for value in tables.known("has_schema")),
        **{name: tables.total(name) for name in (_KEY_FAULTS, *_SCHEMA)},
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(tables.unreadable),
        **{name: list(values) for name, values in tables.derived.items()},
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, **added}))


class _Tables:
    """The table of tables, column by column."""

    def __init__(self, table: MetricTable) -> None:
        self._table = table
        self.unreadable = [is_said(cell) for cell in self._column("problem")]
        self.unmeasured = [is_said(cell) for cell in self._column(UNMEASURED)]
        self._left_out = [any(pair) for pair in zip(self.unreadable, self.unmeasured, strict=True)]
        self.measured = [place for place, rows in enumerate(self._numbers("rows")) if rows is not None]
        self.derived: dict[str, list[float | None]] = {}
        self.derived = {
            "ragged_share": [
                _share(*pair) for pair in zip(self._numbers("ragged_rows"), self._numbers("rows"), strict=True)
            ],
            _KEY_FAULTS: self._where("key_columns", "key_nulls", "key_duplicates"),
            **{name: self._where("has_schema", name) for name in _SCHEMA},
        }

    def _column(self, name: str) -> list[Cell]:
        return self._table.columns.get(name, [None] * self._table.rows)

    def _numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for files that could not be read."""
        return [None if bad else number(cell) for cell, bad in zip(self._column(name), self._left_out, strict=True)]

    def _where(self, condition: str, *names: str) -> list[float | None]:
        """Sum columns up for each table, which are nothing where the condition does not hold."""
        parts = zip(*(self._numbers(name) for name in names), strict=True)
        return [
            0.0 if holds == 0 else None if holds is None else _sum(values)
            for holds, values in zip(self._numbers(condition), parts, strict=True)
        ]

    def known(self, name: str) -> list[float]:
        """The values that measured tables have."""
        values = self.derived.get(name) or self._numbers(name)
        return [value for place in self.measured if (value := values[place]) is not None]

    def total(self, name: str) -> float | None:
        """The sum over all measured tables; None when there is none, or one of them has no value."""
        values = self.derived.get(name) or self._numbers(name)
        return _sum([values[place] for place in self.measured]) if self.measured else None


def _sum(values: Sequence[float | None]) -> float | None:
    """Sum up; None when one of them is not there, or the sum is beyond every number."""
    known = [value for value in values if value is not None]
    return number(sum(known)) if len(known) == len(values) else None


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else number(part / whole)
