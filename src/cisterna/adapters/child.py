"""A process that dies with us and is stopped by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cisterna.adapters import tied
from cisterna.domain.errors import NotReady


class Child:
    """One direct child process, its log file, and the signal that stops it politely.

    The kernel kills it when the thread that started it dies (Linux's parent-death signal), so start children from a
    thread that lives as long as the program. Signals of the terminal do not reach it: it has a session of its own.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        dies_by: signal.Signals = signal.SIGKILL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = dict(os.environ if env is None else env)
        self._stop_signal = stop_signal
        self._dies_by = dies_by
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, appending both its outputs to the log. A program that is not there ends with code 127."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        tie = [sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), str(int(self._dies_by))]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*tie, *self._argv],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self._pass_fds,
            )

    def await_ready(self, is_ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Wait until the probe says yes.

        Raises:
            NotReady: The process ended, or the time passed; the message ends with the last lines of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            if self.exit_code is not None:
                msg = f"{self.name} ended with code {self.exit_code} before it was ready; its log {self.log} ends: "
                raise NotReady(msg + self.last_lines(), part=self.name)
            if is_ready():
                return
            if time.monotonic() > deadline:
                msg = f"{self.name} was not ready after {timeout_seconds:.0f} s; its log {self.log} ends: "
                raise NotReady(msg + self.last_lines(), part=self.name)
            time.sleep(0.05)

    def ask_to_stop(self) -> None:
        """Send the polite signal and return at once; harmless when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)

    def stop(self, *, timeout_seconds: float = 10.0) -> None:
        """Stop it politely, then by SIGKILL; harmless when it has ended."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def await_end(self, *, timeout_seconds: float) -> int | None:
        """Give the code it ends with; None when it has not by then."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_seconds)
        return self._process.poll()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def last_lines(self, count: int = 5) -> str:
        """Return the end of the log in one line."""
        if not self.log.exists():
            return "(nothing was written)"
        text = self.log.read_bytes()[-4096:].decode("utf-8", "replace")
        return " | ".join(text.strip().splitlines()[-count:]) or "(nothing was written)"


class Supervised:
    """A part that is one child process while it runs."""

    def __init__(self) -> None:
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs or before it was started."""
        return self._child.exit_code if self._child else None
