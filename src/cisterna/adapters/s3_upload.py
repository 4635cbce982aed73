"""A large object on its way to S3: parts in parallel, memory bounded, one completion."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from cisterna.adapters.s3_access import WRITE_MARK, write_once
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.domain.errors import InvalidInput, StoreUnavailable
from cisterna.ports.object_store import StoredObject

PART_BYTES = 8 * 1024 * 1024
"""Size of the first thousand parts; each further thousand is larger by as much again."""
_PARTS = 10_000
_PARTS_OF_A_SIZE = 1_000


class S3Upload:
    """Implements `ports.object_store.Upload`; for one thread at a time.

    Nothing is sent before the first part is full: what is smaller is put whole on `complete`. At most `in_flight` parts
    and the one being filled are in memory. Parts grow, so that 10,000 of them hold 430 GiB.

    Args:
        bucket: Where it goes.
        key: Its key.
        senders: Threads that send parts, shared with other uploads.
        in_flight: Parts of this upload on their way at once.
    """

    def __init__(self, bucket: S3Bucket, key: str, *, senders: ThreadPoolExecutor, in_flight: int) -> None:
        self._bucket = bucket
        self._key = key
        self._senders = senders
        self._free = threading.Semaphore(in_flight)
        self._buffer = bytearray()
        self._sent: list[Future[dict[str, Any]]] = []
        self._sent_bytes = 0
        self._mark = uuid.uuid4().hex
        self._upload_id: str | None = None
        self._done: StoredObject | None = None
        self._is_aborted = False

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes; waits while as many parts as allowed are on their way."""
        self._require_open()
        rest = memoryview(chunk).cast("B")
        while rest:
            room = self._part_bytes - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]
            if len(self._buffer) == self._part_bytes:
                self._send()

    def complete(self) -> StoredObject:
        """Make the object appear."""
        if self._done is not None:
            return self._done
        self._require_open()
        if self._upload_id is not None and self._buffer:
            self._send()
        parts = [one.result() for one in self._sent]

        def attempt() -> StoredObject:
            with self._bucket.translated_once(self._key):
                return self._put_whole() if self._upload_id is None else self._join(parts)

        landed, patience = self._landed, self._bucket.patience
        self._done = write_once(attempt, landed=landed, patience=patience, key=self._key)
        self._buffer = bytearray()
        return self._done

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._done is not None or self._is_aborted:
            return
        for one in self._sent:
            one.cancel()
        for one in self._sent:
            if not one.cancelled():
                one.exception()  # a part that arrives after the abort would stay for ever
        if self._upload_id is not None:
            self._bucket.abort_upload(self._key, self._upload_id)
        self._is_aborted = True
        self._sent, self._buffer = [], bytearray()

    @property
    def _part_bytes(self) -> int:
        return PART_BYTES * (1 + len(self._sent) // _PARTS_OF_A_SIZE)

    def _require_open(self) -> None:
        if self._is_aborted or self._done is not None:
            state = "aborted" if self._is_aborted else "complete"
            raise StoreUnavailable(f"the upload of {self._key} is {state}; begin another", key=self._key)

    def _send(self) -> None:
        if len(self._sent) == _PARTS:
            raise InvalidInput(f"{self._key} is larger than {self._sent_bytes} bytes, the most an upload takes")
        if self._upload_id is None:
            self._begin()
        for one in self._sent:
            if one.done():
                one.result()  # a part that failed ends the upload at once
        self._free.acquire()
        body, self._buffer = self._buffer, bytearray()
        self._sent_bytes += len(body)
        number = len(self._sent) + 1
        part = self._senders.submit(self._send_part, number, body)
        part.add_done_callback(lambda _: self._free.release())
        self._sent.append(part)

    def _begin(self) -> None:
        with self._bucket.translated(self._key):
            begun = self._bucket.client.create_multipart_upload(
                Bucket=self._bucket.bucket,
                Key=self._key,
                ChecksumAlgorithm="CRC32",
                Metadata={WRITE_MARK: self._mark},
            )
        self._upload_id = begun["UploadId"]

    def _send_part(self, number: int, body: bytearray) -> dict[str, Any]:
        with self._bucket.translated(self._key):
            answer = self._bucket.client.upload_part(
                Bucket=self._bucket.bucket,
                Key=self._key,
                UploadId=str(self._upload_id),
                PartNumber=number,
                Body=body,  # type: ignore[arg-type]  # boto takes a bytearray, its stubs do not
                ChecksumAlgorithm="CRC32",
            )
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumCRC32" in answer:
            part["ChecksumCRC32"] = answer["ChecksumCRC32"]
        return part

    def _put_whole(self) -> StoredObject:
        answer = self._bucket.client_once.put_object(
            Bucket=self._bucket.bucket,
            Key=self._key,
            Body=bytes(self._buffer),
            ChecksumAlgorithm="CRC32",
            Metadata={WRITE_MARK: self._mark},
        )
        return StoredObject(key=self._key, size_bytes=len(self._buffer), etag=answer["ETag"].strip('"'))

    def _join(self, parts: list[dict[str, Any]]) -> StoredObject:
        answer = self._bucket.client_once.complete_multipart_upload(
            Bucket=self._bucket.bucket,
            Key=self._key,
            UploadId=str(self._upload_id),
            MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]  # built above, with the store's answers
        )
        return StoredObject(key=self._key, size_bytes=self._sent_bytes, etag=answer["ETag"].strip('"'))

    def _landed(self) -> StoredObject | None:
        return self._bucket.marked(self._key, self._mark)
