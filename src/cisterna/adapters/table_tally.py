"""Sums a table up from its columns; what each metric is stands in `docs/reference/metrics-table.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cisterna.adapters.distinct import MOST, Distinct
from cisterna.adapters.table_columns import Column, as_strings, hash_array
from cisterna.adapters.table_schema import TableSchema
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import CURVE_POINTS, Curve, Reading

Numbers = NDArray[Any]
Metrics = dict[str, float | None]

TABLE_METRICS = (
    "rows",
    "columns",
    "numeric_columns",
    "text_columns",
    "date_columns",
    "boolean_columns",
    "empty_columns",
    "constant_columns",
    "mixed_columns",
    "unnamed_columns",
    "duplicate_column_names",
    "null_share",
    "null_share_worst",
    "nonfinite_values",
    "formula_cells",
    "ragged_rows",
    "quote_faults",
    "cells_not_utf8",
    "byte_order_mark",
    "key_columns",
    "key_nulls",
    "key_duplicates",
    "has_schema",
    "schema_columns_missing",
    "schema_columns_unknown",
    "schema_faults",
)
COLUMNS_MAX = 20_000
HISTOGRAMS = 32
KEY_NAME = "id"


class TableTally:
    """Takes a table block by block.

    Args:
        names: Of its columns, as they stand in it.
        schema: That came with it.

    Raises:
        InvalidInput: It has more columns than are looked at.
    """

    def __init__(self, names: Sequence[str], schema: TableSchema | None) -> None:
        if len(names) > COLUMNS_MAX:
            msg = f"it has {len(names):,} columns; at most {COLUMNS_MAX:,} are looked at"
            raise InvalidInput(msg)
        self._names, self._schema = list(names), schema
        fields = {field.name: field for field in schema.fields} if schema else {}
        missing = schema.missing if schema else None
        most = MOST // max(1, sum(field.unique for field in fields.values()))
        self.columns = [
            Column(name, place=place, field=fields.get(name), missing=missing, most=most)
            for place, name in enumerate(names)
        ]
        self._key = self._key_places()
        self._keys = Distinct()
        self._key_nulls = 0
        self.rows = 0

    def add(self, arrays: Sequence[pa.Array], *, is_text: bool) -> None:
        """Take a block: as many arrays as there are columns, of equal length."""
        for column, cells in zip(self.columns, arrays, strict=True):
            if is_text:
                column.add_texts(cells)
            else:
                column.add_typed(cells)
        self.rows += len(arrays[0]) if arrays else 0
        if self._key and arrays:
            self._add_key([arrays[place] for place in self._key])

    def reading(self, **structure: float | None) -> Reading:
        """Give the reading of the whole table; `structure` is what only its format tells."""
        columns, schema = self.columns, self._schema
        types = Counter(column.type for column in columns)
        known = {field.name for field in schema.fields} if schema else set()
        names = Counter(self._names)
        cells = self.rows * len(columns)
        has_key = bool(self._key)
        found: Metrics = {
            **dict.fromkeys(TABLE_METRICS),
            "rows": float(self.rows),
            "columns": float(len(columns)),
            "numeric_columns": float(types["integer"] + types["number"]),
            "text_columns": float(types["text"]),
            "date_columns": float(types["date"] + types["datetime"]),
            "boolean_columns": float(types["boolean"]),
            "empty_columns": float(sum(column.nulls == column.rows for column in columns)),
            "constant_columns": float(sum(column.is_constant for column in columns)),
            "mixed_columns": float(sum(column.is_mixed for column in columns)),
            "unnamed_columns": float(sum(not name.strip() for name in self._names)),
            "duplicate_column_names": float(sum(count - 1 for count in names.values())),
            "null_share": sum(column.nulls for column in columns) / cells if cells else None,
            "null_share_worst": max((_share(column) for column in columns), default=None) if self.rows else None,
            "nonfinite_values": float(sum(column.infinite for column in columns)),
            "formula_cells": float(sum(column.formulas for column in columns)),
            "key_columns": float(len(self._key)),
            "key_nulls": float(self._key_nulls) if has_key else None,
            "key_duplicates": float(self._keys.repeated) if has_key else None,
            "has_schema": float(schema is not None),
            "schema_columns_missing": float(len(known - set(names))) if schema else None,
            "schema_columns_unknown": float(len(set(names) - known)) if schema else None,
            "schema_faults": float(self._faults()) if schema else None,
            **structure,
        }
        return Reading(metrics={name: found[name] for name in TABLE_METRICS}, curves=self._curves())

    def _faults(self) -> int:
        """Count the values against the schema: of each column, and those that are asked for and not there."""
        absent = sum(column.nulls for column in self.columns if column.field is not None and column.field.required)
        return sum(column.faults + column.repeated for column in self.columns) + absent

    def _key_places(self) -> list[int]:
        """Name the key: the schema's, or else the first column where it is called `id`."""
        wanted = self._schema.primary_key if self._schema else ()
        if wanted:
            return [self._names.index(name) for name in wanted if name in self._names]
        return [0] if self._names and self._names[0].strip().lower() == KEY_NAME else []

    def _add_key(self, arrays: Sequence[pa.Array]) -> None:
        texts = [_as_bytes(array) for array in arrays]
        is_there = np.ones(len(texts[0]), np.bool_)
        for cells in texts:
            is_there &= pc.not_equal(pc.binary_length(cells), 0).to_numpy(zero_copy_only=False)
        self._key_nulls += int((~is_there).sum())
        mask = pa.array(is_there)
        hashes: Numbers | None = None
        for cells in texts:
            hashes = hash_array(cells.filter(mask), hashes)
        if hashes is not None:
            self._keys.add(hashes)

    def _curves(self) -> tuple[Curve, ...]:
        if not self.rows:
            return ()
        shown = self.columns[:CURVE_POINTS]
        places = tuple(float(place) for place in range(1, len(shown) + 1))
        by_column = (
            Curve(name="null_share_by_column", x=places, y=tuple(_share(column) for column in shown)),
            Curve(name="minimum_by_column", x=places, y=tuple(column.low for column in shown)),
            Curve(name="maximum_by_column", x=places, y=tuple(column.high for column in shown)),
        )
        histograms = (curve for column in self.columns if (curve := column.histogram()) is not None)
        return (*by_column, *(curve for _, curve in zip(range(HISTOGRAMS), histograms, strict=False)))


def warm() -> None:
    """Load the compiled code, and what the library loads when it first takes a list of Python's."""
    tally = TableTally([KEY_NAME, "number"], None)
    tally.add([pa.array(["a"]), pa.array([1.0])], is_text=False)
    tally.reading()


def _share(column: Column) -> float:
    return column.nulls / column.rows if column.rows else 0.0


def _as_bytes(cells: pa.Array) -> pa.Array:
    """Give the cells of a key as bytes, empty where there is none. Raises `InvalidInput` for what is no text."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells, kind = cells.dictionary_decode(), kind.value_type
    if pa.types.is_nested(kind):
        raise InvalidInput("its key is a column of lists or records, which is not looked at")
    known = cells if pa.types.is_binary(kind) else as_strings(cells).cast(pa.binary())
    return pc.fill_null(known, b"")
