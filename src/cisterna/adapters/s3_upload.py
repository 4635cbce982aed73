"""A large object on its way to S3: parts in parallel from reused buffers, resumable, one completion."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from cisterna.adapters.s3_access import WRITE_MARK, write_once
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_checksum import crc64nvme, followed_by, from_s3_form, in_s3_form
from cisterna.adapters.s3_copy import CopyRefused, S3CopySource, require_told
from cisterna.adapters.s3_part import MOST_PARTS, Part, PartSenders, part_bytes
from cisterna.domain.errors import ChecksumMismatch, InvalidInput, StoreUnavailable
from cisterna.ports.object_store import StoredObject


class S3Upload:
    """Implements `ports.object_store.Upload`; for one thread at a time.

    Nothing is sent before the first part is full: what is smaller is put whole on `complete`. Parts grow, so that
    10,000 of them hold 859 GiB. The store verifies the CRC64NVME of each part, and of the whole when it is completed.

    Args:
        bucket: Where it goes.
        key: Its key.
        senders: Threads and buffers, shared with other uploads.
        upload_id: Of an upload to go on with.
        arrived: Its parts that the store has, by number: such a part is not sent again if it has the same checksum.
        source: An object that has these very bytes: the store copies each part from it instead of being sent it.
    """

    def __init__(
        self,
        bucket: S3Bucket,
        key: str,
        *,
        senders: PartSenders,
        upload_id: str | None = None,
        arrived: Mapping[int, Part] | None = None,
        source: S3CopySource | None = None,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._senders = senders
        self._upload_id = upload_id
        self._arrived = dict(arrived or {})
        self._source = source
        self._is_resumed = upload_id is not None
        self._mark = uuid.uuid4().hex
        self._buffer: bytearray | None = None
        self._after: list[Future[None]] = []
        self._filled = 0
        self._parts: list[Future[Part]] = []
        self._size_bytes = 0
        self._sent_bytes = 0
        self._lock = threading.Lock()
        self._done: StoredObject | None = None
        self._ended: str | None = None

    @property
    def sent_bytes(self) -> int:
        """Bytes that went to the store."""
        return self._sent_bytes

    def room(self) -> memoryview:
        """Lend the rest of the buffer of the present part."""
        self._require_open()
        if self._buffer is None:
            number = len(self._parts) + 1
            if number > MOST_PARTS:
                raise InvalidInput(f"{self._key} is larger than {self._size_bytes} bytes, the most an upload takes")
            self._buffer, self._filled = self._senders.lend(part_bytes(number)), 0
        return memoryview(self._buffer)[self._filled :]

    def fill(self, size_bytes: int, *, after: Future[None] | None = None) -> None:
        """Take what was put into the room; a full part is sent, after a wait while too many are on their way."""
        if after is not None:
            self._after.append(after)
        self._filled += size_bytes
        self._size_bytes += size_bytes
        if self._buffer is not None and self._filled == len(self._buffer):
            self._send()

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes, by copying them."""
        rest = memoryview(chunk).cast("B")
        while rest:
            room = self.room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            self.fill(count)
            rest = rest[count:]

    def complete(self) -> StoredObject:
        """Make the object appear."""
        if self._done is not None:
            return self._done
        self._require_open()
        if self._upload_id is not None and self._filled:
            self._send()
        parts = [one.result() for one in self._parts]
        if self._upload_id is not None and not parts:
            parts = [self._send_part(1, bytearray(), 0)]
        whole = 0
        for part in parts:
            whole = followed_by(whole, part.crc or 0, second_bytes=part.size_bytes)

        def attempt() -> StoredObject:
            with self._bucket.translated_once(self._key):
                return self._put_whole() if self._upload_id is None else self._join(parts, whole)

        patience = self._bucket.patience
        done = write_once(attempt, landed=lambda: self._landed(whole), patience=patience, key=self._key)
        if self._source is not None and parts:
            made = {"ChecksumCRC64NVME": in_s3_form(whole)}
            require_told(self._bucket, self._key, size_bytes=self._size_bytes, made=made.get)
        self._done = done
        self._ended = "complete"
        self._release()
        return self._done

    def abort(self) -> None:
        """Leave nothing behind."""
        if self._done is not None or self._ended == "aborted":
            return
        self.leave()
        if self._upload_id is not None:
            self._bucket.abort_upload(self._key, self._upload_id)
        self._ended = "aborted"

    def leave(self) -> None:
        """Stop sending, and let what has arrived stay for whoever resumes the upload."""
        self._ended = self._ended or "left"
        for one in self._parts:
            one.cancel()
        for one in self._parts:
            if not one.cancelled():
                one.exception()  # a part that arrives after an abort would stay for ever
        self._release()

    def _release(self) -> None:
        if self._buffer is not None:
            self._senders.take_back(self._buffer)
        self._buffer, self._filled, self._after, self._parts = None, 0, [], []

    def _require_open(self) -> None:
        if self._ended is not None:
            raise StoreUnavailable(f"the upload of {self._key} is {self._ended}; begin another", key=self._key)

    def _send(self) -> None:
        if self._buffer is None:
            return
        if self._upload_id is None:
            self._begin()
        for one in self._parts:
            if one.done():
                one.result()  # a part that failed ends the upload at once
        buffer, filled, after, number = self._buffer, self._filled, self._after, len(self._parts) + 1
        first = self._size_bytes - filled
        self._buffer, self._filled, self._after = None, 0, []
        self._parts.append(self._senders.send(lambda: self._bring_part(number, first, buffer, filled, after), buffer))

    def _begin(self) -> None:
        with self._bucket.translated(self._key):
            begun = self._bucket.client.create_multipart_upload(
                Bucket=self._bucket.bucket,
                Key=self._key,
                ChecksumAlgorithm="CRC64NVME",
                ChecksumType="FULL_OBJECT",
                Metadata={WRITE_MARK: self._mark},
            )
        self._upload_id = begun["UploadId"]

    def _bring_part(
        self, number: int, first: int, buffer: bytearray, filled: int, after: Iterable[Future[None]]
    ) -> Part:
        """See that the store has a part: it has already, or copies it, or is sent it."""
        for one in after:
            one.result()
        body = buffer if filled == len(buffer) else buffer[:filled]
        crc = crc64nvme(body)
        there = self._arrived.get(number)
        if there is not None and there.has(body, crc=crc):
            return Part(number, filled, crc, there.etag)
        if self._source is not None and filled:
            with suppress(CopyRefused):
                return self._source.copy_part(
                    self._key, str(self._upload_id), number, first=first, size_bytes=filled, crc=crc
                )
        return self._send_part(number, body, crc)

    def _send_part(self, number: int, body: bytearray, crc: int) -> Part:
        with self._bucket.translated(self._key):
            answer = self._bucket.client.upload_part(
                Bucket=self._bucket.bucket,
                Key=self._key,
                UploadId=str(self._upload_id),
                PartNumber=number,
                Body=body,  # type: ignore[arg-type]  # boto takes a bytearray, its stubs do not
                ChecksumCRC64NVME=in_s3_form(crc),
            )
        with self._lock:
            self._sent_bytes += len(body)
        return Part(number, len(body), crc, answer["ETag"])

    def _put_whole(self) -> StoredObject:
        for one in self._after:
            one.result()
        body = bytes(self._buffer[: self._filled]) if self._buffer is not None else b""
        if self._source is not None and body:
            with suppress(CopyRefused):
                return self._source.copy_whole(self._key, body)
        answer = self._bucket.client_once.put_object(
            Bucket=self._bucket.bucket,
            Key=self._key,
            Body=body,
            ChecksumCRC64NVME=in_s3_form(crc64nvme(body)),
            Metadata={WRITE_MARK: self._mark},
        )
        self._sent_bytes += len(body)
        return StoredObject(key=self._key, size_bytes=len(body), etag=answer["ETag"].strip('"'))

    def _join(self, parts: list[Part], whole: int) -> StoredObject:
        named: list[Any] = [
            {"PartNumber": one.number, "ETag": one.etag, "ChecksumCRC64NVME": in_s3_form(one.crc or 0)} for one in parts
        ]
        answer = self._bucket.client_once.complete_multipart_upload(
            Bucket=self._bucket.bucket,
            Key=self._key,
            UploadId=str(self._upload_id),
            MultipartUpload={"Parts": named},
            ChecksumCRC64NVME=in_s3_form(whole),
            ChecksumType="FULL_OBJECT",
            MpuObjectSize=self._size_bytes,
        )
        told = from_s3_form(answer.get("ChecksumCRC64NVME"))
        if told is not None and told != whole:
            msg = f"{self._bucket.name} made {self._key} of other bytes than were sent; look at the store"
            raise ChecksumMismatch(msg, key=self._key, expected=in_s3_form(whole), found=in_s3_form(told))
        return StoredObject(key=self._key, size_bytes=self._size_bytes, etag=answer["ETag"].strip('"'))

    def _landed(self, whole: int) -> StoredObject | None:
        """Find our object when the answer was lost; who resumed an upload does not know its mark, only its bytes."""
        if not self._is_resumed:
            return self._bucket.marked(self._key, self._mark)
        return self._bucket.with_checksum(self._key, size_bytes=self._size_bytes, crc=in_s3_form(whole))


def resume_upload(
    bucket: S3Bucket, key: str, *, senders: PartSenders, source: S3CopySource | None = None
) -> S3Upload | None:
    """Go on with the unfinished upload of a key; None unless there is exactly one. The rest as `S3Upload` has it."""
    found = [one.upload_id for one in bucket.uploads(key) if one.key == key]
    if len(found) != 1:
        return None
    arrived = bucket.parts(key, found[0])
    if arrived is None:
        return None
    return S3Upload(bucket, key, senders=senders, upload_id=found[0], arrived=arrived, source=source)
