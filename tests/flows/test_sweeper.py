"""A hint shortens the sleep between two looks at the instrument it names, and of no other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.hint import Hint
from cisterna.domain.instrument import Instrument, LongSilence
from cisterna.services.detect import SweepMemory, SweepResult
from cisterna.services.hint import take_hints
from cisterna.testing.clock import START
from cisterna.testing.factory import make_instrument
from flows.keeper import Duties, Keeper
from flows.sweeper import Sweeper, watched_paths

_LONG = 3600.0


class Looks:
    """Counts looks by instrument."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._changed = threading.Condition()

    def sweep(self, instrument: Instrument, _memory: SweepMemory) -> SweepResult:
        with self._changed:
            self.counts[instrument.name] += 1
            self._changed.notify_all()
        return SweepResult(instrument=instrument.name)

    def wait_for(self, claim: Callable[[Counter[str]], Any]) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: bool(claim(self.counts)), timeout=20)


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def sweeper(catalogue: SqlCatalogue, looks: Looks) -> Iterator[Sweeper]:
    """Sweep two instruments that are looked at once an hour."""
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1"))
        tx.instruments.add(make_instrument("squid-2"))
    made = Sweeper(catalogue, sweep=looks.sweep, pause_seconds=_LONG)
    made.look()
    assert looks.wait_for(lambda seen: seen["squid-1"] == seen["squid-2"] == 1)
    yield made
    made.stop()


def test_a_hint_wakes_the_instrument_it_names_and_no_other(sweeper: Sweeper, looks: Looks) -> None:
    sweeper.hint("squid-1")

    assert looks.wait_for(lambda seen: seen["squid-1"] == 2)
    assert looks.counts["squid-2"] == 1


def test_a_flood_of_hints_is_few_looks(sweeper: Sweeper, looks: Looks) -> None:
    for _ in range(10_000):
        sweeper.hint("squid-1")

    assert looks.wait_for(lambda seen: seen["squid-1"] >= 2)
    assert looks.counts["squid-1"] <= 4


def test_a_hint_for_what_is_not_swept_is_passed_over(sweeper: Sweeper, looks: Looks) -> None:
    sweeper.hint("nobody")
    sweeper.hint("squid-2")

    assert looks.wait_for(lambda seen: seen["squid-2"] == 2)
    assert set(looks.counts) == {"squid-1", "squid-2"}


def test_what_a_sweep_notes_of_an_instrument_begins_no_new_round(
    sweeper: Sweeper, looks: Looks, catalogue: SqlCatalogue
) -> None:
    silence = LongSilence(since=START, raised_at=START, quiet_seconds=1, limit_seconds=1, words="nothing came")
    with catalogue.begin() as tx:
        tx.instruments.save(tx.instruments.get("squid-1").model_copy(update={"silence": silence}))
        tx.instruments.save(tx.instruments.get("squid-2").model_copy(update={"settings": {"quiet_seconds": "1"}}))

    sweeper.look()

    assert looks.wait_for(lambda seen: seen["squid-2"] == 2)
    assert looks.counts["squid-1"] == 1


def test_what_is_rung_in_the_catalogue_reaches_the_sweep_and_nothing_else(
    sweeper: Sweeper, looks: Looks, catalogue: SqlCatalogue, tmp_path: Path
) -> None:
    duties = Duties(sweep=looks.sweep, expire=int, end_leases=str, deliver=lambda _: 0)
    keeper = Keeper(
        catalogue,
        duties=duties,
        commands=(),
        sinks=(),
        logs=tmp_path,
        environ={},
        sweep_seconds=_LONG,
        lease_seconds=_LONG,
    )
    heard = catalogue.listen(timeout=timedelta(seconds=20))
    assert next(heard) == ""

    take_hints([Hint(instrument="squid-1")], signed=None, catalogue=catalogue, now=START)
    keeper._hear(heard, [], sweeper)

    assert looks.wait_for(lambda seen: seen["squid-1"] == 2)
    assert looks.counts["squid-2"] == 1
    heard.close()  # type: ignore[attr-defined]


class Told:
    """A source of hints that a test sets off."""

    fault: str | None = None

    def __init__(self, wake: threading.Event) -> None:
        self.wake = wake
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_a_store_that_tells_of_changes_wakes_the_sweep_too(catalogue: SqlCatalogue, looks: Looks) -> None:
    told: dict[str, Told] = {}

    def listen(instrument: Instrument, wake: threading.Event) -> Told | None:
        return told.setdefault(instrument.name, Told(wake)) if instrument.name == "squid-1" else None

    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1"))
        tx.instruments.add(make_instrument("squid-2"))
    sweeper = Sweeper(catalogue, sweep=looks.sweep, pause_seconds=_LONG, listen=listen)
    sweeper.look()
    assert looks.wait_for(lambda seen: seen["squid-1"] == 1)

    told["squid-1"].wake.set()

    assert looks.wait_for(lambda seen: seen["squid-1"] == 2)
    sweeper.stop()
    assert told["squid-1"].is_closed


def test_only_what_a_setting_names_from_the_root_is_watched() -> None:
    settings = {"run_json": "/data/run.json", "quiet_seconds": "2", "unportable_names": ".", "marker": "Done.txt"}

    assert watched_paths(make_instrument(path="/landing", settings=settings)) == ["/landing", "/data/run.json"]
