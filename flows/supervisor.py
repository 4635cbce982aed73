"""Keeps child processes running: what dies or hangs is started again, later and later while it keeps dying."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from cisterna.adapters.child import Child
from cisterna.adapters.life_sign import HUNG_SECONDS, TouchedFile
from cisterna.domain.errors import CisternaError

RESTART_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pause before each new start of a child that keeps dying."""

LONG_LIFE_SECONDS = 60.0
"""A child that lived this long has not kept dying."""

_log = structlog.get_logger("cisterna.dispatcher")

Ended = Callable[[str, int], None]
"""Told of each child that died: its name and the process id it had."""


@dataclass
class _Kept:
    child: Child
    ready: Path | None
    sign: TouchedFile | None
    pid: int = 0
    deaths: int = 0
    started_at: float = 0.0
    next_start: float = 0.0


class Supervisor:
    """Starts, watches and stops direct children; all from one thread, because the kernel ties a child to its starter.

    Args:
        ended: Called for each child that died by itself, before it is started again.
        hung_seconds: A child that gave no sign of life for so long is killed.
    """

    def __init__(self, ended: Ended, *, hung_seconds: float = HUNG_SECONDS) -> None:
        self._ended = ended
        self._hung_seconds = hung_seconds
        self._kept: list[_Kept] = []

    def add(self, child: Child, *, ready: Path | None = None, sign: Path | None = None) -> None:
        """Start a child and keep it running.

        Args:
            child: The process.
            ready: File that it makes when it can be used.
            sign: File that it touches for as long as it can, once it is there.
        """
        kept = _Kept(child, ready, TouchedFile(sign) if sign is not None else None)
        self._kept.append(kept)
        self._start(kept)

    def tend(self) -> None:
        """Start again what has died and whose pause is over; call it often."""
        now = time.monotonic()
        for kept in self._kept:
            if kept.child.exit_code is None:
                self._look_for_life(kept)
                continue
            if kept.pid:
                pid, kept.pid = kept.pid, 0
                kept.deaths = 1 if now - kept.started_at > LONG_LIFE_SECONDS else kept.deaths + 1
                kept.next_start = now + RESTART_SECONDS[min(kept.deaths, len(RESTART_SECONDS)) - 1]
                self._ended(kept.child.name, pid)
            if now >= kept.next_start:
                self._start(kept)

    def are_ready(self) -> bool:
        """Tell whether every child runs and has said that it can be used."""
        return all(kept.pid and (kept.ready is None or kept.ready.exists()) for kept in self._kept)

    def pids(self) -> dict[str, int]:
        """Process ids of what runs, by name."""
        return {kept.child.name: kept.pid for kept in self._kept if kept.child.pid is not None}

    def stop(self, *, timeout_seconds: float) -> None:
        """Stop all of them at once, the impolite way those that take longer than the timeout."""
        for kept in self._kept:
            kept.child.ask_to_stop()
        deadline = time.monotonic() + timeout_seconds
        for kept in self._kept:
            kept.child.stop(timeout_seconds=max(0.0, deadline - time.monotonic()))
            if kept.pid:
                pid, kept.pid = kept.pid, 0
                self._ended(kept.child.name, pid)
        self._kept.clear()

    def _look_for_life(self, kept: _Kept) -> None:
        """Kill a child that hangs; the next call finds it dead."""
        if kept.sign is not None and kept.sign.silent_seconds() > self._hung_seconds:
            _log.error("child.hangs", child=kept.child.name, pid=kept.pid, silent_seconds=self._hung_seconds)
            kept.child.kill()

    def _start(self, kept: _Kept) -> None:
        for left in (kept.ready, kept.sign.file if kept.sign is not None else None):
            if left is not None:  # of one that was killed
                left.unlink(missing_ok=True)
        try:
            kept.child.start()
        except (OSError, CisternaError):
            kept.deaths += 1
            kept.next_start = time.monotonic() + RESTART_SECONDS[min(kept.deaths, len(RESTART_SECONDS)) - 1] + 0.5
            return
        kept.pid, kept.started_at = kept.child.pid or 0, time.monotonic()
        if kept.sign is not None:
            kept.sign.begin_anew()
