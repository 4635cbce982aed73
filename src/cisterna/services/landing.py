"""A folder on this machine that files are written into, and never anything outside it."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cisterna.domain.errors import HostileInput
from cisterna.domain.path import inner_path
from cisterna.domain.source_name import logical_path

PARTIAL = ".cisterna-partial-"
"""What the names of files begin with until they are whole."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1024 * 1024


class Target:
    """An open folder. Every path is walked from it without following a link, so nothing lands elsewhere.

    Paths are as Python names files: a byte that is no UTF-8 is a lone surrogate.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._top)

    def digest(self, path: str) -> str | None:
        """Digest a file that is there; None when there is none, or when it is no regular file."""
        with suppress(OSError), self._parent(path, make=False) as (folder, name):
            return _digest(folder, name)
        return None

    @contextmanager
    def writing(self, path: str) -> Iterator[int]:
        """Give a descriptor to write to; the file gets its name only when the block ends well.

        Raises:
            HostileInput: The path leads out of the folder, or through something that is no folder.
        """
        with self._parent(path, make=True) as (folder, name):
            partial = PARTIAL + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
            with suppress(FileNotFoundError):
                os.unlink(partial, dir_fd=folder)
            descriptor = os.open(
                partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder
            )
            try:
                try:
                    yield descriptor
                finally:
                    os.close(descriptor)
                os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=folder)
                raise

    def remove(self, path: str) -> None:
        """Remove a file; harmless when it is not there."""
        with suppress(FileNotFoundError), self._parent(path, make=False) as (folder, name):
            os.unlink(name, dir_fd=folder)

    @contextmanager
    def _parent(self, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
        *folders, name = inner_path(path).split("/")
        at = os.dup(self._top)
        try:
            for folder in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(folder, 0o755, dir_fd=at)
                at = _step(at, folder, path=path, make=make)
            yield at, name
        finally:
            os.close(at)


def _step(at: int, folder: str, *, path: str, make: bool) -> int:
    try:
        below = os.open(folder, _FOLDER, dir_fd=at)
    except OSError as refusal:
        if not make or refusal.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        written, stands = (logical_path(os.fsencode(one)) for one in (path, folder))
        msg = f"{written} cannot be written: {stands} is a link or a file in the target; give another folder"
        raise HostileInput(msg, path=written) from refusal
    os.close(at)
    return below


def _digest(folder: int, name: str) -> str | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        digest = hashlib.sha512()
        try:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        except (IsADirectoryError, BlockingIOError):
            return None
        return digest.hexdigest()
