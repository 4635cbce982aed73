"""Measures FASTQ files, packed or not, as they are read, and the metrics files of Illumina's run folders.

What each metric is, its unit and its source stand in `docs/reference/metrics-sequencing.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from cisterna.adapters.fastq_bytes import At, count_bytes, new_tally
from cisterna.adapters.fastq_reading import FASTQ_METRICS, curves_of, fault_of, lacks_newline, metrics_of
from cisterna.adapters.gzip_stream import GzipStream
from cisterna.adapters.interop_file import RUN_METRICS, is_interop, read_interop
from cisterna.ports.quality import Reading, Spool

_FASTQ = re.compile(r".+\.(?:fastq|fq)(?:\.gz)?")
_HEAD_BYTES = 512


class SequenceMeter:
    """Implements `ports.quality.Meter`; safe to share between threads."""

    has_places = False
    names: tuple[str, ...] = (*FASTQ_METRICS, *RUN_METRICS)

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure files of reads, and of the sequencer's own metrics."""
        del is_image
        return _FASTQ.fullmatch(path) is not None or is_interop(path)

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file whose bytes are all here; whatever is wrong with it is a `problem` in words."""
        place = self.spool(path, size_bytes=len(body))
        if place is None:
            return self._named(read_interop(body, path=path))
        with place as spool:
            spool.write(body)
            return spool.read(keep_on=lambda: None)

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool] | None:
        """Give what counts the bytes of a file of reads as they come, and keeps none of them."""
        del size_bytes
        return None if is_interop(path) else nullcontext(_FastqSpool(self._named, is_packed=path.endswith(".gz")))

    def _named(self, reading: Reading) -> Reading:
        """Give the reading with every metric, None for those that the file has nothing to tell of."""
        metrics = {name: reading.metrics.get(name) for name in self.names}
        return reading.model_copy(update={"metrics": metrics})


class _FastqSpool:
    """Counts the bytes of one file of reads."""

    def __init__(self, named: Callable[[Reading], Reading], *, is_packed: bool) -> None:
        self._named = named
        self._packed = GzipStream() if is_packed else None
        self._tally = new_tally()
        self._head = b""
        self._size_bytes = 0
        self._is_faulty = False

    def write(self, piece: memoryview) -> None:
        """Count the next bytes. What is packed is unpacked to its end even when a record is at fault before."""
        self._size_bytes += len(piece)
        if self._packed is None:
            self._count(piece)
            return
        for unpacked in self._packed.unpack(piece):
            self._count(unpacked)

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Sum up the file."""
        del keep_on
        problem = self._problem()
        if problem is not None:
            return self._named(Reading(problem=problem))
        return self._named(Reading(metrics=metrics_of(self._tally, head=self._head), curves=curves_of(self._tally)))

    def _count(self, piece: memoryview | bytes) -> None:
        if len(self._head) < _HEAD_BYTES:
            self._head += bytes(piece[: _HEAD_BYTES - len(self._head)])
        if not self._is_faulty and len(piece):
            self._is_faulty = not count_bytes(self._tally, piece)

    def _problem(self) -> str | None:
        if self._size_bytes == 0:
            return "the file is empty"
        if self._packed is not None:
            for unpacked in self._packed.end():
                self._count(unpacked)
            if self._packed.problem is not None:
                return self._packed.problem
        if self._packed is None and self._head[:2] == b"\x1f\x8b":
            return "it is a gzip file, though its name does not end in .gz"
        if not self._is_faulty and lacks_newline(self._tally):
            count_bytes(self._tally, b"\n")
        is_without = self._head and not self._tally.state[At.READS]
        return fault_of(self._tally, head=self._head) or ("it holds no record" if is_without else None)
