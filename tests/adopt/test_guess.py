"""Guesses of instrument and project: what is said beats what is named, and each says why."""

from __future__ import annotations

from typing import Any

import pytest

from cisterna.domain.adoption import Assignment, Find, FindKind, Guess, Sureness, corrected, is_under
from cisterna.domain.project import Binding, BindingKind
from cisterna.ports.profile import Described
from cisterna.services.adopt_guess import Known, guess_instrument, guess_project
from cisterna.testing.clock import START
from cisterna.testing.factory import make_instrument, make_project

SHARE = "/mnt/old"
SQUIDS = (make_instrument("squid-1"), make_instrument("squid-2"))
CELLS = make_project("cells", title="Cells of the heart", owner="ada")
ATLAS = make_project("atlas", title="Atlas", owner="josiah", people=("rosa",))


class Tables:
    """Implements `ports.booking.BookingTables` of one table."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        del path, limit_bytes
        return self.text.encode()


def described(**more: Any) -> Described:
    return Described(**{"title": "run", "data_type": "microscopy", **more})


def instrument(path: str, *, share: str = SHARE, says: Described | None = None, known: Known | None = None) -> Guess:
    return guess_instrument(
        path, share=share, profile="squid", described=says, known=known or Known(instruments=SQUIDS)
    )


def project(
    path: str, *, by: Guess | None = None, says: Described | None = None, table: str = "", **known: Any
) -> Guess:
    return guess_project(
        path,
        share=SHARE,
        instrument=by or Guess(reason="nothing tells"),
        described=says,
        known=Known(**{"projects": (CELLS, ATLAS), **known}),
        tables=Tables(table),
        now=START,
    )


@pytest.mark.parametrize(
    ("path", "says", "value", "sure", "words"),
    [
        ("squid-1/run", None, "squid-1", Sureness.LIKELY, "on its way is called 'squid-1'"),
        ("Squid_1/2020/run", None, "squid-1", Sureness.LIKELY, "called 'Squid_1'"),
        ("data/squid-2 tuesday/run", None, "squid-2", Sureness.UNSURE, "holds the instrument's"),
        (
            "squid-1/run",
            {"fields": {"microscope": "SQUID 2"}},
            "squid-2",
            Sureness.CERTAIN,
            "own metadata name 'SQUID 2'",
        ),
        ("data/run", {"instrument_model": "Squid+"}, None, Sureness.UNSURE, "no declared instrument is called so"),
        ("data/run", None, None, Sureness.UNSURE, "nothing in its path or metadata"),
    ],
)
def test_an_instrument_is_guessed_with_a_reason(
    path: str, says: dict[str, Any] | None, value: str | None, sure: Sureness, words: str
) -> None:
    found = instrument(path, says=described(**says) if says else None)

    assert (found.value, found.sure) == (value, sure)
    assert words in found.reason


def test_a_run_in_a_landing_zone_is_certainly_that_instruments() -> None:
    found = instrument("squid-2/run", share="/landing")

    assert (found.value, found.sure) == ("squid-2", Sureness.CERTAIN)


def test_the_only_instrument_of_a_profile_is_a_guess_and_no_more() -> None:
    found = instrument("data/run", known=Known(instruments=SQUIDS[:1]))

    assert (found.value, found.sure) == ("squid-1", Sureness.UNSURE)


@pytest.mark.parametrize(
    ("path", "value", "sure"),
    [
        ("cells/run", "cells", Sureness.LIKELY),
        ("Cells of the Heart/2020/run", "cells", Sureness.LIKELY),
        ("rosa/run", "atlas", Sureness.UNSURE),
        ("holm/run", None, Sureness.UNSURE),  # both credit Ada Holm
        ("cells/atlas/run", "atlas", Sureness.LIKELY),
        ("cells-old/run", None, Sureness.UNSURE),
        ("cells", None, Sureness.UNSURE),
    ],
)
def test_a_project_is_guessed_from_names_on_the_way(path: str, value: str | None, sure: Sureness) -> None:
    found = project(path)

    assert (found.value, found.sure) == (value, sure)
    assert found.reason


def test_a_binding_is_certain_and_comes_before_names() -> None:
    bound = Binding(kind=BindingKind.PATH, pattern="/mnt/old/cells/late", project="atlas")

    assert project("cells/late/run", bindings=(bound,)).model_dump(include={"value", "sure"}) == {
        "value": "atlas",
        "sure": Sureness.CERTAIN,
    }
    assert project("cells/early/run", bindings=(bound,)).value == "cells"


def test_a_booking_is_no_surer_than_the_instrument_that_was_booked() -> None:
    booking = Binding(kind=BindingKind.BOOKING, pattern="/etc/bookings.csv")
    table = "instrument,start,end,project\nsquid-1,2026-11-23T00:00+00:00,2026-11-24T00:00+00:00,atlas\n"
    said = described(started_at=START)

    sure = project(
        "x/run",
        by=Guess(value="squid-1", sure=Sureness.CERTAIN, reason="said"),
        says=said,
        table=table,
        bindings=(booking,),
    )
    unsure = project(
        "x/run",
        by=Guess(value="squid-1", sure=Sureness.UNSURE, reason="guessed"),
        says=said,
        table=table,
        bindings=(booking,),
    )
    silent = project("x/run", by=Guess(value="squid-1", reason="guessed"), table=table, bindings=(booking,))

    assert (sure.value, sure.sure) == ("atlas", Sureness.LIKELY)
    assert (unsure.value, unsure.sure) == ("atlas", Sureness.UNSURE)
    assert silent.value is None  # it does not say when it began, so nobody's booking is looked up


def make_find(path: str = "rosa/run", kind: FindKind = FindKind.RUN) -> Find:
    guess = Guess(value="squid", sure=Sureness.CERTAIN, reason="its files")
    nothing = Guess(reason="nothing tells")
    return Find(
        adoption="old",
        path=path,
        kind=kind,
        round=1,
        folder="1:2",
        settled_since=START,
        profile=guess,
        instrument=nothing,
        project=nothing,
    )


def said(under: str, **values: str) -> Assignment:
    return Assignment(under=under, person="olga", reason="the lab book says so", said_at=START, **values)


def test_a_persons_word_stands_over_guesses_and_the_last_one_holds() -> None:
    find = corrected(make_find(), [said("", project="cells"), said("rosa", project="atlas"), said("ben", project="x")])

    assert (find.project.value, find.project.sure, find.project.person) == ("atlas", Sureness.CERTAIN, "olga")
    assert "the lab book says so" in find.project.reason
    assert find.sure is Sureness.CERTAIN
    assert find.profile == make_find().profile


def test_a_folder_that_no_profile_knows_is_a_run_once_a_person_names_one() -> None:
    assert corrected(make_find(kind=FindKind.UNIT), [said("", profile="folder")]).kind is FindKind.RUN
    assert corrected(make_find(kind=FindKind.LOOSE), [said("", profile="folder")]).kind is FindKind.LOOSE


@pytest.mark.parametrize(
    ("path", "under", "is_so"),
    [
        ("a/b", "", True),
        ("a/b", "a", True),
        ("a/b", "a/b", True),
        ("ab", "a", False),
        ("a/b/c", "a/*", True),
        ("a/b", "*/b", True),
        ("a/[b]", "a/[b]", True),
        ("a/b", "a/[b]", False),
        ("a/bc", "a/b?", True),
        ("a.b", "a?b", True),
        ("axb", "a.b", False),
    ],
)
def test_a_pattern_spans_folders_and_a_bracket_is_a_bracket(path: str, under: str, is_so: bool) -> None:
    assert is_under(path, under) is is_so
