"""Lists of paths in use, as files: an export of OMERO's in-place imports, or a list kept by hand."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path, PurePosixPath

from cisterna.domain.errors import CouldNotCheck
from cisterna.domain.hold import HoldQuestion
from cisterna.domain.source_name import logical_path
from cisterna.ports.clock import Clock

LIMIT_BYTES = 256 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


class PathListHold:
    """Implements `ports.hold.SourceHold` on a file of absolute paths, or on a folder of such files.

    One path a line, or paths with a NUL after each (`find -print0`); lines that begin with `#` are comments. A folder
    is held when a listed path is it, lies below it or above it, or has a part of its name: the other system may see the
    share under another mount point. What cannot be read, is empty or is too old says nothing: an export that failed
    leaves an empty file, and yesterday's list does not know of today's import.

    Args:
        path: The file or folder.
        longest_age: Since a list was last written; older ones are not believed.
        clock: Tells how old they are.
    """

    def __init__(self, path: Path, *, longest_age: timedelta, clock: Clock) -> None:
        self.name = f"path-list:{path}"
        self._path = path
        self._longest_age = longest_age
        self._clock = clock

    def ask(self, question: HoldQuestion) -> str | None:
        """Look through every list. Raises `CouldNotCheck`."""
        try:
            files = self._files()
            for file in files:
                for listed in self._paths(file):
                    if _concerns(listed, question):
                        return f"{file} lists {logical_path(listed):.500}"
        except OSError as error:
            raise self._fault(f"it cannot be read: {error.strerror}") from error
        return None

    def _files(self) -> list[Path]:
        if not stat.S_ISDIR(self._path.stat().st_mode):
            return [self._path]
        files = sorted(one for one in self._path.iterdir() if not one.name.startswith("."))
        if not files:
            raise self._fault("the folder holds no list")
        return files

    def _paths(self, file: Path) -> list[bytes]:
        body = self._read(file)
        ends = b"\0" if b"\0" in body else b"\n"
        if not body.endswith(ends):
            raise self._fault(f"{file.name} is empty or was cut off: its last line has no end")
        entries = [one.removesuffix(b"\r") for one in body.split(ends)]
        paths = [one for one in entries if one.strip() and not one.startswith(b"#")]
        odd = next((one for one in paths if not one.startswith(b"/")), None)
        if odd is not None:
            raise self._fault(f"{file.name} holds '{logical_path(odd):.200}', which is no absolute path")
        return paths

    def _read(self, file: Path) -> bytes:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self._fault(f"{file.name} is no regular file")
            age = self._clock.now().timestamp() - status.st_mtime
            if age > self._longest_age.total_seconds():
                raise self._fault(f"{file.name} was last written {age / 3600:.0f} hours ago")
            pieces, size_bytes = [], 0
            while piece := os.read(descriptor, _PIECE_BYTES):
                pieces.append(piece)
                size_bytes += len(piece)
                if size_bytes > LIMIT_BYTES:
                    raise self._fault(f"{file.name} has more than {LIMIT_BYTES} bytes")
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def _fault(self, words: str) -> CouldNotCheck:
        msg = f"the list of paths in use {self._path} says nothing: {words}; write it anew"
        return CouldNotCheck(msg, path=str(self._path))


def _concerns(listed: bytes, question: HoldQuestion) -> bool:
    """Compare paths as people see them and as the archive writes them: a folder's name may hold any bytes."""
    folder = PurePosixPath(question.path)
    for text in {os.fsdecode(listed), logical_path(listed)}:
        path = PurePosixPath(text)
        if path.is_relative_to(folder) or folder.is_relative_to(path) or question.folder in path.parts:
            return True
    return False
