"""Measures tables: delimited text as it streams by, Parquet through a process of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import BinaryIO

from cisterna.adapters.file_fault import Fault
from cisterna.adapters.file_reader import FileReader
from cisterna.adapters.reader_child import ReaderChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.spooled import FileSpool, NoSpool
from cisterna.adapters.stream_spool import StreamSpool
from cisterna.adapters.table_schema import TableSchema, find_schema
from cisterna.adapters.table_tally import TABLE_METRICS
from cisterna.adapters.table_text import TextTable
from cisterna.adapters.unpacking import unpacker
from cisterna.ports.profile import Look
from cisterna.ports.quality import Reading, Spool

_TABLE = re.compile(r".+\.(?P<kind>csv|tsv|parquet)(?P<packed>\.gz)?", re.IGNORECASE)


class TableMeter:
    """Implements `ports.quality.Meter` and `ports.quality.LooksAround`; safe to share between threads.

    Args:
        spools: Where the bytes of a Parquet file lie while it is read.
        children: Read it.
        look: At the run whose files are measured: a schema may lie beside a table. None: nobody looks for one.
    """

    names: tuple[str, ...] = TABLE_METRICS
    has_places = False

    def __init__(self, *, spools: SpoolFolder, children: ReaderChildren, look: Look | None = None) -> None:
        self._spools, self._children, self._look = spools, children, look
        self._reader = FileReader(children, kind="parquet", names=TABLE_METRICS)

    def of_run(self, look: Look) -> TableMeter:
        """Give the meter for one run."""
        return TableMeter(spools=self._spools, children=self._children, look=look)

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure tables."""
        del is_image
        return _TABLE.fullmatch(path) is not None

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file whose bytes are all here."""
        with self.spool(path, size_bytes=len(body)) as spool:
            spool.write(body)
            return spool.read(keep_on=lambda: None)

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool]:
        """Give a place for a file: each is measured from its spool."""
        found = _TABLE.fullmatch(path)
        kind = found["kind"].lower() if found else "csv"
        if kind == "parquet":
            return self._kept(path, size_bytes, is_packed=bool(found and found["packed"]))
        reader = TextTable(lambda: self._schema(path), is_tabbed=kind == "tsv")
        return nullcontext(StreamSpool(reader, unpacker(path), names=self.names))

    @contextmanager
    def _kept(self, path: str, size_bytes: int, *, is_packed: bool) -> Iterator[Spool]:
        if is_packed:
            yield NoSpool("it is Parquet packed once more with gzip, which is not read here")
            return
        with self._spools.file(size_bytes) as file:
            yield NoSpool(file) if isinstance(file, str) else FileSpool(file, self._measure(path))

    def _measure(self, path: str) -> Callable[[BinaryIO, Callable[[], None]], Reading]:
        def measure(file: BinaryIO, keep_on: Callable[[], None]) -> Reading:
            try:
                schema = self._schema(path)
            except Fault as fault:
                return Reading(problem=str(fault), metrics=dict.fromkeys(self.names))
            asked = {} if schema is None else {"schema": schema.model_dump(mode="json")}
            return self._reader.measure(file, keep_on, **asked)

        return measure

    def _schema(self, path: str) -> TableSchema | None:
        return None if self._look is None else find_schema(self._look, path)
