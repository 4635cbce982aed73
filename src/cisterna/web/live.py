"""Tells open pages to look again. One thread listens to the catalogue for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from threading import Event, Thread

from cisterna.domain.errors import CisternaError
from cisterna.ports.catalogue import Catalogue

_LISTEN = timedelta(seconds=1)
_RETRY_SECONDS = 2.0
_KEEPALIVE_SECONDS = 15.0
_COALESCE_SECONDS = 0.3
_MOST_STREAMS = 500


class LiveFeed:
    """A doorbell for pages: it says only that something changed, never what.

    Args:
        catalogue: Whose commits ring it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._bells: set[asyncio.Event] = set()
        self._stop = Event()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to listen; call it from the event loop that serves the pages."""
        self._loop = asyncio.get_running_loop()
        self._stop.clear()
        self._thread = Thread(target=self._listen, name="live-feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and every open stream."""
        self._stop.set()
        self._ring()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    async def stream(self, still_allowed: Callable[[], bool]) -> AsyncIterator[str]:
        """Give server-sent events until the feed stops or the person is signed out.

        Args:
            still_allowed: Asked before every keep-alive.
        """
        if len(self._bells) >= _MOST_STREAMS:
            return
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield "retry: 2000\n\n"
            while not self._stop.is_set():
                try:
                    await asyncio.wait_for(bell.wait(), _KEEPALIVE_SECONDS)
                except TimeoutError:
                    if not await asyncio.to_thread(still_allowed):
                        return
                    yield ": still here\n\n"
                    continue
                await asyncio.sleep(_COALESCE_SECONDS)  # a commit rarely comes alone
                bell.clear()
                if not self._stop.is_set():
                    yield "event: look\ndata: again\n\n"
        finally:
            self._bells.discard(bell)

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                for topic in self._catalogue.listen(timeout=_LISTEN):
                    if self._stop.is_set():
                        return
                    if topic:
                        self._ring()
            except CisternaError:
                self._stop.wait(_RETRY_SECONDS)
                self._ring()  # what was missed while nobody listened

    def _ring(self) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # closed since the look
            loop.call_soon_threadsafe(self._ring_all)

    def _ring_all(self) -> None:
        for bell in self._bells:
            bell.set()
