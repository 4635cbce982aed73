"""The reference page names every metric and every column that there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cisterna.adapters.image_meter import TiffMeter
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Facts
from cisterna.services.summary_derived import summarise_labels
from cisterna.services.summary_images import summarise_images

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
EMPTY = MetricTable(columns={"path": []})
SUMMARY = summarise_images(EMPTY, Facts(), limits={})


@pytest.mark.parametrize("name", [*TiffMeter.names, *SUMMARY.row, *summarise_labels(EMPTY, Facts()).row])
def test_the_page_explains_every_metric_and_column(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("suite", ["microscopy", "labels"])
def test_our_suites_use_columns_that_exist(suite: str) -> None:
    rows = SUMMARY if suite == "microscopy" else summarise_labels(EMPTY, Facts())
    table = {*rows.table.columns, *TiffMeter.names, "object_count"}

    for rule in json.loads((ROOT / f"expectations/{suite}/default.json").read_text("utf-8"))["expectations"]:
        for argument in ("column", "column_A", "column_B"):
            assert rule["kwargs"].get(argument) in {None, *rows.row}
        assert "rows" not in rule or rule["rows"]["column"] in table


@pytest.mark.parametrize("at", [0, 1])
def test_the_examples_in_the_how_to_are_rules_of_ours(at: int) -> None:
    page = (ROOT / "docs/how-to/change-a-quality-rule.md").read_text("utf-8")
    example = json.loads(re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)[at])
    ours = json.loads((ROOT / "expectations/microscopy/default.json").read_text("utf-8"))["expectations"]
    rule = next(rule for rule in ours if rule["check"] == example["check"])

    assert {**example, "advice": ""} == {**rule, "advice": ""}
