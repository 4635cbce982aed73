"""What an archive needs of an object store, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput

KEY_LIMIT_BYTES = 1024
"""Longest key of S3, in UTF-8."""

_ODD_SIGN = re.compile(r"[\x00-\x1f\x7f\\]")

"""Where `probe` works."""


def require_key(key: str) -> None:
    """Refuse a key that stores treat differently from one another.

    Empty, `.` and `..` parts are rewritten by some stores, a trailing slash makes a folder, SeaweedFS takes a backslash
    for a slash, control characters break the XML of listings.

    Raises:
        InvalidInput: The key is not one to write, read or delete.
    """
    try:
        size_bytes = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        size_bytes = 0  # lone surrogates have no UTF-8
    parts_are_plain = all(part not in {"", ".", ".."} for part in key.split("/"))
    if not 0 < size_bytes <= KEY_LIMIT_BYTES or not parts_are_plain or _ODD_SIGN.search(key):
        shown = key[:80].encode("unicode_escape").decode("ascii")
        msg = f"'{shown}' is no key for an object: 1 to {KEY_LIMIT_BYTES} bytes, plain parts between single slashes"
        raise InvalidInput(msg, key=shown)


class StoredObject(Value):
    """What the store says of one object.

    Attributes:
        etag: Without quotes; opaque, another one whenever the bytes are.
    """

    key: str
    size_bytes: int
    etag: str


class IfAbsent(Value):
    """Write only if no object has the key (`If-None-Match: *`)."""


class IfMatch(Value):
    """Write only if the object is still the one seen (`If-Match`)."""

    etag: str


Condition = IfAbsent | IfMatch


class SourceObject(Value):
    """An object of a landing zone exactly as it was read: what is copied of it is this, or nothing.

    Attributes:
        etag: Without quotes.
        version_id: In a bucket that keeps what is replaced; None elsewhere.
    """

    bucket: str
    key: str
    size_bytes: int
    etag: str
    version_id: str | None = None


class Witness(Value):
    """An object of a landing zone whose bytes nobody can guess: a store that copies it can reach that very zone."""

    stored: SourceObject
    body: bytes


class Upload(Protocol):
    """A large object on its way: parts go up as they come, and the object appears only on `complete`."""

    @property
    def sent_bytes(self) -> int:
        """Bytes that have gone to the store; what it had of a resumed upload is not among them."""
        ...

    def room(self) -> memoryview:
        """Lend a buffer for the next bytes, never empty; valid until the next call.

        What is read straight into it is not copied again. Waits for no other upload.

        Raises:
            InvalidInput: The object is larger than S3 allows.
        """
        ...

    def fill(self, size_bytes: int, *, after: Future[None] | None = None) -> None:
        """Take the first so many bytes of the room; waits while as many parts as allowed are on their way.

        Args:
            size_bytes: How many.
            after: Somebody else who reads these bytes: they are not sent, nor their buffer used for others, before that
                has ended, and the upload fails if it did. Whoever leaves or aborts the upload has waited for it.
        """
        ...

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes; the caller may reuse the buffer when this returns."""
        ...

    def complete(self) -> StoredObject:
        """Make the object appear, whole; again after success gives the same answer.

        There is no condition here: SeaweedFS lets two overlapping completions win. Large objects go to keys nobody else
        writes; what several may write is small and goes through `put`.

        Raises:
            StoreUnavailable: It is not certain whether the object appeared, or the upload was aborted by others.
        """
        ...

    def abort(self) -> None:
        """Leave nothing behind; harmless after `complete` or a second time."""
        ...

    def leave(self) -> None:
        """Stop, and let what has arrived stay where `resume_upload` finds it; nothing can be written any more."""
        ...


class ServerCopier(Protocol):
    """Tells a store to copy what was read from one landing zone; made by `ObjectStore.copier`, which proves it first.

    Every copy is on the condition that the source is still what was read, and takes over its bytes and nothing else: no
    metadata, tags, media type, storage class or rights. What the store refuses to copy it is sent. Whoever calls has
    read and digested all of the bytes; the verification after the commit reads the copy back like anything else.

    Keys are as `require_key` wants them. Every method raises `StoreUnavailable` as the store does. What writes, uploads
    included, raises `PreconditionFailed` when another object stands at the source's key now, or none, and
    `ChecksumMismatch` when the store says that the copy has another size or checksum than what was read; then it may be
    there, and must not be used.
    """

    least_bytes: int
    """What is smaller is better sent, since the requests of a copy take longer than its bytes; it can be copied too."""

    def put(self, key: str, body: bytes | memoryview, *, source: SourceObject) -> StoredObject:
        """Write a whole object that is held in memory."""
        ...

    def holds(self, key: str, body: bytes | memoryview) -> bool:
        """Tell whether the object at the key has the size of the body, and its checksum where the store tells one.

        For what an attempt before has copied: it may have been killed before it compared them.
        """
        ...

    def begin_upload(self, key: str, *, source: SourceObject) -> Upload:
        """Begin a large object whose bytes are those of the source, in their order.

        They are written as to any upload, so that they can be compared part by part, and not sent.
        """
        ...

    def resume_upload(self, key: str, *, source: SourceObject) -> Upload | None:
        """Go on with what somebody else began, by copying or by sending; None as of `ObjectStore.resume_upload`."""
        ...


class ObjectStore(Protocol):
    """One bucket of an S3 store. Keys are as `require_key` wants them, else `InvalidInput`.

    No key may be both an object and the folder of another (`a` beside `a/b`): some stores cannot keep both.

    Every method raises `StoreUnavailable` when the store does not answer or answers 5xx after its retries. A write that
    returned is durable and seen by every read that begins later. Safe to share between threads.
    """

    name: str
    """What receipts call this store."""
    bucket: str

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object; the store checks a checksum of the body.

        Raises:
            PreconditionFailed: The condition does not hold; nothing was written.
        """
        ...

    def begin_upload(self, key: str) -> Upload:
        """Begin a large object."""
        ...

    def resume_upload(self, key: str) -> Upload | None:
        """Go on with what somebody else began and left; None unless there is exactly one unfinished upload of the key.

        All bytes are written again from the first. A part that has arrived and has the same size and checksum is not
        sent again, and the whole is verified by the store in any case.
        """
        ...

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        """Read a whole small object. Raises `ObjectNotFound`."""
        ...

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read bytes `start` to before `end` in chunks; what lies beyond the object's end is not there.

        Raises:
            ObjectNotFound: Before the first chunk.
            StoreUnavailable: Also midway; what was given so far is right but not all.
        """
        ...

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key. Says nothing of its bytes."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give every object whose key begins with the prefix (any text, no folder), in the order of the keys' UTF-8."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are no error."""
        ...

    def unfinished_uploads(self, prefix: str, *, begun_before: datetime | None = None) -> Iterator[str]:
        """Give the keys of uploads that were begun below the prefix and neither completed nor aborted.

        Args:
            prefix: Any text.
            begun_before: Only those that were begun earlier, by the store's clock.
        """
        ...

    def abort_unfinished(self, prefix: str) -> None:
        """Abort every such upload below the prefix."""
        ...

    def copier(self, witness: Witness) -> ServerCopier:
        """Prove that this store copies from the landing zone of the witness, and give what tells it to.

        Proven once in the life of a process: the zone is in reach of this store's keys and is the very one that was
        read, a copy under the right ETag has its bytes, and under a wrong one nothing is copied; of whole objects and
        of parts. What was tried below `.cisterna-probe/` is removed.

        Raises:
            StoreForbids: Its keys may not read there.
            StoreLacks: It has no such bucket, or another one of that name, or does not keep the condition.
        """
        ...

    def probe(self) -> None:
        """Prove the guarantees the archive stands on, with keys below `.cisterna-probe/`, and leave nothing there.

        Raises:
            StoreUnfit: If-None-Match, If-Match, the rejection of a wrong checksum or read-after-write does not hold;
                the message says which.
        """
        ...
