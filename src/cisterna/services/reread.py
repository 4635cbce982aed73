"""Reads content back from the archive and digests it: the only proof that it is there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cisterna.domain.delivered import Tally
from cisterna.domain.errors import NotReadableNow, ObjectNotFound, StoreUnavailable
from cisterna.ports.object_store import ObjectStore
from cisterna.services.crew import work_through


@dataclass(frozen=True, slots=True)
class Reread:
    """One content file as it was read back.

    Attributes:
        sha512: Of the bytes that came; None when they could not be read.
        is_missing: Whether the store has no such file, which is damage and not a failure to look.
        problem: Why it could not be read.
        is_frozen: Whether it lies in a storage class that it must be restored from first: no word on its bytes.
        digests: Further ones that were asked for, by algorithm.
    """

    content_path: str
    sha512: str | None = None
    size_bytes: int = 0
    is_missing: bool = False
    problem: str | None = None
    is_frozen: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)


def reread(
    content_paths: Iterable[str],
    *,
    object_root: str,
    store: ObjectStore,
    readers: int,
    gather: bool,
    also: Mapping[str, Iterable[str]] | None = None,
    taken: Callable[[bytes], object] | None = None,
) -> dict[str, Reread]:
    """Read each file once, several at a time, by GET and never by what the store says of it.

    Args:
        content_paths: Relative to the object's root.
        object_root: Of the object.
        store: The archive.
        readers: Threads.
        gather: Whether a file that cannot be read is a result; otherwise it ends the reading.
        also: Algorithms by content path in which the same bytes are digested besides.
        taken: Given each chunk when it was digested, from several threads.

    Raises:
        StoreUnavailable: Unless failures are gathered.
    """
    results: dict[str, Reread] = {}

    def look_at(path: str) -> None:
        try:
            tally = Tally((also or {}).get(path, ()))

            def pass_on(chunk: bytes) -> None:
                tally.update(chunk)
                if taken is not None:
                    taken(chunk)

            read = read_back(path, object_root=object_root, store=store, taken=pass_on)
            results[path] = replace(read, digests=tally.found)
        except StoreUnavailable as failure:
            if not gather:
                raise
            results[path] = Reread(path, problem=str(failure), is_frozen=isinstance(failure, NotReadableNow))

    work_through(content_paths, lambda: look_at, workers=readers, stop=threading.Event())
    return results


def read_back(
    content_path: str, *, object_root: str, store: ObjectStore, taken: Callable[[bytes], object] | None
) -> Reread:
    """Read one file; each chunk is digested and then given on. Raises `StoreUnavailable`."""
    digest, size_bytes = hashlib.sha512(), 0
    try:
        for chunk in store.stream(f"{object_root}/{content_path}"):
            digest.update(chunk)
            size_bytes += len(chunk)
            if taken is not None:
                taken(chunk)
    except ObjectNotFound:
        return Reread(content_path, is_missing=True)
    return Reread(content_path, sha512=digest.hexdigest(), size_bytes=size_bytes)
