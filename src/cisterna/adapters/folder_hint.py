"""Lets the kernel say that something may have changed in a landing zone, so that a sweep need not wait."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from watchfiles import watch


class FolderHint:
    """Shortens the sleep between two sweeps, and promises nothing.

    The kernel's queue overflows, shares on a network say nothing, and a watch can fail: whoever waits here looks for
    itself afterwards, and no later than it would have without a hint.

    Args:
        paths: Folders to watch, with all below them; those that are not there are left out.
        wake: Set when something may have changed; several hints may share one.

    Attributes:
        fault: Why nothing is being watched, or None.
    """

    def __init__(self, paths: Sequence[str], *, wake: threading.Event | None = None) -> None:
        self.fault: str | None = None
        self._wake = wake if wake is not None else threading.Event()
        self._stop = threading.Event()
        self._paths = [path for path in paths if Path(path).is_dir()]
        self._thread = threading.Thread(target=self._listen, name="folder-hint", daemon=True)
        self._thread.start()

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until something may have changed or the time has passed; tell which, and forget the hint."""
        hinted = self._wake.wait(max(0.0, timeout_seconds))
        self._wake.clear()
        return hinted

    def close(self) -> None:
        """Stop watching; safe to call twice."""
        self._stop.set()
        self._thread.join(5.0)

    def _listen(self) -> None:
        if not self._paths:
            self.fault = "none of the folders is there"
            return
        try:
            for _ in watch(
                *self._paths,
                watch_filter=None,
                debounce=50,
                step=10,
                stop_event=self._stop,
                rust_timeout=500,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._wake.set()
        except (OSError, RuntimeError) as error:
            self.fault = f"{', '.join(self._paths)} cannot be watched: {error}; sweeps go on by the clock"
