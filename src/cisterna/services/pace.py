"""Holds reading back to a rate, so that looking after what is archived leaves the store to those who wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets bytes through at a rate; shared by the threads of one process.

    Args:
        bytes_per_second: The rate; None lets everything through at once.
        now: Seconds that only grow.
        sleep: Waits.
    """

    def __init__(
        self,
        bytes_per_second: float | None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = now()

    def __call__(self, chunk: bytes) -> None:
        """Wait until the chunk fits; what was not used while nobody read is not saved up."""
        if self._rate is None:
            return
        with self._lock:
            now = self._now()
            begins = max(self._free_at, now)
            self._free_at = begins + len(chunk) / self._rate
        if begins > now:
            self._sleep(begins - now)
