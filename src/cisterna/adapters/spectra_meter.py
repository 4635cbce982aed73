"""Measures mass spectra as their bytes pass by: mzML, plain or in gzip, and imzML; makers' files are only named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from cisterna.adapters.byte_blocks import ByteBlocks
from cisterna.adapters.gzip_stream import GzipStream
from cisterna.adapters.spectra_reader import SpectraReader
from cisterna.adapters.spectra_tally import METRICS
from cisterna.adapters.xml_feed import Refused
from cisterna.ports.quality import Reading, Spool

_BLOCK_BYTES = 64 * 1024
_SPECTRA = re.compile(r".+\.(mzml(\.gz)?|imzml)", re.IGNORECASE)
_MAKERS = re.compile(
    r"(.*/)?(.+\.(raw|wiff2?)|analysis\.(tdf|tsf|baf|yep)|_header\.txt)|(.*/)?acqdata/msscan\.bin", re.IGNORECASE
)
"""One file of each thing that a maker's software writes, be it a file or a folder."""


class SpectraMeter:
    """Implements `ports.quality.Meter`; safe to share between threads."""

    has_places = False
    names: tuple[str, ...] = METRICS

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure mzML and imzML, and name makers' files, so that none of them passes unseen."""
        del is_image
        return _SPECTRA.fullmatch(path) is not None or _MAKERS.fullmatch(path) is not None

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file."""
        spool = _spool(path)
        spool.write(body)
        return spool.read(keep_on=lambda: None)

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool]:
        """Give what measures the bytes as they come and keeps none of them."""
        del size_bytes
        return _alone(_spool(path))


@contextmanager
def _alone(spool: Spool) -> Iterator[Spool]:
    yield spool


def _spool(path: str) -> Spool:
    if _SPECTRA.fullmatch(path) is None:
        return _MakersSpool(path.rpartition("/")[2])
    return _SpectraSpool(is_gzip=path.lower().endswith(".gz"))


class _MakersSpool:
    """Lets the bytes of a maker's file pass."""

    def __init__(self, name: str) -> None:
        self._name = name[:100]

    def write(self, piece: memoryview) -> None:
        """Let it pass."""

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Say why nobody looked."""
        del keep_on
        why = (
            f"{self._name} is of its maker's own format, which is kept as it is; convert it to mzML to have it measured"
        )
        return Reading(unmeasured=why, metrics=dict.fromkeys(METRICS))


class _SpectraSpool:
    """Measures bytes in blocks, so that it does not matter in what pieces they come."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._reader = SpectraReader()
        self._packed = GzipStream() if is_gzip else None
        self._blocks = ByteBlocks(_BLOCK_BYTES)
        self._problem: str | None = None
        self._is_empty = True

    def write(self, piece: memoryview) -> None:
        """Measure the next bytes; after the first problem nothing is looked at any more."""
        self._is_empty = self._is_empty and not len(piece)
        self._take(self._blocks.add(piece) if self._packed is None else self._packed.unpack(piece))

    def _take(self, parts: Iterator[bytes]) -> None:
        if self._problem is not None:
            return
        try:
            for part in parts:
                self._reader.write(part)
        except Refused as problem:
            self._problem = str(problem)
        if self._packed is not None and self._packed.problem is not None:
            self._problem = self._packed.problem

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Give what the file came to."""
        del keep_on
        if self._is_empty:
            return _bad("it is empty")
        self._take(self._blocks.rest() if self._packed is None else self._packed.end())
        if self._problem is None:
            self._close()
        if self._problem is not None:
            return _bad(self._problem)
        tally, index = self._reader.tally, self._reader.index
        metrics = tally.metrics(index_wrong=index.is_wrong, checksum_wrong=index.has_wrong_checksum)
        return Reading(metrics=metrics, curves=tally.curves())

    def _close(self) -> None:
        try:
            self._reader.close()
        except Refused as problem:
            self._problem = str(problem)


def _bad(problem: str) -> Reading:
    return Reading(problem=problem, metrics=dict.fromkeys(METRICS))
