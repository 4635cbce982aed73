"""The pages of single cells and tables name every metric, every column of the row, and every curve that there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cisterna.adapters.cell_metrics import CELL_METRICS
from cisterna.adapters.table_tally import TABLE_METRICS
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import summarise

ROOT = Path(__file__).parents[2]
PAGES = {"single_cell": "metrics-single-cell.md", "table": "metrics-table.md"}
METRICS = {"single_cell": CELL_METRICS, "table": TABLE_METRICS}
CURVES = {
    "single_cell": ("cells_by_counts", "cells_by_genes", "cells_by_mitochondrial_share", "counts_by_barcode_rank"),
    "table": ("null_share_by_column", "minimum_by_column", "maximum_by_column", "rows_by_"),
}
ROWS = {name: summarise(name, MetricTable(columns={"path": []}), Facts()) for name in PAGES}


@pytest.mark.parametrize(
    ("data_type", "name"),
    [(one, name) for one in PAGES for name in (*METRICS[one], *ROWS[one].row, *CURVES[one])],
)
def test_the_page_explains_every_metric_column_and_curve(data_type: str, name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/reference" / PAGES[data_type]).read_text("utf-8")


@pytest.mark.parametrize("data_type", PAGES)
def test_our_suites_use_columns_that_exist(data_type: str) -> None:
    row, table = ROWS[data_type].row, {*ROWS[data_type].table.columns, *METRICS[data_type]}

    for rule in json.loads((ROOT / f"expectations/{data_type}/default.json").read_text("utf-8"))["expectations"]:
        assert rule["kwargs"]["column"] in row
        assert "rows" not in rule or rule["rows"]["column"] in table


@pytest.mark.parametrize("data_type", PAGES)
def test_of_nothing_there_is_nothing_to_pass(data_type: str) -> None:
    """Counts of what was found are nought, and everything that would have to be measured is None."""
    row = ROWS[data_type].row
    counted = {"matrices", "matrices_found", "matrices_unfiltered", "files_unreadable"} | {
        "tables",
        "tables_unreadable",
        "tables_with_key",
        "tables_with_schema",
    }

    assert {name for name, value in row.items() if value is not None} == counted & set(row)
    assert all(row[name] == 0 for name in counted & set(row))
