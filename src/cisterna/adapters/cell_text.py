"""Reads 10x Genomics' three text files as they stream by: the matrix, its barcodes and its features."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from cisterna.adapters.cell_metrics import CELL_METRICS, no_metrics
from cisterna.adapters.cell_tally import CellTally, GeneMarks, require_countable, unmarked
from cisterna.adapters.distinct import Distinct, hash_list
from cisterna.adapters.file_fault import Fault
from cisterna.ports.quality import Reading

Numbers = NDArray[Any]

_BANNER = re.compile(rb"%%MatrixMarket matrix coordinate (integer|real) general\s*")
_SIZES = re.compile(rb"\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,15})\s*")
_HEAD_BYTES, _LINE_BYTES = 1024 * 1024, 4096
_FREE_CELLS, _CELLS_AN_ENTRY = 1_000_000, 50
"""Of more barcodes than these there is an entry for every so many: what is kept of each is paid for in bytes."""
_COLUMNS = ("gene", "cell", "value")


class MatrixReader:
    """Implements `stream_spool.BlockReader` for `matrix.mtx`: features by barcodes, one entry a line.

    Args:
        marks: Gives those of so many features, or None when nobody knows their names.
    """

    def __init__(self, marks: Callable[[], GeneMarks | None]) -> None:
        self._marks = marks
        self._carry = b""
        self._tally: CellTally | None = None
        self._features = self._told = self._seen = 0

    def take(self, block: bytes) -> None:
        """Take whole lines, and keep what is left of the last one."""
        body = self._carry + block
        if self._tally is None:
            body = self._after_head(body)
        end = body.rfind(b"\n") + 1 if self._tally is not None else 0
        self._carry = body[end:]
        if len(self._carry) > _HEAD_BYTES:
            raise Fault("it has a line of more than 1 MiB, which no matrix has")
        if end:
            self._add(body[:end])

    def finish(self) -> Reading:
        """Hold what was counted against what the matrix tells of itself."""
        if self._tally is None:
            raise Fault("it ends before it tells how large its matrix is")
        if self._carry.strip():
            self._add(self._carry + b"\n")
        if self._seen != self._told:
            raise Fault(f"it tells of {self._told:,} entries and holds {self._seen:,}")
        tally = self._tally
        if tally.twice:
            raise Fault(f"it tells {tally.twice:,} times of a feature in a cell that it told of before")
        found = {
            **no_metrics(),
            "cells": float(tally.cells),
            "genes": float(tally.marks.counted.sum()),
            "features": float(self._features),
            "entries": float(tally.entries),
            **tally.metrics(),
            "raw_counts": float(tally.is_whole),
            "negative_values": float(tally.negative) if tally.is_whole else None,
            "nonfinite_values": float(tally.nonfinite),
        }
        return Reading(metrics={name: found[name] for name in CELL_METRICS}, curves=tally.curves())

    def _after_head(self, body: bytes) -> bytes:
        """Read banner, notes and sizes; give what follows, or all while they are not whole."""
        start = 0
        while (end := body.find(b"\n", start)) >= 0:
            line = body[start:end]
            if start == 0 and not _BANNER.fullmatch(line):
                raise Fault(
                    "it does not begin like a matrix of counts (%%MatrixMarket matrix coordinate integer general)"
                )
            start = end + 1
            if line.startswith(b"%") or not line.strip():
                continue
            sizes = _SIZES.fullmatch(line)
            if sizes is None:
                raise Fault("it does not tell how large its matrix is: features, barcodes and entries")
            self._begin(*map(int, sizes.groups()))
            return body[start:]
        return body

    def _begin(self, features: int, cells: int, entries: int) -> None:
        if entries > features * cells:
            raise Fault(f"it tells of {entries:,} entries in a matrix of {features:,} x {cells:,}")
        if cells > max(_FREE_CELLS, _CELLS_AN_ENTRY * entries):
            raise Fault(f"it tells of {cells:,} barcodes and of {entries:,} entries, which next to none of them has")
        require_countable(cells, features)
        marks = self._marks()
        if marks is None or len(marks.counted) != features:
            marks = None
        self._features, self._told = features, entries
        self._tally = CellTally(cells, features, marks=marks or unmarked(features), by_cell=True)

    def _add(self, lines: bytes) -> None:
        genes, cells, values = _entries(lines)
        tally = self._tally
        if tally is None or not len(genes):
            return
        if genes.min() < 1 or genes.max() > self._features or cells.min() < 1 or cells.max() > tally.cells:
            raise Fault(f"it has an entry outside its {self._features:,} features and {tally.cells:,} barcodes")
        self._seen += len(values)
        tally.add(values, cells - 1, genes - 1)


class NameReader:
    """Implements `stream_spool.BlockReader` for barcodes and features: one name a line, before the first tab.

    Args:
        counted, repeated: Names of the metrics that it has.
    """

    def __init__(self, *, counted: str, repeated: str) -> None:
        self._counted, self._repeated = counted, repeated
        self._carry = b""
        self._count = 0
        self._distinct = Distinct()

    def take(self, block: bytes) -> None:
        """Take whole lines, and keep what is left of the last one."""
        *lines, self._carry = (self._carry + block).split(b"\n")
        self._add(lines)
        if len(self._carry) > _LINE_BYTES:
            raise Fault("it has a line of more than 4 KiB, which is no name")

    def finish(self) -> Reading:
        """Count the last line, too, whether or not anything ends it."""
        if self._carry:
            self._add([self._carry])
        found = {
            **no_metrics(),
            self._counted: float(self._count),
            self._repeated: float(self._distinct.repeated),
        }
        return Reading(metrics={name: found[name] for name in CELL_METRICS})

    def _add(self, lines: list[bytes]) -> None:
        names = [line.rstrip(b"\r").partition(b"\t")[0] for line in lines]
        for number, name in enumerate(names, self._count + 1):
            if not name or len(name) > _LINE_BYTES or not name.isascii() or not name.decode("ascii").isprintable():
                raise Fault(f"its line {number:,} does not begin with a name that can be read")
        self._count += len(names)
        self._distinct.add(hash_list(names))


def _entries(lines: bytes) -> tuple[Numbers, Numbers, Numbers]:
    """Read lines of three numbers. Raises `Fault`."""
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(lines),
            read_options=pa_csv.ReadOptions(column_names=_COLUMNS, block_size=len(lines) + 1, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=pa_csv.ConvertOptions(
                column_types={"gene": pa.int64(), "cell": pa.int64(), "value": pa.float64()}, null_values=[]
            ),
        )
        return tuple(table.column(name).to_numpy() for name in _COLUMNS)
    except pa.ArrowInvalid:
        return _entries_apart(lines)


def _entries_apart(lines: bytes) -> tuple[Numbers, Numbers, Numbers]:
    """Read the same where other blanks stand between the numbers."""
    cells = [line.split() for line in lines.splitlines() if line.strip()]
    odd = next((line for line in cells if len(line) != 3), None)
    try:
        if odd is None and b"_" not in lines:  # which Python takes for a mark between thousands
            genes, barcodes = (np.array([int(line[at]) for line in cells], np.int64) for at in (0, 1))
            return genes, barcodes, np.array([float(line[2]) for line in cells])
    except (ValueError, OverflowError) as error:
        raise Fault("it has an entry that is not feature, barcode and count") from error
    raise Fault("it has a line that is not feature, barcode and count")
