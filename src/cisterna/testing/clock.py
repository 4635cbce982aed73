"""A clock that tests set."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""Where a settable clock stands at first."""


class SettableClock:
    """Implements `ports.clock.Clock`; time moves only when it is told to, and ids are the same in every run.

    Args:
        start: Where it stands at first.
    """

    def __init__(self, start: datetime = START) -> None:
        self._lock = threading.Lock()
        self._now = start
        self._elapsed = 0.0
        self._count = itertools.count(1)

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which it was moved forward."""
        return self._elapsed

    def new_id(self) -> str:
        """Return the next of a fixed row of UUIDs (version 7 by form), in order."""
        with self._lock:
            number = next(self._count)
        return str(uuid.UUID(int=(0x0190_0000_0000 << 80) | (0x7 << 76) | (0x2 << 62) | number))

    def advance(self, step: timedelta | float) -> datetime:
        """Move forward by a time, or by seconds, and return the new moment."""
        length = step if isinstance(step, timedelta) else timedelta(seconds=step)
        with self._lock:
            self._now += length
            self._elapsed += length.total_seconds()
        return self._now

    def set(self, moment: datetime) -> None:
        """Set the wall clock, forward or back, as an administrator or NTP may; seconds of `monotonic` stay."""
        self._now = moment
