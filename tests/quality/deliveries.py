"""Small deliveries of reads and run folders, sabotaged on purpose, and the tables that measuring them gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.ports.quality import MetricTable
from cisterna.testing.interop_files import error_metrics, q_metrics, tile_metrics
from cisterna.testing.reads import fastq_of, long_reads, short_reads
from cisterna.testing.virtual_fastq import packed

METER = SequenceMeter()
Files = dict[str, bytes]
TILES = [(lane, tile) for lane in (1, 2) for tile in range(1101, 1111)]


def name_of(sample: int, mate: int) -> str:
    return f"s{sample}_S{sample}_L001_R{mate}_001.fastq.gz"


def reads(seed: int, mate: int, *, count: int = 150, **wrong: Any) -> bytes:
    return fastq_of(short_reads(count, seed=seed, mate=mate, **wrong))


def delivery(*, samples: int = 4, bad: int = 0, **wrong: Any) -> Files:
    """Pairs of files; the second reads of the last `bad` samples are wrong."""
    return {
        name_of(sample, mate): packed(
            reads(sample, mate, **(wrong if mate == 2 and sample > samples - bad else {})),
        )
        for sample in range(1, samples + 1)
        for mate in (1, 2)
    }


def changed(files: Files, path: str, body: bytes) -> Files:
    assert path in files
    return {**files, path: body}


def nanopore(*, quality_phred: int = 14, failed: int = 1) -> Files:
    passed = {
        f"fastq_pass/PAA_pass_{number}.fastq.gz": packed(
            fastq_of(long_reads(12, seed=number, quality_phred=quality_phred))
        )
        for number in range(4)
    }
    rest = {
        f"fastq_fail/PAA_fail_{number}.fastq.gz": packed(fastq_of(long_reads(12, seed=90 + number, quality_phred=4)))
        for number in range(failed)
    }
    return {**passed, **rest}


def run(
    *,
    calls: tuple[int, int, int, int] = (20, 30, 50, 900),
    worst: tuple[int, int, int, int] | None = None,
    clusters: tuple[float, float] = (1250.0, 1000.0),
    silent: int = 0,
) -> Files:
    counts = {(*tile, cycle): worst if worst and cycle == 7 else calls for cycle in range(1, 21) for tile in TILES}
    return {
        "InterOp/QMetricsOut.bin": q_metrics(counts),
        "InterOp/TileMetricsOut.bin": tile_metrics(
            {tile: (clusters[0], 0.0) if number < silent else clusters for number, tile in enumerate(TILES)}
        ),
        "InterOp/ErrorMetricsOut.bin": error_metrics(dict.fromkeys(counts, 0.4)),
    }


def table_of(files: Mapping[str, bytes]) -> MetricTable:
    paths = sorted(path for path in files if METER.takes(path, is_image=False))
    found = [METER.read(memoryview(files[path]), path=path) for path in paths]
    columns: dict[str, list[str | float | int | None]] = {
        "path": list(paths),
        "problem": [one.problem for one in found],
        "unmeasured": [one.unmeasured for one in found],
    }
    return MetricTable(columns={**columns, **{name: [one.metrics[name] for one in found] for name in METER.names}})
