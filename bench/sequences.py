"""Megabytes of FASTQ a CPU second: counted by us, beside SHA-512 of the same bytes, unpacking alone, and dnaio.

`python bench/sequences.py --reads 200000 --rounds 5`. The ways take turns in each round, on the same file in the page
cache, one thread; medians of the rounds, and of the rounds' own ratios. dnaio reads records and counts nothing.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import dnaio
import numpy as np
from isal import igzip, isal_zlib

from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.ports.quality import Reading

PIECE_BYTES = 8 * 1024 * 1024
METER = SequenceMeter()


def reads(count: int, length: int) -> bytes:
    """Write reads of random bases, as a NovaSeq gives them: four qualities, nine of ten the best."""
    rng = np.random.default_rng(1)
    bases = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (count, length))]
    qualities = np.frombuffer(b"F:,#", np.uint8)[rng.choice(4, (count, length), p=[0.88, 0.07, 0.04, 0.01])]
    places = rng.integers(1000, 33_000, (count, 2))
    return b"".join(
        b"@A00291:576:HVHL5DMXY:1:%d:%d:%d 1:N:0:ACGTACGT\n%b\n+\n%b\n"
        % (1101 + n // 20_000, *places[n], bases[n].tobytes(), qualities[n].tobytes())
        for n in range(count)
    )


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def digested(path: Path) -> None:
    digest = hashlib.sha512()
    for piece in pieces(path):
        digest.update(piece)
    digest.hexdigest()


def counted(path: Path) -> Reading:
    place = METER.spool(path.name, size_bytes=path.stat().st_size) or sys.exit("no place")
    with place as spool:
        for piece in pieces(path):
            spool.write(memoryview(piece))
        return spool.read(keep_on=lambda: None)


def unpacked(path: Path, unpacker: Callable[[], object]) -> None:
    member = unpacker()
    for piece in pieces(path):
        rest = piece
        while rest:
            member.decompress(rest, 1 << 20)  # type: ignore[attr-defined]
            rest = member.unconsumed_tail  # type: ignore[attr-defined]


def parsed(path: Path) -> int:
    with igzip.open(path) if path.suffix == ".gz" else path.open("rb") as file, dnaio.open(file) as records:
        return sum(1 for _ in records)


def ways(path: Path) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {"SHA-512": lambda: digested(path)}
    if path.suffix == ".gz":
        found["unpacked by zlib"] = lambda: unpacked(path, lambda: zlib.decompressobj(31))
        found["unpacked by isal"] = lambda: unpacked(path, lambda: isal_zlib.decompressobj(31))
    return {**found, "dnaio": lambda: parsed(path), "ours": lambda: counted(path)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reads", type=int, default=200_000)
    parser.add_argument("--length", type=int, default=151)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    body = reads(options.reads, options.length)
    with tempfile.TemporaryDirectory() as name:
        plain, packed = Path(name) / "a.fastq", Path(name) / "a.fastq.gz"
        plain.write_bytes(body)
        packed.write_bytes(gzip.compress(body, 6))
        for path in (plain, packed):
            if counted(path).metrics["reads"] != options.reads or parsed(path) != options.reads:
                sys.exit("not every read was counted")
            seconds: dict[str, list[float]] = {way: [] for way in ways(path)}
            for _ in range(options.rounds):
                for way, run in ways(path).items():
                    begun = time.process_time()
                    run()
                    seconds[way].append(time.process_time() - begun)
            size = path.stat().st_size / 1e6
            print(f"{path.name}, {size:.1f} MB, {len(body) / 1e6:.1f} MB unpacked")
            for way, took in seconds.items():
                ratio = median(ours / other for ours, other in zip(seconds["ours"], took, strict=True))
                rates = f"{size / median(took):6.0f} MB of the file, {len(body) / 1e6 / median(took):6.0f} MB unpacked"
                print(f"  {way:17} {rates} a CPU second; ours takes {ratio:.2f} times as long")


if __name__ == "__main__":
    main()
