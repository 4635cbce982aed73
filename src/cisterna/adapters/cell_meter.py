"""Measures single cells: HDF5 through a process of its own, 10x Genomics' text matrices as they stream by."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import BinaryIO

from cisterna.adapters.cell_metrics import CELL_METRICS
from cisterna.adapters.cell_tally import GeneMarks, marks_of
from cisterna.adapters.cell_text import MatrixReader, NameReader
from cisterna.adapters.file_reader import FileReader
from cisterna.adapters.reader_child import ReaderChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.spooled import FileSpool, NoSpool
from cisterna.adapters.stream_spool import BlockReader, StreamSpool
from cisterna.adapters.unpacking import unpacker
from cisterna.domain.errors import HostileInput, InvalidInput, NotFound
from cisterna.ports.profile import Look
from cisterna.ports.quality import Reading, Spool

_HDF5 = re.compile(r".+\.h5ad|(.*/)?[^/]*(feature|gene)_bc_matri(x|ces)[^/]*\.h5", re.IGNORECASE)
_SEVERAL = re.compile(r".+\.h5mu", re.IGNORECASE)
_TEXT = re.compile(r"(?P<folder>(?:.*/)?)(?P<what>matrix|barcodes|features|genes)\.(?:mtx|tsv)(?P<packed>\.gz)?")
_UNFILTERED = re.compile(r"(^|.*[/_])raw_(feature|gene)_bc_matri(x|ces).*", re.IGNORECASE)
_FEATURES_BYTES, _UNPACKED_BYTES, _FEATURES_MAX = 16 * 1024 * 1024, 128 * 1024 * 1024, 1_000_000


class CellMeter:
    """Implements `ports.quality.Meter` and `ports.quality.LooksAround`; safe to share between threads.

    Args:
        spools: Where the bytes of an HDF5 file lie while it is read.
        children: Read it.
        look: At the run whose files are measured: the names of the genes lie beside a matrix in text. None: nobody
            knows them.
    """

    names: tuple[str, ...] = CELL_METRICS
    has_places = False

    def __init__(self, *, spools: SpoolFolder, children: ReaderChildren, look: Look | None = None) -> None:
        self._spools, self._children, self._look = spools, children, look
        self._reader = FileReader(children, kind="cells", names=CELL_METRICS)

    def of_run(self, look: Look) -> CellMeter:
        """Give the meter for one run."""
        return CellMeter(spools=self._spools, children=self._children, look=look)

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure matrices, and the lists of a matrix that lies beside them."""
        del is_image
        if _HDF5.fullmatch(path) or _SEVERAL.fullmatch(path):
            return True
        found = _TEXT.fullmatch(path)
        return found is not None and (found["what"] == "matrix" or self._has_matrix(found["folder"]))

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file whose bytes are all here."""
        with self.spool(path, size_bytes=len(body)) as spool:
            spool.write(body)
            return spool.read(keep_on=lambda: None)

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool]:
        """Give a place for a file: each is measured from its spool."""
        found = _TEXT.fullmatch(path)
        if found is None:
            return self._kept(path, size_bytes)
        reader: BlockReader
        match found["what"]:
            case "matrix":
                reader = MatrixReader(lambda: self._marks(found["folder"]))
            case "barcodes":
                reader = NameReader(counted="barcodes_listed", repeated="duplicate_barcodes")
            case _:
                reader = NameReader(counted="features_listed", repeated="duplicate_genes")
        spool: Spool = StreamSpool(reader, unpacker(path), names=self.names)
        return nullcontext(_Filtering(spool, path) if found["what"] == "matrix" else spool)

    @contextmanager
    def _kept(self, path: str, size_bytes: int) -> Iterator[Spool]:
        if _SEVERAL.fullmatch(path):
            yield NoSpool("it holds several kinds of data (MuData), which are not measured yet")
            return
        with self._spools.file(size_bytes) as file:
            yield NoSpool(file) if isinstance(file, str) else _Filtering(FileSpool(file, self._measure), path)

    def _measure(self, file: BinaryIO, keep_on: Callable[[], None]) -> Reading:
        return self._reader.measure(file, keep_on)

    def _has_matrix(self, folder: str) -> bool:
        if self._look is None:
            return True
        return bool({f"{folder}matrix.mtx", f"{folder}matrix.mtx.gz"} & self._look.listing.paths)

    def _marks(self, folder: str) -> GeneMarks | None:
        """Read the features that lie beside a matrix, if they can be."""
        if self._look is None:
            return None
        names = (f"{folder}{what}.tsv{packed}" for what in ("features", "genes") for packed in (".gz", ""))
        path = next((name for name in names if name in self._look.listing.paths), None)
        if path is None:
            return None
        try:
            body = self._look.read(path, limit_bytes=_FEATURES_BYTES)
            if path.endswith(".gz"):
                body = zlib.decompressobj(wbits=31).decompress(body, _UNPACKED_BYTES)
        except (NotFound, HostileInput, InvalidInput, zlib.error):
            return None
        return _marked(body) if body.count(b"\n") <= _FEATURES_MAX else None


def _marked(body: bytes) -> GeneMarks:
    """Mark features by their lines: identifier, name and kind; once identifier and name alone."""
    names, kinds = list[bytes](), list[bytes]()
    for line in body.split(b"\n"):
        identifier, _, rest = line.rstrip(b"\r").partition(b"\t")
        name, _, kind = rest.partition(b"\t")
        if identifier:
            names.append(name or identifier)
            kinds += [kind.partition(b"\t")[0]] if kind else []
    return marks_of(names, kinds)


class _Filtering:
    """Notes on a matrix's reading whether its name says that no cells were chosen among its barcodes yet."""

    def __init__(self, inner: Spool, path: str) -> None:
        self._inner, self._is_unfiltered = inner, _UNFILTERED.fullmatch(path) is not None

    def write(self, piece: memoryview) -> None:
        """Take the next bytes."""
        self._inner.write(piece)

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Measure the file."""
        reading = self._inner.read(keep_on=keep_on)
        if reading.problem or reading.unmeasured:
            return reading
        return reading.model_copy(update={"metrics": {**reading.metrics, "unfiltered": float(self._is_unfiltered)}})
