"""Retention rules are set and ended by people who may, and tell what has come to its end; nothing is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import AlreadyExists, Conflict, Forbidden, InvalidInput, NotFound
from cisterna.domain.retention import LockMode, RetentionRule
from cisterna.domain.work import WorkKind
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.retention import EndOfLife
from cisterna.services.detail import detail_of
from cisterna.services.hold import lift_hold, place_hold
from cisterna.services.retention import (
    CatalogueEndOfLife,
    list_retentions,
    list_rules,
    remove_rule,
    set_rule,
)
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import keep_version, make_publication, make_work

PEOPLE = {"olga": Role.OPERATOR, "ada": Role.ADMIN, "sten": Role.STEWARD}


@pytest.fixture(autouse=True)
def people(catalogue: Catalogue) -> None:
    with catalogue.begin() as tx:
        for name, role in PEOPLE.items():
            tx.accounts.add(Account(name=name, grants=(Grant(role=role),), created_at=START))
        tx.accounts.add(Account(name="otto", grants=(Grant(role=Role.ADMIN, project="cells"),), created_at=START))


@pytest.fixture
def kept(catalogue: Catalogue) -> str:
    """Give a dataset of the project `cells` whose one version is accepted."""
    return keep_version(catalogue, stage=Stage.ACCEPTED).dataset_id


def say(catalogue: Catalogue, clock: SettableClock, **fields: Any) -> RetentionRule:
    said: dict[str, Any] = {
        "project": None,
        "instrument": None,
        "data_type": None,
        "keep_years": 10,
        "keep_days": None,
        "tier": None,
        "lock": None,
        "person": "olga",
        "reason": "policy 7",
    }
    return set_rule(**{**said, **fields}, catalogue=catalogue, clock=clock)


def due(catalogue: Catalogue, clock: SettableClock, dataset_id: str) -> datetime | None:
    asked: EndOfLife = CatalogueEndOfLife(catalogue=catalogue, clock=clock)
    return asked.due(dataset_id)


def account(catalogue: Catalogue, name: str) -> Account:
    with catalogue.begin() as tx:
        found = tx.accounts.find(name)
    assert found is not None
    return found


def test_a_rule_is_kept_told_and_ended_in_the_name_of_a_person(
    catalogue: Catalogue, clock: SettableClock, kept: str
) -> None:
    rule = say(catalogue, clock, instrument="squid-1")

    assert list_rules(account=account(catalogue, "olga"), catalogue=catalogue) == [rule]
    ended = remove_rule(rule.rule_id, person="ada", reason="replaced", catalogue=catalogue, clock=clock)
    assert (ended.ended_by, ended.ended_reason, ended.stands) == ("ada", "replaced", False)
    assert list_rules(account=account(catalogue, "olga"), catalogue=catalogue) == []
    assert list_rules(account=account(catalogue, "olga"), catalogue=catalogue, ended=True) == [ended]
    with catalogue.begin() as tx:
        told = tx.outbox.history([rule.rule_id])
    assert [(one.name, one.data["person"], one.restricted) for one in told] == [
        ("retention.set", "olga", True),
        ("retention.removed", "ada", True),
    ]
    with pytest.raises(Conflict, match="ada has removed"):
        remove_rule(rule.rule_id, person="olga", reason="again", catalogue=catalogue, clock=clock)


@pytest.mark.parametrize("person", ["sten", "otto", "nobody"])
def test_only_an_operator_of_everything_sets_and_ends_rules(
    catalogue: Catalogue, clock: SettableClock, kept: str, person: str
) -> None:
    rule = say(catalogue, clock)

    with pytest.raises(Forbidden):
        say(catalogue, clock, project="cells", person=person)
    with pytest.raises(Forbidden):
        remove_rule(rule.rule_id, person=person, reason="no", catalogue=catalogue, clock=clock)


def test_a_lock_that_nobody_can_undo_wants_an_administrator(catalogue: Catalogue, clock: SettableClock) -> None:
    with pytest.raises(Forbidden):
        say(catalogue, clock, lock=LockMode.COMPLIANCE)

    assert say(catalogue, clock, lock=LockMode.COMPLIANCE, person="ada").lock is LockMode.COMPLIANCE


def test_a_second_rule_for_the_same_is_refused_and_one_for_less_is_not(
    catalogue: Catalogue, clock: SettableClock, kept: str
) -> None:
    first = say(catalogue, clock, data_type="microscopy")

    with pytest.raises(AlreadyExists, match=first.rule_id):
        say(catalogue, clock, data_type="microscopy", keep_years=3)
    say(catalogue, clock, data_type="microscopy", instrument="squid-1")
    say(catalogue, clock)
    with pytest.raises(AlreadyExists, match="everything"):
        say(catalogue, clock)

    remove_rule(first.rule_id, person="olga", reason="replaced", catalogue=catalogue, clock=clock)
    say(catalogue, clock, data_type="microscopy", keep_years=3)


@pytest.mark.parametrize("fields", [{"instrument": "unknown"}, {"project": "unknown"}], ids=str)
def test_a_rule_for_what_is_not_there_is_refused(
    catalogue: Catalogue, clock: SettableClock, fields: dict[str, Any]
) -> None:
    with pytest.raises(NotFound):
        say(catalogue, clock, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"keep_years": -1},
        {"keep_years": 10**40},
        {"keep_days": 1},
        {"reason": "\x00"},
        {"reason": " "},
        {"instrument": "a/../b"},
        {"data_type": "x\ud800"},
        {"tier": ("glacier", 1)},
        {"tier": ("GLACIER", -1)},
        {"tier": ("GLACIER\r\nX: y", 1)},
        {"keep_years": None, "lock": LockMode.GOVERNANCE},
    ],
    ids=repr,
)
def test_hostile_rules_are_refused_in_words(catalogue: Catalogue, clock: SettableClock, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="no retention rule"):
        say(catalogue, clock, **fields)

    with catalogue.begin() as tx:
        assert tx.retention_rules.list() == []


def test_a_rules_end_wants_a_reason(catalogue: Catalogue, clock: SettableClock) -> None:
    rule = say(catalogue, clock)

    for reason in ("", "\x1b[2J", "x" * 10_001):
        with pytest.raises(InvalidInput):
            remove_rule(rule.rule_id, person="olga", reason=reason, catalogue=catalogue, clock=clock)
    with pytest.raises(NotFound):
        remove_rule("no such rule", person="olga", reason="over", catalogue=catalogue, clock=clock)


def test_what_has_come_to_its_end_is_due_with_its_date_and_a_hold_defers_it(
    catalogue: Catalogue, clock: SettableClock, kept: str
) -> None:
    say(catalogue, clock, keep_years=None, keep_days=30)
    assert due(catalogue, clock, kept) is None

    clock.advance(timedelta(days=30))

    assert due(catalogue, clock, kept) == START + timedelta(days=30)
    hold = place_hold("cells", person="sten", reason="audit", catalogue=catalogue, clock=clock)
    assert due(catalogue, clock, kept) is None
    lift_hold(hold.hold_id, person="sten", reason="over", catalogue=catalogue, clock=clock)
    assert due(catalogue, clock, kept) == START + timedelta(days=30)


def test_without_a_rule_nothing_is_ever_due(catalogue: Catalogue, clock: SettableClock, kept: str) -> None:
    clock.advance(timedelta(days=365 * 900))

    assert due(catalogue, clock, kept) is None


def test_a_publication_and_open_work_defer_it(catalogue: Catalogue, clock: SettableClock, kept: str) -> None:
    say(catalogue, clock, keep_years=None, keep_days=1)
    clock.advance(timedelta(days=2))
    assert due(catalogue, clock, kept)

    with catalogue.begin() as tx:
        version = tx.datasets.versions(kept)[0]
        public = make_publication(version)
        tx.datasets.put_publication(public)
    assert due(catalogue, clock, kept) is None
    with catalogue.begin() as tx:
        tx.datasets.put_publication(
            public.model_copy(update={"withdrawn_at": clock.now(), "withdrawn_reason": "a mistake"})
        )
        tx.inbox.request(make_work(kind=WorkKind.REPROCESS, subject=version.version_id))

    assert due(catalogue, clock, kept) is None


def test_an_unknown_dataset_is_no_answer(catalogue: Catalogue, clock: SettableClock) -> None:
    with pytest.raises(NotFound):
        due(catalogue, clock, "ds-00000000000000000000000000")


def test_the_list_of_what_is_due_shows_a_person_what_they_may_see(
    catalogue: Catalogue, clock: SettableClock, kept: str
) -> None:
    other = keep_version(catalogue, "run-2", project="other", stage=Stage.ACCEPTED).dataset_id
    say(catalogue, clock, project="other", keep_years=None, keep_days=5)
    say(catalogue, clock, keep_years=None, keep_days=1)
    clock.advance(timedelta(days=3))

    def listed(name: str, **more: bool) -> list[tuple[str, bool]]:
        found = list_retentions(account=account(catalogue, name), catalogue=catalogue, clock=clock, **more)
        return [(dataset.dataset_id, retention.is_due) for dataset, retention in found]

    assert listed("olga") == [(kept, True)]
    assert listed("olga", due_only=False) == [(kept, True), (other, False)]
    assert listed("otto", due_only=False) == [(kept, True)]
    shown = list_rules(account=account(catalogue, "otto"), catalogue=catalogue)
    assert [rule.project for rule in shown] == [None]


def test_the_detail_tells_the_rule_and_the_end(catalogue: Catalogue, clock: SettableClock, kept: str) -> None:
    rule = say(catalogue, clock)

    found = detail_of(kept, catalogue=catalogue, bucket="b", clock=clock).retention

    assert found is not None
    assert (found.rule, found.ends_at) == (rule, START.replace(year=START.year + 10))


def test_a_legal_hold_is_a_stewards(catalogue: Catalogue, clock: SettableClock, kept: str) -> None:
    with catalogue.begin() as tx:
        tx.accounts.add(Account(name="vera", grants=(Grant(role=Role.VIEWER),), created_at=START))

    with pytest.raises(Forbidden, match="steward"):
        place_hold(kept, person="vera", reason="court", catalogue=catalogue, clock=clock, legal=True)
    hold = place_hold(kept, person="sten", reason="court", catalogue=catalogue, clock=clock, legal=True)
    with pytest.raises(Forbidden, match="steward"):
        lift_hold(hold.hold_id, person="vera", reason="over", catalogue=catalogue, clock=clock)

    assert hold.legal
    assert lift_hold(hold.hold_id, person="ada", reason="over", catalogue=catalogue, clock=clock).legal
