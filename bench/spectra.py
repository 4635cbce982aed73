"""How fast mass spectra are measured, beside a digest of the same bytes and the field's own readers.

`python bench/spectra.py FILE... --rounds 5`, or without files on runs of our own. The ways take turns in each round, in
one process, on bytes in memory (pymzml: on a file in the page cache); CPU seconds, medians of the rounds.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np

from cisterna.adapters.spectra_meter import SpectraMeter
from cisterna.testing.spectra_files import Scan, gradient, run_of

METER = SpectraMeter()


def by_meter(path: Path, body: bytes) -> int:
    found = METER.read(memoryview(body), path=path.name)
    if found.problem:
        raise SystemExit(f"{path.name}: {found.problem}")
    return int(found.metrics["spectra"] or 0)


def by_digest(path: Path, body: bytes) -> int:
    del path
    return len(hashlib.sha512(body).digest())


def by_pyteomics(path: Path, body: bytes) -> int:
    from pyteomics import mzml

    opened = BytesIO(gzip.decompress(body) if path.suffix == ".gz" else body)
    return sum(one["intensity array"].sum() >= 0 for one in mzml.MzML(opened, use_index=False))


def by_pymzml(path: Path, body: bytes) -> int:
    import pymzml

    del body
    return sum(np.asarray(one.i).sum() >= 0 for one in pymzml.run.Reader(str(path)))


WAYS: dict[str, Callable[[Path, bytes], int]] = {
    "sha512": by_digest,
    "measured": by_meter,
    "pyteomics": by_pyteomics,
    "pymzml": by_pymzml,
}


def ours(folder: Path) -> Iterator[Path]:
    small, large = folder / "small-spectra.mzML", folder / "large-spectra.mzML"
    small.write_bytes(run_of(gradient(1500)))
    large.write_bytes(run_of([Scan(seconds=float(one), peaks=20_000, is_zlib=False) for one in range(60)]))
    yield from (small, large)


def seconds(way: Callable[[Path, bytes], int], path: Path, body: bytes) -> float:
    begun = time.process_time()
    way(path, body)
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        files = asked.files or list(ours(Path(made)))
        for path in files:
            body = path.read_bytes()
            found: dict[str, list[float]] = {name: [] for name in WAYS}
            for _ in range(asked.rounds):
                for name, way in WAYS.items():
                    found[name].append(seconds(way, path, body))
            rates = ", ".join(f"{name} {len(body) / 1e6 / median(times):.0f}" for name, times in found.items())
            print(
                f"{path.name}: {len(body) / 1e6:.1f} MB, {by_meter(path, body):,} spectra; MB per CPU second: {rates}"
            )


if __name__ == "__main__":
    main()
