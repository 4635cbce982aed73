"""A folder of tables: CSV, TSV and Parquet, described by the names of their columns, closed by silence or checksums.

Parquet has its magic at both ends, and before the last how long its footer is. A table in text has no end of its own:
that its last line is broken off is told when nothing ends it, and where it holds fewer cells than the first.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterable

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look
from cisterna.services.closing_list import closing_lists, sidecars
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

_TABLE = re.compile(r".+\.(csv|tsv|parquet)(\.gz)?", re.IGNORECASE)
_BESIDE = re.compile(
    r"(readme|licen[cs]e|changelog|datapackage|schema|metadata|_success)[^/]*|.+\.md|\..+", re.IGNORECASE
)
_PARQUET, _ENCRYPTED, _GZIP = b"PAR1", b"PARE", b"\x1f\x8b\x08"
_HEAD_BYTES, _TAIL_BYTES, _UNPACKED_BYTES = 64 * 1024, 64 * 1024, 64 * 1024
_MOST_COLUMNS, _MOST_DESCRIBED = 200, 20


class Table(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "table"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell a folder of tables by holding nothing else, but for what explains or closes it."""
        closing = {*closing_lists(look), *sidecars(look)}
        others = [path for path in look.listing.paths if path not in closing and not _TABLE.fullmatch(path)]
        return any(map(_TABLE.fullmatch, look.listing.paths)) and all(
            _BESIDE.fullmatch(path.rpartition("/")[2]) for path in others
        )

    def inspect(self, look: Look) -> Evidence:
        """Hold checksum files and each table's ends against what is there."""
        return file_evidence(look, _tables(look), _fault)

    def describe(self, look: Look) -> Described:
        """Name the columns of the first tables; those of Parquet lie in its footer, which is not read for a look."""
        tables = _tables(look)
        columns = {table.path: names for table in tables[:_MOST_DESCRIBED] if (names := _columns(look, table.path))}
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "tables": len(tables),
            "columns": [*sorted({name for names in columns.values() for name in names})[:_MOST_COLUMNS]],
        }
        return Described(
            title=plain_text(look.folder) or "Tables",
            data_type="table",
            fields={name: value for name, value in found.items() if value not in (None, [], 0)},
        )


def _tables(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _TABLE.fullmatch(file.path)]


def _fault(look: Look, file: SeenFile) -> str | None:
    path = file.path.lower()
    if file.size_bytes == 0:
        return "is empty"
    if path.endswith(".gz"):
        return None if look.head(file.path, limit_bytes=3) == _GZIP else "does not begin like a gzip file"
    tail = look.tail(file.path, limit_bytes=_TAIL_BYTES)
    if path.endswith(".parquet"):
        return _parquet_fault(look.head(file.path, limit_bytes=4), tail[-8:], size_bytes=file.size_bytes)
    if tail.endswith(b"\0"):
        return "ends in zeros, like a file that was allocated and not written"
    return _text_fault(look, file.path, tail)


def _parquet_fault(head: bytes, tail: bytes, *, size_bytes: int) -> str | None:
    """Hold a Parquet file's ends against each other: magic, columns, footer, four bytes of its length, magic."""
    if head not in {_PARQUET, _ENCRYPTED}:
        return "does not begin like Parquet"
    if size_bytes < 12 or tail[-4:] != head:
        return "does not end like Parquet"
    footer_bytes = int.from_bytes(tail[:4], "little")
    needed = footer_bytes + 12
    return f"holds {size_bytes} bytes where its footer alone needs {needed}" if needed > size_bytes else None


def _text_fault(look: Look, path: str, tail: bytes) -> str | None:
    """Tell that the last line was broken off: no line end, and fewer cells than the header has.

    A line end within quotes would be taken for one of the table, and then the cells say nothing.
    """
    if tail.endswith((b"\n", b"\r")) or b'"' in tail:
        return None
    mark = _mark(path)
    header = look.head(path, limit_bytes=_HEAD_BYTES).partition(b"\n")[0]
    last = tail.rpartition(b"\n")[2]
    if b'"' in header or last.count(mark) >= header.count(mark):
        return None
    return f"ends within a line: {last.count(mark) + 1} cells where its header has {header.count(mark) + 1}"


def _mark(path: str) -> bytes:
    return b"\t" if re.search(r"\.tsv(\.gz)?$", path, re.IGNORECASE) else b","


def _columns(look: Look, path: str) -> Iterable[str]:
    """Read the names in a table's first line; one that cannot be read names nothing."""
    if ".parquet" in path.lower():
        return []
    try:
        head = look.head(path, limit_bytes=_HEAD_BYTES)
    except (InvalidInput, NotFound):
        return []
    text = (_unpacked(head) if path.lower().endswith(".gz") else head).partition(b"\n")[0].rstrip(b"\r")
    try:
        cells = next(csv.reader([text.decode("utf-8-sig")], delimiter=_mark(path).decode()), [])
    except (UnicodeDecodeError, csv.Error):
        return []
    names = [plain_text(cell, longest=200) for cell in cells[:_MOST_COLUMNS]]
    return [name for name in names if name is not None]


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _UNPACKED_BYTES)
    except zlib.error:
        return b""
