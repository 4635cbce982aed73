"""Columns of tables, block by block: what they hold, and whether that is what their schema asks for.

What each metric is stands in `docs/reference/metrics-table.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cisterna.adapters.distinct import MOST, Distinct, hash_texts
from cisterna.adapters.table_schema import Field, whole_match
from cisterna.domain.untrusted import plain_text
from cisterna.ports.quality import Curve

Numbers = NDArray[Any]

SAMPLE = 8192
"""So many numbers of a column are kept, spread evenly, for its histogram."""
SAMPLED_COLUMNS = 256
_BINS, _LEAST = 50, 1e-300
_NULLS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What pandas takes for no value; without a schema there is no other word on it."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity|nan)$"
"""The texts that pyarrow takes for numbers: whether one is a number must not depend on what stands beside it."""
_INTEGER = r"^[+-]?\d+$"
_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"
_MOMENT = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?$"
_FORMULA = r"^[=+@]"
_BOOLEANS = ("true", "false", "True", "False", "TRUE", "FALSE")
_NONE, _BLANK = np.zeros(1, np.int64), np.frombuffer(b"\0", np.uint8)
_KINDS = ("integer", "number", "boolean", "date", "datetime", "text", "other")
_FITTING = {
    "string": frozenset(_KINDS) - {"other"},
    "integer": {"integer"},
    "number": {"integer", "number"},
    "boolean": {"boolean"},
    "date": {"date"},
    "datetime": {"datetime"},
    "any": frozenset(_KINDS),
}


class Column:
    """One column of a table.

    Args:
        name: As its header has it.
        place: The number of the column, from 0 on.
        field: What a schema says of it.
        missing: What stands for no value where a schema says so.
        most: So many different values are kept of one that must not have any twice.
    """

    def __init__(
        self,
        name: str,
        *,
        place: int,
        field: Field | None = None,
        missing: Sequence[str] | None = None,
        most: int = MOST,
    ) -> None:
        self.name, self.field = name, field
        self.rows = self.nulls = self.infinite = self.formulas = self.faults = self.not_utf8 = 0
        self.kinds = dict.fromkeys(_KINDS, 0)
        self.low: float | None = None
        self.high: float | None = None
        self._missing = pa.array(_NULLS if missing is None else tuple(missing), pa.string())
        self._first: str | None = None
        self._is_constant = True
        self._sample: list[Numbers] | None = [] if place < SAMPLED_COLUMNS else None
        self._sampled = self._numbers = 0
        self._stride = 1
        self._distinct = Distinct(most=most) if field is not None and field.unique else None

    @property
    def type(self) -> str:
        """What the column holds: one of its kinds where all values are of it, or `number` for both kinds of numbers."""
        there = [kind for kind in _KINDS if self.kinds[kind]]
        if there == ["integer", "number"]:
            return "number"
        return there[0] if len(there) == 1 else "text" if there else "empty"

    @property
    def is_mixed(self) -> bool:
        """Whether at least half of its values, and not all of them, are numbers, or dates: a few are something else."""
        values = self.rows - self.nulls
        numbers = self.kinds["integer"] + self.kinds["number"]
        dates = self.kinds["date"] + self.kinds["datetime"]
        return any(2 * part >= values > part for part in (numbers, dates))

    @property
    def is_constant(self) -> bool:
        """Whether all of at least two rows have the same value."""
        return self.rows > 1 and self.nulls == 0 and self._is_constant

    @property
    def repeated(self) -> int:
        """How many values of a column that must not have any twice were there before."""
        return self._distinct.repeated if self._distinct is not None else 0

    def add_texts(self, cells: pa.Array) -> None:
        """Take cells of a table in text, as bytes."""
        texts = self._decoded(cells)
        self.rows += len(texts)
        trimmed = pc.ascii_trim_whitespace(texts)
        values = trimmed.filter(pc.invert(pc.is_in(trimmed, value_set=self._missing)))
        self.nulls += len(texts) - len(values)
        self._add_values(values)

    def add_typed(self, cells: pa.Array) -> None:
        """Take cells that have a type, as Parquet has it."""
        kind = cells.type
        if pa.types.is_dictionary(kind):
            cells, kind = cells.dictionary_decode(), kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            self._add_strings(cells.cast(pa.large_string()))
            return
        self.rows += len(cells)
        values = cells.drop_null()
        if pa.types.is_floating(kind):
            values = values.filter(pc.invert(pc.is_nan(values)))
        self.nulls += len(cells) - len(values)
        self._add_kind(values, _kind_of(kind))

    def histogram(self) -> Curve | None:
        """Count the rows by what they have in a column of numbers; None of any other."""
        if self._sample is None or self.type not in {"integer", "number"}:
            return None
        values = np.concatenate(self._sample) if self._sample else np.empty(0)
        values = values[np.isfinite(values)]
        if not values.size:
            return None
        low, high = float(values.min()), float(values.max())
        if not _LEAST < high - low < np.inf or high - low < abs(high) * 1e-12:
            return Curve(name=self._curve, x=(low,), y=(float(values.size),))
        counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
        return Curve(name=self._curve, x=tuple((edges[:-1] + np.diff(edges) / 2).tolist()), y=tuple(map(float, counts)))

    @property
    def _curve(self) -> str:
        return f"rows_by_{plain_text(self.name, longest=100) or 'column'}"

    def _decoded(self, cells: pa.Array) -> pa.Array:
        try:
            return cells.cast(pa.string())
        except pa.ArrowInvalid:
            texts = []
            for cell in cells.to_pylist():
                text = cell.decode("utf-8", "replace")
                self.not_utf8 += text.encode("utf-8") != cell
                texts.append(text)
            return pa.array(texts, pa.string())

    def _add_strings(self, cells: pa.Array) -> None:
        """Take texts of a typed table: they are texts, whatever they look like, and only the empty one is no value."""
        self.rows += len(cells)
        values = cells.drop_null()
        values = values.filter(pc.not_equal(values, ""))
        self.nulls += len(cells) - len(values)
        self.kinds["text"] += len(values)
        self.formulas += _count(pc.match_substring_regex(values, _FORMULA))
        self._note(values)
        self._require(values, None, len(values) if self.field and "text" not in _FITTING[self.field.type] else 0)

    def _add_values(self, values: pa.Array) -> None:
        """Tell numbers, dates and texts apart."""
        if not len(values):
            return
        self._note(values)
        numbers, others = _numbers(values)
        counts = dict.fromkeys(_KINDS, 0)
        if len(numbers):
            counts["integer"] = _count(pc.match_substring_regex(numbers, _INTEGER))
            counts["number"] = len(numbers) - counts["integer"]
        if len(others):
            counts["boolean"] = _count(pc.is_in(others, value_set=pa.array(_BOOLEANS, others.type)))
            counts["date"] = _count(pc.match_substring_regex(others, _DATE))
            counts["datetime"] = _count(pc.match_substring_regex(others, _MOMENT))
            counts["text"] = len(others) - counts["boolean"] - counts["date"] - counts["datetime"]
            self.formulas += _count(pc.match_substring_regex(others, _FORMULA))
        for kind, count in counts.items():
            self.kinds[kind] += count
        reals = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False) if len(numbers) else np.empty(0)
        self._add_numbers(reals)
        self._require(values, reals, self._unfit(values, counts))

    def _unfit(self, values: pa.Array, counts: Mapping[str, int]) -> int:
        """Count the values that are not of the schema's type."""
        if self.field is None:
            return 0
        if self.field.type == "boolean":  # Table Schema takes 1 and 0 as well
            return len(values) - _count(pc.is_in(values, value_set=pa.array((*_BOOLEANS, "1", "0"), values.type)))
        return sum(count for kind, count in counts.items() if kind not in _FITTING[self.field.type])

    def _add_kind(self, values: pa.Array, kind: str) -> None:
        self.kinds[kind] += len(values)
        reals = None
        if kind in {"integer", "number"}:
            reals = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            self._add_numbers(reals)
        if kind == "other":
            self._is_constant = False
        else:
            values = as_strings(values)
            self._note(values)
        unfit = len(values) if self.field is not None and kind not in _FITTING[self.field.type] else 0
        self._require(None if kind == "other" else values, reals, unfit)

    def _add_numbers(self, values: Numbers) -> None:
        finite = values[np.isfinite(values)]
        self.infinite += len(values) - len(finite)
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
        if self._sample is not None and values.size:
            self._keep(values)

    def _keep(self, values: Numbers) -> None:
        """Keep every so many-th number, so that it does not matter in which blocks they come."""
        first = -self._numbers % self._stride
        self._numbers += values.size
        kept = values[first :: self._stride].copy()
        sample = self._sample if self._sample is not None else []
        sample.append(kept)
        self._sampled += kept.size
        while self._sampled > SAMPLE:
            together = np.concatenate(sample)[::2].copy()
            self._stride *= 2
            sample[:] = [together]
            self._sampled = together.size

    def _note(self, values: pa.Array) -> None:
        """Note whether all values are the same, and which of a unique column were there before."""
        if self._is_constant and len(values):
            self._first = values[0].as_py() if self._first is None else self._first
            self._is_constant = bool(pc.all(pc.equal(values, pa.scalar(self._first, values.type))).as_py())
        if self._distinct is not None:
            self._distinct.add(hash_array(values))

    def _require(self, values: pa.Array | None, reals: Numbers | None, unfit: int) -> None:
        """Count the values that are not what the schema asks for; each once for each rule that it breaks."""
        field = self.field
        if field is None:
            return
        self.faults += unfit
        if reals is not None and reals.size:
            self.faults += int((reals < field.minimum).sum()) if field.minimum is not None else 0
            self.faults += int((reals > field.maximum).sum()) if field.maximum is not None else 0
        if values is None or not len(values):
            return
        if field.enum:
            self.faults += len(values) - _count(pc.is_in(values, value_set=pa.array(field.enum, values.type)))
        if field.pattern is not None:
            self.faults += len(values) - _count(pc.match_substring_regex(values, whole_match(field.pattern)))
        if field.min_length is not None or field.max_length is not None:
            lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False)
            self.faults += int((lengths < (field.min_length or 0)).sum())
            self.faults += int((lengths > field.max_length).sum()) if field.max_length is not None else 0


def as_strings(cells: pa.Array) -> pa.Array:
    """Write values of any plain type as texts; moments as in UTC, since names of zones lie in other files."""
    kind = cells.type
    return (cells.cast(pa.timestamp(kind.unit)) if pa.types.is_timestamp(kind) else cells).cast(pa.string())


def hash_array(texts: pa.Array, before: Numbers | None = None) -> Numbers:
    """Hash texts or bytes, none of which is null."""
    packed = texts.cast(pa.large_binary())
    _, offsets, data = packed.buffers()
    ends = np.frombuffer(offsets, np.int64)[packed.offset : packed.offset + len(packed) + 1] if len(packed) else _NONE
    return hash_texts(ends, np.frombuffer(data, np.uint8) if data is not None and data.size else _BLANK, before)


def _numbers(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Part numbers from other texts."""
    try:
        values.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(values, _NUMBER)
        return values.filter(is_number), values.filter(pc.invert(is_number))
    return values, values[:0]


def _count(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _kind_of(kind: pa.DataType) -> str:
    tests = {
        "boolean": pa.types.is_boolean,
        "integer": pa.types.is_integer,
        "date": pa.types.is_date,
        "datetime": pa.types.is_timestamp,
    }
    found = next((name for name, test in tests.items() if test(kind)), None)
    if found is not None:
        return found
    return "number" if pa.types.is_floating(kind) or pa.types.is_decimal(kind) else "other"
