"""Spools that keep a file's bytes for a reader that has to seek in it, or say why they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import BinaryIO

from cisterna.ports.quality import Reading


class NoSpool:
    """Takes no byte, and says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    def write(self, piece: memoryview) -> None:
        """Let it pass."""

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Say why nobody looked."""
        del keep_on
        return Reading(unmeasured=self._why)


class FileSpool:
    """Keeps the bytes in a file, and has that measured.

    Args:
        file: Without a buffer, as `SpoolFolder` gives it.
        measure: Takes the file, opened once more for reading alone, and `keep_on`.
    """

    def __init__(self, file: BinaryIO, measure: Callable[[BinaryIO, Callable[[], None]], Reading]) -> None:
        self._file, self._measure = file, measure
        self._size_bytes = 0
        self._lost: str | None = None

    def write(self, piece: memoryview) -> None:
        """Take the next bytes; a disk that takes no more costs the measuring and nothing else."""
        if self._lost is not None:
            return
        try:
            while piece:
                count = self._file.write(piece)
                self._size_bytes, piece = self._size_bytes + count, piece[count:]
        except OSError as error:
            self._lost = f"its bytes could not be kept for its reader ({error.strerror})"
            with contextlib.suppress(OSError):
                self._file.truncate(0)

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Measure the file."""
        if self._lost is not None:
            return Reading(unmeasured=self._lost)
        if self._size_bytes == 0:
            return Reading(problem="the file is empty")
        with open(f"/proc/self/fd/{self._file.fileno()}", "rb") as again:  # noqa: PTH123 - it has no path but this
            return self._measure(again, keep_on)
