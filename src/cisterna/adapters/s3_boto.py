"""The object store over boto3: the control path, and every promise of the port on its own.

`s3_obstore` carries small objects at an eighth of the CPU; uploads of large objects, unfinished uploads, buckets and
the probe are done here, where each request can be shaped.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from cisterna.adapters.s3_access import WRITE_MARK, Patience, S3Access, in_key_order, require_range, write_once
from cisterna.adapters.s3_bucket import S3Bucket, condition_headers, status_of
from cisterna.adapters.s3_checksum import crc64nvme, in_s3_form
from cisterna.adapters.s3_copier import S3Copier
from cisterna.adapters.s3_copy_probe import prove_copying
from cisterna.adapters.s3_part import PartSenders
from cisterna.adapters.s3_probe import probe_store
from cisterna.adapters.s3_upload import S3Upload, resume_upload
from cisterna.domain.errors import StoreUnavailable
from cisterna.ports.object_store import Condition, ObjectStore, SourceObject, StoredObject, Witness, require_key

_CHUNK_BYTES = 1024 * 1024
_DELETE_AT_ONCE = 1000


class S3BotoStore:
    """Implements `ports.object_store.ObjectStore`; safe to share between threads.

    Args:
        access: Endpoint and credentials.
        bucket: The bucket, which exists.
        name: What receipts call the store; by default its endpoint and bucket.
        patience: How long calls may take.
        parallel_parts: Parts that are sent at once, of all uploads together.
    """

    def __init__(
        self,
        access: S3Access,
        *,
        bucket: str,
        name: str | None = None,
        patience: Patience | None = None,
        parallel_parts: int = 4,
    ) -> None:
        self.bucket = bucket
        self.name = name or f"{access.endpoint}/{bucket}"
        self._bucket = S3Bucket(access, bucket=bucket, name=self.name, patience=patience or Patience())
        self._senders = PartSenders(parallel_parts)
        self._proven: set[SourceObject] = set()
        """Witnesses of landing zones that the store was seen to copy from."""
        self._proof = threading.Lock()

    def close(self) -> None:
        """Close connections and threads; uploads that go on fail."""
        self._senders.close()
        self._bucket.close()

    def create_bucket(self) -> None:
        """Create the bucket; harmless when it is there and we may use it."""
        with self._bucket.translated(""):
            errors = self._bucket.client.exceptions
            try:
                self._bucket.client.create_bucket(Bucket=self.bucket)
            except (errors.BucketAlreadyOwnedByYou, errors.BucketAlreadyExists):
                self._bucket.client.head_bucket(Bucket=self.bucket)

    def delete_bucket(self) -> None:
        """Delete the bucket, which must be empty on most stores (SeaweedFS deletes what is in it)."""
        with self._bucket.translated(""):
            self._bucket.client.delete_bucket(Bucket=self.bucket)

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object."""
        require_key(key)
        sent: dict[str, Any] = {
            "Bucket": self.bucket,
            "Key": key,
            "Body": (sending := bytes(body)),
            "ChecksumCRC64NVME": in_s3_form(crc64nvme(sending)),
            **({"ContentType": content_type} if content_type else {}),
        }
        if condition is None:
            with self._bucket.translated(key):
                return _written(self._bucket.client.put_object(**sent), sent)
        mark = uuid.uuid4().hex
        sent |= {"Metadata": {WRITE_MARK: mark}, **condition_headers(condition)}

        def attempt() -> StoredObject:
            with self._bucket.translated_once(key):
                return _written(self._bucket.client_once.put_object(**sent), sent)

        bucket = self._bucket
        return write_once(attempt, landed=lambda: bucket.marked(key, mark), patience=bucket.patience, key=key)

    def begin_upload(self, key: str) -> S3Upload:
        """Begin a large object: parts go up in parallel, less than one part is put whole on `complete`."""
        require_key(key)
        return S3Upload(self._bucket, key, senders=self._senders)

    def resume_upload(self, key: str) -> S3Upload | None:
        """Go on with the unfinished upload of that key, if there is exactly one."""
        require_key(key)
        return resume_upload(self._bucket, key, senders=self._senders)

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        """Read a whole object."""
        require_key(key)
        with self._bucket.translated(key):
            answer = self._bucket.client.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                content = body.read()
        return content, StoredObject(key=key, size_bytes=len(content), etag=answer["ETag"].strip('"'))

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read bytes `start` to before `end`, 1 MiB at a time."""
        require_key(key)
        require_range(key, start=start, end=end)
        if end is not None and end <= start:
            if self._bucket.head(key) is None:
                raise self._bucket.absent(key)
            return
        named: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
        if start or end is not None:
            named["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        with self._bucket.translated(key):
            try:
                answer = self._bucket.client.get_object(**named)
            except self._bucket.client.exceptions.ClientError as error:
                if status_of(error) == 416:  # it begins beyond the object's end
                    return
                raise
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(_CHUNK_BYTES)

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key."""
        require_key(key)
        return self._bucket.head(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give objects by prefix, in key order."""
        return in_key_order(self._pages(prefix), prefix=prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, 1,000 a request."""
        wanted = iter(keys)
        while batch := list(itertools.islice(wanted, _DELETE_AT_ONCE)):
            for key in batch:
                require_key(key)
            named = [{"Key": key} for key in batch]
            with self._bucket.translated(batch[0]):
                answer: Any = self._bucket.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": named, "Quiet": True},  # type: ignore[typeddict-item]
                )
            if failures := answer.get("Errors"):
                msg = f"{self.name} did not delete {len(failures)} objects, the first {failures[0]}; try again later"
                raise StoreUnavailable(msg, store=self.name, keys=[one.get("Key") for one in failures])

    def unfinished_uploads(self, prefix: str, *, begun_before: datetime | None = None) -> Iterator[str]:
        """Give the keys of uploads that were begun and neither completed nor aborted."""
        return (one.key for one in self._bucket.uploads(prefix) if begun_before is None or one.begun_at < begun_before)

    def abort_unfinished(self, prefix: str) -> None:
        """Abort every such upload below the prefix."""
        for one in list(self._bucket.uploads(prefix)):
            self._bucket.abort_upload(one.key, one.upload_id)

    def probe(self) -> None:
        """Prove conditions, checksums and read-after-write against the store itself."""
        self.probe_through(self)

    def probe_through(self, store: ObjectStore) -> None:
        """Prove the same of a store that uses this one for its control."""
        probe_store(store, self._bucket)

    def copier(self, witness: Witness) -> S3Copier:
        """Prove that the store copies from the zone of the witness."""
        return self.copier_through(self.put, witness)

    def copier_through(self, put: Callable[[str, bytes | memoryview], StoredObject], witness: Witness) -> S3Copier:
        """Give one that sends what the store will not copy as another does that uses this one for its control."""
        with self._proof:
            if witness.stored not in self._proven:
                prove_copying(self, self._bucket, witness)
                self._proven.add(witness.stored)
        return S3Copier(self._bucket, senders=self._senders, put=put)

    def _pages(self, prefix: str) -> Iterator[StoredObject]:
        with self._bucket.translated(prefix):
            for page in self._bucket.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            ):
                for one in page.get("Contents", []):
                    yield StoredObject(key=one["Key"], size_bytes=one["Size"], etag=one["ETag"].strip('"'))


def _written(answer: Any, sent: dict[str, Any]) -> StoredObject:
    return StoredObject(key=sent["Key"], size_bytes=len(sent["Body"]), etag=answer["ETag"].strip('"'))
