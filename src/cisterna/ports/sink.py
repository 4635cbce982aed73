"""Where events go: lineage, Prefect, the archive's own logs."""

from __future__ import annotations

from typing import Protocol

from cisterna.domain.event import Event


class EventSink(Protocol):
    """Takes events, each at least once; the same event again must be harmless.

    Attributes:
        name: What the outbox calls it.
        inside: Whether restricted content may be sent to it.
    """

    name: str
    inside: bool

    def send(self, event: Event) -> None:
        """Deliver, or raise a `CisternaError`: then the event is kept and tried again later."""
        ...
