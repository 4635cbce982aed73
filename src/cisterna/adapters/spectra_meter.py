"""Measures mass spectra as their bytes pass by: mzML, plain or in gzip, and imzML; makers' files are only named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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
    """Measures bytes in blocks of one size, so that it does not matter in what pieces they come."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._reader = SpectraReader()
        self._packed = GzipStream() if is_gzip else None
        self._problem: str | None = None
        self._held = bytearray()
        self._is_empty = True

    def write(self, piece: memoryview) -> None:
        """Measure the next bytes; after the first problem nothing is looked at any more."""
        start = 0
        while start < len(piece) and self._problem is None:
            self._is_empty = False
            part = piece[start : start + _BLOCK_BYTES - len(self._held)]
            self._held += part
            start += len(part)
            if len(self._held) == _BLOCK_BYTES:
                self._take()

    def _take(self) -> None:
        block = bytes(self._held)
        self._held.clear()
        try:
            if self._packed is None:
                self._reader.write(block)
                return
            for part in self._packed.unpack(memoryview(block)):
                self._reader.write(part)
            self._problem = self._packed.problem
        except Refused as problem:
            self._problem = str(problem)

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Give what the file came to."""
        del keep_on
        if self._is_empty:
            return _bad("it is empty")
        if self._problem is None:
            self._take()
        if self._problem is None:
            self._problem = self._ended()
        if self._problem is not None:
            return _bad(self._problem)
        tally, index = self._reader.tally, self._reader.index
        metrics = tally.metrics(index_wrong=index.is_wrong, checksum_wrong=index.has_wrong_checksum)
        return Reading(metrics=metrics, curves=tally.curves())

    def _ended(self) -> str | None:
        if self._packed is not None:
            self._packed.end()
            if self._packed.problem is not None:
                return self._packed.problem
        try:
            self._reader.close()
        except Refused as problem:
            return str(problem)
        return None


def _bad(problem: str) -> Reading:
    return Reading(problem=problem, metrics=dict.fromkeys(METRICS))
