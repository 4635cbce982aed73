"""Checks of others come by entry point into the gate's process; one that is wrong is a finding and no pass."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.gx_plug import plugged_checks
from cisterna.domain.finding import Finding, Outcome
from cisterna.ports.quality import MetricTable
from tests.quality.conftest import start_gate
from tests.quality.test_suite_file import RULE, write

HERE = Path(__file__).parent / "third_party"
TABLE = MetricTable(columns={"path": ["a"]})
POINTS = {
    "expect_column_to_be_a_plate": "plate_checks:ExpectColumnToBeAPlate",
    "expect_column_to_answer": "plate_checks:ExpectColumnToAnswer",
    "expect_nothing_there": "plate_checks:Missing",
    "expect_no_module": "no_such_module:Thing",
    "expect_a_stray": "plate_checks:Stray",
    "expect_another_name": "plate_checks:ExpectColumnToBeAPlate",
    "expect_column_max_to_be_between": "usurper:ExpectColumnMaxToBeBetween",
    "expect_a_quiet_usurper": "quiet_usurper:ExpectAQuietUsurper",
    "expect_the_end": "ends:Anything",
}
USURPER = """
from great_expectations.expectations.expectation import ColumnAggregateExpectation

class ExpectAQuietUsurper(ColumnAggregateExpectation):
    pass

class ExpectColumnMaxToBeBetween(ColumnAggregateExpectation):
    metric_dependencies = ("column.max",)

    def _validate(self, metrics, runtime_configuration=None, execution_engine=None):
        return {"success": True, "result": {}}
"""


@pytest.fixture(scope="module")
def others() -> Iterator[tuple[GxGate, Path]]:
    """A gate beside which packages with checks are installed, and its suites."""
    with tempfile.TemporaryDirectory(prefix="cq-") as made:
        folder = Path(made)
        site, suites = folder / "site", folder / "suites"
        info = site / "plate_checks-1.0.dist-info"
        for one in (info, suites):
            one.mkdir(parents=True)
        (site / "plate_checks.py").write_text((HERE / "plate_checks.py").read_text("utf-8"), "utf-8")
        (site / "usurper.py").write_text(USURPER, "utf-8")
        (site / "quiet_usurper.py").write_text(USURPER, "utf-8")
        (site / "ends.py").write_text("raise SystemExit(1)", "utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plate-checks\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {place}" for name, place in POINTS.items())
        (info / "entry_points.txt").write_text(f"[cisterna.checks]\n{lines}\n")
        sys.path.insert(0, str(site))
        importlib.invalidate_caches()
        plugged_checks.cache_clear()
        child, gate = start_gate(folder, suites)
        try:
            yield gate, suites
        finally:
            child.stop()
            sys.path.remove(str(site))
            plugged_checks.cache_clear()


def judge(others: tuple[GxGate, Path], kind: str, value: object, **kwargs: Any) -> Finding:
    gate, suites = others
    rule = {**RULE, "type": kind, "kwargs": {"column": "wells", **kwargs}, "unit": "wells"}
    write(suites, {"suite": "cells/default", "expectations": [rule]})
    (finding,) = gate.assess(data_type="cells", summary={"wells": value}, table=TABLE).findings
    return finding


@pytest.mark.parametrize(("wells", "outcome"), [(96, Outcome.PASSED), (95, Outcome.FAILED)])
def test_a_check_of_others_judges(others: tuple[GxGate, Path], wells: int, outcome: Outcome) -> None:
    assert judge(others, "expect_column_to_be_a_plate", wells).outcome is outcome


def test_its_arguments_are_its_own_but_none_that_looks_away(others: tuple[GxGate, Path]) -> None:
    kind = "expect_column_to_be_a_plate"

    assert judge(others, kind, 95, formats=[95]).outcome is Outcome.PASSED
    assert judge(others, kind, 96, mostly=0.0).outcome is Outcome.NOT_ASSESSED
    assert judge(others, kind, 96, nonsense=1).outcome is Outcome.NOT_ASSESSED
    assert judge(others, kind, None).outcome is Outcome.NOT_ASSESSED


@pytest.mark.parametrize(("answer", "outcome"), [(True, Outcome.PASSED), (False, Outcome.FAILED)])
def test_one_that_answers_true_or_false_is_believed(
    others: tuple[GxGate, Path], answer: bool, outcome: Outcome
) -> None:
    assert judge(others, "expect_column_to_answer", 96, answer=answer).outcome is outcome


@pytest.mark.parametrize("answer", ["raise", "exit", "nothing", "list", "no success", "yes", 1, None, [], {"a": 1}])
def test_one_that_raises_or_answers_nonsense_is_not_assessed(others: tuple[GxGate, Path], answer: Any) -> None:
    finding = judge(others, "expect_column_to_answer", 96, answer=answer)

    assert finding.outcome is Outcome.NOT_ASSESSED
    assert "could not be carried out" in finding.message
    assert "cannot be used" not in finding.message


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expect_nothing_there", "has no attribute 'Missing'"),
        ("expect_no_module", "No module named 'no_such_module'"),
        ("expect_a_stray", "no class of an expectation"),
        ("expect_another_name", "its class is named ExpectColumnToBeAPlate; call it ExpectAnotherName"),
        ("expect_a_quiet_usurper", "in the place of expect_column_max_to_be_between"),
        ("expect_the_end", "SystemExit"),
    ],
)
def test_one_that_cannot_be_used_says_why(others: tuple[GxGate, Path], kind: str, words: str) -> None:
    finding = judge(others, kind, 96)

    assert finding.outcome is Outcome.NOT_ASSESSED
    assert words in finding.message


@pytest.mark.parametrize(("wells", "outcome"), [(1, Outcome.PASSED), (96, Outcome.FAILED)])
def test_none_takes_the_place_of_one_of_great_expectations(
    others: tuple[GxGate, Path], wells: int, outcome: Outcome
) -> None:
    assert judge(others, "expect_column_max_to_be_between", wells, max_value=1).outcome is outcome
