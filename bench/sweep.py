"""100,000 files into 100 new folders: what our sweep sees of them, beside watchfiles and watchdog alone, in turns.

    python bench/sweep.py --rounds 3 --within /dev/shm

A process writes 100 folders of 1,000 small files as fast as it can, each closed by its `manifest.sha256`; in memory
(`--within`) no disk slows it. Another one, new for each turn, looks: ours is the dispatcher's sweeper with its hint, on
a landing zone of the profile `folder` and a real PostgreSQL on disk; the others watch the folder with their own
defaults, unfiltered, and each path that they tell of in whatever way is seen. watchdog is no part of Cisterna
(`pip install watchdog`); where it is missing it stands under `not_to_be_had`.

`seen` is what a way knew of when it had all, or when nothing new came for 8 s after the last write; `seconds_after` is
from the last write until the last of it. CPU is of the watching process from before the first write until then, with
that of PostgreSQL apart; `peak_mib` is its memory until then, of which `start_mib` was taken before. For ours,
`sweeps_after` counts those begun after the last write until all was seen, and `complete` the runs whose listed names
were all there in the end. Then looks at the same zone at rest: `full_look` lists every folder as a new dispatcher does,
of runs archived a day ago, `rested_look` is the next one with that memory. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from sweep_ways import LIST, WAYS, Plan

PATIENCE_SECONDS = 8.0


def write(plan: Plan, told: Connection) -> None:
    """Write everything, and tell when that was."""
    began, total = time.monotonic(), 0
    for run in range(plan.folders):
        folder, lines = Path(plan.zone, f"run-{run:04}"), []
        folder.mkdir()
        for number in range(plan.files_each - 1):
            name, body = f"file-{number:06}.csv", b"%d,%d\n" % (run, number) * 20
            total += (folder / name).write_bytes(body)
            lines.append(f"{hashlib.sha256(body).hexdigest()}  {name}\n")
        total += (folder / LIST).write_text("".join(lines))
    told.send({"began": began, "ended": time.monotonic(), "bytes": total})


def memory_mib(line: str) -> float:
    """Tell this process's memory; unlike `getrusage`, this leaves out what the parent had when it made the process."""
    found = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(line))
    return int(found.split()[1]) / 1024


def watch(way: str, plan: Plan, talk: Connection) -> None:
    """Watch in a process of its own, until all is seen or no more comes."""
    watcher = WAYS[way](plan)
    time.sleep(1.0)  # none of them says when it listens
    start_mib, cpu, served = memory_mib("VmRSS"), time.process_time(), watcher.server_cpu_seconds()
    talk.send("ready")
    written: dict[str, float] | None = None
    count, grew, used = 0, 0.0, 0.0
    while written is None or (count < plan.files and time.monotonic() - max(grew, written["ended"]) < PATIENCE_SECONDS):
        if written is None and talk.poll():
            written = talk.recv()
        if (seen := watcher.seen()) > count:
            count, grew, used = seen, time.monotonic(), time.process_time() - cpu
        time.sleep(0.02)
    sample = {
        "seen": count,
        "lost": plan.files - count,
        "seconds_after": max(0.0, grew - written["ended"]),
        "cpu_seconds": used,
        "postgres_cpu_seconds": watcher.server_cpu_seconds() - served,
        "peak_mib": memory_mib("VmHWM"),
        "start_mib": start_mib,
        "writing_seconds": written["ended"] - written["began"],
    }
    talk.send(sample | watcher.finish(written))


def turn(way: str, plan: Plan) -> dict[str, float]:
    """Let one way watch one writing of everything."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    watching = spawning.Process(target=watch, args=(way, plan, there))
    watching.start()
    there.close()  # so that a child which fails ends the wait for it
    here.recv()
    hears, tells = spawning.Pipe(duplex=False)
    writing = spawning.Process(target=write, args=(plan, tells))
    writing.start()
    tells.close()
    here.send(hears.recv())
    sample = here.recv()
    for child in (writing, watching):
        child.join()
    return {name: round(value, 3) for name, value in sample.items()}


def run(home: Path, zones: Path, ways: list[str], asked: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    from cisterna.adapters.embedded_postgres import EmbeddedPostgres

    postgres, samples = EmbeddedPostgres(home / "pg"), {way: [] for way in ways}
    endpoint = postgres.start()
    try:
        for number in range(asked.rounds):
            first = number % len(ways)
            for way in [*ways[first:], *ways[:first]]:
                database, zone = f"{way}_{number}", zones / f"{way}-{number}"
                zone.mkdir()
                postgres.ensure_database(database)
                dsn, files_each = endpoint.url(database), asked.files // asked.folders
                plan = Plan(str(zone), asked.folders, files_each, dsn, postgres.pid)
                samples[way].append(turn(way, plan))
                shutil.rmtree(zone)
                print(way, samples[way][-1], file=sys.stderr, flush=True)
    finally:
        postgres.stop()
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--within", help="where the landing zones are made")
    asked = parser.parse_args()
    ways = [way for way in WAYS if way == "ours" or importlib.util.find_spec(way)]
    document: dict[str, object] = {
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "not_to_be_had": [way for way in WAYS if way not in ways],
    }
    homes, zones = tempfile.TemporaryDirectory(prefix="cis-"), tempfile.TemporaryDirectory(dir=asked.within)
    with homes as home, zones as within:
        samples = run(Path(home), Path(within), ways, asked)
    medians = {
        way: {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}
        for way, rounds in samples.items()
    }
    print(json.dumps({**document, "medians": medians, "samples": samples}, indent=1))


if __name__ == "__main__":
    main()
