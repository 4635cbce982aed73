"""Whatever a suite asks for and a summary holds: what passed was looked at, and could have failed.

Random suites are judged by the real engine and held against an oracle in a few lines of Python.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.suite_file import BASELINE
from cisterna.domain.control_chart import Chart, Period, Usual
from cisterna.domain.finding import Outcome, Verdict
from cisterna.ports.quality import MetricTable
from cisterna.testing.clock import START
from tests.quality.test_suite_file import RULE, write

TABLE = MetricTable(columns={"path": ["a.tiff"]})
COLUMNS = ("a", "b", "c")
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5).map(lambda value: round(value, 2)))
ODD = st.one_of(st.none(), st.just(math.nan), st.just(math.inf), st.text(max_size=3))
SELDOM = st.integers(0, 11).map(lambda drawn: drawn == 11)
"""Much of what could be drawn cannot be judged; were it drawn often, no suite would ever pass and nothing be shown."""
IN_SET = "expect_column_values_to_be_in_set"
HOLLOW: tuple[tuple[str, dict[str, Any]], ...] = (
    ("expect_column_max_to_be_between", {}),
    ("expect_column_max_to_be_between", {"min_value": None, "max_value": None}),
    (IN_SET, {"value_set": []}),
    ("expect_column_values_to_be_between", {"min_value": 99, "mostly": 0.0}),
    ("expect_column_values_to_be_between", {"min_value": 99, "row_condition": "a > 99"}),
    ("expect_table_row_count_to_be_between", {"min_value": 0}),
    ("expect_column_values_to_not_be_null", {}),
    ("expect_column_values_to_be_unique", {}),
    ("expect_the_moon", {}),
    (BASELINE, {"side": "low"}),
)
SOUND = ("expect_column_max_to_be_between", "expect_column_min_to_be_between", "expect_column_values_to_be_between")


@st.composite
def summaries(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a row: seldom a value that is none, seldom a column that is missing."""
    row = {column: draw(ODD) if draw(SELDOM) else draw(NUMBERS) for column in COLUMNS}
    if draw(SELDOM):
        del row[draw(st.sampled_from(COLUMNS))]
    return row


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a rule: most can be judged, and every way that is known to pass without looking is among the others."""
    column = {"column": draw(st.sampled_from(COLUMNS))}
    kind: str = draw(st.sampled_from((*SOUND, IN_SET, BASELINE)))
    if draw(SELDOM):
        kind, kwargs = draw(st.sampled_from(HOLLOW))
    elif kind == BASELINE:
        kwargs = {"side": draw(st.sampled_from(("low", "high", "both"))), "floor": 0.5}
    elif kind in SOUND:
        ends = {"min_value": draw(st.floats(-6, 1)), "max_value": draw(st.floats(-1, 6))}
        sides = draw(st.sampled_from((("min_value",), ("max_value",), ("min_value", "max_value"))))
        kwargs = {side: ends[side] for side in sides}
    else:
        kwargs = {"value_set": draw(st.lists(st.integers(-5, 5), min_size=1, max_size=9))}
    severity = draw(st.sampled_from(("warning", "error")))
    return {**RULE, "type": kind, "kwargs": {**column, **kwargs}, "severity": severity}


SUITES = st.lists(rules(), min_size=1, max_size=6).map(
    lambda drawn: [{**rule, "check": f"check-{at}"} for at, rule in enumerate(drawn)]
)


@st.composite
def charts(draw: st.DrawFn, check: str) -> Chart:
    """Draw what was usual for one of the checks; its value has nothing to do with the summary's."""
    is_known = draw(st.integers(0, 2)) < 2
    usual = Usual(count=9, since=START - timedelta(9), until=START, centre=draw(st.floats(-1, 1)), sigma=0.5)
    return Chart(
        check=check,
        instrument="squid-1",
        channel=draw(st.sampled_from((None, "DAPI"))),
        period=draw(st.sampled_from(Period)),
        value=draw(st.floats(-4, 4)),
        usual=usual if is_known else None,
        known=9 if is_known else 1,
    )


CHARTS = st.tuples(*(st.lists(charts(f"check-{at}"), min_size=1, max_size=1) for at in range(4))).map(
    lambda drawn: [chart for own in drawn for chart in own]
)
"""Of four checks of at most six: those of the others have none."""


def oracle(rule: Mapping[str, Any], summary: Mapping[str, Any], told: list[Chart]) -> set[Outcome]:
    """Say how a check may end; more than one where it is for the engine to say, such as a text beside a number."""
    missed = {Outcome.FAILED if rule["severity"] == "error" else Outcome.WARNING}
    met = against_usual(rule, told) if rule["type"] == BASELINE else against_limit(rule, summary)
    if isinstance(met, Outcome):
        return {met}
    return missed | {Outcome.NOT_ASSESSED} if met is None else {Outcome.PASSED} if met else missed


def against_usual(rule: Mapping[str, Any], told: list[Chart]) -> bool | Outcome:
    own = [one for one in told if one.check == rule["check"]]
    if "floor" not in rule["kwargs"] or not own:
        return Outcome.NOT_ASSESSED
    away = [(one.value - one.usual.centre) / one.usual.sigma for one in own if one.usual is not None]
    worse = {"low": [-one for one in away], "high": away, "both": [abs(one) for one in away]}[rule["kwargs"]["side"]]
    return max(worse) <= 3 if worse else Outcome.LEFT_OUT


def against_limit(rule: Mapping[str, Any], summary: Mapping[str, Any]) -> bool | Outcome | None:
    kwargs = rule["kwargs"]
    low, high, values = kwargs.get("min_value"), kwargs.get("max_value"), kwargs.get("value_set")
    is_known = rule["type"] in {*SOUND, IN_SET} and kwargs.keys() <= {"column", "min_value", "max_value", "value_set"}
    can_fail = bool(values) or (low, high) != (None, None)
    value = summary.get(kwargs["column"])
    is_there = value is not None and not (isinstance(value, float) and not math.isfinite(value))
    if not (is_known and can_fail and is_there):
        return Outcome.NOT_ASSESSED
    if values is not None:
        return value in values
    if not isinstance(value, int | float) or (low is not None and high is not None and low > high):
        return None
    return (low is None or value >= low) and (high is None or value <= high)


def verdict_by_hand(outcomes: list[Outcome]) -> Verdict:
    if Outcome.FAILED in outcomes:
        return Verdict.QUARANTINED
    if Outcome.NOT_ASSESSED in outcomes or not [one for one in outcomes if one is not Outcome.LEFT_OUT]:
        return Verdict.NOT_ASSESSED
    return Verdict.REVIEW if Outcome.WARNING in outcomes else Verdict.PASSED


def test_random_suites_never_pass_without_looking_and_give_the_verdict_they_must(site_gate: GxGate, site: Path) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(suite=SUITES, summary=summaries(), told=CHARTS)
    def judge(suite: list[dict[str, Any]], summary: dict[str, Any], told: list[Chart]) -> None:
        write(site, {"suite": "cells/default", "expectations": suite})

        report = site_gate.assess(data_type="cells", summary=summary, table=TABLE, charts=told)

        outcomes = [finding.outcome for finding in report.findings]
        assert report.verdict is verdict_by_hand(outcomes)
        assert [finding.check for finding in report.findings] == [rule["check"] for rule in suite]
        for rule, finding in zip(suite, report.findings, strict=True):
            assert finding.outcome in oracle(rule, summary, told), (rule, finding)
        seen.update({report.verdict.value, *(outcome.value for outcome in outcomes)})

    judge()

    assert set(seen) >= {*Verdict, *Outcome}, "what was drawn does not reach every end, so it shows little"
    assert seen[Verdict.PASSED.value] > 10
