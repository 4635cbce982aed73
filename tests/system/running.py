"""The whole embedded stack as users run it: a process, a home, and the command line."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import psutil
import psycopg

from cisterna import cli
from cisterna.bootstrap import Home, Parts, open_parts
from cisterna.domain.errors import CatalogueUnavailable, NotReady
from cisterna.domain.fixity import ObjectCheck
from cisterna.services.check import check_object
from cisterna.services.detail import detail_of
from cisterna.services.overview import Choice, Overview, list_overviews, overview_of
from cisterna.settings import load_settings
from cisterna.testing.virtual_squid import Fault, VirtualSquid

Found = TypeVar("Found")
CISTERNA = [sys.executable, "-P", "-m", "cisterna.cli"]
START_SECONDS = 180.0
STOP_SECONDS = 60.0
WAITING = ("--profile", "squid", "--wait", "--wait-seconds", "150")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

MODULES = {
    "dispatcher": "flows.dispatcher",
    "worker": "flows.worker",
    "web": "cisterna.web.serve",
    "prefect": "server start",
    "store": "weed mini",
    "postgres": "postgres -D",
    "gate": "cisterna.adapters.gx_process",
    "model": "cisterna.adapters.model_process",
}
"""What a process's command line shows, by the name of the part."""


class Never(AssertionError):
    """What was waited for did not come."""


def until(look: Callable[[], Found | None], *, seconds: float, what: str, every: float = 0.05) -> Found:
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


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """An empty private folder with a short path, on disk: sockets lie in it, and fsync means something there."""
    folder = Path(tempfile.mkdtemp(prefix="cis-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Answer:
    """What a command said."""

    code: int
    document: Any
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Why, of one thing."""
        return str(self.document["reason"])


def _answer(code: int, out: str, err: str) -> Answer:
    try:
        return Answer(code, json.loads(out), out, err)
    except json.JSONDecodeError:
        return Answer(code, None, out, err)


@dataclass
class RunningStack:
    """One `cisterna up` on a home of its own.

    Attributes:
        folder: The home.
        given: More of the environment.
        stand: Where `up` is called from.
    """

    folder: Path
    given: Mapping[str, str] = field(default_factory=dict)
    stand: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def home(self) -> Home:
        """Paths below the home."""
        return Home(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """What commands on this home are given: nothing of the machine's own settings."""
        foreign = ("PREFECT_", "AWS_", "CISTERNA_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, "CISTERNA_HOME": str(self.folder), "CISTERNA_DISPATCH__SWEEP_SECONDS": "0.5", **self.given}

    @property
    def up_log(self) -> Path:
        """What `up` said: beside the home, as a terminal is."""
        return self.folder.with_name(f"{self.folder.name}-up.log")

    def start(self) -> float:
        """Start it and return after how many seconds it said that it is ready."""
        began = time.monotonic()
        with self.up_log.open("ab") as log:
            log.truncate(0)
            self.process = subprocess.Popen(
                [*CISTERNA, "up"],
                env=self.environment,
                cwd=self.stand,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until(self._is_ready, seconds=START_SECONDS, what=f"readiness of the stack ({self._last_words()})")
        return time.monotonic() - began

    def _is_ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            msg = f"cisterna up ended with {self.process.returncode}: {self._last_words()}"
            raise Never(msg)
        return "Stop with Ctrl-C" in self.up_log.read_text()

    def _last_words(self) -> str:
        return self.up_log.read_text()[-2000:]

    def stop(self) -> int:
        """Stop it as systemd would, and return its exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def run(self, *arguments: str) -> Answer:
        """Run one command with `--json`, without a process of its own: most of a command's time is Python's start."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = cli.run([*arguments, "--json"])
        return _answer(code, out.getvalue(), err.getvalue())

    def run_apart(self, *arguments: str, timeout: float = 300.0, given: Mapping[str, str] | None = None) -> Answer:
        """Run one command with `--json` in a process of its own, as a shell does."""
        done = subprocess.run(
            [*CISTERNA, *arguments, "--json"],
            env={**self.environment, **(given or {})},
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return _answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str) -> Any:
        """Run one command that must succeed and return its document."""
        answer = self.run(*arguments)
        assert answer.code == 0, (arguments, answer.code, answer.out[-2000:], answer.err[-2000:])
        return answer.document

    def ingest(self, folder: Path, *more: str) -> Answer:
        """Bring in a folder and wait until it rests."""
        return self.run("ingest", str(folder), *WAITING, *more)

    @contextlib.contextmanager
    def parts(self) -> Iterator[Parts]:
        """Open what the commands open."""
        with open_parts(load_settings(home=self.folder, environ={})) as parts:
            yield parts

    def seen(self, identifier: str) -> Overview | None:
        """Look at one thing without a process of its own; None while the catalogue is away."""
        with contextlib.suppress(CatalogueUnavailable, NotReady), self.parts() as parts:
            return overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        return None

    def detail(self, identifier: str) -> dict[str, Any]:
        """Give everything known of one thing, as `show --json` does."""
        with self.parts() as parts:
            found = detail_of(
                identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket, clock=parts.clock
            )
        return found.model_dump(mode="json")

    def check(self, dataset_id: str) -> ObjectCheck:
        """Read an object back, as `check` does."""
        with self.parts() as parts:
            return check_object(dataset_id, catalogue=parts.catalogue, store=parts.archive_store)

    def rows(self, instrument: str | None = None) -> list[dict[str, Any]]:
        """Give the rows of an instrument, as `list --json` does."""
        with self.parts() as parts:
            found = list_overviews(
                Choice(instrument=instrument), catalogue=parts.catalogue, bucket=parts.archive_store.bucket
            )
            return [row.model_dump(mode="json") for row in found]

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """Open the catalogue's tables."""
        dsn = self.home.endpoints().dsn.get_secret_value().replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this home, whoever its parent is."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        here = str(self.folder)
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                return False
            if here in " ".join(process.cmdline()) or process.environ().get("CISTERNA_HOME") == here:
                return True
            return process.cwd().startswith(here)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    def named(self) -> list[str]:
        """Name what runs, for messages."""
        told = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                told.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return told

    def pids(self, part: str) -> list[int]:
        """Process ids of one part."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if MODULES[part] in " ".join(process.cmdline()):
                    found.append(process.pid)
        return sorted(found)

    def kill(self, part: str) -> list[int]:
        """End every process of a part at once, as the kernel does when memory runs out, and name them."""
        victims = self.pids(part)
        assert victims, f"nothing of {part} runs: {self.named()}"
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return victims

    def await_healthy(self) -> None:
        """Wait until every part answers again."""
        until(lambda: self.run("doctor").code == 0, seconds=START_SECONDS, what="a doctor that finds nothing wrong")

    def await_idle(self) -> None:
        """Wait until everything that was asked for is done or given up."""
        count_open = "SELECT count(*) FROM works WHERE state IN ('ready', 'leased')"
        with self.database() as connection:
            until(
                lambda: connection.execute(count_open).fetchone() == (0,),
                seconds=START_SECONDS,
                what="the end of all work",
            )


def write_run(
    zone: Path,
    *,
    fault: Fault = Fault.NONE,
    wells: Sequence[str] = ("A1",),
    fovs: int = 2,
    seed: int = 1,
    run_json: Path | None = None,
    experiment: str = "demo",
) -> Path:
    """Write a small run: the same arguments give the same bytes, whenever and wherever it is written."""
    zone.mkdir(parents=True, exist_ok=True)
    squid = VirtualSquid(
        experiment=experiment,
        wells=tuple(wells),
        fovs=fovs,
        seed=seed,
        fault=fault,
        started=NOON,
        run_json=run_json,
    )
    return squid.write(zone)


def digests(folder: Path) -> dict[str, str]:
    """Digest every file below a folder, by its path in it."""
    return {
        str(file.relative_to(folder)): hashlib.sha512(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
