"""Holds: who may place and lift them, what they stand on, and what silence of another system means."""

from __future__ import annotations

import threading

import pytest

from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from cisterna.domain.hold import HoldOutcome, HoldQuestion, HoldScope
from cisterna.ports.catalogue import Catalogue
from cisterna.services.hold import ask_holds, lift_hold, list_holds, place_hold, standing_holds
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import keep_version, make_account, make_project
from cisterna.testing.source_hold_contract import make_question


class Says:
    """A system that gives one answer, whatever that is."""

    def __init__(self, name: str, answer: object) -> None:
        self.name = name
        self._answer = answer

    def ask(self, _question: HoldQuestion) -> str | None:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # plug-ins come from anywhere


class Hangs:
    name = "hangs"

    def __init__(self) -> None:
        self.go = threading.Event()

    def ask(self, _question: HoldQuestion) -> str | None:
        self.go.wait(30)
        return None


@pytest.fixture
def people(catalogue: Catalogue) -> Account:
    """A viewer of the project `cells`, a steward of it, and a steward of another one."""
    with catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
        tx.projects.add(make_project("other"))
        for name, role, project in [
            ("vera", "viewer", "cells"),
            ("sten", "steward", "cells"),
            ("olaf", "steward", "other"),
        ]:
            tx.accounts.add(
                Account(
                    name=name, grants=(Grant(role=Role(role), project=project),), created_at=make_account().created_at
                )
            )
        return tx.accounts.list()[0]


@pytest.mark.parametrize("scope", list(HoldScope))
def test_a_hold_stands_on_the_acquisition_whatever_it_was_placed_on(
    scope: HoldScope, people: Account, catalogue: Catalogue, clock: SettableClock
) -> None:
    version = keep_version(catalogue)
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
    target = {
        HoldScope.ACQUISITION: acquisition.acquisition_id,
        HoldScope.DATASET: dataset.pid,
        HoldScope.PROJECT: "cells",
    }[scope]

    hold = place_hold(target, person="vera", reason=" revision under way ", catalogue=catalogue, clock=clock)

    assert (hold.scope, hold.reason) == (scope, "revision under way")
    with catalogue.begin() as tx:
        assert [one.hold_id for one in standing_holds(tx, acquisition, dataset)] == [hold.hold_id]
    lift_hold(hold.hold_id, person="sten", reason="published", catalogue=catalogue, clock=clock)
    with catalogue.begin() as tx:
        assert standing_holds(tx, acquisition, dataset) == []
        assert tx.holds.get(hold.hold_id).lifted_by == "sten"
        names = [event.name for event in tx.outbox.history([hold.target])]
    assert names == ["hold.placed", "hold.lifted"]


def test_only_who_placed_it_or_a_steward_of_the_project_lifts_a_hold(
    people: Account, catalogue: Catalogue, clock: SettableClock
) -> None:
    with catalogue.begin() as tx:
        tx.accounts.add(
            Account(name="vito", grants=(Grant(role=Role.VIEWER, project="cells"),), created_at=clock.now())
        )
    hold = place_hold("cells", person="vera", reason="audit", catalogue=catalogue, clock=clock)

    with pytest.raises(Forbidden, match="vera placed"):
        lift_hold(hold.hold_id, person="vito", reason="disk is full", catalogue=catalogue, clock=clock)
    with pytest.raises(NotFound):  # the steward of another project may not even know of it
        lift_hold(hold.hold_id, person="olaf", reason="disk is full", catalogue=catalogue, clock=clock)

    lift_hold(hold.hold_id, person="vera", reason="over", catalogue=catalogue, clock=clock)
    with pytest.raises(Conflict, match="vera has lifted"):
        lift_hold(hold.hold_id, person="sten", reason="over", catalogue=catalogue, clock=clock)


def test_what_a_person_may_not_see_they_cannot_hold_and_are_not_shown(
    people: Account, catalogue: Catalogue, clock: SettableClock
) -> None:
    version = keep_version(catalogue)
    place_hold("cells", person="vera", reason="audit", catalogue=catalogue, clock=clock)
    with catalogue.begin() as tx:
        olaf = tx.accounts.find("olaf")
    assert olaf is not None

    for target in ("cells", version.dataset_id, "ark:/99999/nothing", "acq-nothing", "nothing", "ds-x\0y"):
        with pytest.raises((NotFound, InvalidInput)):
            place_hold(target, person="olaf", reason="mine", catalogue=catalogue, clock=clock)
    assert list_holds(account=olaf, catalogue=catalogue) == []


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 10_001])
def test_a_hold_needs_a_reason(reason: str, people: Account, catalogue: Catalogue, clock: SettableClock) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        place_hold("cells", person="vera", reason=reason, catalogue=catalogue, clock=clock)


def test_two_holds_are_two_holds(people: Account, catalogue: Catalogue, clock: SettableClock) -> None:
    first = place_hold("cells", person="vera", reason="audit", catalogue=catalogue, clock=clock)
    second = place_hold("cells", person="sten", reason="revision", catalogue=catalogue, clock=clock)

    lift_hold(first.hold_id, person="vera", reason="over", catalogue=catalogue, clock=clock)

    with catalogue.begin() as tx:
        standing = tx.holds.standing_on([(HoldScope.PROJECT, "cells")])
    assert [one.hold_id for one in standing] == [second.hold_id]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, HoldOutcome.FREE),
        ("open in OMERO", HoldOutcome.HELD),
        ("", HoldOutcome.HELD),
        (False, HoldOutcome.COULD_NOT_ASK),
        (0, HoldOutcome.COULD_NOT_ASK),
        ([], HoldOutcome.COULD_NOT_ASK),
        (ConnectionError("refused"), HoldOutcome.COULD_NOT_ASK),
        (SystemExit(0), HoldOutcome.COULD_NOT_ASK),
    ],
)
def test_only_a_plain_no_is_free(answer: object, outcome: HoldOutcome, clock: SettableClock) -> None:
    found = ask_holds(make_question("/landing/run"), systems=[Says("omero", answer)], patience_seconds=5, clock=clock)

    assert [(one.system, one.outcome) for one in found] == [("omero", outcome)]
    assert bool(found[0].reason) == (outcome is not HoldOutcome.FREE)


def test_a_system_that_hangs_counts_as_held_and_delays_nobody_for_ever(clock: SettableClock) -> None:
    hanging = Hangs()
    try:
        found = ask_holds(
            make_question("/landing/run"),
            systems=[hanging, Says("quick", None)],
            patience_seconds=0.2,
            clock=clock,
        )
    finally:
        hanging.go.set()

    assert [one.outcome for one in found] == [HoldOutcome.COULD_NOT_ASK, HoldOutcome.FREE]
    assert "did not answer" in found[0].reason
