"""The reference page names every metric and every column of cytometry, and our suite uses columns that exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.bootstrap.home import Home
from cisterna.bootstrap.meter import meter_choice
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import summarise
from cisterna.services.summary_cytometry import DEFAULT_LIMITS
from cisterna.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/metrics-cytometry.md").read_text("utf-8")
SUITE = json.loads((ROOT / "expectations/cytometry/default.json").read_text("utf-8"))
SUMMARY = summarise("cytometry", MetricTable(columns={"path": []}), Facts())


@pytest.mark.parametrize("name", [*FcsMeter.names, *SUMMARY.row, *sorted({*SUMMARY.table.columns} - {"path"})])
def test_the_page_explains_every_metric_and_column(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_our_suite_uses_columns_that_exist() -> None:
    table = {*SUMMARY.table.columns, *FcsMeter.names}

    for rule in SUITE["expectations"]:
        assert rule["kwargs"]["column"] in SUMMARY.row
        assert "rows" not in rule or rule["rows"]["column"] in table


def test_the_limits_of_the_suite_are_those_that_are_taken_without_one() -> None:
    assert SUITE["limits"] == dict(DEFAULT_LIMITS)


def test_the_page_says_which_limits_single_files_are_counted_by() -> None:
    for name, limit in DEFAULT_LIMITS.items():
        assert f"`{name}` ({limit})" in PAGE


def test_cytometry_has_its_own_meter_and_other_types_do_not(tmp_path: Path) -> None:
    with meter_choice(Settings(), Home(tmp_path)) as meters:
        assert isinstance(meters.of("cytometry"), FcsMeter)
        assert not isinstance(meters.of("microscopy"), FcsMeter)
