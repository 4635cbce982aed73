"""Proves that a store copies from a landing zone, and only what was read there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cisterna.adapters.s3_bucket import S3Bucket, status_of
from cisterna.adapters.s3_checksum import crc64nvme
from cisterna.adapters.s3_copy import CopyRefused, S3CopySource
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    ObjectNotFound,
    PreconditionFailed,
    StoreForbids,
    StoreLacks,
)
from cisterna.domain.probe_key import probe_key
from cisterna.ports.object_store import ObjectStore, Witness

_NO_ETAG = "0" * 32


def prove_copying(store: ObjectStore, bucket: S3Bucket, witness: Witness) -> None:
    """Try copies of whole objects and of parts below `.cisterna-probe/`, and clean up.

    Args:
        store: Where copies go.
        bucket: The same bucket, for requests the port does not have.
        witness: Lies in the landing zone.

    Raises:
        StoreForbids, StoreLacks: As `ports.object_store.ObjectStore.copier` says.
        StoreUnavailable: The store did not answer.
    """
    prefix = probe_key(SystemClock().new_id(), "copy")
    try:
        _Proof(store, bucket, witness).give(prefix)
    except CopyRefused as refusal:
        raise _refused(witness, refusal) from refusal
    finally:
        with suppress(CisternaError):  # what was found first is what is told; left-over probes are collected
            store.abort_unfinished(prefix)
            store.delete([one.key for one in store.list(prefix)])


class _Proof:
    """One witness, copied in every way that counts."""

    def __init__(self, store: ObjectStore, bucket: S3Bucket, witness: Witness) -> None:
        self._store = store
        self._bucket = bucket
        self._witness = witness
        self._right = S3CopySource(bucket, witness.stored)
        self._wrong = S3CopySource(bucket, witness.stored.model_copy(update={"etag": _NO_ETAG}))

    def give(self, prefix: str) -> None:
        """Raises what `prove_copying` does, and `CopyRefused`."""
        body = self._witness.body
        self._require_same(f"{prefix}-whole", lambda: self._right.copy_whole(f"{prefix}-whole", body))
        self._require_condition("a copy", lambda: self._wrong.copy_whole(f"{prefix}-wrong", body))
        if self._store.head(f"{prefix}-wrong") is not None:
            raise self._lacks("a copy that it refused is there")
        key = f"{prefix}-part"
        self._require_same(key, lambda: self._join(key))

    def _join(self, key: str) -> None:
        """Make an object of one part that is copied, after one that must not be."""
        client, body = self._bucket.client, self._witness.body
        with self._bucket.translated(key):
            begun = client.create_multipart_upload(
                Bucket=self._bucket.bucket, Key=key, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
            )
        upload_id = begun["UploadId"]
        where: Any = {"first": 0, "size_bytes": len(body), "crc": crc64nvme(body)}
        self._require_condition("a copied part", lambda: self._wrong.copy_part(key, upload_id, 1, **where))
        part = self._right.copy_part(key, upload_id, 1, **where)
        with self._bucket.translated(key):
            client.complete_multipart_upload(
                Bucket=self._bucket.bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part.etag}]},
            )

    def _require_same(self, key: str, act: Callable[[], object]) -> None:
        """Refuse what is not the witness: another bucket of that name holds another text, or none."""
        try:
            act()
            found, _ = self._store.get(key)
        except (PreconditionFailed, ChecksumMismatch, ObjectNotFound) as other:
            msg = f"what its keys see there is not what was read, or it refuses a condition that holds ({other})"
            raise self._lacks(msg) from other
        if found != self._witness.body:
            raise self._lacks("a copy has other bytes than its source")

    def _require_condition(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except PreconditionFailed:
            return
        raise self._lacks(f"{what} does not keep x-amz-copy-source-if-match, so it might be of other bytes")

    def _lacks(self, why: str) -> StoreLacks:
        return StoreLacks(_words(self._store.name, self._witness, why), store=self._store.name)


def _refused(witness: Witness, refusal: CopyRefused) -> CisternaError:
    """Say what a refusal means: keys that may not, or requests that are not known."""
    cause = refusal.__cause__
    status = status_of(cause) if isinstance(cause, Exception) else 0
    if status in {401, 403}:
        why = "its keys may not read there; give them s3:GetObject, and s3:GetObjectVersion where versions are kept"
        return StoreForbids(_words(refusal.store, witness, why), store=refusal.store)
    return StoreLacks(_words(refusal.store, witness, f"it refuses to ({cause})"), store=refusal.store)


def _words(store: str, witness: Witness, why: str) -> str:
    return f"{store} does not copy from s3://{witness.stored.bucket}: {why}"
