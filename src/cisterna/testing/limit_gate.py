"""A quality gate without an engine, for tests of what comes after a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cisterna.domain.control_chart import BaselineRule, Chart, worst_first
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import GateUnavailable
from cisterna.domain.finding import Finding, Outcome
from cisterna.ports.quality import GateReport, MetricTable


class LimitGate:
    """Implements `ports.quality.QualityGate` with the largest allowed value of each column, and fails when told to.

    Args:
        suites: By data type, the largest value by column of the summary.
        rows: By column of the summary, the column of the table whose values above 0 name files.
        baselines: By data type, rules that ask what was usual, each of severity `warning`.

    Attributes:
        unavailable: How many calls from now on do not get an answer.
        asked: Data types it was asked about, also when it did not answer.
    """

    def __init__(
        self,
        suites: Mapping[str, Mapping[str, float]],
        *,
        rows: Mapping[str, str] | None = None,
        baselines: Mapping[str, Sequence[BaselineRule]] | None = None,
        unavailable: int = 0,
    ) -> None:
        self._suites = suites
        self._baselines = baselines or {}
        self._rows = rows or {}
        self.unavailable = unavailable
        self.asked: list[str] = []

    def limits(self, data_type: str) -> Mapping[str, float]:
        """Give none: single images are judged by the defaults."""
        del data_type
        return {}

    def baselines(self, data_type: str) -> Sequence[BaselineRule]:
        """Give those of the data type."""
        return tuple(self._baselines.get(data_type, ()))

    def assess(
        self,
        *,
        data_type: str,
        summary: Mapping[str, float | int | str | None],
        table: MetricTable,
        charts: Sequence[Chart] | None = None,
    ) -> GateReport:
        """Judge by the limits, then by what was usual. Raises `GateUnavailable` as often as it was told to."""
        self.asked.append(data_type)
        if self.unavailable > 0:
            self.unavailable -= 1
            raise GateUnavailable("the quality process does not answer, as this test wants it")
        limits = self._suites.get(data_type, {})
        findings = [self._judge(column, limit, summary.get(column), table) for column, limit in sorted(limits.items())]
        findings += [_against_usual(rule, charts) for rule in self.baselines(data_type)]
        if not findings:
            findings = [_not_assessed("suite", f"the suite {data_type}/default holds no expectation")]
        if table.rows == 0:
            findings.insert(0, _not_assessed("table", "there is no row to judge"))
        return GateReport(
            suite=f"{data_type}/default",
            suite_sha512=sha512_of(repr(sorted(limits.items())).encode()),
            engine="limits 1",
            findings=tuple(findings),
        )

    def _judge(self, column: str, limit: float, value: float | str | None, table: MetricTable) -> Finding:
        if not isinstance(value, int | float) or not math.isfinite(value):
            return _not_assessed(column, f"there is no usable value of {column}")
        is_met = value <= limit
        return Finding(
            check=column,
            outcome=Outcome.PASSED if is_met else Outcome.FAILED,
            message=f"{column}: {value:g} (expected at most {limit:g}).",
            files=() if is_met else self._files(column, table),
            observed=value,
            expected=limit,
        )

    def _files(self, column: str, table: MetricTable) -> tuple[str, ...]:
        values = table.columns.get(self._rows.get(column, ""), [])
        rows = [
            (float(value), index) for index, value in enumerate(values) if isinstance(value, int | float) and value > 0
        ]
        return tuple(str(table.columns["path"][index]) for _, index in sorted(rows, key=lambda row: -row[0])[:100])


def _not_assessed(check: str, message: str) -> Finding:
    return Finding(check=check, outcome=Outcome.NOT_ASSESSED, message=message)


def _against_usual(rule: BaselineRule, charts: Sequence[Chart] | None) -> Finding:
    if charts is None:
        message = f"{rule.check}: nobody said what was usual"
        return Finding(check=rule.check, outcome=Outcome.NOT_APPLIED, message=message)
    own = [one for one in charts if one.check == rule.check]
    judged = worst_first(own, rule)
    if not own:
        return _not_assessed(rule.check, f"there is no usable value of {rule.metric}")
    if not judged:
        message = f"{rule.check}: {own[0].known} datasets are known and {rule.least} wanted"
        return Finding(check=rule.check, outcome=Outcome.NOT_APPLIED, message=message)
    away, chart, usual = judged[0]
    outcome = Outcome.PASSED if away <= rule.sigmas else Outcome.WARNING
    message = f"{rule.check}: {chart.value:g}, {away:.1f} sigma from {usual.centre:g}, of {usual.count} datasets"
    return Finding(check=rule.check, outcome=outcome, message=message, observed=chart.value)
