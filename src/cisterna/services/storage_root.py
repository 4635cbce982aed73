"""Writes the small files of a storage root and of its objects; a second writer finds what it would write."""

from __future__ import annotations

from contextlib import suppress

from cisterna.domain.errors import Conflict, PreconditionFailed, StoreUnavailable
from cisterna.domain.ocfl import ROOT_DECLARATION, storage_root_files
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.services.held_object import read_optional


def ensure_storage_root(store: ObjectStore) -> None:
    """Write the storage root's own files once; the declaration is the last, so it tells that all are there."""
    if store.head(ROOT_DECLARATION) is not None:
        return
    for key, body in storage_root_files().items():
        put_exactly(key, body, store=store)


def mend_storage_root(store: ObjectStore) -> list[str]:
    """Write those of the storage root's own files anew that are missing or cannot be read, and name them.

    They are the same in every store of ours. One that says something else is left as it is: it may be another
    archive's. A store that does not answer is left alone.
    """
    mended = []
    for key, body in storage_root_files().items():
        try:
            if read_optional(key, store=store) is not None:
                continue
        except StoreUnavailable:
            pass  # HEAD tells a file that cannot be given from a store that does not answer
        with suppress(StoreUnavailable, PreconditionFailed):
            seen = store.head(key)
            store.put(key, body, condition=IfMatch(etag=seen.etag) if seen else IfAbsent())
            mended.append(key)
    return mended


def put_exactly(key: str, body: bytes, *, store: ObjectStore) -> None:
    """Write a small file unless it is there with these very bytes; other bytes are a dead attempt's and are replaced.

    Raises:
        Conflict: Somebody writes other bytes to it again and again.
    """
    condition: IfAbsent | IfMatch = IfAbsent()
    for _ in range(3):
        try:
            store.put(key, body, condition=condition)
        except PreconditionFailed:
            found = read_optional(key, store=store)
            if found is not None and found[0] == body:
                return
            condition = IfMatch(etag=found[1]) if found else IfAbsent()
        else:
            return
    msg = f"somebody else keeps writing {key}; look for a second Cisterna on this archive"
    raise Conflict(msg, key=key)
