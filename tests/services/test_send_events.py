"""Every sink gets every event at least once, and no event keeps back those about other things."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import SinkUnavailable
from cisterna.domain.event import Event
from cisterna.services.send_events import LONGEST_DELAY, send_due
from cisterna.testing.clock import SettableClock


class Recorder:
    """Implements `ports.sink.EventSink`: keeps what it takes, and raises what a test plans for an event."""

    inside = True

    def __init__(self, name: str = "recorder", *, fault: Callable[[Event], BaseException | None] | None = None) -> None:
        self.name = name
        self.taken: list[str] = []
        self.tried: list[str] = []
        self.fault = fault
        self._lock = threading.Lock()

    def send(self, event: Event) -> None:
        with self._lock:
            self.tried.append(event.event_id)
            fault = self.fault(event) if self.fault else None
            if fault is not None:
                raise fault
            self.taken.append(event.event_id)


def append(catalogue: SqlCatalogue, clock: SettableClock, *subjects: str) -> list[str]:
    events = [
        Event(event_id=f"{subject}-{clock.new_id()}", name="version.stage", subject=subject, occurred_at=clock.now())
        for subject in subjects
    ]
    with catalogue.begin() as tx:
        for event in events:
            tx.outbox.append(event)
    return [event.event_id for event in events]


def waiting(catalogue: SqlCatalogue, sink: str = "recorder") -> int:
    with catalogue.begin() as tx:
        return tx.outbox.undelivered()[sink]


@pytest.fixture(autouse=True)
def registered(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.outbox.register(["recorder", "other"])


def drain(sink: Recorder, catalogue: SqlCatalogue, clock: SettableClock, *, limit: int = 1000) -> int:
    return send_due(sink=sink, catalogue=catalogue, clock=clock, limit=limit)


def test_events_arrive_in_order_and_once(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    events, sink = append(catalogue, clock, *["a"] * 5), Recorder()

    assert drain(sink, catalogue, clock) == 5
    assert drain(sink, catalogue, clock) == 0

    assert sink.taken == events
    assert waiting(catalogue) == 0


def test_each_sink_gets_its_own(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    append(catalogue, clock, "a", "b")
    drain(Recorder(), catalogue, clock)

    assert drain(Recorder("other"), catalogue, clock) == 2


def test_a_poisonous_event_keeps_back_nothing_about_other_things(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    poison, *rest = append(catalogue, clock, *[f"subject {number}" for number in range(30)])
    sink = Recorder(fault=lambda event: ValueError("a defect") if event.event_id == poison else None)

    assert drain(sink, catalogue, clock) == 29

    assert sorted(sink.taken) == sorted(rest)
    assert waiting(catalogue) == 1


def test_what_follows_about_the_same_thing_waits_so_that_order_holds(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    first, second = append(catalogue, clock, "a", "a")
    sink = Recorder(fault=lambda event: SinkUnavailable("away") if event.event_id == first else None)
    drain(sink, catalogue, clock)
    assert sink.taken == []

    sink.fault = None
    clock.advance(LONGEST_DELAY * 2)
    drain(sink, catalogue, clock)

    assert sink.taken == [first, second]


def test_a_sink_that_is_down_is_left_alone_after_a_few_tries(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    append(catalogue, clock, *[f"subject {number}" for number in range(50)])
    sink = Recorder(fault=lambda _: SinkUnavailable("away"))

    assert drain(sink, catalogue, clock) == 0

    assert len(sink.tried) == 3
    assert waiting(catalogue) == 50


def test_many_poisonous_events_at_the_front_do_not_starve_the_rest(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    poison = set(append(catalogue, clock, *[f"bad {number}" for number in range(7)]))
    append(catalogue, clock, "good")
    sink = Recorder(fault=lambda event: SinkUnavailable("no") if event.event_id in poison else None)

    for _ in range(4):
        drain(sink, catalogue, clock)

    assert len(sink.taken) == 1


def test_tries_come_further_apart(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    append(catalogue, clock, "a")
    sink = Recorder(fault=lambda _: SinkUnavailable("away"))
    for _ in range(100):
        drain(sink, catalogue, clock)
        clock.advance(1)

    assert 3 <= len(sink.tried) <= 9


def test_a_sender_killed_between_sending_and_noting_sends_again(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    events = append(catalogue, clock, "a", "b", "c")

    class Killed(BaseException):
        """Ends the sender as a signal would."""

    sink = Recorder(fault=lambda event: Killed() if event.subject == "c" else None)
    with pytest.raises(Killed):
        drain(sink, catalogue, clock)
    sink.fault = None
    drain(sink, catalogue, clock)

    assert Counter(sink.taken) == {events[0]: 2, events[1]: 2, events[2]: 1}
    assert waiting(catalogue) == 0


def test_senders_side_by_side_do_not_send_the_same(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    events = append(catalogue, clock, *[f"subject {number}" for number in range(60)])
    sink, counts = Recorder(), list[int]()
    threads = [threading.Thread(target=lambda: counts.append(drain(sink, catalogue, clock))) for _ in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(sink.taken) == sorted(events)
    assert sum(counts) == 60


def test_no_more_than_asked_for_is_sent(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    append(catalogue, clock, *[f"subject {number}" for number in range(10)])

    assert drain(Recorder(), catalogue, clock, limit=4) == 4
    assert waiting(catalogue) == 6
