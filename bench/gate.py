"""What judging a dataset costs, warm: 20 expectations on a summary row, beside the same 20 rules as plain polars.

    python bench/gate.py --repeats 200

The gate is the real process behind its socket, asked as a worker asks it: 17 fixed limits and 3 that ask what was
usual, with the charts of 3 channels. In every round polars judges the same numbers, in this process and without any of
the gate's words, files or safety. Two rows: one that meets all, one that misses four, whose files are looked for in a
table of 2,000 images. Needs polars (`pip install polars`). Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

import polars as pl

from cisterna.adapters.child import Child
from cisterna.adapters.gx_gate import GxGate
from cisterna.domain.control_chart import Chart, Point, Side, charts_of, sigmas_away
from cisterna.domain.errors import GateUnavailable
from cisterna.domain.finding import Verdict
from cisterna.ports.quality import MetricTable

START = datetime(2026, 11, 1, tzinfo=UTC)
FIXED = [f"metric_{number}" for number in range(17)]
USUAL = [f"usual_{number}" for number in range(3)]
CHANNELS = ("BF", "DAPI", "GFP")
TABLE = MetricTable(columns={"path": [f"{n}.tiff" for n in range(2000)], "margin": [n / 1000 for n in range(2000)]})


def suite() -> dict[str, object]:
    words = {"severity": "warning", "title": "A metric", "advice": "Look."}
    rows = {"rows": {"column": "margin", "min_value": 1}}
    fixed = [
        {
            **words,
            **rows,
            "check": name.replace("_", "-"),
            "type": "expect_column_max_to_be_between",
            "kwargs": {"column": name, "max_value": 1.0},
        }
        for name in FIXED
    ]
    usual = [
        {
            **words,
            "check": name.replace("_", "-"),
            "type": "expect_column_value_within_baseline",
            "kwargs": {"column": name, "side": "low", "floor": 0.01},
        }
        for name in USUAL
    ]
    return {"suite": "cells/default", "expectations": [*fixed, *usual]}


def charts(gate: GxGate) -> list[Chart]:
    past = [Point(at=START + timedelta(hours=n), value=1.0 + 0.01 * (n % 7)) for n in range(60)]
    return [
        chart
        for rule in gate.baselines("cells")
        for channel in CHANNELS
        for chart in charts_of(rule, 1.0, past, instrument="squid-1", channel=channel)
    ]


def by_polars(row: dict[str, float], told: list[Chart]) -> int:
    frame = pl.DataFrame([row])
    checks = [pl.col(name).max().le(1.0).alias(name) for name in FIXED]
    away = {
        name: max(
            sigmas_away(one, one.usual, side=Side.LOW)
            for one in told
            if one.usual is not None and one.check == name.replace("_", "-")
        )
        for name in USUAL
    }
    usual = pl.DataFrame([away]).select([pl.col(name).max().le(3.0).alias(name) for name in USUAL])
    met = {**frame.select(checks).row(0, named=True), **usual.row(0, named=True)}
    return sum(not one for one in met.values())


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def require(is_right: bool, words: str) -> None:
    if not is_right:
        raise SystemExit(f"the bench is wrong: {words}")


def told(seconds: list[float]) -> dict[str, float]:
    ms = [1000 * one for one in seconds]
    return {"p50_ms": round(median(ms), 2), "p95_ms": round(quantiles(ms, n=20)[18], 2), "max_ms": round(max(ms), 2)}


def start(folder: Path) -> tuple[Child, GxGate]:
    (folder / "expectations" / "cells").mkdir(parents=True)
    (folder / "expectations" / "cells" / "default.json").write_text(json.dumps(suite()), "utf-8")
    socket = folder / "gate.sock"
    argv = [sys.executable, "-m", "cisterna.adapters.gx_process", "--socket", str(socket)]
    child = Child("gate", [*argv, f"--expectations={folder / 'expectations'}"], log=folder / "gate.log")
    gate = GxGate(socket, expectations=folder / "expectations")

    def answers() -> bool:
        try:
            return bool(gate.ping())
        except GateUnavailable:
            return False

    child.start()
    child.await_ready(answers, timeout_seconds=120.0)
    return child, gate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    good = dict.fromkeys([*FIXED, *USUAL], 1.0)
    bad = {**good, **dict.fromkeys(FIXED[:4], 2.0)}
    times: dict[str, list[float]] = {name: [] for name in ("all met", "four missed", "polars, all met")}
    with tempfile.TemporaryDirectory() as folder:
        child, gate = start(Path(folder))
        try:
            known = charts(gate)

            def assess(row: dict[str, float], verdict: Verdict) -> None:
                report = gate.assess(data_type="cells", summary=row, table=TABLE, charts=known)
                require(len(report.findings) == 20 and report.verdict is verdict, report.verdict.value)

            for _ in range(10):
                assess(good, Verdict.PASSED)
                require(by_polars(good, known) == 0, "polars judged otherwise")
                require(by_polars(bad, known) == 4, "polars judged otherwise")
            for _ in range(repeats):
                times["all met"].append(timed(lambda: assess(good, Verdict.PASSED)))
                times["four missed"].append(timed(lambda: assess(bad, Verdict.REVIEW)))
                times["polars, all met"].append(timed(lambda: by_polars(good, known)))
        finally:
            child.stop()
    load = os.getloadavg()[0]
    engines = {name: version(name) for name in ("great-expectations", "polars")}
    print(json.dumps({"load": load, **engines, **{name: told(one) for name, one in times.items()}}, indent=1))


if __name__ == "__main__":
    main()
