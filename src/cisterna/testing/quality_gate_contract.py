"""What every quality gate promises, as tests to inherit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cisterna.domain.errors import GateUnavailable
from cisterna.domain.finding import Outcome, Verdict
from cisterna.ports.quality import MetricTable, QualityGate


class QualityGateContract:
    """Inherit, and give the fixtures.

    The suite of data type `cells` has one rule of severity `error`: column `bad_share` is at most 0.5, and files are
    named by the table's column `badness` where it is above 0, the worst first. The suite of `hollow` has no rule.
    """

    @pytest.fixture
    def quality_gate(self) -> QualityGate:
        """Give a gate with those suites."""
        raise NotImplementedError

    @pytest.fixture
    def lost_gate(self) -> QualityGate:
        """Give a gate that does not answer."""
        raise NotImplementedError

    table = MetricTable(columns={"path": ["a.tiff", "b.tiff", "c.tiff"], "badness": [0.0, 1.0, 2.0]})
    empty_table = MetricTable(columns={"path": [], "badness": []})

    def test_a_met_rule_passes_with_value_and_limit(self, quality_gate: QualityGate) -> None:
        """Passed is said of a value, and held against a limit."""
        report = quality_gate.assess(data_type="cells", summary={"bad_share": 0.25}, table=self.table)

        assert report.verdict is Verdict.PASSED
        assert report.findings[0].observed == 0.25
        assert report.findings[0].expected is not None

    def test_a_failed_rule_names_files_the_worst_first(self, quality_gate: QualityGate) -> None:
        """A technician is sent to the worst file."""
        report = quality_gate.assess(data_type="cells", summary={"bad_share": 0.75}, table=self.table)

        assert report.verdict is Verdict.QUARANTINED
        assert report.findings[0].outcome is Outcome.FAILED
        assert report.findings[0].files == ("c.tiff", "b.tiff")

    @pytest.mark.parametrize(
        "summary",
        [{}, {"bad_share": None}, {"bad_share": float("nan")}, {"bad_share": float("inf")}, {"bad_share": "none"}],
        ids=["missing", "null", "NaN", "infinite", "text"],
    )
    def test_a_value_that_is_none_is_not_assessed(
        self, quality_gate: QualityGate, summary: Mapping[str, float | str | None]
    ) -> None:
        """What was not seen does not pass."""
        report = quality_gate.assess(data_type="cells", summary=summary, table=self.table)

        assert report.verdict is Verdict.NOT_ASSESSED

    @pytest.mark.parametrize("data_type", ["hollow", "nowhere"])
    def test_a_suite_without_rules_is_not_assessed(self, quality_gate: QualityGate, data_type: str) -> None:
        """An empty suite and a missing one look at nothing."""
        report = quality_gate.assess(data_type=data_type, summary={"bad_share": 0.0}, table=self.table)

        assert report.verdict is Verdict.NOT_ASSESSED
        assert report.suite == f"{data_type}/default"

    def test_an_empty_table_is_not_assessed(self, quality_gate: QualityGate) -> None:
        """A summary of nothing is worth nothing."""
        report = quality_gate.assess(data_type="cells", summary={"bad_share": 0.0}, table=self.empty_table)

        assert report.verdict is Verdict.NOT_ASSESSED

    def test_the_report_names_what_judged(self, quality_gate: QualityGate) -> None:
        """The same suite has the same digest."""
        first = quality_gate.assess(data_type="cells", summary={"bad_share": 0.0}, table=self.table)
        second = quality_gate.assess(data_type="cells", summary={"bad_share": 1.0}, table=self.table)

        assert first.engine
        assert len(first.suite_sha512) == 128
        assert (first.suite, first.suite_sha512) == (second.suite, second.suite_sha512)

    def test_no_answer_is_an_error_that_may_be_tried_again_and_no_verdict(self, lost_gate: QualityGate) -> None:
        """A dead engine is not a bad dataset."""
        with pytest.raises(GateUnavailable) as refusal:
            lost_gate.assess(data_type="cells", summary={"bad_share": 0.0}, table=self.table)

        assert refusal.value.retryable
