"""The contract of the quality gate, kept by Great Expectations and by the one for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.suite_file import BASELINE
from cisterna.domain.control_chart import BaselineRule, Side
from cisterna.ports.quality import QualityGate
from cisterna.testing.limit_gate import LimitGate
from cisterna.testing.quality_gate_contract import QualityGateContract
from tests.quality.test_suite_file import RULE, write

BAD = {
    **RULE,
    "kwargs": {"column": "bad_share", "max_value": 0.5},
    "rows": {"column": "badness", "max_value": 0},
}
DIM = {
    **RULE,
    "check": "dim",
    "type": BASELINE,
    "kwargs": {"column": "brightness", "side": "low", "least": 3, "floor": 0.1},
    "severity": "warning",
    "title": "Brightness",
    "unit": "counts",
}


class TestGreatExpectations(QualityGateContract):
    """The real one."""

    @pytest.fixture
    def quality_gate(self, site_gate: GxGate, site: Path) -> QualityGate:
        write(site, {"suite": "cells/default", "expectations": [BAD]})
        write(site, {"suite": "hollow/default"}, data_type="hollow")
        write(site, {"suite": "usual/default", "expectations": [DIM]}, data_type="usual")
        return site_gate

    @pytest.fixture
    def lost_gate(self, tmp_path: Path) -> QualityGate:
        return GxGate(tmp_path / "nobody.sock")


class TestLimits(QualityGateContract):
    """The one for tests."""

    @pytest.fixture
    def quality_gate(self) -> QualityGate:
        return LimitGate(
            {"cells": {"bad_share": 0.5}, "hollow": {}},
            rows={"bad_share": "badness"},
            baselines={"usual": [BaselineRule(check="dim", metric="brightness", side=Side.LOW, least=3, floor=0.1)]},
        )

    @pytest.fixture
    def lost_gate(self) -> QualityGate:
        return LimitGate({}, unavailable=1)


def test_a_gate_for_tests_answers_again_after_the_failures_it_was_told_of() -> None:
    gate = LimitGate({"cells": {"bad_share": 0.5}}, unavailable=1)
    TestLimits().test_no_answer_is_an_error_that_may_be_tried_again_and_no_verdict(gate)

    report = gate.assess(data_type="cells", summary={"bad_share": 0.1}, table=QualityGateContract.table)

    assert report.findings
    assert gate.asked == ["cells", "cells"]
