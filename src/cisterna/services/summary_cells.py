"""Sums up the matrices of a single-cell run; the columns are described in `docs/reference/metrics-single-cell.md`."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import dirname

from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import UNMEASURED
from cisterna.services.summary import NO_LIMITS, Cell, Facts, Summary, SummaryRow, is_said, maximum, number


def summarise_cells(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up single cells in one row. Pure; what no matrix has a value for is None, which no check can pass.

    The matrix of all barcodes, before cells were chosen among them, is counted and not judged. Every value is that of
    the worst matrix.
    """
    del limits
    cells = _Matrices(table)
    row: SummaryRow = {
        "planned_missing_share": facts.planned_missing_share,
        "files_unreadable": None if table.rows and all(cells.unmeasured) else sum(cells.unreadable),
        "matrices_found": None if table.rows and all(cells.unmeasured) else len(cells.found),
        "matrices": len(cells.judged),
        "matrices_unfiltered": sum(value == 1 for value in cells.numbers("unfiltered")),
        "matrices_without_counts": cells.total("normalised"),
        "cells_fewest": cells.least("cells"),
        "genes_fewest": cells.least("genes"),
        "counts_per_cell_median": cells.least("counts_per_cell_median"),
        "genes_per_cell_median": cells.least("genes_per_cell_median"),
        "mitochondrial_share_median": cells.most("mitochondrial_share_median"),
        "mitochondrial_share_p95": cells.most("mitochondrial_share_p95"),
        "top50_share_median": cells.most("top50_share_median"),
        "empty_cells_share": cells.most("empty_cells_share"),
        "unseen_genes_share": cells.most("unseen_genes_share"),
        "duplicate_barcodes": cells.total("duplicate_barcodes"),
        "duplicate_genes": cells.total("duplicate_genes"),
        "negative_values": cells.total("negative_values"),
        "nonfinite_values": cells.total("nonfinite_values"),
        "length_mismatches": cells.mismatches(),
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(cells.unreadable),
        **{name: list(cells.derived[name]) for name in cells.derived},
        "mismatched": list(cells.mismatched()),
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, **added}))


class _Matrices:
    """The table, column by column, and which of its rows are judged."""

    def __init__(self, table: MetricTable) -> None:
        self._table = table
        self.paths = [str(path) for path in self._column("path")]
        self.unreadable = [is_said(cell) for cell in self._column("problem")]
        self.unmeasured = [is_said(cell) for cell in self._column(UNMEASURED)]
        self._left_out = [any(pair) for pair in zip(self.unreadable, self.unmeasured, strict=True)]
        self.found = [place for place, cells in enumerate(self.numbers("cells")) if cells is not None]
        unfiltered = self.numbers("unfiltered")
        self.judged = [place for place in self.found if unfiltered[place] != 1]
        self._lists = [place for place, cells in enumerate(self.numbers("cells")) if cells is None]
        self.derived = {
            "empty_cells_share": self._shares("empty_cells", "cells"),
            "unseen_genes_share": self._shares("unseen_genes", "genes"),
            "normalised": [None if value is None else 1 - value for value in self.numbers("raw_counts")],
        }

    def _column(self, name: str) -> list[Cell]:
        return self._table.columns.get(name, [None] * self._table.rows)

    def numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for files that could not be read."""
        return [None if bad else number(cell) for cell, bad in zip(self._column(name), self._left_out, strict=True)]

    def _shares(self, part: str, whole: str) -> list[float | None]:
        pairs = zip(self.numbers(part), self.numbers(whole), strict=True)
        return [None if one is None or not all_of else number(one / all_of) for one, all_of in pairs]

    def _of_judged(self, name: str) -> list[float]:
        values = self.derived.get(name) or self.numbers(name)
        return [value for place in self.judged if (value := values[place]) is not None]

    def least(self, name: str) -> float | None:
        """The lowest of the judged matrices' values."""
        return min(self._of_judged(name), default=None)

    def most(self, name: str) -> float | None:
        """The highest of the judged matrices' values."""
        return maximum(self._of_judged(name))

    def total(self, name: str) -> float | None:
        """The sum of the judged matrices' values, and of the lists beside matrices; None without any."""
        values = self.derived.get(name) or self.numbers(name)
        there = [value for place in (*self.judged, *self._lists) if (value := values[place]) is not None]
        return number(sum(there)) if there else None

    def mismatches(self) -> float | None:
        """Count what does not fit together: within files, and among the three files of matrices in text."""
        known = [value for value in self.mismatched() if value is not None]
        return number(sum(known)) if known else None

    def mismatched(self) -> list[float | None]:
        """Say of each matrix how many of its lists and parts are not as long as it is wide or high."""
        inside = self.numbers("length_mismatches")
        beside = self._beside()
        return [value if value is not None else beside.get(place) for place, value in enumerate(inside)]

    def _beside(self) -> dict[int, float]:
        """Hold each matrix in text against the barcodes and features in its folder."""
        lists = {name: self._listed(name) for name in ("barcodes_listed", "features_listed")}
        cells, features = self.numbers("cells"), self.numbers("features")
        found: dict[int, float] = {}
        for place, count in enumerate(cells):
            folder = dirname(self.paths[place])
            if count is None or folder not in lists["barcodes_listed"] or folder not in lists["features_listed"]:
                continue
            fits = count in lists["barcodes_listed"][folder], features[place] in lists["features_listed"][folder]
            found[place] = float(len(fits) - sum(fits))
        return found

    def _listed(self, name: str) -> dict[str, set[float]]:
        found: dict[str, set[float]] = {}
        for path, value in zip(self.paths, self.numbers(name), strict=True):
            if value is not None:
                found.setdefault(dirname(path), set()).add(value)
        return found
