"""Where hints come from, and what the catalogue keeps because of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

HINT_TOPIC = "hint:"
"""What a topic of the catalogue's doorbell begins with that names an instrument worth a look."""


class HintSource(Protocol):
    """Says that something may have changed in a landing zone, by waking whoever sweeps it.

    It promises nothing: hints are lost, doubled and late, and a sweep is due by the clock whether one comes or not.

    Attributes:
        fault: Why no hint can come now, or None.
    """

    fault: str | None

    def close(self) -> None:
        """Stop; safe to call twice."""
        ...


class Hints(Protocol):
    """What a transaction does about hints."""

    def ring(self, instruments: Iterable[str]) -> None:
        """Wake whoever sweeps these instruments once this transaction has committed.

        No row is kept: a hint that nobody hears costs the rest of one sleep between two sweeps, and a row that outlives
        its sleep would only ask for a look that was taken already.
        """
        ...

    def take_nonce(self, sender: str, nonce: str, *, now: datetime, until: datetime) -> bool:
        """Keep a nonce of a sender and tell whether it is new; those whose time is over are dropped."""
        ...
