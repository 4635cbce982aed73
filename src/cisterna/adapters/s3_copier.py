"""Copies within one S3 store, from a landing bucket into the archive's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_checksum import checksum_of
from cisterna.adapters.s3_copy import CopyRefused, S3CopySource, told_of
from cisterna.adapters.s3_part import PART_BYTES, PartSenders
from cisterna.adapters.s3_upload import S3Upload, resume_upload
from cisterna.domain.errors import ChecksumMismatch
from cisterna.ports.object_store import SourceObject, StoredObject, require_key

LEAST_BYTES = 256 * 1024
"""A copy takes one request more than a put, and boto3's take milliseconds of processor time: for 32 KiB twice as long.

With 20 ms to the store and 100 Mbit/s, a second request takes as long as 250 kB do.
"""


class S3Copier:
    """Implements `ports.object_store.ServerCopier`; safe to share between threads.

    What is larger than one part is copied part by part: the store then compares the CRC64NVME of each part and of the
    whole, several are copied at once, and no request takes long. S3 copies no more than 5 GiB in one.

    Args:
        bucket: Where copies go.
        senders: Threads and buffers, shared with uploads.
        put: Sends a whole object.
    """

    least_bytes = LEAST_BYTES

    def __init__(
        self,
        bucket: S3Bucket,
        *,
        senders: PartSenders,
        put: Callable[[str, bytes | memoryview], StoredObject],
    ) -> None:
        self._bucket = bucket
        self._senders = senders
        self._put = put

    def put(self, key: str, body: bytes | memoryview, *, source: SourceObject) -> StoredObject:
        """Copy a whole object; an empty one is put, which is one request where a copy is two."""
        require_key(key)
        if len(body) == 0:
            return self._put(key, body)
        if len(body) > PART_BYTES:
            return self._by_parts(key, body, source)
        try:
            return S3CopySource(self._bucket, source).copy_whole(key, body)
        except CopyRefused:
            return self._put(key, body)

    def holds(self, key: str, body: bytes | memoryview) -> bool:
        """Compare what the store tells of an object with the body."""
        require_key(key)
        with suppress(ChecksumMismatch):
            found = told_of(self._bucket, key, size_bytes=len(body), made=lambda name: checksum_of(body, name=name))
            return found is not None
        return False

    def begin_upload(self, key: str, *, source: SourceObject) -> S3Upload:
        """Begin a large object whose parts are copied."""
        require_key(key)
        return S3Upload(self._bucket, key, senders=self._senders, source=S3CopySource(self._bucket, source))

    def resume_upload(self, key: str, *, source: SourceObject) -> S3Upload | None:
        """Go on with the unfinished upload of that key, if there is exactly one, by copying."""
        require_key(key)
        return resume_upload(self._bucket, key, senders=self._senders, source=S3CopySource(self._bucket, source))

    def _by_parts(self, key: str, body: bytes | memoryview, source: SourceObject) -> StoredObject:
        upload = self.begin_upload(key, source=source)
        try:
            upload.write(body)
            return upload.complete()
        except BaseException:
            upload.leave()  # the next attempt aborts it: its key is no name of an upload that can be taken up
            raise
