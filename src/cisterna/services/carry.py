"""Carries one file from a store to another: what arrives has the digest on record, or nothing arrives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cisterna.domain.errors import ChecksumMismatch, ObjectNotFound, PreconditionFailed
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore, StoredObject

WHOLE_BYTES = 16 * 1024 * 1024
"""Files up to this size go through memory and are written under a condition; larger ones go up in parts."""


def carry_file(
    key: str,
    *,
    sha512: str,
    source: ObjectStore,
    target: ObjectStore,
    replace: bool = False,
    taken: Callable[[bytes], object] | None = None,
) -> bool:
    """Copy one file; tell whether it was written.

    A large file cannot be written under a condition (see `ports.object_store.Upload`). It is completed only when all of
    its bytes were digested and the key still is what was seen; should somebody write it in that moment, it is replaced
    by bytes with the digest that the inventory names for this key, and no others belong there. What has arrived of one
    that was cut short is not sent again.

    Args:
        key: The same in both stores.
        sha512: What its bytes must be.
        source: Is read by GET.
        target: Is written.
        replace: Whether to put it in the place of what is there; otherwise a key that is there is left as it is.
        taken: Given each chunk that was read.

    Raises:
        ObjectNotFound: The source does not have it.
        ChecksumMismatch: The source has other bytes; nothing was written.
        PreconditionFailed: Another object came into its place meanwhile.
        StoreUnavailable: One of the stores did not answer.
    """
    seen = target.head(key)
    if seen is not None and not replace:
        return False
    found = source.head(key)
    if found is None:
        msg = f"{source.name} has no object {key}"
        raise ObjectNotFound(msg, store=source.name, key=key)
    if found.size_bytes <= WHOLE_BYTES:
        return _carry_whole(key, sha512, seen, source=source, target=target, taken=taken)
    return _carry_in_parts(key, sha512, seen, source=source, target=target, taken=taken)


def _carry_whole(
    key: str,
    sha512: str,
    seen: StoredObject | None,
    *,
    source: ObjectStore,
    target: ObjectStore,
    taken: Callable[[bytes], object] | None,
) -> bool:
    body, _ = source.get(key)
    if taken is not None:
        taken(body)
    _require_digest(key, hashlib.sha512(body).hexdigest(), sha512, source=source)
    try:
        target.put(key, body, condition=IfMatch(etag=seen.etag) if seen else IfAbsent())
    except PreconditionFailed:
        if seen is not None:
            raise
        return False  # another attempt at the same copy put it there
    return True


def _carry_in_parts(
    key: str,
    sha512: str,
    seen: StoredObject | None,
    *,
    source: ObjectStore,
    target: ObjectStore,
    taken: Callable[[bytes], object] | None,
) -> bool:
    digest, upload = hashlib.sha512(), target.resume_upload(key) or target.begin_upload(key)
    try:
        for chunk in source.stream(key):
            digest.update(chunk)
            upload.write(chunk)
            if taken is not None:
                taken(chunk)
        _require_digest(key, digest.hexdigest(), sha512, source=source)
        _require_seen(key, seen, target=target)
        upload.complete()
    except (ChecksumMismatch, PreconditionFailed):
        upload.abort()
        raise
    except BaseException:
        upload.leave()
        raise
    return True


def _require_digest(key: str, found: str, wanted: str, *, source: ObjectStore) -> None:
    if found != wanted:
        msg = f"{source.name} has other bytes for {key} than the inventory says; run `cisterna check` on that store"
        raise ChecksumMismatch(msg, store=source.name, key=key)


def _require_seen(key: str, seen: StoredObject | None, *, target: ObjectStore) -> None:
    now = target.head(key)
    if (now.etag if now else None) != (seen.etag if seen else None):
        msg = f"{key} in {target.name} is no longer what was seen; look again"
        raise PreconditionFailed(msg, key=key)
