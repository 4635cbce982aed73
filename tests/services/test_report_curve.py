"""Curves of files, thinned and summed up: no peak is lost, and two hundred files can be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.errors import InvalidInput
from cisterna.domain.quality_report import CurveChart
from cisterna.services.report_curve import LINES, MOST_CHARTS, curve_charts


def charts(rows: list[tuple[Any, ...]], *, failing: tuple[str, ...] = ()) -> tuple[CurveChart, ...]:
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    return curve_charts(dict(zip(("path", "curve", "x", "y"), map(list, columns), strict=True)), failing=failing)


def test_of_few_files_each_has_a_line_and_those_of_a_finding_are_marked() -> None:
    (chart,) = charts([("a", "q", 1.0, 30.0), ("a", "q", 2.0, 31.0), ("b", "q", 1.0, 9.0)], failing=("b",))

    assert [(line.path, line.is_failing) for line in chart.lines] == [("a", False), ("b", True)]
    assert chart.lines[0].y == (30.0, 31.0)
    assert chart.band == ()


def test_of_many_files_a_band_is_drawn_and_lines_for_those_of_a_finding() -> None:
    rows = [(f"f{file}", "q", float(x), float(file)) for file in range(101) for x in range(10)]

    (chart,) = charts(rows, failing=("f7",))

    low, middle, high = chart.band
    assert chart.files == 101
    assert [line.path for line in chart.lines] == ["f7"]
    assert (low.y[0], middle.y[0], high.y[0]) == (10.0, 50.0, 90.0)
    assert len(low.x) == 10


def test_a_long_curve_is_thinned_and_keeps_its_peak() -> None:
    (chart,) = charts([("a", "tic", float(x), 1e9 if x == 777 else 1.0) for x in range(1000)])

    (line,) = chart.lines
    assert len(line.x) <= 130
    assert max(line.y) == 1e9
    assert list(line.x) == sorted(line.x)


def test_very_many_names_of_curves_are_bounded() -> None:
    assert len(charts([("a", f"c{number}", 1.0, 1.0) for number in range(500)])) == MOST_CHARTS


cells = st.one_of(st.none(), st.floats(), st.text(max_size=3), st.integers())


@given(st.lists(st.tuples(cells, cells, cells, cells), max_size=40))
def test_cells_of_any_kind_are_drawn_or_left_out(rows: list[tuple[Any, ...]]) -> None:
    for chart in charts(rows):
        assert chart.files <= LINES or chart.band
        assert all(len(line.x) == len(line.y) > 0 for line in chart.lines)


@pytest.mark.parametrize("columns", [{"path": []}, {"path": ["a"], "curve": ["q"], "x": [1.0], "y": []}])
def test_what_is_no_table_of_curves_is_refused(columns: dict[str, list[Any]]) -> None:
    with pytest.raises(InvalidInput):
        curve_charts(columns, failing=())
