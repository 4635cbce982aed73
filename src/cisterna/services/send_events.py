"""Drains the outbox towards one sink."""

from __future__ import annotations

import uuid
from datetime import timedelta

from cisterna.domain.errors import CisternaError
from cisterna.domain.event import Sending
from cisterna.domain.text import without_mail_addresses
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.sink import EventSink
from cisterna.services.attempt import error_words

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)

ROUND = 1000
"""Events that one call takes at most."""

_BATCH = 20
"""Events sent in one transaction: few enough that a slow sink does not keep one open for minutes."""
_PATIENCE = 3
"""Failures in a row after which a sink counts as down until the next call."""


def send_due(sink: EventSink, *, catalogue: Catalogue, clock: Clock, limit: int = ROUND) -> int:
    """Send what is due to a sink and return how many events it took.

    What the sink does not take is postponed, longer each time, and what waits behind it about the same subject with
    it; events about all else go on. Killed between sending and noting it, the same event is sent again, which every
    sink takes as harmless. Several processes may drain the same sink: each takes what no other is sending.
    """
    taken, failed_in_a_row = 0, 0
    while taken < limit and failed_in_a_row < _PATIENCE:
        with catalogue.begin() as tx:
            asked = min(_BATCH, limit - taken)
            due = tx.outbox.due(sink=sink.name, now=clock.now(), limit=asked)
            sent: list[Sending] = []
            waiting: set[str] = set()
            for delivery in due:
                if delivery.event.subject in waiting:
                    continue
                refusal = _refusal(sink, delivery)
                if refusal is None:
                    sent.append(delivery)
                    taken, failed_in_a_row = taken + 1, 0
                    continue
                not_before = clock.now() + _delay(delivery.attempts, jitter_id=clock.new_id())
                tx.outbox.postponed(delivery, not_before=not_before, reason=refusal)
                waiting.add(delivery.event.subject)
                failed_in_a_row += 1
                if failed_in_a_row >= _PATIENCE:
                    break
            tx.outbox.delivered(sent)
        if len(due) < asked:
            break
    return taken


def _refusal(sink: EventSink, delivery: Sending) -> str | None:
    try:
        sink.send(delivery.event)
    except CisternaError as error:
        return without_mail_addresses(error_words(error))
    except Exception as error:  # noqa: BLE001 - a fault of one sink over one event must not keep back all others
        return f"the sink failed in a way that has no name: {without_mail_addresses(error_words(error))}"
    return None


def _delay(attempts: int, *, jitter_id: str) -> timedelta:
    share = (uuid.UUID(jitter_id).int & 0xFFFFFFFF) / 0xFFFFFFFF
    doubled: int = 2 ** min(attempts, 16)
    return min(FIRST_DELAY * doubled, LONGEST_DELAY) * (0.5 + share)
