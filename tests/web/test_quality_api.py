"""The API of quality rules does what the command does, for what a person may see."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from httpx import Response

from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import flaws_of, list_suites, load_suite, parse_suite, patterns_of
from cisterna.domain.control_chart import Chart
from cisterna.domain.errors import NotFound
from cisterna.domain.finding import Finding, Outcome
from cisterna.ports.quality import GateReport, SuiteInForce, TriedSuite
from cisterna.web.quality_api import router
from tests.quality.judged import Judged
from tests.quality.test_suite_file import RULE
from tests.web.client import Browser
from tests.web.site import Site

Call = Callable[..., Response]
SUITE = {
    "suite": "cells/default",
    "expectations": [{**RULE, "kwargs": {"column": "bad_share", "max_value": 0.125}, "severity": "warning"}],
}


class Tried:
    """Implements `ports.quality.TriedSuite` for limits of one column, without an engine."""

    def __init__(self, body: bytes, data_type: str) -> None:
        loaded = parse_suite(body, wanted=f"{data_type}/default")
        self._rules = loaded.suite.expectations
        self.name, self.sha512, self.limits = loaded.suite.suite, loaded.sha512, loaded.suite.limits
        self.baselines: Sequence[Any] = ()
        self.patterns = patterns_of(loaded.suite)
        self.flaws = flaws_of(loaded.suite)

    def assess(self, *, summary: Mapping[str, Any], rows: int, charts: Sequence[Chart]) -> GateReport:
        del rows, charts
        findings = [
            Finding(
                check=rule.check,
                outcome=Outcome.PASSED if summary[rule.columns[0]] <= rule.kwargs["max_value"] else Outcome.WARNING,
                message=rule.title,
            )
            for rule in self._rules
        ]
        return GateReport(suite=self.name, suite_sha512=self.sha512, engine="hand", findings=tuple(findings))


class Desk:
    """Implements `ports.quality.SuiteDesk` on our own suites."""

    def listed(self) -> Sequence[SuiteInForce]:
        return list_suites([shared_folder("expectations")])

    def open(self, body: bytes, *, data_type: str) -> TriedSuite:
        return Tried(body, data_type)

    def current(self, data_type: str) -> bytes:
        if data_type == "cells":
            raise NotFound("there is no suite cells/default")
        return load_suite(shared_folder("expectations"), data_type).text.encode()


@pytest.fixture
def judged(site: Site) -> Judged:
    """Datasets of `cells` with summaries in the site's archive, and a desk for suites."""
    made = Judged(site.catalogue, site.clock)
    made.store = site.store
    site.parts = replace(site.parts, suites=Desk())
    made.add_many(10)
    return made


@pytest.mark.parametrize("path", [one.path for one in router.routes])
def test_nobody_is_answered_without_a_token_or_a_session(visit: Callable[..., Browser], path: str) -> None:
    method = "GET" if path.endswith("suites") else "POST"

    assert visit().client.request(method, path, json={}).status_code == 401


def test_suites_in_force_are_listed(judged: Judged, call: Call) -> None:
    rows = call("sten", "GET", "/quality/suites").json()

    assert {"microscopy", "labels"} <= {row["data_type"] for row in rows}
    assert all(row["reason"] == "" for row in rows)


def test_a_trial_shows_what_would_differ(judged: Judged, call: Call) -> None:
    answer = call("sten", "POST", "/quality/trials", {"data_type": "cells", "suite": SUITE, "on": "last:10"})

    assert answer.status_code == 200
    assert answer.json()["counts"] == {"passed -> passed": 6, "passed -> review": 4}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"data_type": "cells", "suite": {**SUITE, "expectations": [{"check": "x"}]}}, "expectations.0"),
        ({"data_type": "cells", "suite": SUITE, "on": "last:900"}, "at most 200"),
        ({"data_type": "cells", "suite": SUITE, "on": "best"}, "names no datasets"),
    ],
)
def test_a_bad_suite_or_choice_is_refused_with_the_place(
    judged: Judged, call: Call, body: dict[str, Any], words: str
) -> None:
    answer = call("sten", "POST", "/quality/trials", body)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def with_regex(regex: str) -> dict[str, Any]:
    kind = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "kind", "regex": regex}}
    return {**SUITE, "expectations": [{**RULE, **kind}]}


def test_a_pattern_that_could_stop_the_gate_is_not_tried_for_a_caller(judged: Judged, call: Call) -> None:
    body = {"data_type": "cells", "suite": with_regex("^(x+)+$"), "on": "last:10"}

    answer = call("sten", "POST", "/quality/trials", body)

    assert answer.status_code == 422
    assert "tried by an operator at the terminal" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["vera", "rita", "ada"])
def test_who_judges_no_data_tries_and_proposes_nothing(judged: Judged, call: Call, name: str) -> None:
    body = {"data_type": "cells"}

    assert call(name, "POST", "/quality/trials", {**body, "suite": SUITE}).status_code == 403
    assert call(name, "POST", "/quality/proposals", body).status_code == 403


def test_half_a_character_in_a_suite_is_refused(judged: Judged, visit: Callable[..., Browser], call: Call) -> None:
    suite = {**SUITE, "expectations": [{**SUITE["expectations"][0], "kwargs": {"column": "a", "value_set": ["?"]}}]}
    signed = visit("sten")
    body = json.dumps({"data_type": "cells", "suite": suite}).replace("?", "\\ud800").encode()

    answer = signed.client.post(
        "/api/v1/quality/trials",
        content=body,
        headers={"content-type": "application/json", "x-csrf-token": signed.csrf()},
    )

    assert answer.status_code == 422


def test_a_proposal_of_too_few_is_refused_and_of_enough_is_a_suite(judged: Judged, call: Call) -> None:
    few = call("sten", "POST", "/quality/proposals", {"data_type": "cells"})
    assert few.status_code == 422
    assert "10 accepted datasets" in few.json()["detail"]

    for at in range(10):
        judged.add(f"more {at}", day=20 + at)
    made = call("sten", "POST", "/quality/proposals", {"data_type": "cells"}).json()
    assert (made["datasets"], made["content"]["suite"]) == (20, "cells/default")


def test_versions_are_judged_anew_by_whoever_may_reprocess(judged: Judged, site: Site, call: Call) -> None:
    with site.catalogue.begin() as tx:
        version = tx.datasets.list_versions(limit=1)[0].version_id
    body = {"versions": [version, "ds-nobody:v1"], "reason": "stricter"}

    unseen, _ = call("rita", "POST", "/quality/regatings", body).json()
    first, second = call("sten", "POST", "/quality/regatings", body).json()

    assert (unseen["revision"], first["revision"]) == (None, f"{version}.1")
    assert second["revision"] is None
    assert "no version" in second["reason"]
