"""Tells once when a whole instrument has fallen silent: nothing has come from it for longer than is usual for it.

A run that is being written and stops is another thing, and sooner told (see `silence`). Here days count, over which no
process lives, so they are those of the calendar. That is why nothing is raised in the first hour in which a process
looks, nor in the hour after the calendar was set: a machine that comes back first sees what came meanwhile. What was
raised stands until something comes, however long that takes, or until nobody is to be told of the instrument.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from cisterna.domain.instrument import Instrument, LongSilence
from cisterna.domain.instrument_health import Silence, silence_of
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.instrument_health import Within
from cisterna.services.alarm_setting import INSTRUMENT_SECONDS, instrument_seconds, tells_of_instrument
from cisterna.services.silence import span
from cisterna.services.transition import announce

RUNS_FOR_PAUSES = 2000
"""From so many of its newest runs it is told how often an instrument begins one."""
WATCHED_SECONDS = 3600.0
_LOOK_SECONDS = 60.0
_SET_SECONDS = 60.0
"""By more than this the calendar and a clock that never jumps do not come apart by themselves."""

CAME = "something came again"
NOT_TOLD = "nobody is to be told of this instrument"


@dataclass
class SilenceMemory:
    """What one process knows: since when it looks, by a clock that never jumps and by the calendar, and its last look.

    Losing it is harmless: the hour begins anew.
    """

    since: tuple[float, datetime] | None = None
    looked: float | None = None

    def watched(self, *, monotonic: float, now: datetime) -> float:
        """Count the seconds for which it has looked while nobody set the calendar."""
        if self.since is not None:
            began, then = self.since
            if abs((now - then).total_seconds() - (monotonic - began)) <= _SET_SECONDS:
                return monotonic - began
        self.since = (monotonic, now)
        return 0.0


def weigh_instrument(name: str, *, memory: SilenceMemory, at_once: bool, catalogue: Catalogue, clock: Clock) -> None:
    """Raise the silence of an instrument, or end the one that stands; once a minute unless `at_once`.

    A second call finds it as the first one left it. Of several sweepers at once one raises it: the row is locked.

    Args:
        name: Of an instrument whose landing zone was looked at just now, and is there.
        memory: Of the process that looks.
        at_once: A silence stands, and that look wrote something down, which may be its end.
        catalogue: Where runs and the silence are kept, with its event.
        clock: Dates it.
    """
    monotonic, now = clock.monotonic(), clock.now()
    watched = memory.watched(monotonic=monotonic, now=now)
    if not at_once and memory.looked is not None and monotonic - memory.looked < _LOOK_SECONDS:
        return
    memory.looked = monotonic
    may_raise = watched >= WATCHED_SECONDS
    with catalogue.begin() as tx:
        instrument = tx.instruments.get(name)
        if _next(tx, instrument, may_raise=may_raise, now=now) == instrument.silence:
            return
    with catalogue.begin() as tx:
        instrument = tx.instruments.lock(name)
        after = _next(tx, instrument, may_raise=may_raise, now=now)
        if after != instrument.silence:
            tx.instruments.save(instrument.model_copy(update={"silence": after}))
            _tell(tx, instrument, after, clock=clock)


def silence_now(tx: Transaction, instrument: Instrument, within: Within, *, now: datetime) -> Silence:
    """Hold the present pause against those before, as far as somebody may know of the runs."""
    return silence_of(
        tx.instrument_health.begun(within, limit=RUNS_FOR_PAUSES),
        is_writing=tx.instrument_health.is_writing(within),
        now=now,
        said_seconds=instrument_seconds(instrument.settings),
    )


def _next(tx: Transaction, instrument: Instrument, *, may_raise: bool, now: datetime) -> LongSilence | None:
    """Tell what is to stand after this look; of a landing zone that is not believed nothing is concluded."""
    if instrument.guard is not None:
        return instrument.silence
    if not _is_told(instrument):
        return None
    found = silence_now(tx, instrument, Within(instrument=instrument.name), now=now)
    present = instrument.silence
    if present is not None:
        return None if found.came is not None and found.came > present.since else present
    if not (may_raise and found.is_silent) or found.came is None or found.limit_seconds is None:
        return None
    return LongSilence(
        since=found.came,
        raised_at=now,
        quiet_seconds=found.quiet_seconds,
        limit_seconds=found.limit_seconds,
        words=f"Nothing has come from it for {span(found.quiet_seconds)}; {_limit_words(found)}.",
    )


def _is_told(instrument: Instrument) -> bool:
    """Tell whether somebody is to know: not of one that is tried, nor of one that nobody looks at."""
    return instrument.watched and instrument.in_shadow is None and tells_of_instrument(instrument.settings)


def _limit_words(found: Silence) -> str:
    if found.said_seconds is not None:
        return f"by its setting {INSTRUMENT_SECONDS} something comes at least every {span(found.said_seconds)}"
    return (
        f"in three of four weeks its longest pause was at most {span(found.weekly_seconds or 0.0)}, and "
        f"{span(found.limit_seconds or 0.0)} is too long"
    )


def _tell(tx: Transaction, before: Instrument, after: LongSilence | None, *, clock: Clock) -> None:
    told = after or before.silence
    data: dict[str, JsonValue] = {"instrument": before.name}
    if told is not None:
        data |= told.model_dump(mode="json")
    if after is None:
        data["reason"] = CAME if _is_told(before) else NOT_TOLD
    name = "instrument.silent" if after is not None else "instrument.silence-ended"
    announce(tx, name, before.name, project=None, clock=clock, data=data)
