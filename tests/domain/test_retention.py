"""How long datasets are kept: which rule wins, when its time ends, and what defers it."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.protection import Protection, Wanted, is_to_look, wanted_of, whole_second_after
from cisterna.domain.retention import (
    LockMode,
    Retention,
    RetentionFacts,
    RetentionRule,
    StoreLock,
    Tier,
    end_of_life,
    keep_end,
    keeping_began,
    winning_rule,
)
from cisterna.testing.factory import make_dataset, make_publication, make_version

DONE = datetime(2020, 2, 29, 12, 0, tzinfo=UTC)
LATER = datetime(2040, 1, 1, tzinfo=UTC)
NAMES = {"project": "cells", "instrument": "squid-1", "data_type": "microscopy"}


def make_rule(name: str = "rule", **fields: Any) -> RetentionRule:
    made = {"rule_id": name, "person": "olga", "reason": "policy 7", "set_at": DONE}
    return RetentionRule.model_validate({**made, **({"keep_years": 10} | fields)})


def make_kept(**fields: Any) -> Dataset:
    return make_dataset(**{"project": "cells", "instrument": "squid-1", "data_type": "microscopy", **fields})


def make_done(dataset: Dataset, **fields: Any) -> Version:
    return make_version(dataset, **{"stage": Stage.ACCEPTED, "created_at": DONE, **fields})


def facts(**fields: Any) -> RetentionFacts:
    dataset = make_kept()
    made = {"now": LATER, "dataset": dataset, "rules": (make_rule(),), "versions": (make_done(dataset),)}
    return RetentionFacts(**{**made, **fields})


def conditions(retention: Retention) -> list[str]:
    return [one.condition for one in retention.deferrals]


def test_without_a_rule_everything_is_kept_forever() -> None:
    judged = end_of_life(facts(rules=()))

    assert (judged.is_due, judged.ends_at, conditions(judged)) == (False, None, ["rule"])
    assert "forever" in judged.words


def test_what_a_rule_has_an_end_for_is_due_when_that_has_come_and_not_before() -> None:
    end = datetime(2030, 3, 1, 12, 0, tzinfo=UTC)

    before, at = end_of_life(facts(now=end - timedelta(microseconds=1))), end_of_life(facts(now=end))

    assert (before.is_due, before.ends_at, conditions(before)) == (False, end, ["time"])
    assert (at.is_due, at.ends_at, at.deferrals) == (True, end, ())
    assert "a named person has to decide" in at.words


def test_the_rule_that_names_most_wins_and_of_as_many_the_project_then_the_instrument() -> None:
    wanted = [
        ("project", "instrument", "data_type"),
        ("project", "instrument"),
        ("project", "data_type"),
        ("instrument", "data_type"),
        ("project",),
        ("instrument",),
        ("data_type",),
        (),
    ]
    rules = [make_rule("+".join(names), **{name: NAMES[name] for name in names}) for names in wanted]
    chance = random.Random(7)

    for left in range(len(rules)):
        shuffled = chance.sample(rules[left:], k=len(rules) - left)
        found = winning_rule(make_kept(), shuffled)
        assert found is not None
        assert found.rule_id == "+".join(wanted[left])


def test_no_two_rules_for_different_things_tie() -> None:
    scopes = itertools.product(*((None, value) for value in NAMES.values()))
    rules = [make_rule(str(at), **dict(zip(NAMES, scope, strict=True))) for at, scope in enumerate(scopes)]

    assert len({rule.specificity for rule in rules}) == len(rules)


@pytest.mark.parametrize("name", list(NAMES))
def test_a_rule_for_another_thing_does_not_match(name: str) -> None:
    assert winning_rule(make_kept(), [make_rule(**{name: "another"})]) is None
    assert winning_rule(make_kept(**({name: "another"})), [make_rule(**{name: NAMES[name]})]) is None


def test_a_rule_for_an_instrument_does_not_match_what_was_derived() -> None:
    assert winning_rule(make_kept(instrument=None), [make_rule(instrument="squid-1")]) is None


def test_a_rule_that_was_ended_matches_nothing() -> None:
    ended = make_rule(ended_at=LATER, ended_by="olga", ended_reason="replaced")

    assert winning_rule(make_kept(), [ended]) is None


@pytest.mark.parametrize(
    ("start", "keep", "end"),
    [
        (DONE, {"keep_years": 1}, datetime(2021, 3, 1, 12, 0, tzinfo=UTC)),
        (DONE, {"keep_years": 4}, datetime(2024, 2, 29, 12, 0, tzinfo=UTC)),
        (datetime(2096, 2, 29, tzinfo=UTC), {"keep_years": 4}, datetime(2100, 3, 1, tzinfo=UTC)),
        (datetime(2020, 12, 31, 23, 59, tzinfo=UTC), {"keep_years": 1}, datetime(2021, 12, 31, 23, 59, tzinfo=UTC)),
        (DONE, {"keep_years": None, "keep_days": 1}, datetime(2020, 3, 1, 12, 0, tzinfo=UTC)),
        (datetime(9500, 1, 1, tzinfo=UTC), {"keep_years": 1000}, None),
        (datetime(9999, 12, 31, tzinfo=UTC), {"keep_years": None, "keep_days": 1}, None),
        (datetime(9996, 2, 29, tzinfo=UTC), {"keep_years": 4}, None),
        (DONE, {"keep_years": None}, None),
    ],
    ids=["leap day", "leap to leap", "no leap in 2100", "new year", "a day", "past 9999", "last day", "both", "never"],
)
def test_the_end_is_the_calendars_never_early_and_never_out_of_range(
    start: datetime, keep: dict[str, Any], end: datetime | None
) -> None:
    rule = make_rule(**({"keep_years": None} | keep))

    assert keep_end(rule, start) == end
    judged = end_of_life(facts(rules=(rule,), versions=(make_done(make_kept(), created_at=start),)))
    if end is None:
        assert not judged.is_due


def test_a_new_version_begins_the_time_anew_and_an_edit_of_metadata_does_not() -> None:
    dataset = make_kept()
    first = make_done(dataset)
    second = make_done(dataset, number=2, created_at=DONE + timedelta(days=400))
    edit = make_done(dataset, number=2, revision=1, created_at=DONE + timedelta(days=4000))

    assert keeping_began([first]) == DONE
    assert keeping_began([first, second, edit]) == DONE + timedelta(days=400)
    assert keeping_began([]) is None


def make_hold(**fields: Any) -> Hold:
    made = {
        "hold_id": "h",
        "scope": HoldScope.DATASET,
        "target": make_kept().dataset_id,
        "person": "vera",
        "reason": "audit",
    }
    return Hold(**{**made, "placed_at": DONE, **fields})


def deferring() -> dict[str, tuple[dict[str, Any], str]]:
    dataset = make_kept()
    done = make_done(dataset)
    return {
        "a hold": ({"holds": (make_hold(),)}, "hold"),
        "a legal hold": ({"holds": (make_hold(legal=True),)}, "hold"),
        "an open review": ({"versions": (make_done(dataset, stage=Stage.IN_REVIEW),)}, "review"),
        "an earlier version's open review": (
            {"versions": (make_done(dataset, stage=Stage.IN_REVIEW), make_done(dataset, number=2))},
            "review",
        ),
        "a publication": ({"publications": (make_publication(done),)}, "publication"),
        "a version on its way": ({"versions": (done, make_done(dataset, number=2, stage=Stage.GATED))}, "rest"),
        "a version not read back": ({"versions": (make_done(dataset, stage=Stage.ARCHIVED),)}, "rest"),
        "no version": ({"versions": ()}, "start"),
        "a completion that has not come": (
            {"versions": (make_done(dataset, created_at=LATER + timedelta(days=1)),)},
            "start",
        ),
        "open work": ({"open_work": ("reprocess",)}, "work"),
        "a lock of a store": ({"locks": (StoreLock(store="archive", until=LATER + timedelta(seconds=1)),)}, "lock"),
        "a rule that keeps forever": ({"rules": (make_rule(keep_years=None),)}, "rule"),
    }


@pytest.mark.parametrize("what", list(deferring()))
def test_each_thing_that_speaks_against_it_defers_the_end(what: str) -> None:
    changed, condition = deferring()[what]

    judged = end_of_life(facts(**changed))

    assert not judged.is_due
    assert condition in conditions(judged)
    assert all(one.words for one in judged.deferrals)


def test_what_is_over_defers_nothing() -> None:
    dataset = make_kept()
    withdrawn = make_publication(make_done(dataset), withdrawn_at=LATER, withdrawn_reason="a mistake")
    lifted = make_hold(lifted_at=LATER, lifted_by="vera", lifted_reason="over")

    judged = end_of_life(
        facts(publications=(withdrawn,), holds=(lifted,), locks=(StoreLock(store="archive", until=LATER),))
    )

    assert judged.is_due


@pytest.mark.parametrize(
    "fields",
    [
        {"keep_years": 0},
        {"keep_years": -1},
        {"keep_years": 1001},
        {"keep_years": 10**30},
        {"keep_years": True},
        {"keep_years": 1.5},
        {"keep_years": "10"},
        {"keep_years": None, "keep_days": 0},
        {"keep_years": None, "keep_days": -(10**12)},
        {"keep_years": None, "keep_days": 365_251},
        {"keep_days": 1},
        {"keep_years": None, "lock": "COMPLIANCE"},
        {"lock": "compliance-ish"},
        {"instrument": "Squid 1"},
        {"instrument": ""},
        {"project": "../other"},
        {"data_type": "a\nb"},
        {"reason": "  "},
        {"reason": "a\x00b"},
        {"reason": "\x1b[31mred"},
        {"reason": "x" * 10_001},
        {"tier": {"storage_class": "GLACIER"}},
        {"tier": {"storage_class": "GLACIER", "after_days": -1}},
        {"tier": {"storage_class": "GLACIER", "after_days": 10**9}},
        {"tier": {"storage_class": "STANDARD", "after_days": 1}},
        {"tier": {"storage_class": "glacier", "after_days": 1}},
        {"tier": {"storage_class": "", "after_days": 1}},
        {"tier": {"storage_class": "GLACIER\n", "after_days": 1}},
        {"tier": {"storage_class": "<Rule/>", "after_days": 1}},
        {"tier": {"storage_class": "A" * 64, "after_days": 1}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_rule_that_says_nothing_clear_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_rule(**fields)


def test_a_lock_is_wanted_until_the_end_rounded_up_and_a_move_when_it_is_time() -> None:
    rule = make_rule(lock=LockMode.GOVERNANCE, tier=Tier(storage_class="GLACIER", after_days=30))
    start = DONE.replace(microsecond=1)
    judged = end_of_life(facts(now=DONE, rules=(rule,), versions=(make_done(make_kept(), created_at=start),)))

    early = wanted_of(judged, is_legally_held=False, now=DONE + timedelta(days=29))
    later = wanted_of(judged, is_legally_held=True, now=DONE + timedelta(days=31))
    over = wanted_of(judged, is_legally_held=False, now=LATER)

    end = datetime(2030, 3, 1, 12, 0, 1, tzinfo=UTC)
    assert early == Wanted(lock=LockMode.GOVERNANCE, lock_until=end)
    assert later == Wanted(legal_hold=True, lock=LockMode.GOVERNANCE, lock_until=end, tier="GLACIER")
    assert over == Wanted(tier="GLACIER")
    assert whole_second_after(datetime.max.replace(tzinfo=UTC)).microsecond == 0


def test_a_store_is_asked_again_for_another_wish_or_version_and_once_a_day() -> None:
    held = Wanted(legal_hold=True)
    known = Protection(dataset_id=make_kept().dataset_id, store="archive", wanted=held, seen="v1", looked_at=DONE)

    def looks(wanted: Wanted = held, *, newest: str = "v1", after: timedelta = timedelta()) -> bool:
        return is_to_look(known, wanted, newest=newest, now=DONE + after)

    assert not is_to_look(None, Wanted(), newest="v1", now=DONE)
    assert is_to_look(None, held, newest="v1", now=DONE)
    assert not looks()
    assert looks(Wanted())
    assert looks(newest="v2")
    assert looks(after=timedelta(days=1))
