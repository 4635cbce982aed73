"""The manifest as it is kept in the object: `provenance/manifest.parquet`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from cisterna.domain.errors import ObjectInvalid
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.ports.quality import TableFile

MANIFEST_PATH = "provenance/manifest.parquet"
DATA = "data/"
"""Folder of the logical content that holds the files as acquired."""

_COLUMNS = ("path", "size_bytes", "sha512", "modified", "content_path")
_SOURCE_PATH = "source_path_base64"
"""A column that is there only where a path is not written as it was acquired."""

_SHA256 = "sha256"
"""A column that is there only where the object is made of SHA-256."""

_DELIVERED = "delivered_"
"""What the names of columns begin with that hold a digest which came with the data, such as `delivered_md5`."""


def dump_manifest(manifest: Manifest, *, tables: TableFile) -> bytes:
    """Write one row a file, in the manifest's order."""
    files = manifest.files
    names = (*_COLUMNS, _SOURCE_PATH) if manifest.written_otherwise else _COLUMNS
    columns: dict[str, list[object]] = {name: [getattr(entry, name) for entry in files] for name in names}
    if any(entry.sha256 for entry in files):
        columns[_SHA256] = [entry.sha256 for entry in files]
    for algorithm in sorted({name for entry in files for name in entry.delivered}):
        columns[_DELIVERED + algorithm] = [entry.delivered.get(algorithm) for entry in files]
    return tables.dump(columns)


def load_manifest(body: bytes, *, tables: TableFile) -> Manifest:
    """Read it back.

    Raises:
        InvalidInput: The bytes are no table.
        ObjectInvalid: The table is no manifest.
    """
    columns: dict[str, list[Any]] = tables.load(body)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise ObjectInvalid(f"{MANIFEST_PATH} lacks the columns {', '.join(missing)}", missing=missing)
    try:
        sources = columns.get(_SOURCE_PATH) or [None] * len(columns["path"])
        sha256 = columns.get(_SHA256) or [None] * len(columns["path"])
        rows = zip(*(columns[name] for name in _COLUMNS), sources, _delivered(columns), sha256, strict=True)
        files = tuple(
            FileEntry(
                path=path,
                size_bytes=size,
                sha512=digest,
                modified=_moment(modified),
                content_path=content,
                source_path_base64=source,
                delivered=delivered,
                sha256=also,
            )
            for path, size, digest, modified, content, source, delivered, also in rows
        )
        return Manifest(files=files)
    except (ValidationError, ValueError) as error:
        raise ObjectInvalid(f"{MANIFEST_PATH} is no manifest: {error}") from error


def _delivered(columns: dict[str, list[Any]]) -> list[dict[str, str]]:
    named = {name.removeprefix(_DELIVERED): cells for name, cells in columns.items() if name.startswith(_DELIVERED)}
    count = len(columns["path"])
    return [{name: cells[row] for name, cells in named.items() if cells[row] is not None} for row in range(count)]


def _moment(value: object) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    msg = f"{value!r} is no time"
    raise ValueError(msg)
