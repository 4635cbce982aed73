"""An instrument that has fallen silent is told once, by what was usual for it, until something comes again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.account import Role
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.alert_message import AlertMessage, MessageKind
from cisterna.domain.errors import InvalidInput
from cisterna.domain.event import Event
from cisterna.domain.instrument import LongSilence, MassChange
from cisterna.domain.shadow import Shadow
from cisterna.profiles.squid import Squid
from cisterna.services.alert_message import alert_message
from cisterna.services.detect import SweepMemory, sweep_instrument
from cisterna.services.instrument import change_settings
from cisterna.services.instrument_silence import SilenceMemory, weigh_instrument
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_account, make_acquisition, make_instrument, make_project
from cisterna.testing.virtual_squid import VirtualSquid

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NAME = "squid-1"


class Bench:
    """An instrument whose runs lie in the catalogue, and one process that looks."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock) -> None:
        self.catalogue, self.clock, self.memory = catalogue, clock, SilenceMemory()
        with catalogue.begin() as tx:
            tx.outbox.register(["log"])
            tx.instruments.add(make_instrument(NAME))
            tx.projects.add(make_project())
            tx.accounts.add(make_account("olga", Role.OPERATOR))

    def lay(self, name: str, seen: datetime, **fields: Any) -> None:
        run = make_acquisition(name, project="cells", **{"state": AcquisitionState.COMPLETE, **fields})
        run = run.model_copy(update={"first_seen": seen, "settled_since": seen})
        with self.catalogue.begin() as tx:
            tx.acquisitions.save(run)

    def daily(self, runs: int = 20) -> None:
        for back in range(runs):
            self.lay(f"run-{back}", self.clock.now() - back * DAY)

    def look(self, *, after: timedelta = timedelta(), at_once: bool = False) -> LongSilence | None:
        self.clock.advance(after.total_seconds())
        weigh_instrument(NAME, memory=self.memory, at_once=at_once, catalogue=self.catalogue, clock=self.clock)
        return self.standing()

    def standing(self) -> LongSilence | None:
        with self.catalogue.begin() as tx:
            return tx.instruments.get(NAME).silence

    def put(self, **fields: Any) -> None:
        with self.catalogue.begin() as tx:
            tx.instruments.save(tx.instruments.get(NAME).model_copy(update=fields))

    def set(self, **settings: str) -> None:
        change_settings(NAME, settings, person="olga", reason="test", catalogue=self.catalogue, clock=self.clock)

    def events(self) -> list[Event]:
        with self.catalogue.begin() as tx:
            return [one for one in tx.outbox.history([NAME]) if one.name.startswith("instrument.silen")]

    def told(self) -> list[str]:
        return [one.name for one in self.events()]

    def message(self, event: Event) -> AlertMessage | None:
        return alert_message(event, catalogue=self.catalogue, base_url="https://cisterna.example.org/")


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    """An instrument with a run a day for three weeks, the last just now, and a process that has begun to look."""
    made = Bench(catalogue, clock)
    made.daily()
    assert made.look() is None
    return made


def test_silence_longer_than_is_usual_is_told_once_with_the_times_in_words(bench: Bench) -> None:
    assert bench.look(after=47 * HOUR) is None

    for _ in range(3):
        raised = bench.look(after=2 * HOUR)

    assert raised is not None
    assert raised.words == (
        "Nothing has come from it for 49.0 h; in three of four weeks its longest pause was at most 24.0 h, "
        "and 48.0 h is too long."
    )
    assert (raised.since, raised.limit_seconds) == (START, 2 * 86_400)
    assert bench.told() == ["instrument.silent"]
    assert bench.events()[0].restricted


def test_it_stands_for_as_long_as_nothing_comes_and_ends_when_something_does(bench: Bench) -> None:
    bench.look(after=3 * DAY)
    assert bench.look(after=400 * DAY) is not None

    bench.lay("new", bench.clock.now(), state=AcquisitionState.WRITING)

    assert bench.look(after=timedelta(seconds=1), at_once=True) is None
    assert bench.told() == ["instrument.silent", "instrument.silence-ended"]
    assert bench.events()[-1].data["reason"] == "something came again"


def test_another_silence_is_told_anew(bench: Bench) -> None:
    bench.look(after=3 * DAY)
    bench.lay("new", bench.clock.now())
    bench.look(after=HOUR)

    bench.look(after=3 * DAY)

    assert bench.told() == ["instrument.silent", "instrument.silence-ended", "instrument.silent"]


def test_nothing_is_told_while_a_run_is_written(bench: Bench) -> None:
    bench.lay("now", bench.clock.now(), state=AcquisitionState.WRITING)

    assert bench.look(after=9 * DAY) is None


def test_an_instrument_that_never_had_a_cadence_is_never_silent(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    bench.look()
    assert bench.look(after=100 * DAY) is None
    bench.set(alarm_instrument_seconds="3600")
    assert bench.look(after=100 * DAY) is None

    bench.lay("first", clock.now())

    raised = bench.look(after=2 * HOUR)
    assert raised is not None
    assert "by its setting alarm_instrument_seconds something comes at least every 60 min" in raised.words


SHADOW = Shadow(shadow_id="s", person="olga", reason="trial", begun_at=START, days=30, rules=())


@pytest.mark.parametrize("fields", [{"shadow": SHADOW}, {"watched": False}])
def test_of_an_instrument_in_shadow_or_that_nobody_watches_nothing_is_told(
    bench: Bench, fields: dict[str, Any]
) -> None:
    bench.put(**fields)
    assert bench.look(after=9 * DAY) is None

    bench.put(shadow=None, watched=True)
    assert bench.look(after=HOUR) is not None
    bench.put(**fields)

    assert bench.message(bench.events()[0]) is None
    assert bench.look(after=HOUR) is None
    assert bench.events()[-1].data["reason"] == "nobody is to be told of this instrument"


def test_it_can_be_switched_off_and_a_kind_that_is_unknown_is_refused(bench: Bench) -> None:
    bench.set(alarm_off="dark,instrument-silent")
    assert bench.look(after=9 * DAY) is None

    with pytest.raises(InvalidInput, match="instrument-silent"):
        bench.set(alarm_off="instrument-silence")
    with pytest.raises(InvalidInput, match="alarm_instrument_seconds"):
        bench.set(alarm_instrument_seconds="a week")


def test_of_a_landing_zone_that_is_not_believed_nothing_is_concluded(bench: Bench) -> None:
    guard = MassChange(since=START, known=10, gone=9, changed=0, most=3, evidence="e")
    bench.put(guard=guard)
    assert bench.look(after=9 * DAY) is None

    bench.put(guard=None)
    raised = bench.look(after=HOUR)
    bench.put(guard=guard)

    assert raised is not None
    assert bench.look(after=HOUR) == raised


def test_a_process_that_has_just_begun_to_look_waits_for_what_came_meanwhile(bench: Bench) -> None:
    bench.memory = SilenceMemory()

    assert bench.look(after=9 * DAY) is None
    assert bench.look(after=timedelta(minutes=59)) is None
    assert bench.look(after=timedelta(minutes=2)) is not None


def test_a_calendar_that_was_set_is_not_believed_at_once_and_not_at_all_when_it_is_set_back(bench: Bench) -> None:
    bench.look(after=HOUR)
    bench.clock.set(bench.clock.now() + 30 * DAY)
    assert bench.look(after=timedelta(minutes=2)) is None
    bench.clock.set(bench.clock.now() - 30 * DAY)

    assert bench.look(after=2 * HOUR) is None
    assert bench.look(after=2 * HOUR) is None
    assert bench.told() == []


def test_two_processes_raise_one(bench: Bench) -> None:
    mine, other = bench.memory, SilenceMemory()
    bench.memory = other
    bench.look()
    bench.look(after=9 * DAY)
    bench.memory = mine

    bench.look(after=HOUR)

    assert bench.told() == ["instrument.silent"]


def test_the_message_leads_to_the_instrument_and_is_none_when_something_has_come(bench: Bench) -> None:
    bench.look(after=3 * DAY)
    (event,) = bench.events()

    found = bench.message(event)

    assert found is not None
    assert (found.kind, found.instrument, found.project) == (MessageKind.INSTRUMENT_SILENT, NAME, None)
    assert found.address == "https://cisterna.example.org/instruments/squid-1"
    assert "Nothing has come from it for 72.0 h" in found.body
    assert "--set alarm_instrument_seconds=N" in found.body
    bench.lay("new", bench.clock.now())
    bench.look(after=HOUR)
    assert bench.message(event) is None


def test_a_sweep_raises_it_and_its_next_run_ends_it_at_once(
    catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path
) -> None:
    zone, memory = tmp_path / "zone", SweepMemory()
    zone.mkdir()
    bench = Bench(catalogue, clock)
    bench.put(path=str(zone), identity=LandingFolder(zone).identity(), settings={"alarm_instrument_seconds": "7200"})

    def sweep(*, after: timedelta) -> None:
        clock.advance(after.total_seconds())
        with catalogue.begin() as tx:
            instrument = tx.instruments.get(NAME)
        sweep_instrument(
            instrument,
            zone=LandingFolder(zone),
            profiles={"squid": Squid()},
            catalogue=catalogue,
            clock=clock,
            resolve_project=lambda _acquisition, _described: "cells",
            memory=memory,
        )

    begun = clock.now() - HOUR
    VirtualSquid(started=begun, wells=("A1",), fovs=1).write(zone)
    for _ in range(4):
        sweep(after=HOUR)
    assert bench.standing() is not None
    with catalogue.begin() as tx:
        (only,) = tx.acquisitions.list()
    assert only.started_at == begun

    VirtualSquid(started=clock.now(), wells=("A1",), fovs=1).write(zone)
    sweep(after=timedelta(seconds=5))

    assert bench.told() == ["instrument.silent", "instrument.silence-ended"]
