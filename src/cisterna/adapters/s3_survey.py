"""Counts what a store holds of one object of the archive, with every version a bucket keeps of it, through boto3.

It sends requests that list and look, and none that deletes: whoever only shows what would go opens this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_bucket import S3Bucket, code_of, status_of
from cisterna.domain.erasure import require_object_root
from cisterna.domain.errors import StoreForbids
from cisterna.domain.ocfl import INVENTORY
from cisterna.ports.clock import Clock
from cisterna.ports.erasure import Content

_NO_LOCK = frozenset(
    {
        "NoSuchObjectLockConfiguration",
        "NoSuchObjectLegalHold",
        "ObjectLockConfigurationNotFoundError",
        "NoSuchKey",
        "NoSuchVersion",
        "404",
        "InvalidRequest",
        "NotImplemented",
        "MethodNotAllowed",
    }
)


class Stored(NamedTuple):
    """One version of a key, or a mark of its deletion."""

    key: str
    version_id: str
    is_latest: bool
    is_mark: bool
    size_bytes: int


def lies_at(key: str, place: str) -> bool:
    """Tell whether a key lies in a folder, whose name ends with a slash, or is the one key that is named in full."""
    return key.startswith(place) if place.endswith("/") else key == place


class S3Survey:
    """Implements `ports.erasure.Onlooker`.

    Args:
        access: Endpoint, and keys that may list versions (`s3:ListBucketVersions`); without, those are told as unseen.
        bucket: Its name.
        store: What receipts call the store.
        clock: Tells whether a lock has ended.
        patience: How long calls may take.
    """

    def __init__(
        self, access: S3Access, *, bucket: str, store: str, clock: Clock, patience: Patience | None = None
    ) -> None:
        self.store = store
        self._clock = clock
        self.bucket = bucket
        self._s3 = S3Bucket(access, bucket=bucket, name=store, patience=patience or Patience())

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    def look(self, object_root: str, *, pid: str) -> Content:
        """Count what is there."""
        require_object_root(object_root, pid=pid)
        prefix = f"{object_root}/"
        return self._content(prefix, lock=self._lock(f"{prefix}{INVENTORY}"))

    def _content(self, prefix: str, *, lock: str | None) -> Content:
        uploads = sum(1 for one in self._s3.uploads(prefix) if lies_at(one.key, prefix))
        try:
            every = list(self._versions(prefix))
        except StoreForbids as refusal:
            keys = list(self._keys(prefix))
            size = sum(size for _, size in keys)
            unseen = str(refusal) if self._keeps_versions() else None
            return Content(keys=len(keys), uploads=uploads, size_bytes=size, unseen=unseen, lock=lock)
        keys_now = sum(one.is_latest and not one.is_mark for one in every)
        return Content(
            keys=keys_now,
            replaced=len(every) - keys_now,
            uploads=uploads,
            size_bytes=sum(one.size_bytes for one in every),
            lock=lock,
        )

    def _versions(self, prefix: str) -> Iterator[Stored]:
        with self._translated("list versions", prefix):
            pages = self._s3.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                for kind in ("Versions", "DeleteMarkers"):
                    found: Any = page.get(kind, [])
                    for one in found:
                        if lies_at(one["Key"], prefix):
                            yield Stored(
                                one["Key"],
                                one["VersionId"],
                                bool(one["IsLatest"]),
                                kind == "DeleteMarkers",
                                one.get("Size", 0),
                            )

    def _keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self._translated("list", prefix):
            pages = self._s3.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                for one in page.get("Contents", []):
                    if lies_at(one["Key"], prefix):
                        yield one["Key"], one["Size"]

    def _keeps_versions(self) -> bool:
        """Tell whether the bucket has, or ever had, earlier versions; when that may not be asked, it may have."""
        try:
            with self._translated("read the versioning", self.bucket):
                return "Status" in self._s3.client.get_bucket_versioning(Bucket=self.bucket)
        except StoreForbids:
            return True

    def _lock(self, key: str) -> str | None:
        """Ask for a lock on one key; a store without locks has none, and one that may not be asked says so later."""
        client = self._s3.client
        hold = self._asked(client.get_object_legal_hold, key).get("LegalHold", {})
        if hold.get("Status") == "ON":
            return "a legal hold of the store is on"
        kept = self._asked(client.get_object_retention, key).get("Retention", {})
        until = kept.get("RetainUntilDate")
        if isinstance(until, datetime) and until > self._clock.now():
            return f"its object lock ({kept.get('Mode', '')}) ends {until:%Y-%m-%d %H:%M} UTC"
        return None

    def _asked(self, call: Any, key: str) -> dict[str, Any]:
        with self._s3.translated(key):
            try:
                answer: dict[str, Any] = call(Bucket=self.bucket, Key=key)
            except self._s3.client.exceptions.ClientError as error:
                if code_of(error) in _NO_LOCK or status_of(error) in {400, 403, 404, 405, 501}:
                    return {}
                raise
        return answer

    @contextmanager
    def _translated(self, what: str, prefix: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        with self._s3.translated(prefix):
            try:
                yield
            except ClientError as error:
                if status_of(error) == 403:
                    msg = f"these keys may not {what} in {self.store}: {self.bucket} answered {code_of(error)}"
                    raise StoreForbids(msg, store=self.store, bucket=self.bucket, answer=code_of(error)) from error
                raise
