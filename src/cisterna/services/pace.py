"""Keeps readers to a rate, and counts what those of one attempt have read."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from cisterna.domain.bandwidth import BandwidthLimit, limit_at, share_of
from cisterna.domain.progress import Progress
from cisterna.ports.clock import Clock

_BURST_SECONDS = 0.25
"""What may be saved up: after a pause nobody reads faster than allowed for longer than that."""
_WAIT_SECONDS = 0.5
"""Longest wait without a look whether the attempt must stop."""
_RATE_SECONDS = 10.0
_HANGS_SECONDS = 30.0
"""Whoever reads looks once a second."""
_PART_OF_A_BYTE = 1e-3
"""Sums of fractions may miss a whole number by so little."""


class Bucket:
    """A token bucket, safe from any thread: each waits until the bytes it asked for, and all asked for before, passed.

    The rate is asked for anew while waiting, so that another one counts at once, also for what waits already.

    Args:
        rate: Tells how many bytes a second there may be now; None lets everything through, 0 nothing.
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
        self._asked = 0.0
        self._passed = 0.0
        self._seen = clock.monotonic()

    def take(self, size_bytes: int) -> None:
        """Return when that many more bytes may pass. Raises what `keep_on` does."""
        with self._lock:
            self._let_pass()
            self._asked += size_bytes
            mine = self._asked
        while (left := self._seconds_left(mine)) > 0:
            self._keep_on()
            self._wait(min(left, _WAIT_SECONDS))

    def _seconds_left(self, mine: float) -> float:
        with self._lock:
            rate = self._let_pass()
            if rate is None or mine <= self._passed + _PART_OF_A_BYTE:
                return 0.0
            return (mine - self._passed) / rate if rate > 0 else _WAIT_SECONDS

    def _let_pass(self) -> float | None:
        """Count what may pass by now; a little more than was asked for may be saved up."""
        rate, now = self._rate(), self._clock.monotonic()
        if rate is None:
            self._passed = self._asked
        else:
            saved = max(self._passed, self._asked + rate * _BURST_SECONDS)
            self._passed = min(self._passed + rate * (now - self._seen), saved)
        self._seen = now
        return rate


class Pace:
    """Shared by the readers of one attempt: call `take` before reading; safe from any thread.

    The limit of the hour is looked up for each piece, so that a new hour counts at once. It is the instrument's: what
    of it this attempt may take is settled with the others that read from it, see `LeaseWatch`.

    Args:
        limits: Of the instrument.
        instrument: Its name.
        total_bytes: That are to be read.
        clock: Tells the hour and measures.
        keep_on: Called while waiting; raises when the attempt must stop.
        wait: Sleeps so many seconds.
    """

    def __init__(
        self,
        limits: Sequence[BandwidthLimit],
        *,
        instrument: str,
        total_bytes: int,
        clock: Clock,
        keep_on: Callable[[], None],
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.instrument = instrument
        self._limits = tuple(limits)
        self._bucket = Bucket(self._rate, clock=clock, keep_on=keep_on, wait=wait)
        self._total_bytes = total_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._done_bytes = 0
        self._seen = deque([(clock.monotonic(), 0)])
        self._share: float | None = None
        self._readers = 1
        self._is_reading = True

    @property
    def is_limited(self) -> bool:
        """Whether the instrument has any limit, and something is read from it."""
        return bool(self._limits) and self._is_reading

    def take(self, size_bytes: int) -> None:
        """Return when that many more bytes may be read. Raises what `keep_on` does."""
        with self._lock:
            self._done_bytes += size_bytes
        self._bucket.take(size_bytes)

    def pass_over(self, size_bytes: int) -> None:
        """Count bytes as done that an attempt before has brought; nothing waits for them."""
        with self._lock:
            self._done_bytes += size_bytes

    def share_beside(self, others: Sequence[Progress]) -> float | None:
        """Tell what may be taken of the limit of this hour beside others; None without a limit.

        One that has said nothing for long hangs in a read and takes nothing; once it goes on, it looks again first.
        """
        now = self._clock.now()
        reading = [one for one in others if (now - one.at).total_seconds() < _HANGS_SECONDS]
        self._readers = len(reading) + 1
        limit = self._limit()
        if limit is None or not self._is_reading:
            return None
        return share_of(limit, [one.allowed_bytes_per_second for one in reading])

    def come_down_to(self, share: float | None) -> None:
        """Take less from now on, where that is less."""
        if share is not None and (self._share is None or share < self._share):
            self._share = share

    def take_share(self, share: float | None) -> None:
        """Take what was settled."""
        self._share = share

    def enter(self) -> None:
        """Say that something is read, perhaps again."""
        self._is_reading = True

    def leave(self) -> None:
        """Say that nothing more is read."""
        self._is_reading = False

    def progress(self, share: float | None = None) -> Progress:
        """Tell how far the readers have come, and how fast over the last ten seconds of asking.

        Args:
            share: What is taken of the instrument's limit.
        """
        with self._lock:
            now, done = self._clock.monotonic(), self._done_bytes
            while len(self._seen) > 1 and now - self._seen[0][0] > _RATE_SECONDS:
                self._seen.popleft()
            since, before = self._seen[0]
            self._seen.append((now, done))
        rate = (done - before) / (now - since) if now > since else 0.0
        return Progress(
            at=self._clock.now(),
            done_bytes=done,
            total_bytes=self._total_bytes,
            bytes_per_second=round(rate, 1),
            instrument=self.instrument if self.is_limited else None,
            allowed_bytes_per_second=share,
        )

    def _limit(self) -> int | None:
        return limit_at(self._clock.now().astimezone(), self._limits)

    def _rate(self) -> float | None:
        """Give the rate of this moment: what was settled, and never more than an even part of this hour's limit."""
        limit = self._limit()
        if limit is None:
            return None
        even = limit / self._readers
        return even if self._share is None else min(even, self._share)
