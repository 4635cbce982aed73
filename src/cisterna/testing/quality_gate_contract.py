"""What every quality gate promises, as tests to inherit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from cisterna.domain.control_chart import Point, charts_of
from cisterna.domain.errors import GateUnavailable
from cisterna.domain.finding import Outcome, Verdict
from cisterna.ports.quality import GateReport, MetricTable, QualityGate
from cisterna.testing.clock import START


class QualityGateContract:
    """Inherit, and give the fixtures.

    The suite of data type `cells` has one rule of severity `error`: column `bad_share` is at most 0.5, and files are
    named by the table's column `badness` where it is above 0, the worst first. The suite of `hollow` has no rule.
    That of `usual` has one alone, of severity `warning`: `brightness` is not lower than usual (check `dim`, at least 3
    datasets, floor 0.1).
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

    @pytest.mark.parametrize(
        ("value", "verdict"), [(9.9, Verdict.PASSED), (12.0, Verdict.PASSED), (5.0, Verdict.REVIEW)]
    )
    def test_a_value_is_held_against_what_was_usual(
        self, quality_gate: QualityGate, value: float, verdict: Verdict
    ) -> None:
        """Worse than this instrument lately is a finding; better is none."""
        report = self.judge_usual(quality_gate, value, past=[10.0, 10.1, 9.9, 10.0])

        assert report.verdict is verdict
        assert report.findings[0].observed == value

    def test_too_few_datasets_are_said_and_are_no_pass(self, quality_gate: QualityGate) -> None:
        """A new instrument knows nothing usual: the rule says so, and a suite of nothing else judged nothing."""
        report = self.judge_usual(quality_gate, 5.0, past=[10.0])

        assert report.findings[0].outcome is Outcome.NOT_APPLIED
        assert report.verdict is Verdict.NOT_ASSESSED

    def test_a_rule_that_nobody_gave_a_chart_for_is_not_assessed(self, quality_gate: QualityGate) -> None:
        """A value that is not there is no reason to leave a rule out."""
        report = quality_gate.assess(data_type="usual", summary={"brightness": None}, table=self.table, charts=[])

        assert report.findings[0].outcome is Outcome.NOT_ASSESSED

    def test_a_rule_is_not_applied_where_nobody_looked_for_what_is_usual(self, quality_gate: QualityGate) -> None:
        """It does not pass either."""
        report = quality_gate.assess(data_type="usual", summary={"brightness": 1.0}, table=self.table)

        assert report.findings[0].outcome is Outcome.NOT_APPLIED
        assert report.verdict is Verdict.NOT_ASSESSED

    def judge_usual(self, quality_gate: QualityGate, value: float, *, past: Sequence[float]) -> GateReport:
        """Judge a value of `brightness` after others, a day apart."""
        (rule,) = quality_gate.baselines("usual")
        points = [Point(at=START + timedelta(days=day), value=one) for day, one in enumerate(past)]
        charts = charts_of(rule, value, points, instrument="squid-1", channel=None)
        return quality_gate.assess(data_type="usual", summary={"brightness": value}, table=self.table, charts=charts)
