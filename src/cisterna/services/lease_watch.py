"""Tells a worker soon that it lost its lease, so that it stops and cleans up after itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from cisterna.domain.errors import CatalogueUnavailable, LeaseLost
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.pace import Pace

_LOOK_SECONDS = 1.0


class LeaseWatch:
    """Looks at the lease once a second; call `look` between any two steps, from any thread.

    Between `begin` and `end` each look also notes how far the reading has come and what it takes of its instrument's
    bandwidth, in one transaction, so that the limit holds for all who read from the instrument, in whatever process.

    Args:
        lease: That must be held.
        catalogue: Where it stands.
        clock: Measures.
    """

    def __init__(self, lease: Attempt, *, catalogue: Catalogue, clock: Clock) -> None:
        self._lease = lease
        self._catalogue = catalogue
        self._clock: Callable[[], float] = clock.monotonic
        self._pace: Pace | None = None
        self._next = self._clock() + _LOOK_SECONDS
        self._lock = threading.Lock()
        self._noting = threading.Lock()

    def look(self) -> None:
        """Raises `LeaseLost`."""
        with self._lock:
            if self._clock() < self._next:
                return
            self._next = self._clock() + _LOOK_SECONDS
        self._note()

    def begin(self, pace: Pace) -> None:
        """Say that reading begins: before the first byte the others know of it. Raises `LeaseLost`."""
        self._pace = pace
        pace.enter()
        self._note()

    def end(self) -> None:
        """Leave the bandwidth to the others at once; whoever is killed before leaves it with the lease."""
        if self._pace is None:
            return
        self._pace.leave()
        with suppress(LeaseLost, CatalogueUnavailable):
            self._note()

    def _note(self) -> None:
        """Look, and note what is true then. More is taken once that is on record, less before."""
        pace = self._pace
        with self._noting, self._catalogue.begin() as tx:
            if pace is None:
                tx.inbox.require_lease(self._lease)
                return
            others = tx.inbox.reading_beside(self._lease, instrument=pace.instrument) if pace.is_limited else ()
            share = pace.share_beside(others)
            pace.come_down_to(share)
            tx.inbox.note_progress(self._lease, pace.progress(share))
        pace.take_share(share)
