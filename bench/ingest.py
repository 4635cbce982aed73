"""Last byte written -> verified archive, and acquisitions a minute: ours beside the stock Prefect way, in one run.

    python bench/ingest.py --runs 10 --minutes 1 --stock-minutes 1

Both use the Prefect server, PostgreSQL and object store that one `cisterna up` started. First they take turns,
one acquisition (24 images of 512 x 512 uint16) at a time. Then four virtual microscopes write as many a
minute as asked for, first for one side, then for the other. Prints one JSON document with every sample.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from system.running import RunningStack, until  # noqa: E402 - the tests' own way to run the stack

from cisterna.bootstrap import open_parts  # noqa: E402
from cisterna.settings import load_settings  # noqa: E402
from cisterna.testing.virtual_squid import VirtualSquid  # noqa: E402

MICROSCOPES = 4


class Prepared:
    """Acquisitions made beforehand, so that drawing images does not compete with what is measured.

    Delivering one writes its files in the order in which the instrument wrote them, the marker last.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[str, tuple[Path, Path]] = {}

    def make(self, experiment: str, seed: int) -> None:
        ended = self.root / f"{experiment}.json"
        zone = self.root / experiment
        zone.mkdir(parents=True)
        folder = VirtualSquid(experiment=experiment, seed=seed, run_json=ended).write(zone)
        self.made[experiment] = (folder, ended)

    def deliver(self, experiment: str, zone: Path, run_json: Path) -> tuple[str, float]:
        """Write it into a landing zone; returns the folder's name and when its last byte was written."""
        folder, ended = self.made.pop(experiment)
        files = sorted((one for one in folder.rglob("*") if one.is_file()), key=lambda one: one.stat().st_mtime_ns)
        for file in files:
            if file == folder / ".done":
                told = ended.read_text().replace(str(folder.parent), str(zone))
                beside = run_json.with_name(f".{experiment}.tmp")
                beside.write_text(told)
                beside.replace(run_json)
            to = zone / file.relative_to(folder.parent)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
        return folder.name, time.time()


class Ours:
    """Acquisitions that our stack finds by itself."""

    def __init__(self, stack: RunningStack, parts) -> None:
        self.stack, self.parts, self.root = stack, parts, stack.folder / "bench"
        self.prepared = Prepared(self.root / "prepared")
        for number in range(MICROSCOPES):
            zone = self.zone(number)
            zone.mkdir(parents=True)
            name = f"squid{number}"
            stack.run(
                "instrument",
                "add",
                name,
                "--profile",
                "squid",
                "--path",
                str(zone),
                "--set",
                f"run_json={self.run_json(number)}",
            )
            stack.run("project", "bind", "bench", "--path", str(zone))

    def zone(self, number: int) -> Path:
        return self.root / f"squid{number}" / "landing"

    def run_json(self, number: int) -> Path:
        return self.root / f"squid{number}" / "run.json"

    def prepare(self, seed: int) -> None:
        self.prepared.make(f"bench{seed}", seed)

    def write(self, number: int, seed: int) -> tuple[str, float]:
        return self.prepared.deliver(f"bench{seed}", self.zone(number), self.run_json(number))

    def finished(self) -> dict[str, float]:
        """Give, by folder, when its version was verified: one statement, since asking must not be what is measured."""
        asked = (
            "SELECT acquisitions.folder, receipts.verified_at FROM receipts JOIN versions USING (version_id)"
            " JOIN datasets USING (dataset_id) JOIN acquisitions USING (acquisition_id)"
        )
        with self.stack.database() as connection:
            return {folder: moment.timestamp() for folder, moment in connection.execute(asked)}


class Stock:
    """The same acquisitions, each announced by an event, for `serve()` with its trigger."""

    def __init__(self, stack: RunningStack, env: dict[str, str]) -> None:
        self.root, self.env = stack.folder / "stock", env
        self.root.mkdir()
        self.prepared = Prepared(self.root / "prepared")
        os.environ.update(env)
        import boto3

        boto3.client("s3").create_bucket(Bucket="stock")
        poll = {"PREFECT_RUNNER_POLL_FREQUENCY": "1", "PREFECT_LOGGING_LEVEL": "WARNING"}
        with (stack.folder / "stock.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "stock_pipeline.py")],
                env={**os.environ, **env, **poll},
                stdout=log,
                stderr=log,
            )
        until(self._is_served, seconds=90, what="the stock deployment")

    def _is_served(self) -> bool:
        return bool(asyncio.run(self._deployments()))

    async def _deployments(self):
        from prefect import get_client

        async with get_client() as client:
            return await client.read_deployments()

    def prepare(self, seed: int) -> None:
        self.prepared.make(f"stock{seed}", seed)

    def write(self, seed: int) -> tuple[str, float]:
        from prefect.events import emit_event

        name, moment = self.prepared.deliver(f"stock{seed}", self.root, self.root / "run.json")
        emit_event(
            "stock.acquisition.finished",
            resource={"prefect.resource.id": f"stock.{name}"},
            payload={"folder": str(self.root / name)},
        )
        return name, moment

    def finished(self) -> dict[str, float]:
        runs = asyncio.run(self._runs())
        return {
            Path(run.parameters["folder"]).name: run.end_time.timestamp() for run in runs if run.state.is_completed()
        }

    async def _runs(self):
        from prefect import get_client
        from prefect.client.schemas.filters import FlowFilter, FlowFilterName

        async with get_client() as client:
            found, offset = [], 0
            while True:
                page = await client.read_flow_runs(
                    flow_filter=FlowFilter(name=FlowFilterName(any_=["stock-ingest"])), limit=200, offset=offset
                )
                found += page
                if len(page) < 200:
                    return found
                offset += 200

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def one_by_one(ours: Ours, stock: Stock | None, runs: int) -> dict[str, list[float]]:
    """Take turns, one acquisition at a time."""
    samples: dict[str, list[float]] = {"ours": [], "stock": []}
    for seed in range(runs):
        ours.prepare(seed)
        if stock:
            stock.prepare(seed)
        folder, written = ours.write(seed % MICROSCOPES, seed)
        until(lambda folder=folder: folder in ours.finished(), seconds=60, what=folder)
        samples["ours"].append(ours.finished()[folder] - written)
        if stock:
            folder, written = stock.write(seed)
            until(lambda folder=folder: folder in stock.finished(), seconds=120, what=folder, every=0.2)
            samples["stock"].append(stock.finished()[folder] - written)
    return samples


def sustained(prepare, write, finished, *, a_minute: float, minutes: float, lanes: int) -> dict:
    """Write at a rate, from as many threads as there are microscopes, and see how many are finished how soon."""
    for seed in range(1000, 1000 + lanes + round(a_minute * minutes)):
        prepare(seed)
    written: dict[str, float] = {}
    began = time.time()

    def lane(number: int) -> None:
        seed = 1000 + number
        due = began + number * 60 / a_minute
        while due < began + minutes * 60:
            time.sleep(max(0.0, due - time.time()))
            folder, moment = write(number, seed)
            written[folder] = moment
            seed += lanes
            due += lanes * 60 / a_minute

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrote = time.time() - began
    deadline = time.time() + 240
    while time.time() < deadline and not set(written) <= set(finished()):
        time.sleep(0.5)
    done = {folder: moment for folder, moment in finished().items() if folder in written}
    delays = [done[folder] - written[folder] for folder in done]
    in_time = sum(1 for moment in done.values() if moment <= began + wrote)
    order = sorted(done, key=lambda folder: written[folder])
    thirds = [order[: len(order) // 3], order[-(len(order) // 3) :]] if len(order) >= 3 else []
    return {
        "asked_a_minute": a_minute,
        "written": len(written),
        "finished": len(done),
        "writing_seconds": round(wrote, 1),
        "finished_a_minute_while_writing": round(60 * in_time / wrote, 1),
        "delay_p50_seconds": round(statistics.median(delays), 2) if delays else None,
        "delay_p50_seconds_of_first_and_last_third": [
            round(statistics.median(done[folder] - written[folder] for folder in third), 2) for third in thirds
        ],
        "delay_max_seconds": round(max(delays), 2) if delays else None,
    }


@contextmanager
def bench_home():
    with tempfile.TemporaryDirectory(prefix="cisterna-bench-") as folder:
        # The tests' stack looks every half second; users' looks when the kernel says so, and every five.
        stack = RunningStack(Path(folder) / "home", given={"CISTERNA_DISPATCH__SWEEP_SECONDS": "5"})
        ready = stack.start()
        try:
            stack.run("project", "add", "bench", "--title", "Bench", "--owner", "root", "--human-data", "no")
            with open_parts(load_settings(home=stack.folder)) as parts:
                yield stack, parts, ready
        finally:
            stack.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--a-minute", type=float, default=100.0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--stock-minutes", type=float, default=1.0)
    parser.add_argument("--without-stock", action="store_true")
    asked = parser.parse_args()
    with bench_home() as (stack, parts, ready):
        env = stack.run("config", "env").document
        ours = Ours(stack, parts)
        stock = None if asked.without_stock else Stock(stack, env)
        try:
            samples = one_by_one(ours, stock, asked.runs)
            document = {
                "when": datetime.now().astimezone().isoformat(timespec="seconds"),
                "ready_seconds": round(ready, 1),
                "one_by_one": {
                    name: {"p50_seconds": round(statistics.median(values), 2), "samples": [round(v, 2) for v in values]}
                    for name, values in samples.items()
                    if values
                },
                "sustained": {
                    "ours": sustained(
                        ours.prepare,
                        ours.write,
                        ours.finished,
                        a_minute=asked.a_minute,
                        minutes=asked.minutes,
                        lanes=MICROSCOPES,
                    )
                },
            }
            if stock:
                document["sustained"]["stock"] = sustained(
                    stock.prepare,
                    lambda _lane, seed: stock.write(seed),
                    stock.finished,
                    a_minute=asked.a_minute,
                    minutes=asked.stock_minutes,
                    lanes=1,
                )
        finally:
            if stock:
                stock.stop()
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
