"""A folder on this machine that files are written into, and never anything outside it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
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
_BEGUN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK_BYTES = 1024 * 1024


class Landing:
    """A file that is not whole yet.

    Attributes:
        size_bytes: What is there.
        is_dropped: Whether it goes when the block ends.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = hashlib.sha512()
        self.size_bytes = 0
        self.is_dropped = False
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            self._take(chunk)

    @property
    def sha512(self) -> str:
        """Digest of all that is there."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._take(chunk)

    def begin_anew(self) -> None:
        """Drop what is there."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest, self.size_bytes = hashlib.sha512(), 0

    def drop(self) -> None:
        """Leave nothing of it behind; the block must then end by an error."""
        self.is_dropped = True

    def _take(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size_bytes += len(chunk)


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
    def writing(self, path: str) -> Iterator[Landing]:
        """Give a file to write to; it gets its name only when the block ends well.

        What an earlier run wrote of it is still there, digested as it is on disk and not as anybody remembers it. What
        this one writes stays for the next when the block ends otherwise, unless it is dropped.

        Raises:
            HostileInput: The path leads out of the folder, or through something that is no folder.
        """
        with self._parent(path, make=True) as (folder, name):
            partial = PARTIAL + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
            descriptor = _open_partial(partial, folder)
            landing = Landing(descriptor)
            try:
                yield landing
            finally:
                os.close(descriptor)
                if landing.is_dropped:
                    os.unlink(partial, dir_fd=folder)
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)

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


def _open_partial(name: str, folder: int) -> int:
    """Open what is there of a file, or begin it; whatever else has that name is put out of the way."""
    with suppress(OSError):
        descriptor = os.open(name, _BEGUN, dir_fd=folder)
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:  # what has a second name is somebody else's, too
            return descriptor
        os.close(descriptor)
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    return os.open(name, _BEGUN | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)


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
