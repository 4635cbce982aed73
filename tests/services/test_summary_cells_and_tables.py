"""Summaries of single cells and tables say nothing that nobody measured, whatever stands in their tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.cell_metrics import CELL_METRICS
from cisterna.adapters.table_tally import TABLE_METRICS
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import summarise

METRICS = {"single_cell": CELL_METRICS, "table": TABLE_METRICS}
COUNTED = {
    "single_cell": {"matrices", "matrices_found", "matrices_unfiltered", "files_unreadable"},
    "table": {"tables", "tables_unreadable", "tables_with_key", "tables_with_schema"},
}
CELL = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-5, 10**9),
    st.text(max_size=3),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 1.7e308, 5e-324]),
)


@pytest.mark.parametrize("data_type", METRICS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_value_is_a_number_or_none(data_type: str, data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 4))
    names = ["problem", "unmeasured", *METRICS[data_type]]
    columns = {name: data.draw(st.lists(CELL, min_size=rows, max_size=rows)) for name in names}
    paths: list[str | float | int | None] = [f"{place % 2}/matrix.mtx" for place in range(rows)]

    found = summarise(data_type, MetricTable(columns={"path": paths, **columns}), Facts())

    assert all(value is None or math.isfinite(value) for value in found.row.values())  # type: ignore[arg-type]
    assert {len(column) for column in found.table.columns.values()} == {rows}


@pytest.mark.parametrize("data_type", METRICS)
@pytest.mark.parametrize("why", ["problem", "unmeasured"])
def test_of_files_that_nobody_could_read_nothing_is_said(data_type: str, why: str) -> None:
    """Though their rows have values, as an older table may: those are not believed."""
    columns: dict[str, list[str | float | int | None]] = {name: [1.0, 2.0] for name in METRICS[data_type]}

    row = summarise(data_type, MetricTable(columns={"path": ["a", "b"], **columns, why: ["x", "y"]}), Facts()).row

    assert {name for name, value in row.items() if value is not None} <= COUNTED[data_type]
    assert row["files_unreadable" if data_type == "single_cell" else "tables_unreadable"] == (
        2 if why == "problem" else None
    )


def test_a_value_that_one_of_two_tables_lacks_is_not_made_up() -> None:
    columns: dict[str, list[str | float | int | None]] = {name: [1.0, 1.0] for name in TABLE_METRICS}
    columns["formula_cells"] = [0.0, None]
    columns["key_duplicates"] = [None, 0.0]

    row = summarise("table", MetricTable(columns={"path": ["a", "b"], **columns}), Facts()).row

    assert (row["formula_cells"], row["key_faults"], row["mixed_columns"]) == (None, None, 2.0)
