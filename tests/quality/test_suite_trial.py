"""What a change of rules would have decided: seen on summaries alone, and nothing is changed by looking."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.suite_file import BASELINE, parse_suite
from cisterna.domain.account import Grant, Role
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.finding import Outcome, Verdict
from cisterna.metadata.record import Given
from cisterna.services.regate import differing, regate
from cisterna.services.reprocess import request_reprocess
from cisterna.services.suite_proposal import LEAST, Proposal, propose_suite
from cisterna.services.suite_trial import Choice, SuiteTrial, kept_summaries, read_choice, try_suite
from cisterna.services.trend import came_at
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_account, make_project
from tests.quality.judged import Judged
from tests.quality.test_suite_file import RULE

LAX = {**RULE, "kwargs": {"column": "bad_share", "max_value": 0.5}}
STRICT = {**RULE, "kwargs": {"column": "bad_share", "max_value": 0.05}, "severity": "warning"}


@pytest.fixture
def judged(catalogue: SqlCatalogue, clock: SettableClock) -> Judged:
    return Judged(catalogue, clock)


def suite(*rules: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"suite": "cells/default", "expectations": list(rules), **fields}, indent=1).encode()


def tried(judged: Judged, gate: GxGate, body: bytes, *, on: str = "last:200", account: Any = None) -> SuiteTrial:
    return try_suite(
        gate.open(body, data_type="cells"),
        data_type="cells",
        choice=read_choice(on),
        account=account or judged.account,
        catalogue=judged.catalogue,
        store=judged.store,
    )


def proposed(judged: Judged, *, current: bytes | None = None, on: str = "accepted:200") -> Proposal:
    kept, _ = kept_summaries(
        "cells",
        choice=read_choice(on),
        account=judged.account,
        catalogue=judged.catalogue,
        store=judged.store,
    )
    return propose_suite("cells", kept, current=current)


def everything(judged: Judged) -> object:
    with judged.catalogue.begin() as tx:
        versions = tx.datasets.list_versions()
        rows = [(one, tx.datasets.findings(one.version_id)) for one in versions]
        return rows, tx.outbox.history([one.version_id for one in versions])


def test_a_trial_says_by_dataset_what_would_be_decided_and_why(judged: Judged, gate: GxGate) -> None:
    good, bad = judged.add("good", bad_share=0.01, day=1), judged.add("bad", bad_share=0.2, day=2)

    found = tried(judged, gate, suite(STRICT))

    assert found.counts == {"passed -> passed": 1, "passed -> review": 1}
    (worse, same) = found.datasets
    assert (worse.version_id, worse.before, worse.after) == (bad.version_id, Verdict.PASSED, Verdict.REVIEW)
    (check,) = worse.checks
    assert (check.check, check.before, check.after) == ("focus-lost", Outcome.PASSED, Outcome.WARNING)
    assert "20 %" in check.message
    assert (same.version_id, same.differs) == (good.version_id, False)
    assert differing(found) == (bad.version_id,)


def test_a_trial_changes_nothing(judged: Judged, gate: GxGate) -> None:
    judged.add("one", bad_share=0.2)
    before = everything(judged), {one.key for one in judged.store.list("")}

    tried(judged, gate, suite(STRICT))

    assert (everything(judged), {one.key for one in judged.store.list("")}) == before


def test_a_trial_of_a_rule_that_asks_what_was_usual_goes_by_what_came_before(judged: Judged, gate: GxGate) -> None:
    rule = {
        **RULE,
        "check": "dim",
        "type": BASELINE,
        "kwargs": {"column": "brightness", "side": "low", "least": 8, "floor": 0.2},
        "severity": "warning",
    }
    judged.add_many(12)
    dark = judged.add("dark", day=13, brightness=2.0)

    found = tried(judged, gate, suite(LAX, rule))

    assert differing(found) == (dark.version_id,)
    assert "12 datasets" in found.datasets[0].checks[0].message
    assert found.counts == {"passed -> passed": 12, "passed -> review": 1}


def test_a_trial_looks_at_the_newest_or_at_accepted_ones_alone(judged: Judged, gate: GxGate) -> None:
    judged.add("rejected", day=3, stage=Stage.REJECTED)
    judged.add("doubtful", day=2, verdict=Verdict.REVIEW, stage=Stage.IN_REVIEW)
    judged.add("accepted", day=1, verdict=Verdict.REVIEW, stage=Stage.ACCEPTED)

    def names(on: str) -> list[str]:
        return [one.title for one in tried(judged, gate, suite(LAX), on=on).datasets]

    assert names("last:2") == ["rejected", "doubtful"]
    assert names("accepted:200") == ["accepted"]


def test_what_a_person_may_not_see_is_not_told(judged: Judged, gate: GxGate) -> None:
    judged.add("secret")

    assert tried(judged, gate, suite(LAX), account=make_account("guest", grants=())).datasets == ()


def test_the_newest_are_the_newest_that_a_person_may_see(judged: Judged, gate: GxGate) -> None:
    with judged.catalogue.begin() as tx:
        tx.projects.add(make_project("atlas"))
    own = judged.add("own", day=1)
    with judged.catalogue.begin() as tx:
        dataset = tx.datasets.get(own.dataset_id)
        tx.datasets.save(dataset.model_copy(update={"project": "atlas"}))
    judged.add("another's", day=2)
    steward = make_account("stina", grants=(Grant(role=Role.STEWARD, project="atlas"),))

    assert [one.title for one in tried(judged, gate, suite(LAX), on="last:1", account=steward).datasets] == ["own"]


def test_findings_that_no_suite_decides_on_stay(judged: Judged, gate: GxGate) -> None:
    version = judged.add("half", verdict=Verdict.REVIEW)
    with judged.catalogue.begin() as tx:
        finding = tx.datasets.findings(version.version_id)[0]
        tx.datasets.set_findings(version.version_id, [finding.model_copy(update={"check": "whole-run"})])

    (one,) = tried(judged, gate, suite(LAX)).datasets

    assert one.after is Verdict.REVIEW


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"summary": 1, "rows": 2}', b"\xff", b"[" * 100_000])
def test_a_summary_that_is_none_is_named_and_stops_no_other(judged: Judged, gate: GxGate, body: bytes) -> None:
    broken, _ = judged.add("broken", body=body or b" "), judged.add("whole")

    found = tried(judged, gate, suite(LAX))

    assert list(found.unread) == [broken.version_id]
    assert [one.title for one in found.datasets] == ["whole"]


def test_a_rule_that_cannot_fail_is_named_and_never_passes(judged: Judged, gate: GxGate) -> None:
    judged.add("one")
    hollow = {**RULE, "kwargs": {"column": "bad_share"}}

    found = tried(judged, gate, suite(hollow))

    assert found.notes == ("focus-lost: it has no limit",)
    assert found.datasets[0].after is Verdict.NOT_ASSESSED
    assert tried(judged, gate, suite()).datasets[0].after is Verdict.NOT_ASSESSED


def test_other_limits_for_single_images_are_said_to_be_unseen(judged: Judged, gate: GxGate) -> None:
    judged.add("one")

    (note,) = tried(judged, gate, suite(LAX, limits={"focus_min": 0.1})).notes

    assert "1 of the summaries" in note


BAD_SUITES = {
    "no JSON": (b'{\n "suite": "cells/default",\n "expectations": [}\n', "line 3 column"),
    "unknown key": (suite({**LAX, "rowz": 1}), r"line \d+ \(focus-lost\), expectations.0.rowz"),
    "wrong severity": (suite({**LAX, "severity": "fatal"}), r"line \d+ \(focus-lost\), expectations.0.severity"),
    "of another type": (b'{"suite": "other/default"}', "calls itself other/default"),
    "nested without end": (b"[" * 100_000, "not JSON that can be read"),
    "not a number": (suite(LAX).replace(b"0.5", b"NaN"), "NaN is not JSON"),
}


@pytest.mark.parametrize(("body", "words"), BAD_SUITES.values(), ids=list(BAD_SUITES))
def test_a_bad_suite_is_refused_with_its_line(gate: GxGate, body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        gate.open(body, data_type="cells")


@pytest.mark.parametrize("text", ["", "all", "last", "last:0", "last:-1", "last:1001", "best:5", "last:5 or so"])
def test_a_choice_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="write last:200 or accepted:200"):
        read_choice(text)


def test_a_choice_is_read() -> None:
    assert read_choice("accepted:20") == Choice(accepted=True, count=20)


def test_a_proposal_passes_what_it_was_made_from_and_says_so_with_count_and_range(judged: Judged, gate: GxGate) -> None:
    judged.add_many(30)

    made = proposed(judged, current=suite(STRICT))

    loaded = parse_suite(made.body, wanted="cells/default").suite
    rules = {rule.check: rule for rule in loaded.expectations}
    assert made.made == ("focus-lost", "brightness-range")
    assert rules["focus-lost"].made_from.startswith("30 accepted datasets from 20")
    assert "0.1 to 0.14, median 0.12" in rules["focus-lost"].made_from
    assert rules["focus-lost"].kwargs["max_value"] > 0.14
    assert rules["brightness-range"].kwargs["min_value"] < 10
    assert rules["brightness-range"].kwargs["max_value"] > 10.6
    found = tried(judged, gate, made.body)
    assert found.notes == ()
    assert found.counts == {"passed -> passed": 30}


def test_what_is_broken_stays_a_rule_as_it_is_and_counts_get_none(judged: Judged) -> None:
    judged.add_many(LEAST)

    made = proposed(judged, current=suite(LAX))

    assert made.content["expectations"][0] == LAX
    assert made.kept == ("focus-lost",)
    assert not [name for name in made.made if "images" in name or "kind" in name]


def test_files_are_named_by_the_limit_that_is_proposed(judged: Judged) -> None:
    judged.add_many(LEAST)
    same, other = {"column": "badness", "max_value": 0.05}, {"column": "margin", "min_value": 1}

    def rows_of(rows: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = proposed(judged, current=suite({**STRICT, "rows": rows})).content["expectations"][0]
        assert made["kwargs"]["max_value"] > 0.1
        return {"limit": made["kwargs"]["max_value"], **made["rows"]}

    assert rows_of(same)["max_value"] == rows_of(same)["limit"]
    assert rows_of(other)["min_value"] == 1


def test_a_warning_that_there_is_to_be_none_of_something_stays(judged: Judged) -> None:
    judged.add_many(LEAST)
    none = {**STRICT, "kwargs": {"column": "bad_share", "max_value": 0}}

    made = proposed(judged, current=suite(none))

    assert made.content["expectations"][0] == none
    assert made.kept == ("focus-lost",)


def test_one_bad_dataset_among_the_accepted_moves_no_limit_far(judged: Judged) -> None:
    judged.add_many(30)
    judged.add("spoiled", day=40, bad_share=1.0, brightness=1e9)

    rules = {rule["check"]: rule["kwargs"] for rule in proposed(judged, current=suite(STRICT)).content["expectations"]}

    assert rules["focus-lost"]["max_value"] < 0.3
    assert rules["brightness-range"]["max_value"] < 20


def test_no_limit_is_proposed_that_could_not_be_missed(judged: Judged) -> None:
    for at in range(LEAST):
        judged.add(f"run {at}", day=at, bad_share=(at % 11) / 10)

    made = proposed(judged, current=suite(STRICT))

    assert made.content["expectations"][0] == STRICT
    assert "bad_share" not in {rule["kwargs"]["column"] for rule in proposed(judged).content["expectations"]}


def test_of_too_few_datasets_nothing_is_proposed(judged: Judged) -> None:
    judged.add_many(LEAST - 1)

    with pytest.raises(InvalidInput, match=f"{LEAST - 1} accepted datasets"):
        proposed(judged)


def test_a_data_type_without_a_suite_gets_one(judged: Judged, gate: GxGate) -> None:
    judged.add_many(LEAST)

    made = proposed(judged)

    assert made.content["suite"] == "cells/default"
    assert set(made.made) == {"bad-share-range", "brightness-range"}
    assert gate.open(made.body, data_type="cells").flaws == []
    with pytest.raises(NotFound):
        gate.current("cells")


def test_data_that_are_judged_anew_keep_the_time_at_which_they_came(judged: Judged) -> None:
    version = judged.add("one", day=5)
    with judged.catalogue.begin() as tx:
        tx.accounts.add(judged.account)
    (asked,) = regate(
        [version.version_id], account=judged.account, reason="again", catalogue=judged.catalogue, clock=judged.clock
    )

    with judged.catalogue.begin() as tx:
        revision = tx.datasets.get_version(asked.revision or "")
        assert revision.created_at != version.created_at
        assert came_at(tx, revision) == version.created_at


def test_what_is_accepted_once_it_is_described_better_counts_as_usual(judged: Judged) -> None:
    version = judged.add("one", verdict=Verdict.REVIEW, stage=Stage.IN_REVIEW, day=1)
    with judged.catalogue.begin() as tx:
        tx.accounts.add(judged.account)
    edited = request_reprocess(
        version.version_id,
        edits=Given(description="Of the second plate."),
        person="rita",
        reason="the description was missing",
        catalogue=judged.catalogue,
        clock=judged.clock,
    ).version

    def usual() -> list[str]:
        with judged.catalogue.begin() as tx:
            found = tx.trends.usual(
                instrument="squid-1",
                data_type="cells",
                since=START,
                before=START + timedelta(days=9),
                other_than="ds-none",
            )
        return [one.version_id for one in found]

    assert usual() == []
    with judged.catalogue.begin() as tx:
        tx.datasets.save_version(edited.model_copy(update={"stage": Stage.ACCEPTED}))
    assert usual() == [edited.version_id]
    with judged.catalogue.begin() as tx:
        tx.datasets.save_version(
            tx.datasets.get_version(edited.version_id).model_copy(update={"stage": Stage.REJECTED})
        )
    assert usual() == []


def test_judging_anew_opens_a_revision_from_the_kept_tables_and_a_refusal_stops_no_other(judged: Judged) -> None:
    version = judged.add("one")
    with judged.catalogue.begin() as tx:
        tx.accounts.add(judged.account)

    asked = regate(
        ["ds-nobody:v1", version.version_id, version.version_id],
        account=judged.account,
        reason="stricter limits",
        catalogue=judged.catalogue,
        clock=judged.clock,
    )

    refused, opened, twice = asked
    assert (refused.revision, opened.revision, twice.revision) == (None, f"{version.dataset_id}:v1.1", None)
    assert "on its way" in twice.reason
    with judged.catalogue.begin() as tx:
        revision = tx.datasets.get_version(opened.revision or "")
    assert revision.stage is Stage.MEASURED
    assert list(revision.staged) == ["quality/metrics.parquet"]
    assert revision.cause == "stricter limits"
