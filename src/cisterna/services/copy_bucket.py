"""The copy of a delivery below a prefix of somebody's bucket."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain

from cisterna.domain.errors import (
    AlreadyExists,
    ChecksumMismatch,
    CisternaError,
    InvalidInput,
    ObjectNotFound,
    PreconditionFailed,
)
from cisterna.ports.object_store import IfAbsent, ObjectStore
from cisterna.services.copy_place import LIST, PATHS_SHOWN, CopiedFile, ReadBack, list_line, unlike

MARKER = ".cisterna-copy.json"
"""Says, below a prefix that is not whole yet, what is being copied there."""

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/((?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+)/?")
_HELD_BYTES = 8 * 1024 * 1024
"""What is no larger is put in one piece."""


def read_address(text: str) -> tuple[str, str]:
    """Read bucket and prefix, which ends with a slash. Raises `InvalidInput`."""
    matched = _ADDRESS.fullmatch(text)
    if matched is None or {".", ".."} & set(matched[2].split("/")):
        msg = f"{text[:200]!a} is no place in a bucket; write it as s3://BUCKET/PREFIX, of letters, digits, . _ and -"
        raise InvalidInput(msg, field="copy_to")
    return matched[1], f"{matched[2]}/"


class BucketCopy:
    """Implements `CopyPlace` in a bucket that is named by its address, with credentials of its own.

    Every object is read back by its digest; what a store says of it counts for nothing.

    Args:
        bucket: Where the copy goes.
        prefix: Begin of every key, with a slash at its end.
        archive: Where the bytes come from.
        of: What is copied, so that no later run mixes it with another.
    """

    def __init__(self, bucket: ObjectStore, prefix: str, *, archive: ObjectStore, of: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._archive = archive
        self._mark = json.dumps({"copy_of": of}).encode()

    @property
    def address(self) -> str:
        """As it was given."""
        return f"s3://{self._bucket.bucket}/{self._prefix.removesuffix('/')}"

    def digest(self, path: str) -> str | None:
        """Read an object."""
        found = self._read(path)
        return found[0] if found else None

    def has(self, path: str) -> bool:
        """Ask for its head."""
        return self._bucket.head(self._prefix + path) is not None

    def make(self, files: Iterable[CopiedFile]) -> None:
        """Bring what is not there yet; killed at any moment, the next run goes on, and leaves no parts behind."""
        self._begin()
        wrong = [one.path for one in files if self.digest(one.path) != one.sha512 and not self._carry(one)]
        if wrong:
            msg = (
                f"{len(wrong)} files of the archive have other bytes than they should, such as {wrong[0]}; they are "
                f"not in {self.address}. Run `cisterna check`, then ask again"
            )
            raise ChecksumMismatch(msg, paths=wrong[:PATHS_SHOWN])
        self._bucket.delete([self._prefix + MARKER])

    def read_back(self, files: Iterable[CopiedFile]) -> ReadBack:
        """Digest each object as the bucket gives it."""
        listed, count, size, wrong = bytearray(), 0, 0, []
        for one in files:
            found = self._read(one.path)
            if found is None or found[0] != one.sha512:
                wrong.append(one.path)
                continue
            listed += list_line(one)
            count, size = count + 1, size + found[1]
        if wrong:
            raise unlike(self.address, wrong)
        body = bytes(listed)
        self._put(LIST, iter([body]))
        return ReadBack(count, size, hashlib.sha512(body).hexdigest())

    def _begin(self) -> None:
        """Make the place ours, or refuse it."""
        marker = self._prefix + MARKER
        if next(iter(self._bucket.list(self._prefix)), None) is None:
            with suppress(PreconditionFailed):  # another run of this very copy began at the same time, or of another
                self._bucket.put(marker, self._mark, condition=IfAbsent())
        try:
            body, _ = self._bucket.get(marker)
        except ObjectNotFound:
            body = b""
        if body != self._mark:
            msg = f"{self.address} is not empty and not what this copy began; give a prefix that nothing lies below"
            raise AlreadyExists(msg, folder=self.address)
        self._bucket.abort_unfinished(self._prefix)

    def _carry(self, one: CopiedFile) -> bool:
        """Copy a file; False where the archive gave other bytes, and then nothing is there."""
        digest = hashlib.sha512()

        def digested() -> Iterator[bytes]:
            for chunk in self._archive.stream(one.content_key):
                digest.update(chunk)
                yield chunk
            if digest.hexdigest() != one.sha512:
                raise _OtherBytes

        try:
            self._put(one.path, digested())
        except _OtherBytes:
            return False
        return True

    def _put(self, path: str, chunks: Iterator[bytes]) -> None:
        """Write an object of any size; it appears whole or not at all."""
        key, held = self._prefix + path, bytearray()
        for chunk in chunks:
            held += chunk
            if len(held) > _HELD_BYTES:
                break
        else:
            self._bucket.put(key, bytes(held))
            return
        upload = self._bucket.begin_upload(key)
        try:
            for chunk in chain([bytes(held)], chunks):
                upload.write(chunk)
            upload.complete()
        except BaseException:
            with suppress(CisternaError):
                upload.abort()
            raise

    def _read(self, path: str) -> tuple[str, int] | None:
        digest, size = hashlib.sha512(), 0
        try:
            for chunk in self._bucket.stream(self._prefix + path):
                digest.update(chunk)
                size += len(chunk)
        except ObjectNotFound:
            return None
        return digest.hexdigest(), size


class _OtherBytes(Exception):
    """The archive gave other bytes than it should."""
