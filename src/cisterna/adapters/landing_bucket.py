"""A prefix of an S3 bucket that an instrument, or whoever copies for it, writes to.

Folders are the common prefixes below it, files are objects. What tells an object from another of the same key is its
ETag: a read asks for the very object that it began with, whatever is written meanwhile. What tells the zone itself from
another, an emptied or a newly made bucket is a sentinel: a small object at `.cisterna-zone` with a random text.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from cisterna.adapters.bucket_listing import (
    SeenKey,
    is_marker,
    listing_of,
    seen_file,
    shown_key,
    why_no_path,
)
from cisterna.adapters.s3_access import pauses
from cisterna.domain.errors import (
    HostileInput,
    NotFound,
    ObjectNotFound,
    PreconditionFailed,
    ReleaseRefused,
    SourceChanged,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.instrument import SENTINEL_NAME, BucketIdentity, Identity
from cisterna.domain.listing import Listing, Obstacle, ObstacleKind, SeenFile
from cisterna.domain.release import ProvenFile
from cisterna.domain.source_name import logical_path, source_path
from cisterna.ports.object_store import SourceObject, Witness

if TYPE_CHECKING:
    from cisterna.adapters.s3_bucket import S3Bucket

_SENTINEL_FORM = re.compile(r"[A-Za-z0-9-]{16,64}")
_PIECE_BYTES = 1024 * 1024


class LandingBucket:
    """Implements `ports.source.LandingZone`; safe to share between threads.

    Args:
        bucket: The bucket, with keys that may list and read it.
        prefix: Of the zone, without `/` at either end; empty for the whole bucket.
        declared: The zone's identity when it was declared; every look refuses another one. None accepts any.
        is_copied: Whether the archive's store is to copy from here, if it shows that it can.
    """

    def __init__(
        self, bucket: S3Bucket, *, prefix: str, declared: Identity | None = None, is_copied: bool = True
    ) -> None:
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._declared = declared
        self._is_copied = is_copied
        self.path = f"{BUCKET_SCHEME}{bucket.bucket}/{prefix}".rstrip("/")

    def identity(self) -> BucketIdentity:
        """Read the sentinel."""
        sentinel = self._sentinel()[1].decode("ascii").strip()
        return BucketIdentity(bucket=self._bucket.bucket, sentinel=sentinel)

    def _sentinel(self) -> tuple[SourceObject, bytes]:
        key = f"{self._base}{SENTINEL_NAME}"
        try:
            with self._speaking_of_the_zone(key), BucketFile(self._bucket, key, SENTINEL_NAME) as file:
                stored, body = file.stored, _read_whole(file, self.path, limit_bytes=100)
        except (NotFound, HostileInput):
            body = b""
        if not _SENTINEL_FORM.fullmatch(body.decode("ascii", "replace").strip()):
            msg = (
                f"{self.path} has no sentinel {SENTINEL_NAME}, or another thing in its place: it was emptied, it is "
                "another bucket, or it was never declared; bring it back, or declare it by `cisterna instrument add`"
            )
            raise SourceUnavailable(msg, path=self.path)
        return stored, body

    def mark(self) -> None:
        """Put the sentinel, the one object that Cisterna ever writes to a landing zone; one that is there stays.

        Raises:
            SourceUnavailable: It cannot be written with these keys; whoever may can put it by hand.
        """
        key, body = f"{self._base}{SENTINEL_NAME}", uuid.uuid4().hex.encode()
        with suppress(PreconditionFailed):
            try:
                with self._bucket.translated(key):
                    self._bucket.client.put_object(Bucket=self._bucket.bucket, Key=key, Body=body, IfNoneMatch="*")
            except StoreUnavailable as fault:
                msg = (
                    f"the sentinel {self.path}/{SENTINEL_NAME} cannot be written ({fault}); put an object with a "
                    "random text of 16 to 64 letters and digits there yourself, and declare the instrument again"
                )
                raise SourceUnavailable(msg, path=self.path) from fault

    def require_identity(self, declared: Identity | None) -> None:
        """Raises `SourceUnavailable` when the zone was emptied, or is another one."""
        found = self.identity()
        if declared is not None and found != declared:
            msg = (
                f"{self.path} is not the zone that was declared: its sentinel {SENTINEL_NAME} is another; bring the "
                "bucket back, or declare the instrument anew"
            )
            raise SourceUnavailable(msg, path=self.path)

    def witness(self) -> Witness | None:
        """Give the sentinel, which is copied only by who reaches this very zone."""
        if not self._is_copied:
            return None
        stored, body = self._sentinel()
        return Witness(stored=stored, body=body)

    def folders(self) -> Sequence[str]:
        """Name the common prefixes directly below the zone's, in the order of their names' bytes."""
        names = (folder for folder in self._top()[0] if why_no_path(folder) is None)
        return sorted(logical_path(name.encode()) for name in names)

    def strays(self) -> Sequence[Obstacle]:
        """Name the objects directly in the zone, and prefixes that no folder can have for a name."""
        folders, keys = self._top()
        odd = [(f"{name}/", why_no_path(name)) for name in folders]
        found = [(shown_key(name), reason) for name, reason in odd if reason is not None]
        beside = "lies beside the runs' folders and belongs to none; move it into a run's folder or away"
        for one in keys:
            rest = one.key.removeprefix(self._base)
            if rest != SENTINEL_NAME and not is_marker(rest, size_bytes=one.size_bytes):
                found.append((shown_key(rest), beside))
        return tuple(
            Obstacle(kind=ObstacleKind.SPECIAL, shown=shown, reason=f"'{shown}': {reason}")
            for shown, reason in sorted(found)
        )

    def listing(self, folder: str) -> Listing:
        """List every object below a folder."""
        self._check()
        below = f"{self._base}{_folder_name(folder, self.path)}/"
        keys = [one for page in self._pages(below) for one in _contents(page)]
        if not keys:
            raise NotFound(f"{folder} is not in {self.path}: no key begins with {below}", path=folder)
        return listing_of(keys, below=below)

    def read_small(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read a small object whole."""
        with self.open(folder, path) as file:
            return _read_whole(file, f"{folder}/{path}", limit_bytes=limit_bytes)

    def read_tail(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read the last bytes of the object that is there now."""
        key = f"{self._base}{_folder_name(folder, self.path)}/{_key_of(path)}"
        asked: Any = {"Bucket": self._bucket.bucket, "Key": key}
        try:
            with self._speaking_of_the_zone(key):
                found = self._bucket.client.head_object(**asked)
                size = int(found["ContentLength"])
                if size == 0 or limit_bytes <= 0:
                    return b""  # a range of nothing is an error
                asked |= {"Range": f"bytes={max(0, size - limit_bytes)}-{size - 1}", "IfMatch": found["ETag"]}
                return bytes(self._bucket.client.get_object(**asked)["Body"].read())
        except PreconditionFailed as other:
            raise _changed(path, "another object was written to its key while it was looked at") from other

    @contextmanager
    def open(self, folder: str, path: str) -> Iterator[BucketFile]:
        """Open an object for its one read; it is told from another one by its ETag, not by the zone's sentinel."""
        key = f"{self._base}{_folder_name(folder, self.path)}/{_key_of(path)}"
        with self._speaking_of_the_zone(key):
            file = BucketFile(self._bucket, key, path)
        with file:
            yield file

    @contextmanager
    def entered(self, folder: str) -> Iterator[_EnteredPrefix]:
        """Let one thread open many objects of a folder."""
        _folder_name(folder, self.path)
        yield _EnteredPrefix(self, folder)

    def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
        """Refuse: nothing is deleted in buckets."""
        del folder, files, keep_on
        msg = f"{self.path} lies in a bucket, and Cisterna deletes nothing there; remove it by the store's own means"
        raise ReleaseRefused(msg, path=self.path)

    def _check(self) -> None:
        if self._declared is not None:
            self.require_identity(self._declared)

    def _top(self) -> tuple[list[str], list[SeenKey]]:
        self._check()
        folders: list[str] = []
        keys: list[SeenKey] = []
        for page in self._pages(self._base, Delimiter="/"):
            folders += [one["Prefix"].removeprefix(self._base)[:-1] for one in page.get("CommonPrefixes", [])]
            keys += _contents(page)
        return folders, keys

    def _pages(self, prefix: str, **more: str) -> Iterator[Any]:
        asked: Any = {"Bucket": self._bucket.bucket, "Prefix": prefix, **more}
        with self._speaking_of_the_zone(prefix):
            yield from self._bucket.client.get_paginator("list_objects_v2").paginate(**asked)

    @contextmanager
    def _speaking_of_the_zone(self, key: str) -> Iterator[None]:
        try:
            with self._bucket.translated(key):
                yield
        except ObjectNotFound as absent:
            raise NotFound(f"{key} is not in {self._bucket.name}", path=key) from absent
        except StoreUnavailable as fault:
            msg = f"the landing zone {self.path} cannot be looked at: {fault}"
            raise SourceUnavailable(msg, path=self.path) from fault


class _EnteredPrefix:
    """Implements `ports.source.EnteredFolder`; connections are kept by the client, and nothing else need be."""

    def __init__(self, zone: LandingBucket, folder: str) -> None:
        self._zone = zone
        self._folder = folder

    def open(self, path: str) -> AbstractContextManager[BucketFile]:
        """Open an object."""
        return self._zone.open(self._folder, path)


class BucketFile:
    """Implements `ports.source.SourceFile` on one object, which is the same one from the first byte to the last.

    A connection that breaks is made anew from where it broke, on the condition that the object is still the same.

    Attributes:
        opened: The object as the read found it.
        stored: The same, as a store is told to copy it.
    """

    def __init__(self, bucket: S3Bucket, key: str, path: str) -> None:
        self._bucket = bucket
        self._key = key
        self._path = path
        answer = self._get()
        self._body: Any = answer["Body"]
        self._etag: str = answer["ETag"]
        self._size = int(answer["ContentLength"])
        self.opened = seen_file(SeenKey(key, self._size, self._etag, answer["LastModified"]), path)
        self.stored = SourceObject(
            bucket=bucket.bucket,
            key=key,
            size_bytes=self._size,
            etag=self._etag.strip('"'),
            version_id=answer.get("VersionId"),
        )
        self._position = 0
        self._is_verified = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from where the last read ended; fewer bytes only at the end of the object."""
        filled = 0
        while filled < len(buffer) and self._position < self._size:
            most = min(len(buffer) - filled, _PIECE_BYTES, self._size - self._position)
            count = self._read_some(buffer[filled : filled + most])
            filled += count
            self._position += count
        if self._position == self._size and not self._is_verified:
            self._verify()
        return filled

    def still(self) -> SeenFile:
        """Say what the object is that stands there now."""
        with self._translated():
            try:
                found = self._bucket.client.head_object(Bucket=self._bucket.bucket, Key=self._key)
            except self._bucket.client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    raise _changed(self._path, "it was deleted") from error
                raise
        now = SeenKey(self._key, found["ContentLength"], found["ETag"], found["LastModified"])
        return seen_file(now, self._path)

    def _read_some(self, buffer: memoryview) -> int:
        """Read at least one byte, on as many connections as patience allows."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        fault: Exception | None = None
        for pause in pauses(self._bucket.patience):
            time.sleep(pause)
            try:
                if fault is not None:
                    self._begin_again()
                count = int(self._body.readinto(buffer))
                if count:
                    return count
                fault = EOFError("the connection ended early")
            except (BotoCoreError, HTTPError, OSError) as broken:
                fault = broken
        msg = f"reading {self._path} from {self._bucket.name} failed: {fault}; is the object store running?"
        raise SourceUnavailable(msg, path=self._path) from fault

    def _begin_again(self) -> None:
        self._body.close()
        try:
            with self._translated():
                answer = self._get(Range=f"bytes={self._position}-", IfMatch=self._etag)
        except (PreconditionFailed, ObjectNotFound) as other:
            raise _changed(self._path, "another object was written to its key while it was read") from other
        self._body = answer["Body"]

    def _verify(self) -> None:
        """Let the client compare the checksum that the store sent along, which it does at the stream's end."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            self._body.readinto(memoryview(bytearray(1)))
        except (BotoCoreError, HTTPError, OSError) as wrong:
            msg = f"{self._path} did not arrive from {self._bucket.name} as it was sent: {wrong}; it is read again"
            raise SourceUnavailable(msg, path=self._path) from wrong
        self._is_verified = True

    def _get(self, **more: str) -> Any:
        asked: Any = {"Bucket": self._bucket.bucket, "Key": self._key, **more}
        return self._bucket.client.get_object(**asked)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with self._bucket.translated(self._key):
                yield
        except StoreUnavailable as fault:
            raise SourceUnavailable(str(fault), path=self._path) from fault


def _contents(page: Any) -> list[SeenKey]:
    found = page.get("Contents", [])
    return [SeenKey(one["Key"], one["Size"], one["ETag"], one["LastModified"]) for one in found]


def _folder_name(folder: str, zone: str) -> str:
    if "/" in folder:
        msg = f"{folder!r} is not the name of a folder directly in {zone}"
        raise HostileInput(msg, path=folder)
    return _key_of(folder)


def _key_of(path: str) -> str:
    try:
        return source_path(path).decode()
    except UnicodeDecodeError as error:
        msg = f"'{path}' stands for bytes that are not UTF-8, and no key has those; name it as it was listed"
        raise HostileInput(msg, path=path) from error


def _read_whole(file: BucketFile, where: str, *, limit_bytes: int) -> bytes:
    buffer = memoryview(bytearray(min(limit_bytes + 1, file.opened.size_bytes + 1)))
    count = file.readinto(buffer)
    if count > limit_bytes:
        msg = f"{where} is larger than {limit_bytes} bytes; a file of this kind never is"
        raise HostileInput(msg, path=where, limit_bytes=limit_bytes)
    return bytes(buffer[:count])


def _changed(path: str, how: str) -> SourceChanged:
    msg = f"{path} changed since the acquisition was declared complete: {how}; it is looked at again when it rests"
    return SourceChanged(msg, path=path)
