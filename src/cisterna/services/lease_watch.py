"""Tells a worker soon that it lost its lease, so that it stops and cleans up after itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cisterna.domain.progress import Progress
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock

_LOOK_SECONDS = 1.0


class LeaseWatch:
    """Looks at the lease once a second; call `look` between any two steps, from any thread.

    Args:
        lease: That must be held.
        catalogue: Where it stands.
        clock: Measures.

    Attributes:
        progress: Tells how far the attempt has come, which is noted in the same breath.
    """

    def __init__(self, lease: Attempt, *, catalogue: Catalogue, clock: Clock) -> None:
        self.progress: Callable[[], Progress] | None = None
        self._lease = lease
        self._catalogue = catalogue
        self._clock: Callable[[], float] = clock.monotonic
        self._next = self._clock() + _LOOK_SECONDS
        self._lock = threading.Lock()

    def look(self) -> None:
        """Raises `LeaseLost`."""
        with self._lock:
            if self._clock() < self._next:
                return
            self._next = self._clock() + _LOOK_SECONDS
        with self._catalogue.begin() as tx:
            if self.progress is None:
                tx.inbox.require_lease(self._lease)
            else:
                tx.inbox.note_progress(self._lease, self.progress())
