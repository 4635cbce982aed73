"""Drains the outbox: one thread for each sink, so that one that hangs delays no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from cisterna.domain.errors import CisternaError
from cisterna.ports.sink import EventSink
from cisterna.services.send_events import ROUND

Deliver = Callable[[EventSink], int]
"""Delivers what is due to one sink, at most `ROUND` events, and tells how many it took."""

LOOK_AGAIN_SECONDS = 2.0
"""How long a thread sleeps without a doorbell: what a sink did not take is due again by the clock."""

LULL_SECONDS = 0.5
"""Between a doorbell and the delivery: a run tells a dozen things within a second, and each look has its price."""

_log = structlog.get_logger("cisterna.outbox")


class Drain:
    """The thread of one sink.

    Args:
        sink: Takes events.
        deliver: Hands it what is due.
    """

    def __init__(self, sink: EventSink, deliver: Deliver) -> None:
        self._sink = sink
        self._deliver = deliver
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._go, name=f"outbox-{sink.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that something was appended."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread; what it had in hand stays in the outbox."""
        self._stopping = True
        self._wake.set()
        self._thread.join(3.0)

    def _go(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                while not self._stopping and self._deliver(self._sink) >= ROUND:
                    pass
            except CisternaError as error:
                _log.warning("outbox.waits", sink=self._sink.name, code=error.code, reason=str(error))
            except Exception:  # noqa: BLE001 - nothing was marked as delivered; the thread has to live on
                _log.exception("outbox.crashed", sink=self._sink.name)
            if self._wake.wait(LOOK_AGAIN_SECONDS) and not self._stopping:
                time.sleep(LULL_SECONDS)
