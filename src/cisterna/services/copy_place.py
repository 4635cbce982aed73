"""Where the copy of a delivery is made: what a folder and a bucket have in common, and the folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from cisterna.domain.errors import ChecksumMismatch, InvalidInput
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.readme import checksum_lines
from cisterna.services.landing import Target

LIST = "sha512sum.txt"
"""Lies beside the copy; `sha512sum -c` takes it."""


PATHS_SHOWN = 100
"""Of what is wrong, so many are named."""


class CopiedFile(NamedTuple):
    """A file of the copy.

    Attributes:
        path: In the copy, as the archive writes it.
        sha512: Of its bytes.
        content_key: Of these in the archive.
    """

    path: str
    sha512: str
    content_key: str


class ReadBack(NamedTuple):
    """What was read back of a copy; `list_sha512` is of the list that was written beside it."""

    files: int
    bytes_read: int
    list_sha512: str


class CopyPlace(Protocol):
    """A place for one copy. Raises `StoreUnavailable` and `InvalidInput` where it cannot be read or written."""

    @property
    def address(self) -> str:
        """What people call it."""
        ...

    def digest(self, path: str) -> str | None:
        """Read and digest a file that is there; None when there is none."""
        ...

    def has(self, path: str) -> bool:
        """Tell whether anything is at a path."""
        ...

    def make(self, files: Iterable[CopiedFile]) -> None:
        """Bring every file there; what an earlier run brought stays. Raises `AlreadyExists` when it holds other things.

        Raises:
            ChecksumMismatch: The archive gave other bytes than it should; those files are not there.
        """
        ...

    def read_back(self, files: Iterable[CopiedFile]) -> ReadBack:
        """Read all of it again, and write the list beside it where all is well. Raises `ChecksumMismatch`."""
        ...


def require_folder(text: str) -> Path:
    """Read where a copy shall be made. Raises `InvalidInput` for what is no absolute path of this machine."""
    if "://" in text or not text.startswith("/") or not text.isprintable():
        msg = f"{text[:200]!a} is no folder of this machine; give an absolute path, or s3://BUCKET/PREFIX"
        raise InvalidInput(msg, field="copy_to")
    return Path(text)


class FolderCopy:
    """Implements `CopyPlace` in a folder of this machine.

    Args:
        folder: Absolute.
        restore: Writes the version's files into it.
    """

    def __init__(self, folder: Path, *, restore: Callable[[Path], object]) -> None:
        self._folder = folder
        self._restore = restore

    @property
    def address(self) -> str:
        """Its path."""
        return str(self._folder)

    def digest(self, path: str) -> str | None:
        """Read a file; whatever is no regular one counts as none."""
        try:
            with Target(self._folder) as target:
                return target.digest(path)
        except OSError:
            return None

    def has(self, path: str) -> bool:
        """Look, without following a link."""
        return os.path.lexists(self._folder / path)

    def make(self, files: Iterable[CopiedFile]) -> None:
        """Restore it there."""
        del files  # the restore knows them
        self._restore(self._folder)

    def read_back(self, files: Iterable[CopiedFile]) -> ReadBack:
        """Digest each file where it lies, and write the list as it goes."""
        listed, count, size, wrong = hashlib.sha512(), 0, 0, []
        with Target(self._folder) as target, target.writing(LIST) as landing:
            landing.begin_anew()
            for one in files:
                if target.digest(one.path) != one.sha512:
                    wrong.append(one.path)
                    continue
                line = list_line(one)
                landing.write(line)
                listed.update(line)
                count, size = count + 1, size + (self._folder / one.path).lstat().st_size
            if wrong:
                landing.drop()
                raise unlike(self.address, wrong)
        return ReadBack(count, size, listed.hexdigest())


def unlike(address: str, wrong: list[str]) -> ChecksumMismatch:
    """Say that files of a copy were not read back as they should be."""
    msg = (
        f"{len(wrong)} files of the copy in {address} do not read back as they should, such as {wrong[0]}; "
        "look at that disk or bucket, empty the place, and ask again"
    )
    return ChecksumMismatch(msg, folder=address, paths=wrong[:PATHS_SHOWN])


def list_line(one: CopiedFile) -> bytes:
    """Write a line of the list."""
    return checksum_lines([ListedFile.model_construct(path=one.path, size_bytes=0, sha512=one.sha512)])
