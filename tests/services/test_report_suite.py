"""What the suite says of its checks: the advice, limits of single files, and what a finding is about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cisterna.adapters.shared_data import shared_folder
from cisterna.domain.finding import Outcome
from cisterna.services.report_suite import blame_order, blamed_by, said_rules
from cisterna.testing.factory import make_finding

RULE = {
    "check": "reads-short",
    "kwargs": {"column": "short_share", "max_value": 0.1},
    "advice": "Look at the library.",
    "rows": {"column": "length_bases", "min_value": 50},
}


def test_a_rule_says_its_column_its_advice_and_the_limit_of_single_files() -> None:
    (rule,) = said_rules({"expectations": [RULE]}).values()

    assert (rule.column, rule.advice, rule.file_column) == ("short_share", "Look at the library.", "length_bases")
    assert rule.file_limit is not None
    assert (rule.file_limit.value, rule.file_limit.is_least) == (50.0, True)


@pytest.mark.parametrize(
    "suite",
    [
        {},
        {"expectations": None},
        {"expectations": "x"},
        {"expectations": [None, 3, [], {}, {"check": 7}, {"check": "", "rows": {}}]},
    ],
)
def test_what_is_no_suite_has_no_rules(suite: dict[str, Any]) -> None:
    assert said_rules(suite) == {}


@pytest.mark.parametrize(
    "rows", [None, [], {"column": 3, "max_value": "x"}, {"column": "c", "min_value": float("nan")}]
)
def test_a_rule_without_a_usable_limit_has_none(rows: object) -> None:
    (rule,) = said_rules({"expectations": [{**RULE, "rows": rows}]}).values()

    assert rule.file_limit is None


def test_what_findings_are_about_is_told_by_column_and_by_name_in_their_order() -> None:
    findings = [
        make_finding("reads-short", Outcome.WARNING, message="x"),
        make_finding("focus-lost", Outcome.FAILED, message="x"),
        make_finding("snr-low", message="met"),
    ]

    blamed = blamed_by(findings, said_rules({"expectations": [RULE]}))

    order = [blame_order(metric, blamed) for metric in ("short_share", "focus", "focus_median", "snr")]
    assert order == [0, 1, 1, 2]


def test_every_suite_of_ours_is_read() -> None:
    for file in shared_folder("expectations").glob("*/default.json"):
        content = json.loads(file.read_text())
        rules = said_rules(content)
        assert len(rules) == len(content["expectations"]), file
        assert all(rule.advice and rule.column for rule in rules.values())
