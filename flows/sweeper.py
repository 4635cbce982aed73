"""Looks at every watched instrument again and again, in a thread of its own: a share that hangs delays no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from cisterna.adapters.folder_hint import FolderHint
from cisterna.domain.errors import CisternaError
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.hint import HintSource
from cisterna.services.detect import SweepMemory, SweepResult

Sweep = Callable[[Instrument, SweepMemory], SweepResult]
"""Looks at one instrument once."""

Listen = Callable[[Instrument, threading.Event], HintSource | None]
"""Begins to listen for an instrument's hints, beside those of the kernel; None when nobody gives any."""

LULL_SECONDS = 0.1
"""Between a hint and the look it asks for: a writer that writes fast gives hundreds of hints a second."""
LULL_SHARE = 3.0
"""A look that took long is followed by a lull as many times as long, so that looking does not fill the machine."""
LONGEST_LULL_SECONDS = 0.5
"""What an instrument says of its end may be gone a few seconds later, with the next run."""

_log = structlog.get_logger("cisterna.sweep")


class Sweeper:
    """Keeps one sweeping thread for each watched instrument, those added or changed at run time included.

    Args:
        catalogue: Holds the instruments.
        sweep: Looks at one.
        pause_seconds: Longest time between two looks; a hint shortens it.
        listen: Opens one more source of hints for an instrument.
    """

    def __init__(
        self, catalogue: Catalogue, *, sweep: Sweep, pause_seconds: float, listen: Listen | None = None
    ) -> None:
        self._catalogue = catalogue
        self._sweep = sweep
        self._pause = pause_seconds
        self._listen = listen
        self._running: dict[str, _Round] = {}

    def look(self) -> None:
        """Begin what is newly declared and end what no longer is. Raises `CatalogueUnavailable`."""
        with self._catalogue.begin() as tx:
            watched = {one.name: one for one in tx.instruments.list() if one.watched}
        wanted = {_frozen(one) for one in watched.values()}
        for key in [key for key in self._running if key not in wanted]:
            self._running.pop(key).stop()
        for one in watched.values():
            if _frozen(one) not in self._running:
                self._running[_frozen(one)] = _Round(one, self._sweep, self._pause, self._listen)

    def hint(self, instrument: str) -> None:
        """Look at an instrument now; one that is not swept is passed over. Safe from any thread."""
        for one in list(self._running.values()):
            if one.instrument == instrument:
                one.wake()

    def stop(self) -> None:
        """End all threads; one that hangs in a dead share is left behind, it writes nothing."""
        for one in self._running.values():
            one.ask_to_stop()
        for one in self._running.values():
            one.stop()
        self._running.clear()


class _Round:
    """The rounds of one instrument."""

    def __init__(
        self, instrument: Instrument, sweep: Sweep, pause_seconds: float, listen: Listen | None = None
    ) -> None:
        self._instrument = instrument
        self._sweep = sweep
        self._pause = pause_seconds
        self._wake = threading.Event()
        self._stopping = False
        self._hint = FolderHint(watched_paths(instrument), wake=self._wake)
        self._told = listen(instrument, self._wake) if listen is not None else None
        self._thread = threading.Thread(target=self._go, name=f"sweep-{instrument.name}", daemon=True)
        self._thread.start()

    @property
    def instrument(self) -> str:
        return self._instrument.name

    def wake(self) -> None:
        self._wake.set()

    def ask_to_stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def stop(self) -> None:
        self.ask_to_stop()
        self._thread.join(2.0)
        self._hint.close()
        if self._told is not None:
            self._told.close()

    def _go(self) -> None:
        memory = SweepMemory()
        while not self._stopping:
            pause, began = self._pause, time.monotonic()
            try:
                seen = self._sweep(self._instrument, memory)
                pause = min(pause, self._pause if seen.wake_seconds is None else seen.wake_seconds)
            except CisternaError as error:
                _log.warning("sweep.failed", instrument=self._instrument.name, code=error.code, reason=str(error))
            except Exception:  # noqa: BLE001 - the next look starts afresh; the thread has to live on
                _log.exception("sweep.crashed", instrument=self._instrument.name)
            lull = min(max(LULL_SECONDS, LULL_SHARE * (time.monotonic() - began)), LONGEST_LULL_SECONDS)
            self._hint.wait(pause)
            if not self._stopping:
                time.sleep(lull)


def watched_paths(instrument: Instrument) -> list[str]:
    """Name what may be watched: the landing zone, and what settings name from the root; others are numbers or words."""
    return [instrument.path, *(value for value in instrument.settings.values() if value.startswith("/"))]


def _frozen(instrument: Instrument) -> str:
    """Write down what a round goes by; what sweeps and people say of what was seen makes no new one."""
    return instrument.model_dump_json(exclude={"guard", "accepted", "copies", "shadow", "silence"})
