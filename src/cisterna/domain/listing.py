"""What a look at a folder saw."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import cached_property

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.path import RelativePath


class SeenFile(Value):
    """A regular file, as one `lstat` saw it; its path is written as `domain.source_name` has it.

    Attributes:
        inode: What tells the file from another one of that name; of an object in a bucket, a number made of its ETag.
    """

    path: RelativePath
    size_bytes: int = Field(ge=0)
    mtime_ns: int
    inode: int


class ObstacleKind(StrEnum):
    """Why an entry of a folder cannot be kept as it is."""

    SYMLINK = "symlink"
    SPECIAL = "special-file"
    UNREADABLE = "unreadable"
    UNPORTABLE = "unportable-name"


class Obstacle(Value):
    """An entry that holds the whole acquisition until somebody deals with it.

    Attributes:
        shown: The entry's path, written as `domain.source_name` has it.
        reason: For a technician: what it is, why that stops us, what to do.
    """

    kind: ObstacleKind
    shown: str
    reason: str


class Listing(Value):
    """All files below a folder at one look, in the order of their paths' bytes, and what stood in the way."""

    files: tuple[SeenFile, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over path, size, mtime and inode of every file: it changes when anything visible does."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.path}\0{file.size_bytes}\0{file.mtime_ns}\0{file.inode}\n".encode())
        for obstacle in self.obstacles:
            digest.update(f"{obstacle.kind}\0{obstacle.shown}\n".encode())
        return digest.hexdigest()

    @cached_property
    def total_bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(file.size_bytes for file in self.files)

    @cached_property
    def paths(self) -> frozenset[str]:
        """The files' paths."""
        return frozenset(file.path for file in self.files)
