"""MB a second of FCS measured, beside SHA-512 of the same bytes and beside what flowio and fcsparser take to read them.

`python bench/cytometry.py --rounds 5`. The ways take turns in each round, on the same bytes in memory, which go to our
meter in pieces of 8 MiB; CPU time of this process, medians, and the median of the rounds' own ratios. The others only
read: they measure nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import time
from collections.abc import Callable
from statistics import median

import flowio
import numpy as np
from fcsparser.api import FCSParser

from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.testing.virtual_cells import PARAMETERS, cells
from cisterna.testing.virtual_cytometer import fcs_of

PIECE_BYTES = 8 * 1024 * 1024
METER = FcsMeter()


def wide(events: int, detectors: int, **layout: object) -> bytes:
    """Write events of so many detectors beside the time, each with values of its own."""
    base = cells(events)
    chance = np.random.default_rng(0)
    columns = [base[:, 1 + place % 5] * chance.normal(1, 0.01, events) for place in range(detectors)]
    names = [PARAMETERS[0], *(f"{PARAMETERS[1 + place % 5]}{place // 5 or ''}" for place in range(detectors))]
    return fcs_of(np.column_stack([base[:, 0], *columns]), names, **layout)  # type: ignore[arg-type]


def measured(body: bytes) -> None:
    with METER.spool("a.fcs", size_bytes=len(body)) as spool:
        for start in range(0, len(body), PIECE_BYTES):
            spool.write(memoryview(body)[start : start + PIECE_BYTES])
        reading = spool.read(keep_on=lambda: None)
    if reading.problem or reading.unmeasured:
        raise SystemExit(f"not measured: {reading.problem or reading.unmeasured}")


WAYS: dict[str, Callable[[bytes], object]] = {
    "SHA-512": lambda body: hashlib.sha512(body).digest(),
    "measured": measured,
    "read by flowio": lambda body: np.asarray(flowio.FlowData(io.BytesIO(body)).events),
    "read by fcsparser": lambda body: FCSParser.from_data(body).data,
}


def cpu_seconds(way: Callable[[bytes], object], body: bytes, times: int) -> float | None:
    begun = time.process_time()
    try:
        for _ in range(times):
            way(body)
    except AttributeError:  # fcsparser on big-endian files with numpy 2
        return None
    return (time.process_time() - begun) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    files = {
        "1,000,000 events x 20, single precision": wide(1_000_000, 19),
        "the same, big endian": wide(1_000_000, 19, is_little=False),
        "1,000,000 events x 20, 16 bit": wide(1_000_000, 19, kind="I", bits=16, top=65_536),
        "10,000 events x 20, single precision": wide(10_000, 19),
        "10,000 events x 40, single precision": wide(10_000, 39),
    }
    for name, body in files.items():
        for way in WAYS.values():
            cpu_seconds(way, body, 1)
        times = max(1, 8_000_000 // len(body))
        took: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, run in WAYS.items():
                seconds = cpu_seconds(run, body, times)
                took[way] += [] if seconds is None else [seconds]
        print(f"\n{name}: {len(body) / 1e6:.1f} MB")
        for way, seconds in took.items():
            if not seconds:
                print(f"  {way:20} cannot")
                continue
            ratio = median(one / digest for one, digest in zip(seconds, took["SHA-512"], strict=True))
            print(f"  {way:20} {len(body) / 1e6 / median(seconds):8.0f} MB/s  {ratio:6.2f} of SHA-512's time")


if __name__ == "__main__":
    main()
