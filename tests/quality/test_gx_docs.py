"""Great Expectations' own pages of a judgement: built with no network, by a process that is gone afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.gx_docs import build_docs
from cisterna.domain.errors import InvalidInput


def rule(check: str, column: str, **fields: Any) -> dict[str, Any]:
    made = {
        "check": check,
        "type": "expect_column_max_to_be_between",
        "kwargs": {"column": column, "max_value": 1.0},
        "severity": "error",
        "title": f"Title of {check}",
        "advice": "Look.",
    }
    return {**made, **fields}


def suite(*rules: dict[str, Any]) -> str:
    return json.dumps({"suite": "table/default", "expectations": list(rules)})


def test_the_pages_hold_every_rule_that_has_a_value_and_name_the_rest(tmp_path: Path) -> None:
    usual = {"column": "a", "side": "low", "floor": 0.1}
    text = suite(
        rule("bad", "a"),
        rule("good", "b", title="Title of good <script>alert(2)</script>", advice="<script>alert(3)</script>"),
        rule("unknown", "nobody"),
        rule("endless", "n"),
        rule("text", "t", type="expect_column_values_to_be_in_set", kwargs={"column": "t", "value_set": ["x"]}),
        rule("own", "b", type="expect_column_values_to_please_us"),
        rule("usual", "a", type="expect_column_value_within_baseline", kwargs=usual),
    )
    summary = {"a": 2.0, "b": 0.5, "n": float("nan"), "t": "<script>alert(1)</script>"}

    site = build_docs(tmp_path / "docs", name="ds-1:v1", suite="table/default", suite_text=text, summary=summary)

    assert (site.rules, site.left_out) == (2, ("unknown", "endless", "text", "own", "usual"))
    (page,) = (tmp_path / "docs" / "validations").rglob("*.html")
    words = page.read_text()
    assert "Title of bad" in words
    assert "Title of good" in words
    assert (tmp_path / "docs" / "index.html").is_file()
    assert not any("<script>alert" in file.read_text() for file in (tmp_path / "docs").rglob("*.html"))
    assert "cdn.jsdelivr.net" in site.hosts  # said to whoever builds them: these pages are not ours


def test_what_is_no_suite_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        build_docs(tmp_path / "docs", name="x", suite="table/default", suite_text="{", summary={})
    assert not (tmp_path / "docs").exists()
