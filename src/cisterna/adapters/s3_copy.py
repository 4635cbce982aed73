"""Requests that let a store copy one object that was read, whole or a part, and what it says of the copy.

A copy is asked for under the ETag that was read (`x-amz-copy-source-if-match`), of the version that was read where the
bucket keeps versions. Its metadata and tags are replaced by none; the rest S3 never takes over. There is no condition
on the destination, as there is none for what is put there: its key is made from the digest of the bytes, or belongs to
one run alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from cisterna.adapters.s3_bucket import S3Bucket, code_of, status_of
from cisterna.adapters.s3_checksum import checksum_of, from_s3_form, in_s3_form
from cisterna.adapters.s3_part import Part
from cisterna.domain.errors import ChecksumMismatch, PreconditionFailed, StoreUnavailable
from cisterna.ports.object_store import SourceObject, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

T = TypeVar("T")

_CHANGED = frozenset({"412", "PreconditionFailed", "NoSuchKey", "NoSuchVersion"})


class CopyRefused(Exception):
    """The store will not copy that object, however often it is asked, though it may take its bytes.

    Attributes:
        store: What messages call it.
    """

    def __init__(self, store: str) -> None:
        super().__init__(f"{store} refused to copy")
        self.store = store


class S3CopySource:
    """One object that was read, for copies into a bucket of the same store.

    Both ways of copying raise `CopyRefused`, `PreconditionFailed` when the source is no longer what was read,
    `ChecksumMismatch` when the store says that the copy is not, and `StoreUnavailable`.

    Args:
        bucket: Where copies go; its keys must be allowed to read the source.
        source: What is copied, or nothing.
    """

    def __init__(self, bucket: S3Bucket, source: SourceObject) -> None:
        self._bucket = bucket
        self._source = source

    def copy_whole(self, key: str, body: bytes | memoryview) -> StoredObject:
        """Let the store copy it whole, and compare what it tells of the copy with the body that was read."""
        client, bucket = self._bucket.client, self._bucket.bucket
        self._ask(
            key,
            lambda: client.copy_object(
                Bucket=bucket,
                Key=key,
                CopySource=self._name(),
                CopySourceIfMatch=self._etag(),
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
                ChecksumAlgorithm="CRC64NVME",
            ),
        )
        return require_told(self._bucket, key, size_bytes=len(body), made=lambda name: checksum_of(body, name=name))

    def copy_part(self, key: str, upload_id: str, number: int, *, first: int, size_bytes: int, crc: int) -> Part:
        """Let the store copy some of its bytes as a part of an upload, and compare.

        Args:
            key: Of the upload.
            upload_id: Of the upload.
            number: Of the part.
            first: Offset of its first byte in the source.
            size_bytes: How many bytes.
            crc: Their CRC64NVME, as they were read.
        """
        client, bucket = self._bucket.client, self._bucket.bucket
        asked: Any = {} if size_bytes == self._source.size_bytes else {"CopySourceRange": _range(first, size_bytes)}
        answer: Any = self._ask(
            key,
            lambda: client.upload_part_copy(
                Bucket=bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource=self._name(),
                CopySourceIfMatch=self._etag(),
                **asked,
            ),
        )
        told = answer.get("CopyPartResult", {})
        if "ETag" not in told:
            msg = f"{self._bucket.name} answered a copy of a part of {key} out of form; is it the object store?"
            raise StoreUnavailable(msg, store=self._bucket.name, key=key)
        found = from_s3_form(told.get("ChecksumCRC64NVME"))
        if found is not None and found != crc:
            raise _other_bytes(self._bucket, key, f"a CRC64NVME {in_s3_form(found)}", in_s3_form(crc))
        return Part(number, size_bytes, crc, told["ETag"])

    def _name(self) -> CopySourceTypeDef:
        named: CopySourceTypeDef = {"Bucket": self._source.bucket, "Key": self._source.key}
        if self._source.version_id is not None:
            named["VersionId"] = self._source.version_id
        return named

    def _etag(self) -> str:
        return f'"{self._source.etag}"'

    def _ask(self, key: str, act: Callable[[], T]) -> T:
        with self._bucket.translated(key):
            try:
                return act()
            except self._bucket.client.exceptions.ClientError as error:
                if code_of(error) in _CHANGED:
                    source = f"{self._source.bucket}/{self._source.key}"
                    msg = f"{source} is no longer the object that was read, so it was not copied to {key}"
                    raise PreconditionFailed(msg, key=key, source=source) from error
                if 400 <= status_of(error) < 500 or status_of(error) == 501:
                    raise CopyRefused(self._bucket.name) from error
                raise


def _range(first: int, size_bytes: int) -> str:
    """Name some bytes; AWS takes no range of what is smaller than 5 MB, so all of an object goes without."""
    return f"bytes={first}-{first + size_bytes - 1}"


def require_told(bucket: S3Bucket, key: str, *, size_bytes: int, made: Callable[[str], str | None]) -> StoredObject:
    """Compare a copy as `told_of` does, one that must be there.

    Raises:
        ChecksumMismatch: As there.
        StoreUnavailable: The store said that it had copied, and nothing is there.
    """
    found = told_of(bucket, key, size_bytes=size_bytes, made=made)
    if found is None:
        msg = f"{bucket.name} said that it had copied {key}, and nothing is there; try again later"
        raise StoreUnavailable(msg, store=bucket.name, key=key)
    return found


def told_of(bucket: S3Bucket, key: str, *, size_bytes: int, made: Callable[[str], str | None]) -> StoredObject | None:
    """Give an object if what the store tells of it is what was read; None if nothing has the key.

    Args:
        bucket: Where it lies.
        key: Its key.
        size_bytes: That were read.
        made: Gives a checksum of them by boto's name, or None for one that nobody made.

    Raises:
        ChecksumMismatch: Its size or a checksum is another.
    """
    found = bucket.told(key)
    if found is None:
        return None
    stored, told = found
    if stored.size_bytes != size_bytes:
        raise _other_bytes(bucket, key, f"{stored.size_bytes} bytes", f"{size_bytes} bytes")
    for name, text in told.items():
        expected = made(name)
        if expected is not None and expected != text:
            raise _other_bytes(bucket, key, f"a {name.removeprefix('Checksum')} {text}", expected)
    return stored


def _other_bytes(bucket: S3Bucket, key: str, found: str, expected: str) -> ChecksumMismatch:
    msg = (
        f"{bucket.name} says that its copy at {key} has {found}, and what was read has {expected}: one of the two is "
        "damaged, and the copy is not used; look at the store, then reprocess the acquisition"
    )
    return ChecksumMismatch(msg, key=key, expected=expected, found=found)
