"""Time and identity, which the core takes as arguments."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and makes names nobody has used."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""
        ...

    def new_id(self) -> str:
        """Return a new UUID (version 7: sortable by time) in its canonical text form."""
        ...
