"""Whose word counts on how many copies a release asks for, and that it is on record with the rules."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cisterna.domain.instrument import CopyPolicy, CopyRule, Instrument
from cisterna.domain.project import Policy, Project
from cisterna.domain.release import CopyWord, ReleaseRules, rules_for
from cisterna.testing.clock import START
from cisterna.testing.factory import make_instrument, make_project

SITE = ReleaseRules(copies=3, receipt_days=4, rest_days=5, undo_hours=6)


def instrument(rule: CopyRule | None, store: str | None = None) -> Instrument:
    made = make_instrument("squid-1")
    if rule is None:
        return made
    said = CopyPolicy(rule=rule, store=store, person="ada", reason="made again", said_at=START)
    return made.model_copy(update={"copies": said})


def project(store: str | None) -> Project:
    return make_project("cells").model_copy(update={"policy": Policy(release_copy=store)})


OF_INSTRUMENT = CopyWord(source="instrument squid-1", person="ada", reason="made again", said_at=START)
OF_PROJECT = CopyWord(source="project cells")
ONE, ALL, AS_PROJECT = CopyRule.ONE_COPY, CopyRule.SITE, CopyRule.PROJECT
TABLE = [
    ("nobody said anything", (None, None), None, None, None),
    ("no project and nothing said", (None, None), "no project", None, None),
    ("the project alone", (None, None), "archive", "archive", OF_PROJECT),
    ("the instrument alone", (ONE, "archive"), None, "archive", OF_INSTRUMENT),
    ("the instrument without a project", (ONE, "archive"), "no project", "archive", OF_INSTRUMENT),
    ("the instrument over another store of the project", (ONE, "second"), "archive", "second", OF_INSTRUMENT),
    ("the instrument asks for all where the project is content with one", (ALL, None), "archive", None, OF_INSTRUMENT),
    ("the instrument asks for all as the site does", (ALL, None), None, None, OF_INSTRUMENT),
    ("taken back: the project's word", (AS_PROJECT, None), "archive", "archive", OF_PROJECT),
    ("taken back: nobody's word", (AS_PROJECT, None), None, None, None),
    ("taken back without a project", (AS_PROJECT, None), "no project", None, None),
]


@pytest.mark.parametrize(
    ("said", "of_project", "single", "by"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_instruments_own_word_holds_and_else_the_projects(
    said: tuple[CopyRule | None, str | None], of_project: str | None, single: str | None, by: CopyWord | None
) -> None:
    bound = None if of_project == "no project" else project(of_project)

    rules = rules_for(SITE, instrument=instrument(*said), project=bound)

    assert rules == SITE.model_copy(update={"single_copy": single, "copies_by": by})


def test_a_word_that_the_sites_rules_carried_along_is_not_kept() -> None:
    stale = SITE.model_copy(update={"single_copy": "archive", "copies_by": OF_INSTRUMENT})

    assert rules_for(stale, instrument=instrument(None), project=None) == SITE


@pytest.mark.parametrize(("rule", "store"), [(ONE, None), (ALL, "archive"), (AS_PROJECT, "archive"), (ONE, "NO store")])
def test_only_one_copy_names_a_store_and_it_must(rule: CopyRule, store: str | None) -> None:
    with pytest.raises(ValidationError):
        instrument(rule, store)


def test_one_copy_needs_a_reason() -> None:
    with pytest.raises(ValidationError):
        CopyPolicy(rule=ALL, person="ada", reason="", said_at=START)


def test_rules_and_instruments_from_before_read_as_if_nothing_was_said() -> None:
    old = SITE.model_dump(mode="json", exclude={"copies_by"})
    row = make_instrument("squid-1").model_dump(mode="json", exclude={"copies"})

    assert ReleaseRules.model_validate(old).copies_by is None
    assert Instrument.model_validate(row).copies is None
