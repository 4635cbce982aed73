"""Who watches in `sweep.py`: our sweeper, watchfiles and watchdog, each with its own imports and no other's."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

LIST = "manifest.sha256"
SWEEP_SECONDS = 5.0
"""The default of `dispatch.sweep_seconds`."""
LOOKS = 3
_LOOKED = ("full_look", "rested_look")


@dataclass(frozen=True)
class Plan:
    """What is written where; the last file of each folder is the list of the others."""

    zone: str
    folders: int
    files_each: int
    dsn: str
    postgres: int

    @property
    def files(self) -> int:
        return self.folders * self.files_each


class Way(Protocol):
    """Watches from when it is made."""

    def seen(self) -> int:
        """Count the files known of now."""

    def server_cpu_seconds(self) -> float:
        """Tell what a server beside this process has taken so far."""

    def finish(self, written: dict[str, float]) -> dict[str, float]:
        """Say what else there is to say, given when the writing began and ended, and its bytes."""


class Told:
    """Which files a watcher told of, in a byte each: a set of paths would be most of the memory that is measured."""

    def __init__(self, plan: Plan) -> None:
        self._skip, self._each = len(plan.zone) + 1, plan.files_each
        self._is_seen = bytearray(plan.files)
        self._count = 0

    def note(self, path: str) -> None:
        run, _, name = path[self._skip :].partition("/")
        if not name:
            return
        at = int(run[4:]) * self._each + (self._each - 1 if name == LIST else int(name[5:11]))
        self._count += not self._is_seen[at]
        self._is_seen[at] = 1

    def seen(self) -> int:
        return self._count

    def server_cpu_seconds(self) -> float:
        return 0.0

    def finish(self, _written: dict[str, float]) -> dict[str, float]:
        return {}


def watchfiles(plan: Plan) -> Told:
    from watchfiles import watch

    told = Told(plan)

    def listen() -> None:
        for changes in watch(plan.zone, watch_filter=None):
            for _, path in changes:
                told.note(path)

    threading.Thread(target=listen, daemon=True).start()
    return told


def watchdog(plan: Plan) -> Told:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            told.note(os.fsdecode(event.src_path))

    told, observer = Told(plan), Observer()
    observer.schedule(Handler(), plan.zone, recursive=True)
    observer.daemon = True
    observer.start()
    return told


class Ours:
    """The dispatcher's sweeper on a real catalogue; what it has seen is what stands there."""

    def __init__(self, plan: Plan) -> None:
        from cisterna.adapters.catalogue_sql import SqlCatalogue
        from cisterna.adapters.landing_folder import LandingFolder
        from cisterna.testing.factory import make_instrument, make_project
        from flows.sweeper import Sweeper

        self._plan, self._count = plan, 0
        self._sweeps: list[tuple[float, float, int]] = []
        self._catalogue = SqlCatalogue(plan.dsn)
        self._catalogue.migrate()
        identity = LandingFolder(plan.zone).identity()
        settings = {"quiet_seconds": "2"}  # instead of 60, so that the runs come to rest within a turn
        self._instrument = make_instrument(
            "bench", profile="folder", path=plan.zone, settings=settings, identity=identity
        )
        with self._catalogue.begin() as tx:
            tx.instruments.add(self._instrument)
            tx.projects.add(make_project())
        self._sweeper = Sweeper(self._catalogue, sweep=self._noted, pause_seconds=SWEEP_SECONDS)
        self._sweeper.look()

    def seen(self) -> int:
        return self._count

    def server_cpu_seconds(self) -> float:
        import psutil

        server = psutil.Process(self._plan.postgres)
        return sum(sum(one.cpu_times()[:2]) for one in server.children()) + sum(server.cpu_times()[:4])

    def finish(self, written: dict[str, float]) -> dict[str, float]:
        sweeps = list(self._sweeps)
        first = next((at for at, (_, _, seen) in enumerate(sweeps) if seen == self._plan.files), len(sweeps) - 1)
        until = sweeps[: first + 1]
        rows = self._await_complete(time.monotonic() + 60)
        self._sweeper.stop()
        return {
            "sweeps": len(until),
            "sweeps_after": sum(began >= written["ended"] for began, _, _ in until),
            "longest_sweep_seconds": max(ended - began for began, ended, _ in until),
            "complete": sum(row.state == "complete" for row in rows),
            "bytes_missing": written["bytes"] - sum(row.total_bytes for row in rows),
            **self._looks(),
        }

    def _noted(self, instrument: Any, memory: Any) -> Any:
        began = time.monotonic()
        result = self._sweep(instrument, memory)
        ended, self._count = time.monotonic(), sum(row.file_count for row in self._rows())
        self._sweeps.append((began, ended, self._count))
        return result

    def _sweep(self, instrument: Any, memory: Any) -> Any:
        from cisterna.adapters.landing_folder import LandingFolder, read_outside
        from cisterna.adapters.system_clock import SystemClock
        from cisterna.profiles.folder import Folder
        from cisterna.services.detect import sweep_instrument

        return sweep_instrument(
            instrument,
            zone=LandingFolder(self._plan.zone, declared=instrument.identity),
            profiles={"folder": Folder()},
            catalogue=self._catalogue,
            clock=SystemClock(),
            resolve_project=lambda _acquisition, _described: "cells",
            outside=read_outside,
            memory=memory,
        )

    def _rows(self) -> list[Any]:
        with self._catalogue.begin() as tx:
            return list(tx.acquisitions.list())

    def _await_complete(self, deadline: float) -> list[Any]:
        while True:
            rows = self._rows()
            if all(row.state == "complete" for row in rows) or time.monotonic() > deadline:
                return rows
            time.sleep(0.1)

    def _looks(self) -> dict[str, float]:
        """Look at the zone as if its runs had been archived a day ago."""
        from cisterna.services.detect import SweepMemory

        with self._catalogue.begin() as tx:
            for row in tx.acquisitions.list():
                at_rest = {"ingested_fingerprint": row.fingerprint, "settled_since": row.settled_since - timedelta(1)}
                tx.acquisitions.save(row.model_copy(update=at_rest))
        found: dict[str, list[float]] = {}
        for _ in range(LOOKS):
            memory = SweepMemory()
            for name in _LOOKED:
                began, cpu = time.monotonic(), time.process_time()
                result = self._sweep(self._instrument, memory)
                found.setdefault(f"{name}_seconds", []).append(time.monotonic() - began)
                found.setdefault(f"{name}_cpu_seconds", []).append(time.process_time() - cpu)
                if result.written or result.failed or result.unavailable or result.folders != self._plan.folders:
                    message = f"the zone was not at rest: {result}"
                    raise SystemExit(message)
        middle = {name: statistics.median(values) for name, values in found.items()}
        rates = {f"{name}_files_a_second": self._plan.files / middle[f"{name}_seconds"] for name in _LOOKED}
        return middle | rates


WAYS: dict[str, Callable[[Plan], Way]] = {"ours": Ours, "watchfiles": watchfiles, "watchdog": watchdog}
