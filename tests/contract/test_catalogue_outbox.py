"""Every event reaches every registered sink, in the order of its subject, however often a sender dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.event import Event, Sending
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_event

MINUTE = timedelta(minutes=1)


def register(catalogue: SqlCatalogue, *sinks: str) -> None:
    with catalogue.begin() as tx:
        tx.outbox.register(sinks)


def append(catalogue: SqlCatalogue, *events: Event) -> None:
    with catalogue.begin() as tx:
        for event in events:
            tx.outbox.append(event)


def due(catalogue: SqlCatalogue, clock: SettableClock, *, sink: str = "lineage") -> list[Sending]:
    with catalogue.begin() as tx:
        return list(tx.outbox.due(sink=sink, now=clock.now(), limit=100))


def names(deliveries: list[Sending]) -> list[str]:
    return [delivery.event.event_id for delivery in deliveries]


def deliver_all(
    catalogue: SqlCatalogue, clock: SettableClock, *, sink: str = "lineage", sent: list[Event] | None = None
) -> list[Event]:
    """Send until nothing is due, noting each event in `sent` at the moment it goes out."""
    sent = [] if sent is None else sent
    while True:
        with catalogue.begin() as tx:
            batch = tx.outbox.due(sink=sink, now=clock.now(), limit=7)
            for delivery in batch:
                sent.append(delivery.event)
                tx.outbox.delivered([delivery])
        if not batch:
            return sent


def test_an_event_waits_for_each_sink_that_was_registered_before_it(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    append(catalogue, make_event("too early"))
    register(catalogue, "lineage", "doorbell")
    event = make_event("event", data={"stage": "measured"})
    append(catalogue, event)

    for sink in ("lineage", "doorbell"):
        assert due(catalogue, clock, sink=sink) == [Sending(event=event, sink=sink, attempts=0)]
    assert due(catalogue, clock, sink="unknown") == []


def test_the_same_event_twice_is_delivered_once(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    register(catalogue, "lineage")
    append(catalogue, make_event(), make_event())

    assert len(deliver_all(catalogue, clock)) == 1
    append(catalogue, make_event())

    assert deliver_all(catalogue, clock) == []
    with catalogue.begin() as tx:
        assert tx.outbox.history(["run-1"]) == [make_event()]


def test_the_events_of_a_subject_come_in_order_and_together(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    register(catalogue, "lineage")
    first, second, other = make_event("1", subject="a"), make_event("2", subject="a"), make_event("3", subject="b")
    append(catalogue, first, second, other)

    together = due(catalogue, clock)
    assert names(together) == [first.event_id, second.event_id, other.event_id]
    with catalogue.begin() as tx:
        tx.outbox.delivered([together[0]])

    assert names(due(catalogue, clock)) == [second.event_id, other.event_id]


def test_a_postponed_event_holds_back_only_its_own_subject_and_sink(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    register(catalogue, "lineage", "doorbell")
    append(catalogue, make_event("1", subject="a"), make_event("2", subject="a"), make_event("3", subject="b"))
    with catalogue.begin() as tx:
        head = tx.outbox.due(sink="lineage", now=clock.now(), limit=1)[0]
        tx.outbox.postponed(head, not_before=clock.now() + MINUTE, reason="503 Service Unavailable")
    append(catalogue, make_event("4", subject="a"))

    assert [delivery.event.subject for delivery in due(catalogue, clock)] == ["b"]
    assert [delivery.event.subject for delivery in due(catalogue, clock, sink="doorbell")] == ["a", "a", "b", "a"]
    clock.advance(MINUTE)
    again = due(catalogue, clock)

    assert [(delivery.event.subject, delivery.attempts) for delivery in again] == [
        ("a", 1),
        ("a", 0),
        ("b", 0),
        ("a", 0),
    ]
    assert [event.event_id for event in deliver_all(catalogue, clock) if event.subject == "a"] == [
        make_event(name).event_id for name in "124"
    ]


def test_two_senders_never_hold_the_same_delivery(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    register(catalogue, "lineage")
    append(catalogue, *(make_event(f"{subject}{number}", subject=subject) for subject in "abcd" for number in range(3)))

    with catalogue.begin() as first, catalogue.begin() as second:
        mine = first.outbox.due(sink="lineage", now=clock.now(), limit=2)
        others = second.outbox.due(sink="lineage", now=clock.now(), limit=10)

    assert {delivery.event.subject for delivery in mine} <= {"a", "b"}
    assert {delivery.event.subject for delivery in others} == {"c", "d"}


def test_a_sender_that_dies_leaves_its_deliveries_to_the_next(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    register(catalogue, "lineage")
    append(catalogue, make_event())

    with pytest.raises(RuntimeError), catalogue.begin() as tx:  # noqa: PT012 - the block is what fails
        tx.outbox.delivered(tx.outbox.due(sink="lineage", now=clock.now(), limit=1))
        raise RuntimeError

    assert len(due(catalogue, clock)) == 1


def test_many_senders_deliver_everything_once_and_in_order(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    register(catalogue, "lineage")
    subjects = [f"subject-{number}" for number in range(12)]
    events = [make_event(f"{one}/{n}", subject=one, data={"n": n}) for n in range(8) for one in subjects]
    append(catalogue, *events)
    sent: list[Event] = []

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: deliver_all(catalogue, clock, sent=sent), range(6)))
    deliver_all(catalogue, clock, sent=sent)

    for subject in subjects:
        assert [event.data["n"] for event in sent if event.subject == subject] == list(range(8))
    with catalogue.begin() as tx:
        assert tx.outbox.undelivered() == {"lineage": 0}


def test_a_dropped_sink_gets_nothing_until_it_is_back(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    register(catalogue, "lineage", "webhook")
    append(catalogue, make_event("before", subject="a"))
    register(catalogue, "lineage")
    append(catalogue, make_event("while away", subject="b"))

    assert due(catalogue, clock, sink="webhook") == []
    with catalogue.begin() as tx:
        assert tx.outbox.undelivered() == {"lineage": 2}
    register(catalogue, "webhook", "lineage", "lineage")

    assert names(due(catalogue, clock, sink="webhook")) == [make_event("before").event_id]


def test_the_history_of_several_subjects_is_told_in_order(catalogue: SqlCatalogue) -> None:
    events = [make_event(str(number), subject="ab"[number % 2]) for number in range(6)]
    append(catalogue, *events, make_event("other", subject="c"))

    with catalogue.begin() as tx:
        assert tx.outbox.history(["a", "b"]) == events
        assert tx.outbox.history(["b"]) == events[1::2]
        assert tx.outbox.history([]) == []
