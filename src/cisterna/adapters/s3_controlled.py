"""What the stores whose bulk goes through another library leave to boto3."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime

from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_copier import S3Copier
from cisterna.adapters.s3_upload import S3Upload
from cisterna.ports.object_store import Condition, StoredObject, Witness


class S3Controlled(ABC):
    """One half of a store: its bucket, and large uploads, which have an id and can be resumed, listed and aborted.

    Args:
        access: Endpoint and credentials.
        bucket: The bucket, which exists.
        name: What receipts call the store; by default its endpoint and bucket.
        patience: How long calls may take.
        parallel_parts: Parts of large uploads on their way at once.
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
        self._patience = patience or Patience()
        self.control = S3BotoStore(
            access, bucket=bucket, name=name, patience=self._patience, parallel_parts=parallel_parts
        )
        self.name = self.control.name
        self._open(access)

    def close(self) -> None:
        """Close connections and threads; uploads that go on fail."""
        self.control.close()

    def create_bucket(self) -> None:
        """Create the bucket; harmless when it is there and we may use it."""
        self.control.create_bucket()

    def begin_upload(self, key: str) -> S3Upload:
        """Begin a large object."""
        return self.control.begin_upload(key)

    def resume_upload(self, key: str) -> S3Upload | None:
        """Go on with the unfinished upload of that key, if there is exactly one."""
        return self.control.resume_upload(key)

    def unfinished_uploads(self, prefix: str, *, begun_before: datetime | None = None) -> Iterator[str]:
        """Give the keys of uploads that were begun and neither completed nor aborted."""
        return self.control.unfinished_uploads(prefix, begun_before=begun_before)

    def abort_unfinished(self, prefix: str) -> None:
        """Abort every such upload below the prefix."""
        self.control.abort_unfinished(prefix)

    def copier(self, witness: Witness) -> S3Copier:
        """Prove that the store copies from the zone of the witness; what it will not copy goes by this one's `put`."""
        return self.control.copier_through(self.put, witness)

    @abstractmethod
    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object."""

    @abstractmethod
    def _open(self, access: S3Access) -> None:
        """Open what everything else goes through."""
