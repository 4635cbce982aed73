"""A rule that asks what was usual, as one limit that the engine holds, and its result in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cisterna.adapters.suite_file import Rule
from cisterna.domain.control_chart import BaselineRule, Chart, Period, Side, Usual, limits_of, worst_first
from cisterna.domain.finding import Outcome


@dataclass(frozen=True)
class Standing:
    """How a dataset stands against what was usual, for one rule.

    Attributes:
        rule: As the suite has it.
        baseline: The same as what it asks.
        given: Charts of this rule; None where nobody looked for what was usual.
    """

    rule: Rule
    baseline: BaselineRule
    given: tuple[Chart, ...] | None

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Those of this rule."""
        return self.given or ()

    @property
    def column(self) -> str:
        """Name the value that the engine judges: how many sigmas the worst channel is away."""
        return f"sigmas away: {self.rule.check}"

    @property
    def sigmas(self) -> float | None:
        """That value; None when nothing can be judged."""
        judged = worst_first(self.charts, self.baseline)
        return judged[0][0] if judged else None

    @property
    def as_limit(self) -> Rule:
        """The rule as a limit on that value."""
        limit = {"column": self.column, "max_value": self.baseline.sigmas}
        return self.rule.model_copy(update={"type": "expect_column_max_to_be_between", "kwargs": limit})

    @property
    def unjudged(self) -> tuple[Outcome, str] | None:
        """Say why nothing can be judged, and what that counts as."""
        title = self.rule.title
        if self.given is None:
            return Outcome.NOT_APPLIED, f"{title}: not applied; nobody looked for what is usual."
        if not self.charts:
            lack = f"{title}: not assessed, since there is no usable value of {self.baseline.metric}"
            return Outcome.NOT_ASSESSED, lack
        if self.sigmas is not None:
            return None
        if self.charts[0].instrument is None:
            why = "the dataset is of no instrument, so nothing is usual for it"
        else:
            why = f"{_known(self.charts)}, and the rule wants {self.baseline.least}"
        return Outcome.NOT_APPLIED, f"{title}: not applied yet; {why}."

    @property
    def observed(self) -> float | None:
        """The value that lies farthest on the worse side."""
        judged = worst_first(self.charts, self.baseline)
        return judged[0][1].value if judged else None

    @property
    def message(self) -> str:
        """Say how the worst channel stands, with what was usual, its window and its limit."""
        away, chart, usual = worst_first(self.charts, self.baseline)[0]
        is_met = away <= self.baseline.sigmas
        told = f"{self.rule.title}: {self.rule.show(chart.value)}{_in_channel(chart)}, {self._compared(chart, is_met)}"
        return f"{told}: {self._usual(usual)}.{'' if is_met else self._others(chart)}{self._waiting()}"

    def _compared(self, chart: Chart, is_met: bool) -> str:
        days = f"in the last {self.baseline.window_days} days"
        if is_met:
            return f"as usual for {chart.instrument} {days}"
        worse = "unlike" if self.baseline.side is Side.BOTH else "worse than"
        if chart.period is Period.LATEST:
            return f"{worse} {chart.instrument} {days}"
        return (
            f"{worse} {chart.instrument} in the older half of the last {self.baseline.window_days} days (a slow drift)"
        )

    def _usual(self, usual: Usual) -> str:
        low, high = limits_of(usual, self.baseline)
        limits = " to ".join(self.rule.show(limit) for limit in (low, high) if limit is not None)
        which = "limits" if self.baseline.side is Side.BOTH else "limit"
        since, until = usual.since.date().isoformat(), usual.until.date().isoformat()
        count = f"{usual.count} datasets from {since} to {until}"
        return f"usually {self.rule.show(usual.centre)}, {which} {limits} ({count}, {self.baseline.sigmas:g} sigma)"

    def _others(self, worst: Chart) -> str:
        outside = [one for away, one, _ in worst_first(self.charts, self.baseline) if away > self.baseline.sigmas]
        names = dict.fromkeys(str(one.channel) for one in outside if one.channel != worst.channel)
        return f" So are the channels {', '.join(names)}." if names else ""

    def _waiting(self) -> str:
        waiting = [one for one in self.charts if one.usual is None]
        return f" Not applied yet to {', '.join(str(one.channel) for one in waiting)}." if waiting else ""


def standing_of(rule: Rule, charts: Sequence[Chart] | None) -> Standing | None:
    """Take a rule and its charts; None for a rule that asks something else or is not usable."""
    baseline = rule.baseline
    if baseline is None:
        return None
    own = None if charts is None else tuple(one for one in charts if one.check == rule.check)
    return Standing(rule, baseline, own)


def _known(charts: Sequence[Chart]) -> str:
    most = max(charts, key=lambda chart: chart.known)
    datasets = "dataset" if most.known == 1 else "datasets"
    return f"{most.known} {datasets} of {most.instrument} that passed or were accepted came before it within the time"


def _in_channel(chart: Chart) -> str:
    return "" if chart.channel is None else f" in channel {chart.channel}"
