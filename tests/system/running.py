"""The whole embedded stack as users start it: a process, a home, and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from cisterna.bootstrap import Home

Found = TypeVar("Found")
CISTERNA = str(Path(sys.executable).with_name("cisterna"))
START_SECONDS = 120.0
STOP_SECONDS = 60.0

_MODULES = {
    "dispatcher": "flows.dispatcher",
    "worker": "flows.worker",
    "web": "cisterna.web.serve",
    "prefect": "prefect.server",
    "store": "weed",
    "postgres": "postgres",
    "gate": "cisterna.adapters.gx_process",
}
"""What a process's command line shows, by the name of the part."""


class Never(AssertionError):
    """What was waited for did not come."""


def until(look: Callable[[], Found | None], *, seconds: float, what: str, every: float = 0.02) -> Found:
    """Look until there is something; fail by name when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            msg = f"{what} did not come within {seconds:.0f} s"
            raise Never(msg)
        time.sleep(every)


@dataclass
class Answer:
    """What a command said."""

    code: int
    document: Any
    err: str


@dataclass
class RunningStack:
    """One `cisterna up` on a home of its own."""

    folder: Path
    arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def home(self) -> Home:
        return Home(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AWS_"))}
        return {**kept, "CISTERNA_HOME": str(self.folder), "CISTERNA_DISPATCH__SWEEP_SECONDS": "0.5"}

    def start(self) -> float:
        """Start it and return after how many seconds it said that it is ready."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [CISTERNA, "up", *self.arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until(self._is_ready, seconds=START_SECONDS, what=f"readiness of the stack ({self.folder / 'up.log'})")
        return time.monotonic() - began

    def _is_ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            msg = f"cisterna up ended with {self.process.returncode}: {(self.folder / 'up.log').read_text()[-2000:]}"
            raise Never(msg)
        return self.run("doctor").code == 0

    def stop(self) -> int:
        """Stop it as systemd would, and return its exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def run(self, *arguments: str, timeout: float = 180.0) -> Answer:
        """Run one command with `--json` and parse the one document it prints."""
        done = subprocess.run(
            [CISTERNA, *arguments, "--json"], env=self.environment, capture_output=True, timeout=timeout, check=False
        )
        try:
            document = json.loads(done.stdout)
        except json.JSONDecodeError:
            document = None
        return Answer(done.returncode, document, done.stderr.decode())

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this home, whoever its parent is."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if self.process is not None and process.pid == self.process.pid:
                return process.status() != psutil.STATUS_ZOMBIE
            named = str(self.folder) in " ".join(process.cmdline())
            return named or process.environ().get("CISTERNA_HOME") == str(self.folder)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    def pids(self, part: str) -> list[int]:
        """Process ids of one part."""
        if self.process is None:
            return []
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = " ".join(child.cmdline())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if _MODULES[part] in line:
                found.append(child.pid)
        return found

    def kill(self, part: str) -> None:
        """End every process of a part at once, as the kernel would when memory runs out."""
        victims = self.pids(part)
        assert victims, f"nothing of {part} runs"
        for pid in victims[:1] if part in {"postgres", "store", "prefect"} else victims:
            os.kill(pid, signal.SIGKILL)
