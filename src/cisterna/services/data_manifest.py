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


def dump_manifest(manifest: Manifest, *, tables: TableFile) -> bytes:
    """Write one row a file, in the manifest's order."""
    files = manifest.files
    names = (*_COLUMNS, _SOURCE_PATH) if manifest.written_otherwise else _COLUMNS
    return tables.dump({name: [getattr(entry, name) for entry in files] for name in names})


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
        rows = zip(*(columns[name] for name in _COLUMNS), sources, strict=True)
        files = tuple(
            FileEntry(
                path=path,
                size_bytes=size,
                sha512=digest,
                modified=_moment(modified),
                content_path=content,
                source_path_base64=source,
            )
            for path, size, digest, modified, content, source in rows
        )
        return Manifest(files=files)
    except (ValidationError, ValueError) as error:
        raise ObjectInvalid(f"{MANIFEST_PATH} is no manifest: {error}") from error


def _moment(value: object) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    msg = f"{value!r} is no time"
    raise ValueError(msg)
