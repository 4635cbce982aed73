"""Keeps readers to a rate, and counts what those of one attempt have read."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from cisterna.domain.bandwidth import BandwidthLimit, limit_at
from cisterna.domain.progress import Progress
from cisterna.ports.clock import Clock

_BURST_SECONDS = 0.25
"""What may be saved up: after a pause nobody reads faster than allowed for longer than that."""
_WAIT_SECONDS = 0.5
"""Longest wait without a look whether the attempt must stop."""
_RATE_SECONDS = 10.0


class Bucket:
    """A token bucket, safe from any thread: each takes its bytes from the same future, and waits until their time.

    Args:
        rate: Tells how many bytes a second there may be now; None lets everything through.
        clock: Measures.
        keep_on: Called while waiting; raises when the waiting must stop.
        wait: Sleeps so many seconds.
    """

    def __init__(
        self,
        rate: Callable[[], float | None],
        *,
        clock: Clock,
        keep_on: Callable[[], None] = lambda: None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._keep_on = keep_on
        self._wait = wait
        self._lock = threading.Lock()
        self._due = clock.monotonic()

    def take(self, size_bytes: int) -> None:
        """Return when that many more bytes may pass. Raises what `keep_on` does."""
        rate = self._rate()
        if rate is None:
            return
        with self._lock:
            self._due = due = max(self._due, self._clock.monotonic() - _BURST_SECONDS) + size_bytes / rate
        while (left := due - self._clock.monotonic()) > 0:
            self._keep_on()
            self._wait(min(left, _WAIT_SECONDS))


class Pace:
    """Shared by the readers of one attempt: call `take` before reading; safe from any thread.

    The limit of the hour is looked up for each piece, so that a new hour counts at once.

    Args:
        limits: Of the instrument.
        total_bytes: That are to be read.
        clock: Tells the hour and measures.
        keep_on: Called while waiting; raises when the attempt must stop.
        wait: Sleeps so many seconds.
    """

    def __init__(
        self,
        limits: Sequence[BandwidthLimit],
        *,
        total_bytes: int,
        clock: Clock,
        keep_on: Callable[[], None],
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._bucket = Bucket(
            lambda: limit_at(clock.now().astimezone(), limits), clock=clock, keep_on=keep_on, wait=wait
        )
        self._total_bytes = total_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._done_bytes = 0
        self._seen = deque([(clock.monotonic(), 0)])

    def take(self, size_bytes: int) -> None:
        """Return when that many more bytes may be read. Raises what `keep_on` does."""
        with self._lock:
            self._done_bytes += size_bytes
        self._bucket.take(size_bytes)

    def progress(self) -> Progress:
        """Tell how far the readers have come, and how fast over the last ten seconds of asking."""
        with self._lock:
            now, done = self._clock.monotonic(), self._done_bytes
            while len(self._seen) > 1 and now - self._seen[0][0] > _RATE_SECONDS:
                self._seen.popleft()
            since, before = self._seen[0]
            self._seen.append((now, done))
        rate = (done - before) / (now - since) if now > since else 0.0
        return Progress(
            at=self._clock.now(), done_bytes=done, total_bytes=self._total_bytes, bytes_per_second=round(rate, 1)
        )
