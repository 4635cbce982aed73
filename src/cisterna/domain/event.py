"""What happened, as it goes out to others."""

from __future__ import annotations

from pydantic import Field, JsonValue

from cisterna.domain.base import Moment, Value

EVENT_NAMES = (
    "acquisition.seen",
    "acquisition.state",
    "acquisition.held",
    "acquisition.settled-early",
    "instrument.guarded",
    "instrument.guard-ended",
    "instrument.change-accepted",
    "instrument.set",
    "instrument.silent",
    "instrument.silence-ended",
    "alert.raised",
    "alert.acknowledged",
    "alert.closed",
    "instrument.shadow-begun",
    "instrument.shadow-ended",
    "instrument.shadow-report",
    "attempt.started",
    "attempt.completed",
    "attempt.failed",
    "attempt.aborted",
    "version.stage",
    "version.removed",
    "receipt.issued",
    "copy.fixity",
    "copy.repaired",
    "decision.made",
    "publication.made",
    "publication.changed",
    "publication.withdrawn",
    "publication.failed",
    "delivery.made",
    "delivery.unmailed",
    "delivery.handed-over",
    "delivery.acknowledged",
    "delivery.revoked",
    "deposit.reserved",
    "deposit.made",
    "deposit.failed",
    "deposit.withdrawn",
    "hold.placed",
    "hold.lifted",
    "release.announced",
    "release.cancelled",
    "release.refused",
    "release.begun",
    "release.stopped",
    "release.done",
    "retention.set",
    "retention.removed",
    "erasure.announced",
    "erasure.begun",
    "erasure.incomplete",
    "erasure.done",
)
"""Every event's name; sinks map them to their own words."""


class Event(Value):
    """One transition, written in the same transaction as the transition itself.

    Attributes:
        name: One of `EVENT_NAMES`.
        subject: Id of the thing it is about.
        restricted: Whether its content may leave the house only to sinks that are inside.
        data: The content, JSON-able, without secrets.
    """

    event_id: str
    name: str
    subject: str
    occurred_at: Moment
    restricted: bool = True
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Sending(Value):
    """An event on its way to one sink."""

    event: Event
    sink: str
    attempts: int


class Refusal(Value):
    """What a sink has not taken.

    Attributes:
        waiting: Events that were tried at least once.
        attempts: How often the one that was tried most often was.
        since: When the oldest of them happened.
        reason: Why it was not taken the last time, in words.
    """

    sink: str
    waiting: int
    attempts: int
    since: Moment
    reason: str
