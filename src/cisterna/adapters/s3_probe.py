"""Proves that a store has what the archive stands on, with real requests."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from cisterna.adapters.s3_bucket import S3Bucket, status_of
from cisterna.adapters.s3_checksum import crc64nvme, in_s3_form
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import CisternaError, ObjectNotFound, PreconditionFailed, StoreUnavailable, StoreUnfit
from cisterna.domain.probe_key import probe_key
from cisterna.ports.object_store import Condition, IfAbsent, IfMatch, ObjectStore

_LACKING = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
_RACERS = 4  # SeaweedFS lets each loser of a race wait a second for its lock


def probe_store(store: ObjectStore, bucket: S3Bucket) -> None:
    """Try each guarantee below `.cisterna-probe/` and clean up.

    Args:
        store: What is to be used.
        bucket: The same bucket, for requests the port does not have.

    Raises:
        StoreUnfit: The first guarantee that does not hold.
        StoreUnavailable: The store did not answer.
    """
    prefix = probe_key(SystemClock().new_id(), "store")
    try:
        try:
            _require_guarantees(store, bucket, prefix)
        except CisternaError:
            with suppress(CisternaError):  # what was found first is what is told
                _clean_up(store, prefix)
            raise
        _clean_up(store, prefix)
    except StoreUnavailable as error:
        if error.facts.get("answer") in _LACKING:
            raise _unfit(store, f"it lacks a request that the archive needs ({error})") from error
        raise


def _require_guarantees(store: ObjectStore, bucket: S3Bucket, prefix: str) -> None:
    _require_conditions(store, f"{prefix}-condition")
    _require_one_winner(store, f"{prefix}-race")
    _require_reads_after_writes(store, f"{prefix}-read")
    _require_checksums(bucket, f"{prefix}-checksum")
    _require_hidden_uploads(store, bucket, f"{prefix}-upload")


def _clean_up(store: ObjectStore, prefix: str) -> None:
    store.abort_unfinished(prefix)
    store.delete([one.key for one in store.list(prefix)])


def _require_conditions(store: ObjectStore, key: str) -> None:
    try:
        seen = store.put(key, b"1", condition=IfAbsent())
        _require_refusal(store, "If-None-Match", lambda: store.put(key, b"2", condition=IfAbsent()))
        now = store.put(key, b"2", condition=IfMatch(etag=seen.etag))
    except PreconditionFailed as error:  # Ceph 16 compares If-Match with its quotes
        raise _unfit(store, "it refuses a condition that holds") from error
    _require_refusal(store, "If-Match", lambda: store.put(key, b"3", condition=IfMatch(etag=seen.etag)))
    if store.get(key) != (b"2", now):
        raise _unfit(store, "a refused conditional write changed the object")


def _require_one_winner(store: ObjectStore, key: str) -> None:
    def race(name: str, condition: Condition) -> int:
        def run(number: int) -> bool:
            try:
                store.put(key, f"{name} {number}".encode(), condition=condition)
            except PreconditionFailed:
                return False
            return True

        with ThreadPoolExecutor(_RACERS) as pool:
            return sum(pool.map(run, range(_RACERS)))

    created = race("creation", IfAbsent())
    if created != 1:
        raise _unfit(store, f"If-None-Match let {created} of {_RACERS} writers win at once")
    seen = store.head(key)
    replaced = race("replacement", IfMatch(etag=seen.etag if seen else ""))
    if replaced != 1:
        raise _unfit(store, f"If-Match let {replaced} of {_RACERS} writers win at once")


def _require_reads_after_writes(store: ObjectStore, key: str) -> None:
    for number in range(5):
        body = b"%d" % number
        store.put(key, body)
        if store.get(key)[0] != body or [one.key for one in store.list(key)] != [key]:
            raise _unfit(store, "a read after a write does not see it")
    store.delete([key])
    try:
        store.get(key)
    except ObjectNotFound:
        return
    raise _unfit(store, "a read after a deletion still sees the object")


def _require_checksums(bucket: S3Bucket, key: str) -> None:
    """Send bodies with the checksum of other bytes: CRC64NVME is what we send, SHA-256 what others do."""
    sha256 = base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()
    wrong: Mapping[str, Any] = {"ChecksumSHA256": sha256, "ChecksumCRC64NVME": in_s3_form(crc64nvme(b"other bytes"))}
    for name, value in wrong.items():
        with bucket.translated(key):
            try:
                bucket.client_once.put_object(Bucket=bucket.bucket, Key=key, Body=b"bytes", **{name: value})
            except bucket.client.exceptions.ClientError as error:
                if not 400 <= status_of(error) < 500:
                    raise
                if bucket.head(key) is None:
                    continue
                msg = f"{bucket.name} kept an object whose checksum it refused; the archive cannot stand on it"
                raise StoreUnfit(msg, store=bucket.name) from error
        header = f"x-amz-checksum-{name.removeprefix('Checksum').lower()}"
        msg = f"{bucket.name} took bytes with a wrong {header}; the archive cannot stand on it"
        raise StoreUnfit(msg, store=bucket.name)


def _require_hidden_uploads(store: ObjectStore, bucket: S3Bucket, key: str) -> None:
    store.put(key, b"first")
    client = bucket.client_once
    with bucket.translated(key):
        upload_id = client.create_multipart_upload(Bucket=bucket.bucket, Key=key)["UploadId"]
        named: dict[str, Any] = {"Bucket": bucket.bucket, "Key": key, "UploadId": upload_id}
        part = client.upload_part(**named, PartNumber=1, Body=b"second")
        if store.get(key)[0] != b"first":
            raise _unfit(store, "an upload is seen before it is complete")
        client.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    if store.get(key)[0] != b"second":
        raise _unfit(store, "a completed upload is not seen by the next read")


def _require_refusal(store: ObjectStore, what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except PreconditionFailed:
        return
    raise _unfit(store, f"{what} does not hold")


def _unfit(store: ObjectStore, what: str) -> CisternaError:
    msg = f"{store.name} is unfit for an archive: {what}; use a store that keeps S3's conditional writes and checksums"
    return StoreUnfit(msg, store=store.name)
