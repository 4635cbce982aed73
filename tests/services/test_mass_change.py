"""Many runs gone or changed at once are not believed before a person says so; a few are."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.account import Role
from cisterna.domain.acquisition import AcquisitionState, SourceState
from cisterna.domain.errors import CatalogueUnavailable, Conflict, Forbidden, IllegalTransition, InvalidInput
from cisterna.domain.event import Event
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Transaction
from cisterna.profiles.folder import Folder
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.services.instrument import change_settings
from cisterna.services.mass_change import Losses, accept_change, believed_at_most
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_instrument, make_project

MANY = 10


class Facility:
    """A landing zone of archived runs, looked at by one long-lived sweeper."""

    def __init__(self, root: Path, catalogue: SqlCatalogue, clock: SettableClock, *, runs: int = MANY) -> None:
        self.zone, self.catalogue, self.clock, self.memory = root / "zone", catalogue, clock, SweepMemory()
        self.zone.mkdir()
        declared = make_instrument(profile="folder", path=str(self.zone), identity=LandingFolder(self.zone).identity())
        with catalogue.begin() as tx:
            tx.outbox.register(["log"])
            tx.instruments.add(declared)
            tx.projects.add(make_project())
            tx.accounts.add(make_account("olga", Role.OPERATOR))
            tx.accounts.add(make_account("sten", Role.STEWARD))
        for number in range(runs):
            self.write(f"run-{number}")
        self.sweep()
        self.sweep(after=60)
        with catalogue.begin() as tx:
            for one in tx.acquisitions.list():
                assert one.state is AcquisitionState.COMPLETE
                tx.acquisitions.save(one.model_copy(update={"ingested_fingerprint": one.fingerprint}))

    def write(self, name: str) -> None:
        folder = self.zone / name
        folder.mkdir()
        (folder / "a.csv").write_text(name)
        (folder / "md5sum.txt").write_text("d41d8cd98f00b204e9800998ecf8427e  a.csv\n")

    def change(self, *numbers: int) -> None:
        for number in numbers:
            (self.zone / f"run-{number}" / "a.csv").write_text(f"encrypted {number}")

    def remove(self, *numbers: int) -> None:
        for number in numbers:
            shutil.rmtree(self.zone / f"run-{number}")

    def sweep(self, *, after: float = 0.0, memory: SweepMemory | None = None) -> SweepResult:
        if after:
            self.clock.advance(after)
        return sweep_instrument(
            self.instrument,
            zone=LandingFolder(self.zone),
            profiles={"folder": Folder()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: "cells",
            memory=memory or self.memory,
        )

    def accept(self, person: str = "olga", reason: str = "moved to tape", evidence: str | None = None) -> Instrument:
        return accept_change(
            "squid-1", person=person, reason=reason, evidence=evidence, catalogue=self.catalogue, clock=self.clock
        )

    @property
    def instrument(self) -> Instrument:
        with self.catalogue.begin() as tx:
            return tx.instruments.get("squid-1")

    def sources(self) -> dict[str, SourceState]:
        with self.catalogue.begin() as tx:
            return {one.folder: one.source_state for one in tx.acquisitions.list()}

    def lost(self) -> list[str]:
        return sorted(folder for folder, state in self.sources().items() if state is not SourceState.PRESENT)

    def events(self) -> list[Event]:
        with self.catalogue.begin() as tx:
            return [one for one in tx.outbox.history(["squid-1"]) if one.name.startswith("instrument.")]


class Dying:
    """A catalogue that answers a few transactions more, and then no other."""

    def __init__(self, catalogue: SqlCatalogue, *, after: int) -> None:
        self._catalogue, self._left = catalogue, after

    def begin(self) -> AbstractContextManager[Transaction]:
        self._left -= 1
        if self._left < 0:
            raise CatalogueUnavailable("killed")
        return self._catalogue.begin()


@pytest.fixture
def facility(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Facility:
    return Facility(tmp_path, catalogue, clock)


def test_a_few_runs_that_are_gone_or_changed_are_believed_at_once(facility: Facility) -> None:
    facility.remove(0, 1)
    facility.change(2)

    facility.sweep(after=120)

    assert facility.lost() == ["run-0", "run-1", "run-2"]
    assert facility.instrument.guard is None
    assert facility.events() == []


def test_nothing_is_concluded_from_many_runs_gone_and_changed_at_once(facility: Facility) -> None:
    facility.remove(0, 1, 2)
    facility.change(3, 4)

    results = [facility.sweep(after=120), facility.sweep(after=1), facility.sweep(after=3600)]

    guard = facility.instrument.guard
    assert facility.lost() == []
    assert guard is not None
    assert (guard.known, guard.gone, guard.changed, guard.most) == (MANY, 3, 2, 3)
    assert [one.guarded for one in results] == [5, 5, 5]
    assert "3 of 10 known runs are gone and 2 have changed" in guard.words
    (told,) = facility.events()
    assert (told.name, told.data["gone"], told.data["changed"]) == ("instrument.guarded", 3, 2)
    assert told.data["examples"] == ["run-0", "run-1", "run-2"]


def test_new_runs_are_taken_in_while_an_instrument_is_guarded(facility: Facility) -> None:
    facility.remove(*range(5))
    facility.write("run-new")

    facility.sweep(after=120)
    facility.sweep(after=60)

    with facility.catalogue.begin() as tx:
        new = next(one for one in tx.acquisitions.list() if one.folder == "run-new")
        asked = [work.subject for work in tx.inbox.list()]
    assert new.state is AcquisitionState.COMPLETE
    assert new.acquisition_id in asked


def test_the_guard_ends_by_itself_when_the_runs_are_there_again(facility: Facility) -> None:
    facility.zone.joinpath("run-0").parent.rename(facility.zone.with_name("away"))
    facility.zone.mkdir()
    with facility.catalogue.begin() as tx:  # the same numbers, as of a disk that was plugged in the place of another
        identity = LandingFolder(facility.zone).identity()
        tx.instruments.save(facility.instrument.model_copy(update={"identity": identity}))
    facility.sweep(after=120)
    guarded = facility.instrument.guard
    for run in facility.zone.with_name("away").iterdir():
        run.rename(facility.zone / run.name)

    facility.sweep(after=1)

    assert guarded is not None
    assert guarded.gone == MANY
    assert facility.instrument.guard is None
    assert facility.lost() == []
    assert [one.name for one in facility.events()] == ["instrument.guarded", "instrument.guard-ended"]


def test_an_accepted_change_is_let_through_once_and_stays_on_record(facility: Facility) -> None:
    facility.remove(*range(4))
    facility.change(4)
    facility.sweep(after=120)

    facility.accept()
    facility.sweep(after=1)
    once = facility.lost()
    with facility.catalogue.begin() as tx:  # they come back, and go once more
        for one in tx.acquisitions.list():
            tx.acquisitions.save(one.model_copy(update={"source_state": SourceState.PRESENT}))
    facility.sweep(after=1, memory=SweepMemory())

    assert once == [f"run-{number}" for number in range(5)]
    assert facility.instrument.guard is not None
    accepted = facility.instrument.accepted
    assert accepted is not None
    assert (accepted.person, accepted.reason, accepted.is_used) == ("olga", "moved to tape", True)
    told = facility.events()[1]
    assert (told.name, told.data["person"], told.data["reason"]) == (
        "instrument.change-accepted",
        "olga",
        "moved to tape",
    )


def test_a_sweep_that_is_killed_while_it_writes_an_accepted_change_is_ended_by_the_next(facility: Facility) -> None:
    facility.remove(*range(4))
    facility.change(4)
    facility.sweep(after=120)
    facility.accept()
    whole = facility.catalogue
    facility.catalogue = Dying(whole, after=4)  # type: ignore[assignment]
    with pytest.raises(CatalogueUnavailable):
        facility.sweep(after=1)
    facility.catalogue = whole
    halfway = facility.lost()

    facility.sweep(after=1, memory=SweepMemory())

    assert 0 < len(halfway) < 5
    assert facility.lost() == [f"run-{number}" for number in range(5)]
    assert facility.instrument.guard is None
    assert facility.instrument.accepted is not None
    assert facility.instrument.accepted.is_used


def test_after_an_accepted_change_a_single_run_that_goes_is_believed(facility: Facility) -> None:
    facility.remove(*range(5))
    facility.sweep(after=120)
    facility.accept()
    facility.sweep(after=1)
    facility.remove(5)

    facility.sweep(after=1)

    assert "run-5" in facility.lost()
    assert facility.instrument.guard is None


def test_a_word_on_other_runs_than_are_gone_by_now_lets_nothing_through(facility: Facility) -> None:
    facility.remove(*range(5))
    facility.sweep(after=120)
    facility.accept()
    facility.remove(5)

    facility.sweep(after=1)

    assert facility.lost() == []
    assert facility.instrument.guard is not None
    assert facility.instrument.guard.gone == 6


def test_a_word_on_a_guard_that_was_not_looked_at_is_refused(facility: Facility) -> None:
    facility.remove(*range(5))
    facility.sweep(after=120)
    seen = facility.instrument.guard
    assert seen is not None
    facility.remove(5)
    facility.sweep(after=1)

    with pytest.raises(Conflict, match="look at it again"):
        facility.accept(evidence=seen.evidence)


@pytest.mark.parametrize(
    ("person", "reason", "refusal"),
    [("sten", "why not", Forbidden), ("nobody", "why not", Exception), ("olga", "  ", InvalidInput)],
)
def test_only_an_operator_with_a_reason_accepts(
    facility: Facility, person: str, reason: str, refusal: type[Exception]
) -> None:
    facility.remove(*range(5))
    facility.sweep(after=120)

    with pytest.raises(refusal):
        facility.accept(person, reason)

    assert facility.instrument.accepted is None


def test_there_is_nothing_to_accept_at_an_instrument_that_is_not_guarded(facility: Facility) -> None:
    with pytest.raises(IllegalTransition, match="not guarded"):
        facility.accept()


def test_a_mass_change_that_is_seen_in_drops_is_one_all_the_same(facility: Facility) -> None:
    guarded = []
    for number in range(MANY):
        facility.change(number)
        guarded.append(facility.sweep(after=240).guarded > 0)

    assert guarded == [False] * 3 + [True] * (MANY - 3)
    assert facility.lost() == ["run-0", "run-1", "run-2"]


def test_a_restart_neither_forgets_a_guard_nor_believes_what_it_holds_back(facility: Facility) -> None:
    facility.change(*range(5))
    facility.sweep(after=120)
    before = facility.instrument.guard

    facility.sweep(after=1, memory=SweepMemory())

    assert facility.lost() == []
    assert facility.instrument.guard == before


def test_runs_that_were_not_archived_yet_are_guarded_as_well(facility: Facility) -> None:
    with facility.catalogue.begin() as tx:
        for one in tx.acquisitions.list():
            tx.acquisitions.save(one.model_copy(update={"ingested_fingerprint": None}))
    facility.remove(*range(5))

    facility.sweep(after=120)

    with facility.catalogue.begin() as tx:
        assert {one.state for one in tx.acquisitions.list()} == {AcquisitionState.COMPLETE}


def test_a_run_that_is_being_written_may_change_as_it_likes(facility: Facility) -> None:
    for number in range(MANY):
        folder = facility.zone / f"long-{number}"
        folder.mkdir()
        (folder / "a.csv").write_text("a")
    facility.sweep(after=1)
    for number in range(MANY):
        (facility.zone / f"long-{number}" / "b.csv").write_text("b")

    result = facility.sweep(after=1)

    assert result.guarded == 0


@pytest.mark.parametrize(
    ("settings", "known", "most"),
    [
        ({}, 10, 3),
        ({}, 1000, 10),
        ({"mass_change_percent": "5"}, 1000, 50),
        ({"mass_change_floor": "40"}, 1000, 40),
        ({"mass_change_percent": "0", "mass_change_floor": "0"}, 1000, 0),
        ({"mass_change_percent": "much", "mass_change_floor": "-1"}, 1000, 10),
        ({"mass_change_percent": "nan"}, 1000, 10),
    ],
)
def test_how_many_are_believed_follows_from_the_instruments_settings(
    settings: dict[str, str], known: int, most: int
) -> None:
    assert believed_at_most(settings, known) == most


def test_the_evidence_stands_for_the_runs_and_for_what_became_of_each() -> None:
    gone = Losses(10, frozenset({"a", "b"}), frozenset())
    changed = Losses(10, frozenset({"a"}), frozenset({"b"}))

    assert gone.evidence == Losses(99, frozenset({"b", "a"}), frozenset(), lately=3).evidence
    assert gone.evidence != changed.evidence


def test_an_instruments_settings_are_changed_by_a_named_operator_and_nonsense_is_refused(facility: Facility) -> None:
    def change(person: str = "olga", **changes: str | None) -> Instrument:
        return change_settings(
            "squid-1",
            changes,
            person=person,
            reason="runs are cleared weekly",
            catalogue=facility.catalogue,
            clock=facility.clock,
        )

    change(mass_change_floor="40", quiet_seconds="5")
    change(quiet_seconds=None)
    change(quiet_seconds=None)
    with pytest.raises(InvalidInput, match="mass_change_percent=200"):
        change(mass_change_percent="200")
    with pytest.raises(Forbidden):
        change("sten", mass_change_floor="1")

    assert facility.instrument.settings == {"mass_change_floor": "40"}
    assert [one.data["after"] for one in facility.events()] == [
        {"mass_change_floor": "40", "quiet_seconds": "5"},
        {"mass_change_floor": "40"},
    ]
