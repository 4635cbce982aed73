"""CPU seconds of every process of the stack, for one acquisition of 24 images of 512 x 512 uint16.

    python bench/where_time_goes.py --runs 40

CPU seconds hold on a busy machine where wall seconds do not. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from datetime import datetime

import psutil
from ingest import MICROSCOPES, Ours, bench_home
from system.running import RunningStack, until

PAUSE_SECONDS = 0.6
"""Between two acquisitions: a hundred a minute."""
NAMES = {
    "flows.dispatcher": "dispatcher",
    "flows.worker": "workers",
    "cisterna.web.serve": "web",
    "gx_process": "quality process",
    "model_process": "model process",
    "prefect": "Prefect server",
    "weed": "object store",
    "postgres": "PostgreSQL",
}


def cpu_seconds(stack: RunningStack) -> dict[str, float]:
    """Sum user and system time by part, children that ended included."""
    spent: dict[str, float] = defaultdict(float)
    for process in stack.processes():
        try:
            line = " ".join(process.cmdline())
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        name = next((name for part, name in NAMES.items() if part in line), "supervisor")
        spent[name] += times.user + times.system + times.children_user + times.children_system
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    asked = parser.parse_args()
    with bench_home() as (stack, parts, _ready):
        ours = Ours(stack, parts)
        for seed in range(MICROSCOPES + asked.runs):
            ours.prepare(seed)
        warm = [ours.write(number, number)[0] for number in range(MICROSCOPES)]
        until(lambda: set(warm) <= set(ours.finished()), seconds=120, what="the warm-up")
        before = cpu_seconds(stack)
        written = []
        for seed in range(MICROSCOPES, MICROSCOPES + asked.runs):
            written.append(ours.write(seed % MICROSCOPES, seed)[0])
            time.sleep(PAUSE_SECONDS)
        until(lambda: set(written) <= set(ours.finished()), seconds=600, what="all runs", every=1.0)
        after = cpu_seconds(stack)
    each = {name: round((after[name] - before.get(name, 0.0)) / asked.runs, 3) for name in sorted(after)}
    total = round(sum(each.values()), 3)
    document = {
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        "runs": asked.runs,
        "cpu_seconds_an_acquisition": {**each, "total": total},
        "acquisitions_a_minute_that_two_cores_allow": round(120 / total, 1),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
