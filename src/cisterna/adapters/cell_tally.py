"""Single-cell counts in one fused pass; what each metric is stands in `docs/reference/metrics-single-cell.md`.

The definitions are those of scanpy's `calculate_qc_metrics`, as shares instead of percentages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.cell_metrics import PER_CELL, Metrics
from cisterna.adapters.compiled import compiled
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import Curve

Numbers = NDArray[Any]

TOP = 50
CELLS_MAX, GENES_MAX = 10_000_000, 2_000_000
_SLOTS_MAX = 2_000_000
_HISTOGRAM_BINS, _KNEE_POINTS = 50, 500
_CELL, _NEGATIVE, _NONFINITE, _FRACTIONAL, _TWICE, _UNORDERED, _ENTRIES = range(7)


class GeneMarks(NamedTuple):
    """What the names of the genes say, one value a gene.

    Attributes:
        counted: Whether it is a gene at all, and no antibody or guide.
        mitochondrial, ribosomal: By the beginning of its name.
        is_named: Whether any name was known.
    """

    counted: Numbers
    mitochondrial: Numbers
    ribosomal: Numbers
    is_named: bool = True


def require_countable(cells: int, genes: int) -> None:
    """Raises `InvalidInput` for more cells or genes than are counted here: each takes room, whatever a file holds."""
    if cells > CELLS_MAX or genes > GENES_MAX:
        msg = f"{cells:,} cells by {genes:,} genes are more than are counted ({CELLS_MAX:,} by {GENES_MAX:,})"
        raise InvalidInput(msg)


def unmarked(genes: int) -> GeneMarks:
    """Give marks of genes whose names nobody knows."""
    nothing = np.zeros(genes, np.bool_)
    return GeneMarks(np.ones(genes, np.bool_), nothing, nothing, is_named=False)


def marks_of(names: Sequence[bytes], kinds: Sequence[bytes] = ()) -> GeneMarks:
    """Mark genes by their names: `MT-` is mitochondrial, `RPS` and `RPL` are ribosomal, whatever their case.

    Args:
        names: Of the genes.
        kinds: As 10x Genomics names them; where any is `Gene Expression`, no other is counted.
    """
    lower = [name[:3].lower() for name in names]
    counted = np.fromiter((kind == b"Gene Expression" for kind in kinds), np.bool_, len(kinds))
    if len(counted) != len(names) or not counted.any():
        counted = np.ones(len(names), np.bool_)
    mitochondrial = np.fromiter((name == b"mt-" for name in lower), np.bool_, len(names))
    ribosomal = np.fromiter((name in {b"rps", b"rpl"} for name in lower), np.bool_, len(names))
    return GeneMarks(counted, mitochondrial & counted, ribosomal & counted)


@compiled
def _sift(heap: Numbers, value: float) -> None:
    """Put a value in the place of the smallest of a heap."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= heap.size:
            break
        if child + 1 < heap.size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = value


@compiled
def _total(heap: Numbers) -> float:
    total = 0.0
    for place in range(heap.size):
        total += heap[place]
    return total


class _Sums(NamedTuple):
    """What the pass adds to.

    Attributes:
        per_cell: Counts of each cell: all, mitochondrial, ribosomal.
        last: The cell of each gene's last entry.
        heaps: The largest values of each cell, or of the cell of the moment where cells come in order, or none.
        tops: Their sum, of the cells that are behind.
    """

    marks: Numbers
    per_cell: Numbers
    genes_seen: Numbers
    per_gene: Numbers
    last: Numbers
    heaps: Numbers
    tops: Numbers
    state: Numbers


@compiled
def _note(value: float, cell: int, gene: int, sums: _Sums) -> bool:
    """Note what kind of entry it is, and tell whether it is to be added."""
    state = sums.state
    state[_ENTRIES] += 1
    state[_TWICE] += sums.last[gene] == cell
    sums.last[gene] = cell
    if not np.isfinite(value):
        state[_NONFINITE] += 1
        return False
    state[_NEGATIVE] += value < 0.0
    state[_FRACTIONAL] += value != np.floor(value)
    return value != 0.0


@compiled
def _rank(value: float, cell: int, sums: _Sums) -> None:
    """Keep a value if it is among the largest of its cell."""
    state = sums.state
    place = cell
    if sums.heaps.shape[0] == 1:
        place = 0
        if cell != state[_CELL]:
            if cell < state[_CELL]:
                state[_UNORDERED] = 1
            if state[_CELL] >= 0:
                sums.tops[state[_CELL]] = _total(sums.heaps[0])
            sums.heaps[0, :] = 0.0
            state[_CELL] = cell
    if value > sums.heaps[place, 0]:
        _sift(sums.heaps[place], value)


@compiled
def _tally(values: Numbers, cells: Numbers, genes: Numbers, sums: _Sums) -> None:
    has_heaps = sums.heaps.shape[0] > 0
    for index in range(values.size):
        value, cell, gene = values[index], cells[index], genes[index]
        if not _note(value, cell, gene, sums):
            continue
        sums.per_cell[0, cell] += value
        if sums.marks[0, gene]:
            sums.per_cell[1, cell] += value
        if sums.marks[1, gene]:
            sums.per_cell[2, cell] += value
        sums.genes_seen[cell] += 1
        sums.per_gene[gene] += 1
        if has_heaps:
            _rank(value, cell, sums)


class CellTally:
    """Takes the entries of one matrix, each of them once, in any order.

    Args:
        cells, genes: How many rows and columns the matrix has.
        marks: Of the genes.
        by_cell: Whether all entries of a cell come before those of the next. Where they turn out not to, there are no
            shares of the top genes.

    Raises:
        InvalidInput: There are more cells or genes than are counted here.
    """

    def __init__(self, cells: int, genes: int, *, marks: GeneMarks, by_cell: bool) -> None:
        require_countable(cells, genes)
        self.cells, self.genes, self.marks = cells, genes, marks
        slots = 1 if by_cell else cells if cells <= _SLOTS_MAX else 0
        self._is_by_cell = by_cell
        self._sums = _Sums(
            marks=np.stack([marks.mitochondrial, marks.ribosomal]),
            per_cell=np.zeros((3, cells), np.float64),
            genes_seen=np.zeros(cells, np.int32),
            per_gene=np.zeros(genes, np.int64),
            last=np.full(genes, -1, np.int64),
            heaps=np.zeros((slots, TOP), np.float32),
            tops=np.zeros(cells if by_cell else 0, np.float64),
            state=np.array([-1, 0, 0, 0, 0, 0, 0], np.int64),
        )

    def add(self, values: Numbers, cells: Numbers, genes: Numbers) -> None:
        """Take entries, of cells and genes that exist."""
        if not self.marks.counted.all():
            kept = self.marks.counted[genes]
            values, cells, genes = values[kept], cells[kept], genes[kept]
        _tally(
            np.array(values, np.float64),  # copies: what is compiled for writable arrays is compiled once
            np.array(cells, np.int64),
            np.array(genes, np.int64),
            self._sums,
        )

    @property
    def entries(self) -> int:
        """How many were taken."""
        return int(self._sums.state[_ENTRIES])

    @property
    def negative(self) -> int:
        """How many values are below zero."""
        return int(self._sums.state[_NEGATIVE])

    @property
    def nonfinite(self) -> int:
        """How many values are NaN or infinite."""
        return int(self._sums.state[_NONFINITE])

    @property
    def is_whole(self) -> bool:
        """Whether all finite values are whole numbers, and there are some: counts, and nothing normalised."""
        return not self._sums.state[_FRACTIONAL]

    @property
    def twice(self) -> int:
        """How many entries name the gene and cell of an earlier one next to it."""
        return int(self._sums.state[_TWICE])

    @property
    def totals(self) -> Numbers:
        """Scanpy's `total_counts`."""
        return np.asarray(self._sums.per_cell[0])

    @property
    def genes_per_cell(self) -> Numbers:
        """Scanpy's `n_genes_by_counts`."""
        return self._sums.genes_seen

    @property
    def mitochondrial_shares(self) -> Numbers:
        """Scanpy's `pct_counts_mt`, as a share; NaN for cells without counts."""
        return _shares(self._sums.per_cell[1], self.totals)

    @property
    def ribosomal_shares(self) -> Numbers:
        """The same of ribosomal genes."""
        return _shares(self._sums.per_cell[2], self.totals)

    @property
    def top_shares(self) -> Numbers | None:
        """Scanpy's `pct_counts_in_top_50_genes`, as a share; None where it cannot be told."""
        sums = self._sums
        if sums.state[_UNORDERED] or sums.heaps.shape[0] == 0:
            return None
        latest = sums.heaps.sum(axis=1, dtype=np.float64)
        if not self._is_by_cell:
            return _shares(latest, self.totals)
        tops = sums.tops.copy()
        if sums.state[_CELL] >= 0:
            tops[sums.state[_CELL]] = latest[0]
        return _shares(tops, self.totals)

    @property
    def unseen(self) -> int:
        """How many genes no cell has."""
        return int(((self._sums.per_gene == 0) & self.marks.counted).sum())

    def metrics(self) -> Metrics:
        """Give what holds for counts; None of each where these are none."""
        if not self.is_whole or self.cells == 0:
            return dict.fromkeys(PER_CELL)
        mitochondrial = self.mitochondrial_shares if self.marks.mitochondrial.any() else None
        ribosomal = self.ribosomal_shares if self.marks.ribosomal.any() else None
        tops = self.top_shares
        found: Metrics = {
            **_percentiles("counts_per_cell", self.totals),
            **_percentiles("genes_per_cell", self.genes_per_cell),
            "mitochondrial_genes": float(self.marks.mitochondrial.sum()) if self.marks.is_named else None,
            **{f"mitochondrial_share_{name}": _percentile(mitochondrial, at) for name, at in _UPPER},
            "ribosomal_share_median": _percentile(ribosomal, 50),
            **{f"top50_share_{name}": _percentile(tops, at) for name, at in _UPPER},
            "empty_cells": float((self.totals == 0).sum()),
            "unseen_genes": float(self.unseen),
        }
        return {name: found[name] for name in PER_CELL}

    def curves(self) -> tuple[Curve, ...]:
        """Give the histograms and the knee; none for what are no counts."""
        totals = self.totals[np.isfinite(self.totals)]
        if not self.is_whole or not (totals > 0).any():
            return ()
        curves = [
            _log_histogram("cells_by_counts", totals),
            _histogram("cells_by_genes", self.genes_per_cell, high=float(max(1, self.genes_per_cell.max()))),
        ]
        if self.marks.mitochondrial.any():
            curves.append(_histogram("cells_by_mitochondrial_share", self.mitochondrial_shares, high=1.0))
        return (*curves, _knee(totals))


def warm() -> None:
    """Load the compiled code."""
    tally = CellTally(1, 1, marks=unmarked(1), by_cell=True)
    tally.add(np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.int64))
    tally.metrics()


_UPPER = (("median", 50), ("p95", 95))


def _shares(part: Numbers, whole: Numbers) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part / whole)


def _percentiles(name: str, values: Numbers) -> Metrics:
    return {f"{name}_{which}": _percentile(values, at) for which, at in (("median", 50), ("p5", 5), ("p95", 95))}


def _percentile(values: Numbers | None, at: int) -> float | None:
    if values is None:
        return None
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, at)) if finite.size else None


def _histogram(name: str, values: Numbers, *, high: float) -> Curve:
    finite = values[np.isfinite(values)]
    counts, edges = np.histogram(finite, bins=_HISTOGRAM_BINS, range=(0.0, high))
    return Curve(name=name, x=tuple(((edges[1:] + edges[:-1]) / 2).tolist()), y=tuple(map(float, counts)))


def _log_histogram(name: str, values: Numbers) -> Curve:
    """Count cells in bins of equal width on a logarithmic axis; those without counts stand nowhere on it."""
    logs = np.log10(values[values > 0])
    counts, edges = np.histogram(logs, bins=_HISTOGRAM_BINS, range=(min(0.0, logs.min()), max(1.0, logs.max())))
    centres = 10 ** ((edges[1:] + edges[:-1]) / 2)
    return Curve(name=name, x=tuple(centres.tolist()), y=tuple(map(float, counts)))


def _knee(totals: Numbers) -> Curve:
    falling = np.sort(totals)[::-1]
    ranks = np.unique(np.geomspace(1, falling.size, _KNEE_POINTS).astype(np.int64))
    return Curve(
        name="counts_by_barcode_rank",
        x=tuple(map(float, ranks)),
        y=tuple(falling[ranks - 1].tolist()),
    )
