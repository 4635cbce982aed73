"""A real Prefect server on the real PostgreSQL, and workers as processes that a test may kill."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.child import Child
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_prefect import EmbeddedPrefect
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.event import Event
from cisterna.domain.work import Work, WorkKind, WorkState

TRIAL = Path(__file__).with_name("trial.py")
ROOT = TRIAL.parents[2]


def wait_for(condition: Callable[[], Any], *, seconds: float = 25.0, what: str = "the condition") -> Any:
    """Return the condition's first true value, or fail when the time has passed."""
    deadline = time.monotonic() + 3 * seconds  # two cores that others use as well are three times as slow
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)
    return found


class PrefectServer:
    """A Prefect server that keeps its port and its database over a kill."""

    def __init__(self, folder: Path, database_url: str) -> None:
        (port,) = spare_ports(1)  # not the usual one, which another test's stack may take while this server is dead
        self._server = EmbeddedPrefect(
            folder, log=folder / "server.log", database_url=database_url, port=port, port_is_fixed=True
        )

    @property
    def url(self) -> str:
        return self._server.api_url

    def start(self) -> None:
        self._server.begin()

    def await_ready(self) -> None:
        self._server.await_ready(timeout_seconds=120)

    def kill(self) -> None:
        self._server.kill()

    def stop(self) -> None:
        self._server.stop()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}{path}", data=data, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own address
            return json.load(answer)

    def flow_runs(self, work_id: str) -> list[dict[str, Any]]:
        wanted = {"flow_runs": {"tags": {"all_": [f"work:{work_id}"]}}, "sort": "START_TIME_ASC"}
        found: list[dict[str, Any]] = self.ask("/flow_runs/filter", wanted)
        return found


@pytest.fixture(scope="session")
def prefect(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server for the session; a test that kills it starts it again."""
    postgres.ensure_database("prefect", extensions=["pg_trgm"])
    server = PrefectServer(tmp_path_factory.mktemp("prefect"), postgres.endpoint.asyncpg_url("prefect"))
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()


class Bench:
    """A catalogue, an inbox to fill, and worker processes that run the trial flow of `trial.py`."""

    wait_for = staticmethod(wait_for)

    def __init__(self, folder: Path, dsn: str, catalogue: SqlCatalogue, prefect: PrefectServer) -> None:
        self.folder = folder
        self.dsn = dsn
        self.catalogue = catalogue
        self.prefect = prefect
        self.clock = SystemClock()
        self.workers: list[Child] = []
        with catalogue.begin() as tx:
            tx.outbox.register(["trial"])

    def request(self, subject: str = "trial-subject") -> Work:
        now = self.clock.now()
        work = Work(
            work_id=self.clock.new_id(),
            key=self.clock.new_id(),
            kind=WorkKind.INGEST,
            subject=subject,
            not_before=now,
            created_at=now,
        )
        with self.catalogue.begin() as tx:
            return tx.inbox.request(work)

    def worker(self, *, lease_seconds: float = 2.0, attempts: int = 8) -> Child:
        number = len(self.workers)
        ready = self.folder / f"worker-{number}.ready"
        argv = [
            sys.executable,
            str(TRIAL),
            self.dsn,
            self.prefect.url,
            str(self.folder),
            str(ready),
            str(lease_seconds),
            str(attempts),
        ]
        env = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "PREFECT_HOME": str(self.folder / "prefect-home")}
        child = Child(f"worker-{number}", argv, log=self.folder / f"worker-{number}.log", env=env)
        child.start()
        self.workers.append(child)
        child.await_ready(ready.exists, timeout_seconds=40)
        return child

    def hold(self, step: str) -> None:
        """Make the trial flow stop in the middle of a step until it is released."""
        (self.folder / f"hold-{step}").touch()

    def release(self, step: str) -> None:
        (self.folder / f"hold-{step}").unlink(missing_ok=True)

    def await_step(self, step: str, *, times: int = 1) -> None:
        wait_for(lambda: self.begun().count(step) >= times, what=f"step {step}, {times} times")

    def begun(self) -> list[str]:
        file = self.folder / "begun"
        return file.read_text().split() if file.exists() else []

    def state(self, work: Work) -> WorkState:
        with self.catalogue.begin() as tx:
            return tx.inbox.get(work.work_id).state

    def await_done(self, work: Work, *, seconds: float = 25.0) -> None:
        wait_for(lambda: self.state(work) is WorkState.DONE, seconds=seconds, what="the end of the work")

    def events(self, work: Work) -> list[Event]:
        with self.catalogue.begin() as tx:
            found = tx.outbox.history([work.subject])
        return [event for event in found if event.name.startswith("attempt.")]

    def states(self, work: Work) -> list[str]:
        return [run["state"]["type"] for run in self.prefect.flow_runs(work.work_id)]


@pytest.fixture
def bench(tmp_path: Path, dsn: str, catalogue: SqlCatalogue, prefect: PrefectServer) -> Iterator[Bench]:
    """Everything a worker needs; what is still running at the end is stopped."""
    made = Bench(tmp_path, dsn, catalogue, prefect)
    try:
        yield made
    finally:
        for worker in made.workers:
            worker.kill()
