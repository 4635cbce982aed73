"""How long from an event to the first line of the flow's code: the warm worker beside stock Prefect, in the same run.

`python bench/dispatch.py [--rounds 12]` starts PostgreSQL, a Prefect server, one warm worker, and one process of stock
Prefect: `serve()` with a deployment that an event triggers, with its polls set to 1 s (10 by default). Interleaved:

- ours: a row in the inbox is committed -> the first line of the flow in the worker
- serve_event: `emit_event` -> trigger -> the first line of the flow in the process that the runner starts
- serve_run_deployment: `run_deployment` -> the same

It also tells what a run of seven empty tasks costs: wall time from row to finished work, CPU of worker, server and
PostgreSQL. One JSON document on stdout, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.child import Child
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_prefect import EmbeddedPrefect, client_environment
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.work import Work, WorkKind, WorkState
from flows import _settings

WAIT_SECONDS = 60.0
HERE = Path(__file__).parent
Ring = Callable[[str], None]


def await_file(path: Path) -> int | None:
    """Return what a mark says, or None when it did not come in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if path.exists():
            return int(path.read_text())
        time.sleep(0.001)
    return None


def measure(folder: Path, ring: Ring, token: str) -> float | None:
    """Ring, and tell the milliseconds until the flow's first line."""
    begun = time.time_ns()
    ring(token)
    reached = await_file(folder / token)
    return None if reached is None else (reached - begun) / 1e6


def request(catalogue: SqlCatalogue, token: str) -> Work:
    """Ask for work."""
    clock = SystemClock()
    now = clock.now()
    work = Work(work_id=clock.new_id(), key=token, kind=WorkKind.INGEST, subject=token, not_before=now, created_at=now)
    with catalogue.begin() as tx:
        return tx.inbox.request(work)


def rings(catalogue: SqlCatalogue, folder: Path) -> dict[str, Ring]:
    """Make the three ways to ring."""
    from prefect.deployments import run_deployment
    from prefect.events import emit_event

    def ours(token: str) -> None:
        request(catalogue, token)

    def serve_event(token: str) -> None:
        emit_event("bench.rung", resource={"prefect.resource.id": f"bench.{token}"}, payload={"token": token})

    def serve_run_deployment(token: str) -> None:
        run_deployment("bench-stock/bench", parameters={"folder": str(folder), "token": token}, timeout=0)

    return {"ours": ours, "serve_event": serve_event, "serve_run_deployment": serve_run_deployment}


def summary(found: list[float | None]) -> dict[str, Any]:
    """Sum up the milliseconds of one way."""
    seen = sorted(value for value in found if value is not None)
    if not seen:
        return {"rounds": len(found), "lost": len(found)}
    middle, low, high = statistics.median(seen), seen[0], seen[-1]
    shown = {"p50_ms": round(middle, 1), "min_ms": round(low, 1), "max_ms": round(high, 1)}
    return {"rounds": len(found), "lost": len(found) - len(seen), **shown}


def cpu_seconds(pid: int) -> float:
    """Tell the CPU time of a process and its children, living and gone."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(entry.name) == pid:
            ticks += sum(int(value) for value in fields[11:15])
        elif int(fields[1]) == pid:
            ticks += sum(int(value) for value in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def cost_of_a_run(catalogue: SqlCatalogue, pids: dict[str, int], *, runs: int) -> dict[str, Any]:
    """Tell wall and CPU time of runs of seven empty tasks, one after the other."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    walls = []
    for number in range(runs):
        begun = time.monotonic()
        work = request(catalogue, f"cost-{number}")
        while True:
            with catalogue.begin() as tx:
                if tx.inbox.get(work.work_id).state is WorkState.DONE:
                    break
            time.sleep(0.005)
        walls.append((time.monotonic() - begun) * 1000)
        time.sleep(0.2)
    time.sleep(4)  # the server writes events in batches
    spent = {f"{name}_cpu_ms": (cpu_seconds(pid) - before[name]) * 1000 / runs for name, pid in pids.items()}
    return {"runs": runs, "wall_p50_ms": round(statistics.median(walls), 1)} | {
        name: round(value, 1) for name, value in spent.items()
    }


class Stack:
    """PostgreSQL, a Prefect server, a warm worker and a stock runner, on one folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.postgres = EmbeddedPostgres(home / "pg")
        self.prefect: EmbeddedPrefect | None = None
        self.children: dict[str, Child] = {}

    def start(self) -> SqlCatalogue:
        """Start everything and wait until it answers."""
        endpoint = self.postgres.start()
        self.postgres.ensure_database("cisterna")
        self.postgres.ensure_database("prefect", extensions=["pg_trgm"])
        catalogue = SqlCatalogue(endpoint.url("cisterna"))
        catalogue.migrate()
        self.prefect = EmbeddedPrefect(
            self.home / "prefect", log=self.home / "server.log", database_url=endpoint.asyncpg_url("prefect")
        )
        self.prefect.start(timeout_seconds=120)
        api_url = self.prefect.api_url
        os.environ.update(_settings.CLIENT_SETTINGS)
        os.environ.update(client_environment(api_url, home=self.home / "prefect"), PREFECT_RUNNER_POLL_FREQUENCY="1")
        worker = [sys.executable, str(HERE / "dispatch_worker.py"), endpoint.url("cisterna"), api_url, str(self.home)]
        self._add("worker", worker, (self.home / "worker").exists)
        stock = [sys.executable, str(HERE / "dispatch_stock.py"), str(self.home)]
        self._add("stock", stock, (self.home / "stock").exists)
        return catalogue

    def stop(self) -> None:
        """Stop everything."""
        for child in reversed(self.children.values()):
            child.stop(timeout_seconds=5)
        if self.prefect is not None:
            self.prefect.stop()
        self.postgres.stop()

    def _add(self, name: str, command: list[str], is_ready: Callable[[], bool]) -> None:
        child = Child(name, command, log=self.home / f"{name}.log")
        self.children[name] = child
        child.start()
        child.await_ready(is_ready, timeout_seconds=120)


def run(rounds: int, home: Path) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    stack = Stack(home)
    try:
        catalogue = stack.start()
        ways = rings(catalogue, home)
        for name, ring in ways.items():  # once to warm up; again while the runner has not made its deployment yet
            for attempt in range(3):
                try:
                    if measure(home, ring, f"warm-{name}-{attempt}") is not None:
                        break
                except Exception:  # noqa: BLE001 - the deployment is not there yet
                    time.sleep(2)
        found: dict[str, list[float | None]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, ring in ways.items():
                found[name].append(measure(home, ring, f"{name}-{number}"))
                time.sleep(0.5)
        stock = stack.children.pop("stock")
        stock.stop(timeout_seconds=5)
        pids = {name: child.pid for name, child in stack.children.items() if child.pid is not None}
        servers = {"server": stack.prefect.pid if stack.prefect else None, "postgres": stack.postgres.pid}
        pids |= {name: pid for name, pid in servers.items() if pid is not None}
        return {
            "what": "event to the first line of the flow's code",
            "ways": {name: summary(values) for name, values in found.items()},
            "a_run_of_seven_tasks": cost_of_a_run(catalogue, pids, runs=20),
            "load": round(os.getloadavg()[0], 2),
            "cores": os.cpu_count(),
        }
    finally:
        stack.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cisterna-bench-") as folder:
        print(json.dumps(run(options.rounds, Path(folder)), indent=1), flush=True)
    os._exit(0)  # Prefect's event thread would wait for the server that is gone


if __name__ == "__main__":
    main()
