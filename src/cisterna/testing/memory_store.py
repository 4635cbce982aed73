"""An object store in memory that keeps real state and fails when told to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    InvalidInput,
    ObjectNotFound,
    PreconditionFailed,
    StoreForbids,
    StoreLacks,
    StoreUnavailable,
    StoreUnfit,
)
from cisterna.ports.object_store import Condition, IfAbsent, IfMatch, SourceObject, StoredObject, Witness, require_key

READS = frozenset({"get", "stream", "head", "list", "unfinished_uploads", "copier", "holds"})
WRITES = frozenset(
    {"put", "begin_upload", "resume_upload", "write", "copy", "complete", "abort", "delete", "abort_unfinished"}
)
_CHUNK_BYTES = 1024 * 1024


@dataclass
class Fault:
    """A failure that waits for its call.

    Attributes:
        methods: Names of the port's methods it applies to; `complete` and `abort` are the upload's, and so is `write`,
            which stands for each part that is sent; `copy`, of a whole object or a part, and `holds` are the copier's.
        nth: Which matching call fails, counted from 1 from the moment the fault was set.
        times: How many calls in a row fail from then on.
        after: Fail once the call has taken effect (its response is lost); a stream breaks halfway.
        key_ends: Only calls on keys with this ending match.
        seen: Matching calls so far.
        fired: How often it failed a call.
    """

    methods: frozenset[str]
    nth: int
    times: int
    after: bool
    key_ends: str
    error: BaseException
    seen: int = 0
    fired: int = 0

    def is_due(self, method: str, key: str) -> bool:
        """Count a call and tell whether it is to fail."""
        if method not in self.methods or not key.endswith(self.key_ends):
            return False
        self.seen += 1
        if self.nth <= self.seen < self.nth + self.times:
            self.fired += 1
            return True
        return False


@dataclass
class _Kept:
    body: bytes
    etag: str
    content_type: str | None = None
    is_unreadable: bool = False


@dataclass
class _Begun:
    key: str
    begun_at: datetime
    parts: dict[int, bytes] = field(default_factory=dict)


class ReachedBucket(Protocol):
    """A bucket that lies in the same store, such as a `MemoryZone`."""

    def object_at(self, key: str) -> tuple[SourceObject, bytes] | None:
        """Give an object, or None where none is."""
        ...


@dataclass
class _Call:
    breaks: BaseException | None = None


@dataclass
class _Delay:
    methods: frozenset[str]
    seconds: float


@dataclass
class MemoryStore:
    """Implements `ports.object_store.ObjectStore`; safe to share between threads.

    Attributes:
        part_bytes: Size of the parts of uploads.
        calls: How often each method was called, by name.
        reaches: Buckets beside its own that it may copy from, by name.
        refuses_copies: Whether it copies nothing any more, though it was seen to.
        spoils_copies: Whether copies come out damaged, which their checksums tell.
    """

    name: str = "memory"
    bucket: str = "memory"
    part_bytes: int = 8 * 1024 * 1024
    calls: Counter[str] = field(default_factory=Counter)
    reaches: dict[str, ReachedBucket] = field(default_factory=dict)
    refuses_copies: bool = False
    spoils_copies: bool = False
    _objects: dict[str, _Kept] = field(default_factory=dict)
    _uploads: dict[int, _Begun] = field(default_factory=dict)
    _faults: list[Fault] = field(default_factory=list)
    _delays: list[_Delay] = field(default_factory=list)
    _unfit: str | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _begun: int = 0

    def fail_on(
        self,
        methods: str | Collection[str],
        *,
        nth: int = 1,
        times: int = 1,
        after: bool = False,
        key_ends: str = "",
        error: BaseException | None = None,
    ) -> Fault:
        """Make the nth matching call fail, before or after it takes effect, and return the fault to look at.

        Args:
            methods: One name, or several such as `WRITES`.
            nth: Counted from 1, from now.
            times: How many calls in a row fail.
            after: Whether the call takes effect and only its response is lost.
            key_ends: Only calls on keys with this ending count.
            error: What is raised; a `StoreUnavailable` by default, a `KeyboardInterrupt` to play a kill.
        """
        names = frozenset({methods} if isinstance(methods, str) else methods)
        if not names <= READS | WRITES:
            raise InvalidInput(f"no such methods to fail: {sorted(names - READS - WRITES)}")
        default = StoreUnavailable(f"the fault set on {sorted(names)} struck; try again later")
        fault = Fault(names, nth, times, after, key_ends, error or default)
        with self._lock:
            self._faults.append(fault)
        return fault

    def slow_down(self, methods: str | Collection[str], *, seconds: float) -> None:
        """Make every such call take that much longer."""
        names = frozenset({methods} if isinstance(methods, str) else methods)
        with self._lock:
            self._delays.append(_Delay(names, seconds))

    def heal(self) -> None:
        """Forget every fault and delay; flipped bytes stay flipped."""
        with self._lock:
            self._faults.clear()
            self._delays.clear()
            self._unfit = None
            for kept in self._objects.values():
                kept.is_unreadable = False

    def flip_byte(self, key: str, *, position: int = 0) -> None:
        """Change one stored byte as a bad disk would: the ETag and the size stay what they were."""
        with self._lock:
            kept = self._require(key)
            body = bytearray(kept.body)
            body[position] ^= 0xFF
            kept.body = bytes(body)

    def make_unreadable(self, key: str) -> None:
        """Let reads of the object fail while `head` and `list` still say that all is well, as SeaweedFS does."""
        with self._lock:
            self._require(key).is_unreadable = True

    def make_unfit(self, reason: str) -> None:
        """Let `probe` refuse the store."""
        self._unfit = reason

    def content_type(self, key: str) -> str | None:
        """Tell which media type the object was given. Raises `ObjectNotFound`."""
        with self._lock:
            return self._require(key).content_type

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object."""
        require_key(key)
        with self._call("put", key):
            self._require_condition(key, condition)
            return self._keep(key, bytes(body), content_type)

    def begin_upload(self, key: str) -> MemoryUpload:
        """Begin a large object."""
        require_key(key)
        with self._call("begin_upload", key):
            self._begun += 1
            self._uploads[self._begun] = _Begun(key, datetime.now(UTC))
            return MemoryUpload(self, self._begun, key)

    def resume_upload(self, key: str) -> MemoryUpload | None:
        """Go on with the unfinished upload of that key, if there is exactly one."""
        require_key(key)
        with self._call("resume_upload", key):
            found = [number for number, begun in self._uploads.items() if begun.key == key]
            return MemoryUpload(self, found[0], key) if len(found) == 1 else None

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        """Read a whole object."""
        require_key(key)
        with self._call("get", key):
            kept = self._readable(key)
            return kept.body, _describe(key, kept)

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read bytes `start` to before `end`, 1 MiB at a time."""
        require_key(key)
        if start < 0 or (end is not None and end < 0):
            raise InvalidInput(f"a range begins and ends at 0 or later, not {start} to {end}", key=key)
        with self._call("stream", key) as call:
            body = self._readable(key).body[start:end]
        return _chunks(body, breaks=call.breaks)

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key."""
        require_key(key)
        with self._call("head", key):
            kept = self._objects.get(key)
            return _describe(key, kept) if kept else None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give objects by prefix, in the order of the keys' UTF-8."""
        with self._call("list", prefix):
            found = [_describe(key, kept) for key, kept in self._objects.items() if key.startswith(prefix)]
        return iter(sorted(found, key=lambda one: one.key.encode("utf-8")))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, each as a call of its own that may fail."""
        for key in keys:
            require_key(key)
            with self._call("delete", key):
                self._objects.pop(key, None)

    def unfinished_uploads(self, prefix: str, *, begun_before: datetime | None = None) -> Iterator[str]:
        """Give the keys of uploads that were neither completed nor aborted."""
        with self._call("unfinished_uploads", prefix):
            going_on = (one for one in self._uploads.values() if begun_before is None or one.begun_at < begun_before)
            return iter(sorted(one.key for one in going_on if one.key.startswith(prefix)))

    def abort_unfinished(self, prefix: str) -> None:
        """Abort every such upload."""
        with self._call("abort_unfinished", prefix):
            for number in [one for one, begun in self._uploads.items() if begun.key.startswith(prefix)]:
                del self._uploads[number]

    def copier(self, witness: Witness) -> MemoryCopier:
        """Look at the witness; the conditions of copies this store keeps by construction."""
        with self._call("copier", witness.stored.key):
            bucket = self.reaches.get(witness.stored.bucket)
            if bucket is None:
                raise StoreForbids(
                    f"{self.name} may not read {witness.stored.bucket}; give it the right", store=self.name
                )
            if bucket.object_at(witness.stored.key) != (witness.stored, witness.body):
                raise StoreLacks(f"{self.name} has another bucket {witness.stored.bucket}", store=self.name)
        return MemoryCopier(self)

    def probe(self) -> None:
        """Refuse if told to by `make_unfit`; what else a probe proves, this store has by construction."""
        if self._unfit is not None:
            raise StoreUnfit(f"{self.name} is unfit for an archive: {self._unfit}", store=self.name)

    @contextmanager
    def _call(self, method: str, key: str) -> Iterator[_Call]:
        with self._lock:
            self.calls[method] += 1
            seconds = sum(one.seconds for one in self._delays if method in one.methods)
            due = [fault for fault in self._faults if fault.is_due(method, key)]
        if seconds:
            time.sleep(seconds)
        for fault in due:
            if not fault.after:
                raise fault.error
        lost = due[0].error if due else None
        call = _Call(breaks=lost if method == "stream" else None)
        try:
            with self._lock:
                yield call
        except CisternaError as refusal:
            if lost is not None:
                raise lost from refusal  # a lost response hides a refusal too
            raise
        if lost is not None and call.breaks is None:
            raise lost

    def _require(self, key: str) -> _Kept:
        kept = self._objects.get(key)
        if kept is None:
            raise ObjectNotFound(f"{self.name} has no object {key}", store=self.name, key=key)
        return kept

    def _readable(self, key: str) -> _Kept:
        kept = self._require(key)
        if kept.is_unreadable:
            raise StoreUnavailable(f"{self.name} cannot read {key}; its disk is damaged", store=self.name, key=key)
        return kept

    def _require_condition(self, key: str, condition: Condition | None) -> None:
        found = self._objects.get(key)
        match condition:
            case IfAbsent() if found is not None:
                raise PreconditionFailed(f"{key} exists already", key=key, found=found.etag)
            case IfMatch(etag=etag) if found is None or found.etag != etag:
                msg = f"{key} is no longer what was seen"
                raise PreconditionFailed(msg, key=key, expected=etag, found=found.etag if found else None)
            case _:
                return

    def _keep(self, key: str, body: bytes, content_type: str | None) -> StoredObject:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        kept = _Kept(body, etag, content_type)
        self._objects[key] = kept
        return _describe(key, kept)

    def _complete(self, number: int, key: str, count: int) -> StoredObject:
        with self._call("complete", key):
            parts = self._parts(number, key)
            if missing := [one for one in range(1, count + 1) if one not in parts]:
                raise StoreUnavailable(f"part {missing[0]} of {key} has not arrived; send it", key=key)
            del self._uploads[number]
            return self._keep(key, b"".join(parts[one] for one in range(1, count + 1)), None)

    def _abort(self, number: int, key: str) -> None:
        with self._call("abort", key):
            self._uploads.pop(number, None)

    def _copied(self, key: str, *, source: SourceObject, first: int = 0, end: int | None = None) -> bytes:
        """Give what is at the source; whoever keeps it compares it with what was read."""
        bucket = self.reaches.get(source.bucket)
        found = bucket.object_at(source.key) if bucket else None
        if found is None or found[0] != source:
            raise PreconditionFailed(f"{source.key} is no longer the object that was read", key=key)
        piece = found[1][first:end]
        return bytes([piece[0] ^ 0xFF]) + piece[1:] if self.spoils_copies else piece

    def _require_copy(self, key: str, copy: bytes, body: bytes) -> None:
        if copy != body:
            raise ChecksumMismatch(f"the copy at {key} has other bytes than were read; read it again", key=key)

    def _send(
        self, number: int, key: str, part: int, body: bytes, *, source: SourceObject | None = None, first: int = 0
    ) -> bool:
        """Keep a part, and tell whether it had to be sent."""
        with self._lock:
            if number in self._uploads and self._uploads[number].parts.get(part) == body:
                return False
        if source is not None and not self.refuses_copies:
            with self._call("copy", key):
                copy = self._copied(key, source=source, first=first, end=first + len(body))
                self._parts(number, key)[part] = copy
                self._require_copy(key, copy, body)
            return False
        with self._call("write", key):
            self._parts(number, key)[part] = body
        return True

    def _parts(self, number: int, key: str) -> dict[int, bytes]:
        if number not in self._uploads:
            raise StoreUnavailable(f"the upload of {key} was aborted; begin it anew", key=key)
        return self._uploads[number].parts


class MemoryUpload:
    """Implements `ports.object_store.Upload`; with a source, parts are copied from it."""

    def __init__(self, store: MemoryStore, number: int, key: str, *, source: SourceObject | None = None) -> None:
        self._source = source
        self._store = store
        self.number = number
        self._key = key
        self._buffer = bytearray(store.part_bytes)
        self._filled = 0
        self._count = 0
        self._sent_bytes = 0
        self._brought_bytes = 0
        self._done: StoredObject | None = None
        self._is_left = False

    @property
    def sent_bytes(self) -> int:
        """Bytes that went to the store."""
        return self._sent_bytes

    def room(self) -> memoryview:
        """Lend the rest of the present part."""
        if self._is_left or self._done is not None:
            raise StoreUnavailable(f"the upload of {self._key} is over; begin another", key=self._key)
        return memoryview(self._buffer)[self._filled :]

    def fill(self, size_bytes: int, *, after: Future[None] | None = None) -> None:
        """Take what was put into the room, once nobody else reads it."""
        if after is not None:
            after.result()
        self._filled += size_bytes
        if self._filled == len(self._buffer):
            self._send()

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        rest = memoryview(chunk).cast("B")
        while rest:
            room = self.room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            self.fill(count)
            rest = rest[count:]

    def complete(self) -> StoredObject:
        """Make the object appear."""
        if self._done is None:
            self.room()
            if self._filled:
                self._send()
            self._done = self._store._complete(self.number, self._key, self._count)  # noqa: SLF001 - one thing in two classes
        return self._done

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._done is None:
            self._store._abort(self.number, self._key)  # noqa: SLF001
            self._is_left = True

    def leave(self) -> None:
        """Let what has arrived stay."""
        self._is_left = True

    def _send(self) -> None:
        body, part = bytes(self._buffer[: self._filled]), self._count + 1
        first, self._brought_bytes = self._brought_bytes, self._brought_bytes + len(body)
        if self._store._send(self.number, self._key, part, body, source=self._source, first=first):  # noqa: SLF001
            self._sent_bytes += len(body)
        self._count, self._filled = part, 0


class MemoryCopier:
    """Implements `ports.object_store.ServerCopier`; copies whatever is not empty."""

    least_bytes = 1

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(self, key: str, body: bytes | memoryview, *, source: SourceObject) -> StoredObject:
        """Copy a whole object, or put it where the store refuses to."""
        require_key(key)
        store, content = self._store, bytes(body)
        if store.refuses_copies or not content:
            return store.put(key, content)
        with store._call("copy", key):  # noqa: SLF001 - one thing in three classes
            copy = store._copied(key, source=source)  # noqa: SLF001
            kept = store._keep(key, copy, None)  # noqa: SLF001
            store._require_copy(key, copy, content)  # noqa: SLF001
        return kept

    def holds(self, key: str, body: bytes | memoryview) -> bool:
        """Compare the ETag that was made when the object was written."""
        require_key(key)
        with self._store._call("holds", key):  # noqa: SLF001
            kept = self._store._objects.get(key)  # noqa: SLF001
            return kept is not None and kept.etag == hashlib.md5(body, usedforsecurity=False).hexdigest()

    def begin_upload(self, key: str, *, source: SourceObject) -> MemoryUpload:
        """Begin a large object whose parts are copied."""
        begun = self._store.begin_upload(key)
        return MemoryUpload(self._store, begun.number, key, source=source)

    def resume_upload(self, key: str, *, source: SourceObject) -> MemoryUpload | None:
        """Go on with what somebody else began."""
        found = self._store.resume_upload(key)
        return found and MemoryUpload(self._store, found.number, key, source=source)


def _describe(key: str, kept: _Kept) -> StoredObject:
    return StoredObject(key=key, size_bytes=len(kept.body), etag=kept.etag)


def _chunks(body: bytes, *, breaks: BaseException | None) -> Iterator[bytes]:
    given = body[: len(body) // 2] if breaks else body
    for offset in range(0, len(given), _CHUNK_BYTES):
        yield given[offset : offset + _CHUNK_BYTES]
    if breaks is not None:
        raise breaks
