"""The frozen list of an acquisition's files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise

from pydantic import Field, field_validator, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.delivered import DIGITS
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm, Sha256, Sha512
from cisterna.domain.path import RelativePath
from cisterna.domain.source_name import is_written_otherwise, logical_path, source_path

_HEX = re.compile(r"[0-9a-f]+")


class FileEntry(Value):
    """One file as it was read.

    Attributes:
        path: Relative to the acquisition's folder, written as `domain.source_name` has it.
        size_bytes: Bytes read, which is what was digested.
        sha512: Of those bytes.
        modified: The source's mtime; kept, but no part of the manifest's digest.
        content_path: Where its bytes lie, relative to the OCFL object's root; ours, and no part of the digest either.
        source_path_base64: The path's own bytes as acquired, where they are not those of `path`.
        delivered: Digests that came with the file and were found to hold, by algorithm.
        sha256: Of the bytes read, where the object that takes them is made of SHA-256.
    """

    path: RelativePath
    size_bytes: int = Field(ge=0)
    sha512: Sha512
    modified: Moment | None = None
    content_path: RelativePath | None = None
    source_path_base64: str | None = None
    delivered: Mapping[str, str] = Field(default_factory=dict)
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _written_by_the_rule(self) -> FileEntry:
        if self.source_path_base64 is not None:
            try:
                source = base64.b64decode(self.source_path_base64, validate=True)
            except (binascii.Error, ValueError) as error:
                msg = f"the source path of '{self.path}' is not base64"
                raise ValueError(msg) from error
            if logical_path(source) != self.path or source == self.path.encode():
                msg = f"'{self.path}' is not how its source path is written"
                raise ValueError(msg)
        return self

    @field_validator("delivered")
    @classmethod
    def _of_known_form(cls, delivered: Mapping[str, str]) -> Mapping[str, str]:
        for algorithm, digest in delivered.items():
            if len(digest) != DIGITS.get(algorithm) or not _HEX.fullmatch(digest):
                msg = f"'{digest[:140]}' is no {algorithm} digest"
                raise ValueError(msg)
        return delivered

    @property
    def source_path(self) -> bytes:
        """The path's bytes as acquired."""
        return base64.b64decode(self.source_path_base64) if self.source_path_base64 else self.path.encode()


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
        """SHA-512 over one line a file, `<sha512> <size> <path>\\n`: a written path holds no line end.

        As with `sha512sum`, a line whose path is not written as it was acquired begins with a backslash, so that it
        differs from that of a file which really has such a name.
        """
        digest = hashlib.sha512()
        for line in self.lines():
            digest.update(line)
        return digest.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """Give the lines that the digest is made of: one manifest's after another's are those of both."""
        for entry in self.files:
            mark = "\\" if entry.source_path_base64 else ""
            yield f"{mark}{entry.sha512} {entry.size_bytes} {entry.path}\n".encode()

    @cached_property
    def algorithm(self) -> DigestAlgorithm:
        """What an object can be made of that begins with these files: SHA-256 when it was made of each."""
        return "sha256" if self.files and all(entry.sha256 for entry in self.files) else DIGEST_ALGORITHM

    @cached_property
    def written_otherwise(self) -> int:
        """How many paths are not written as they were acquired."""
        return sum(entry.source_path_base64 is not None for entry in self.files)

    @cached_property
    def total_bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(entry.size_bytes for entry in self.files)


def source_path_base64(path: str) -> str | None:
    """Give what `FileEntry` keeps of a listed path: its bytes as acquired, or None where they are its own.

    Raises:
        HostileInput: It is not how a listing writes a path.
    """
    return base64.b64encode(source_path(path)).decode() if is_written_otherwise(path) else None
