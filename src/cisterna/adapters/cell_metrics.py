"""The metrics of single cells: their names, in the order of the table's columns."""

from __future__ import annotations

Metrics = dict[str, float | None]

PER_CELL = (
    "counts_per_cell_median",
    "counts_per_cell_p5",
    "counts_per_cell_p95",
    "genes_per_cell_median",
    "genes_per_cell_p5",
    "genes_per_cell_p95",
    "mitochondrial_genes",
    "mitochondrial_share_median",
    "mitochondrial_share_p95",
    "ribosomal_share_median",
    "top50_share_median",
    "top50_share_p95",
    "empty_cells",
    "unseen_genes",
)
"""What is counted over cells and genes; the others are of the file."""

CELL_METRICS = (
    "cells",
    "genes",
    "features",
    "entries",
    *PER_CELL,
    "duplicate_barcodes",
    "duplicate_genes",
    "raw_counts",
    "counts_outside_x",
    "negative_values",
    "nonfinite_values",
    "layers",
    "has_raw",
    "length_mismatches",
    "unfiltered",
    "barcodes_listed",
    "features_listed",
)


def no_metrics() -> Metrics:
    """Give every metric without a value."""
    return dict.fromkeys(CELL_METRICS)
