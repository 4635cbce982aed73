"""A landing bucket in the session's SeaweedFS, to copy from."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.ports.object_store import SourceObject, Witness
from tests.store_fixtures import SHORT

pytest.register_assert_rewrite("cisterna.testing.server_copy_contract")


class S3Landing:
    """Implements `cisterna.testing.server_copy_contract.CopyLanding`; objects come with metadata of their own."""

    def __init__(self, bucket: S3Bucket) -> None:
        self.bucket = bucket
        self._witness: Witness | None = None

    def write(self, key: str, body: bytes) -> SourceObject:
        put = self.bucket.client.put_object(
            Bucket=self.bucket.bucket,
            Key=key,
            Body=body,
            ContentType="image/tiff",
            CacheControl="no-store",
            Metadata={"operator": "somebody"},
            Tagging="patient=42",
        )
        return self.seen(key, put, size_bytes=len(body))

    def write_in_parts(self, key: str, body: bytes, *, part_bytes: int) -> SourceObject:
        """Write as other tools upload: in parts, without checksums that the store would keep."""
        client, named = self.bucket.client, {"Bucket": self.bucket.bucket, "Key": key}
        upload_id = client.create_multipart_upload(**named)["UploadId"]
        parts = []
        for number, first in enumerate(range(0, len(body), part_bytes), start=1):
            piece = body[first : first + part_bytes]
            part = client.upload_part(**named, UploadId=upload_id, PartNumber=number, Body=piece)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        done = client.complete_multipart_upload(**named, UploadId=upload_id, MultipartUpload={"Parts": parts})
        return self.seen(key, done, size_bytes=len(body))

    def seen(self, key: str, answer: object, *, size_bytes: int) -> SourceObject:
        assert isinstance(answer, dict)
        return SourceObject(
            bucket=self.bucket.bucket,
            key=key,
            size_bytes=size_bytes,
            etag=answer["ETag"].strip('"'),
            version_id=answer.get("VersionId"),
        )

    def remove(self, key: str) -> None:
        self.bucket.client.delete_object(Bucket=self.bucket.bucket, Key=key)

    def witness(self) -> Witness:
        if self._witness is None:
            body = uuid.uuid4().hex.encode()
            self._witness = Witness(stored=self.write("squid-1/.cisterna-zone", body), body=body)
        return self._witness


@pytest.fixture(scope="session")
def landing(s3_endpoint: S3Access) -> Iterator[S3Landing]:
    """Give the session's landing bucket beside the archive's; keys in it are new for each test."""
    store = S3BotoStore(s3_endpoint, bucket=f"copy-landing-{os.getpid()}", patience=SHORT)
    store.create_bucket()
    bucket = S3Bucket(s3_endpoint, bucket=store.bucket, name=f"s3://{store.bucket}", patience=SHORT)
    yield S3Landing(bucket)
    bucket.close()
    store.delete_bucket()
    store.close()
