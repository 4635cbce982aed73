"""Gives the bytes of what is public to whoever carries them elsewhere: in pieces, and held against their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cisterna.domain.errors import ChecksumMismatch
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.quality import TableFile
from cisterna.services.public_files import FileLists

_AT_ONCE = 1_000


class ArchivedBytes:
    """Implements `ports.target.PublicBytes` from the archive.

    Args:
        store: The archive.
        tables: Reads the lists of records whose files are many.
        beat: Called with each piece, so that whoever carries can say that they still do.
    """

    def __init__(self, store: ObjectStore, tables: TableFile, *, beat: Callable[[], object]) -> None:
        self._store = store
        self._tables = tables
        self._beat = beat
        self._lists = FileLists()

    def files(self, record: PublicRecord) -> Iterator[PublicFile]:
        """Give every file, a run of them at a time."""
        for start in range(0, record.file_count, _AT_ONCE):
            yield from self._lists.run(
                start, start + _AT_ONCE, record.files, record.lists, store=self._store, tables=self._tables
            )
            self._beat()

    @contextmanager
    def open(self, file: PublicFile) -> Iterator[Iterator[bytes]]:
        """Stream a file; what was given to the end is what was archived, or `ChecksumMismatch` is raised."""
        yield self._verified(file)

    def _verified(self, file: PublicFile) -> Iterator[bytes]:
        digest = hashlib.sha512()
        for chunk in self._store.stream(file.content_key):
            digest.update(chunk)
            self._beat()
            yield chunk
        if digest.hexdigest() != file.sha512:
            msg = f"{file.path} is not what was archived; run `cisterna check` on its dataset, then ask for it again"
            raise ChecksumMismatch(msg, path=file.path, expected=file.sha512, found=digest.hexdigest())
