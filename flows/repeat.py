"""A turn of work that is taken again and again by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from cisterna.domain.errors import CisternaError

_log = structlog.get_logger("cisterna.dispatcher")


class Repeat:
    """Takes a turn, sleeps, and takes the next one whatever became of the last.

    Args:
        name: For the log.
        turn: What to do.
        every_seconds: Longest sleep between two turns.
        at_end: Called when the thread has ended.
    """

    def __init__(
        self, name: str, turn: Callable[[], object], *, every_seconds: float, at_end: Callable[[], None] | None = None
    ) -> None:
        self._name = name
        self._turn = turn
        self._every = every_seconds
        self._at_end = at_end
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Take the next turn now."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """End after this turn."""
        self._stopping = True
        self._wake.set()

    def stop(self) -> None:
        """End, and wait a little for it; a turn that hangs is left behind, since it holds nothing."""
        self.ask_to_stop()
        self._thread.join(2.0)
        if self._at_end is not None:
            self._at_end()

    def _go(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._turn()
            except CisternaError as error:
                _log.warning("turn.failed", turn=self._name, code=error.code, reason=str(error))
            except Exception:  # noqa: BLE001 - a defect in one turn must not end all those after it
                _log.exception("turn.crashed", turn=self._name)
            if not self._stopping:
                self._wake.wait(self._every)
