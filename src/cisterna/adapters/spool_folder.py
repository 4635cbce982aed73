"""Places for the bytes of files that have to be seeked in: in memory when small, else on disk, and never with a name.

Nobody finds such a file but who holds its descriptor, and the kernel removes it with the last one, however this process
ends: nothing is to be cleaned up.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from cisterna.ports.room import Room

IN_MEMORY_BYTES = 16 * 1024 * 1024
_MIB = 1024 * 1024


class SpoolFolder:
    """Makes files, as long as there is room.

    Args:
        folder: On a local disk; made when it is first needed, for its owner alone.
        limit_bytes: No file of more is taken.
        room: On that disk; None when nobody can tell.
    """

    def __init__(self, folder: Path, *, limit_bytes: int, room: Room | None) -> None:
        self._folder, self._limit_bytes, self._room = folder, limit_bytes, room
        self._lock = threading.Lock()
        self._promised = 0

    @contextmanager
    def file(self, size_bytes: int) -> Iterator[BinaryIO | str]:
        """Give an empty file for so many bytes, without a buffer, or say why there is none."""
        if size_bytes > self._limit_bytes:
            yield (
                f"{size_bytes / _MIB:,.0f} MiB are more than the {self._limit_bytes / _MIB:,.0f} that are spooled "
                "(measure.spool_limit_bytes)"
            )
            return
        if size_bytes <= IN_MEMORY_BYTES:
            with os.fdopen(os.memfd_create("spool"), "w+b", buffering=0) as file:
                yield cast("BinaryIO", file)
            return
        with self._lock:
            refusal = self._refusal(size_bytes)
            self._promised += 0 if refusal else size_bytes
        if refusal:
            yield refusal
            return
        try:
            yield from self._on_disk()
        finally:
            with self._lock:
                self._promised -= size_bytes

    def _on_disk(self) -> Iterator[BinaryIO | str]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed below, after the caller's turn
        except OSError as error:
            yield f"no file can be made in {self._folder} ({error.strerror})"
            return
        with made:
            yield cast("BinaryIO", made)

    def _refusal(self, size_bytes: int) -> str | None:
        """Say that it does not fit: the archive takes the same bytes at the same time, perhaps on the same disk."""
        free = self._room.free_bytes() if self._room else None
        if self._room is None or free is None:
            return None
        left = free - self._promised - 2 * size_bytes
        if left >= self._room.reserve_bytes:
            return None
        return (
            f"{size_bytes / _MIB:,.0f} MiB do not fit into {self._folder.name} beside the archive's own: "
            f"{free / _MIB:,.0f} MiB are free on its disk and {self._room.reserve_bytes / _MIB:,.0f} have to stay free"
        )
