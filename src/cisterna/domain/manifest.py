"""The frozen list of an acquisition's files."""

from __future__ import annotations

import hashlib
from functools import cached_property
from itertools import pairwise

from pydantic import Field, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import Sha512
from cisterna.domain.path import RelativePath


class FileEntry(Value):
    """One file as it was read.

    Attributes:
        path: Relative to the acquisition's folder.
        size_bytes: Bytes read, which is what was digested.
        sha512: Of those bytes.
        modified: The source's mtime; kept, but no part of the manifest's digest.
        content_path: Where its bytes lie, relative to the OCFL object's root; ours, and no part of the digest either.
    """

    path: RelativePath
    size_bytes: int = Field(ge=0)
    sha512: Sha512
    modified: Moment | None = None
    content_path: RelativePath | None = None


class Manifest(Value):
    """Files in the order of their paths' UTF-8 bytes, each path once."""

    files: tuple[FileEntry, ...]

    @model_validator(mode="after")
    def _sorted_and_unique(self) -> Manifest:
        keys = [entry.path.encode() for entry in self.files]
        if any(first >= second for first, second in pairwise(keys)):
            msg = "a manifest lists each path once, in byte order"
            raise ValueError(msg)
        return self

    @classmethod
    def of(cls, files: list[FileEntry]) -> Manifest:
        """Build a manifest from files in any order."""
        return cls(files=tuple(sorted(files, key=lambda entry: entry.path.encode())))

    @cached_property
    def digest(self) -> str:
        """SHA-512 over one line a file, `<sha512> <size> <path>\\n`: paths hold no line ends."""
        digest = hashlib.sha512()
        for entry in self.files:
            digest.update(f"{entry.sha512} {entry.size_bytes} {entry.path}\n".encode())
        return digest.hexdigest()

    @cached_property
    def total_bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(entry.size_bytes for entry in self.files)
