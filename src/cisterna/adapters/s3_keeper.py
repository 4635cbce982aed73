"""S3 legal hold, object lock, tags that lifecycle rules move objects by, and asking for them back, through boto3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from cisterna.adapters.s3_access import FROZEN, Patience, S3Access
from cisterna.adapters.s3_bucket import S3Bucket, code_of, status_of
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import ObjectNotFound, StoreForbids, StoreLacks, StoreUnavailable
from cisterna.domain.probe_key import probe_key
from cisterna.domain.retention import LockMode
from cisterna.domain.thaw import Reach, ThawSpeed
from cisterna.ports.protection import Enforcement, Kept, KeptObject

TIER_TAG = "cisterna-tier"
_RULE = "cisterna-tier-"
_LACKING = frozenset({"NotImplemented", "XNotImplemented", "MethodNotAllowed", "InvalidRequest", "InvalidBucketState"})
_FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled"})
_NO_VERSION = frozenset({"NoSuchVersion", "InvalidVersionId"})
_NOTHING_SET = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchLifecycleConfiguration", "NoSuchBucketLock"})
_TAGS_MOST = 10
_COMING = frozenset({"RestoreAlreadyInProgress", FROZEN})
"""S3 refuses to bring back what it brings already, and what is not far; neither is to be asked for."""
_BUSY = frozenset({"GlacierExpeditedRetrievalNotAvailable", "SlowDown", "ServiceUnavailable"})
_EXPIRY = re.compile(r'expiry-date="([^"]{1,80})"')


def tier_rule_name(storage_class: str) -> str:
    """Name our lifecycle rule that moves what is marked for a storage class."""
    return f"{_RULE}{storage_class}"


class S3ObjectKeeper:
    """Implements `ports.protection.ObjectKeeper`.

    Args:
        access: Endpoint, and keys that may hold and lock.
        bucket: Its name.
        store: What receipts call the store.
        patience: How long calls may take.
    """

    def __init__(self, access: S3Access, *, bucket: str, store: str, patience: Patience | None = None) -> None:
        self.store = store
        self._bucket = bucket
        self._s3 = S3Bucket(access, bucket=bucket, name=store, patience=patience or Patience())

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    def can_keep(self) -> bool:
        """Tell whether the bucket has object lock."""
        found = self._setting("read its object lock", "get_object_lock_configuration")
        return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def enforcement(self) -> Enforcement:
        """Hold an object of ours, try to delete it, lift the hold, and delete it."""
        return self._enforcement

    def objects(self, prefix: str) -> Iterator[KeptObject]:
        """Give every version; deletion marks are none."""
        pages = self._s3.client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        with self._translated("list versions", prefix):
            for page in pages:
                for one in page.get("Versions", []):
                    yield KeptObject(key=one["Key"], version=one.get("VersionId") or "null")

    def kept(self, one: KeptObject) -> Kept:
        """Ask by one HEAD; a store leaves out what it does not keep."""
        with self._translated("look at a hold", one.key):
            said = self._s3.client.head_object(Bucket=self._bucket, Key=one.key, VersionId=one.version)
        mode, until = said.get("ObjectLockMode"), said.get("ObjectLockRetainUntilDate")
        return Kept(
            legal_hold=said.get("ObjectLockLegalHoldStatus") == "ON",
            lock=LockMode(mode) if mode in set(LockMode) else None,
            lock_until=until.astimezone(UTC) if until is not None else None,
        )

    def set_legal_hold(self, one: KeptObject, *, on: bool) -> None:
        """Set it."""
        with self._translated("set a legal hold", one.key):
            self._s3.client.put_object_legal_hold(
                Bucket=self._bucket,
                Key=one.key,
                VersionId=one.version,
                LegalHold={"Status": "ON" if on else "OFF"},
            )

    def lock(self, one: KeptObject, *, mode: LockMode, until: datetime) -> None:
        """Set it; the right to shorten is never used."""
        with self._translated("lock an object", one.key):
            self._s3.client.put_object_retention(
                Bucket=self._bucket,
                Key=one.key,
                VersionId=one.version,
                Retention={"Mode": mode.value, "RetainUntilDate": until},
            )

    def moves_to(self, storage_class: str) -> bool:
        """Look for our rule of that class."""
        rules = self._setting("read its lifecycle rules", "get_bucket_lifecycle_configuration").get("Rules", [])
        return any(one.get("ID") == tier_rule_name(storage_class) and one.get("Status") == "Enabled" for one in rules)

    def mark_for(self, key: str, storage_class: str) -> None:
        """Set our tag beside those of others."""
        others = [one for one in self._tags(key) if one["Key"] != TIER_TAG]
        if len(others) >= _TAGS_MOST:
            msg = f"{key} has {len(others)} tags of others and cannot be marked for {storage_class}"
            raise StoreLacks(msg, store=self.store, key=key)
        self._set_tags(key, [*others, {"Key": TIER_TAG, "Value": storage_class}])

    def unmark(self, key: str) -> None:
        """Leave the tags of others; to delete all tags would be a right of its own."""
        self._set_tags(key, [one for one in self._tags(key) if one["Key"] != TIER_TAG])

    def marked_for(self, key: str) -> str | None:
        """Read our tag."""
        return next((one["Value"] for one in self._tags(key) if one["Key"] == TIER_TAG), None)

    def reach(self, key: str) -> Reach:
        """Get the first byte; S3 answers `InvalidObjectState` for what is far, and a HEAD tells the rest."""
        client = self._s3.client
        with self._translated("read an object", key):
            try:
                got: Any = client.get_object(Bucket=self._bucket, Key=key, Range="bytes=0-0")
            except client.exceptions.ClientError as error:
                if status_of(error) == 416:  # it has no byte
                    return Reach(is_readable=True)
                if code_of(error) != FROZEN:
                    raise
            else:
                got["Body"].close()
                return Reach(
                    is_readable=True,
                    storage_class=got.get("StorageClass"),
                    readable_until=_expiry(got.get("Restore", "")),
                )
            said: Any = client.head_object(Bucket=self._bucket, Key=key)
        is_coming = 'ongoing-request="true"' in said.get("Restore", "")
        where = said.get("ArchiveStatus") or said.get("StorageClass")
        return Reach(is_readable=False, is_coming=is_coming, storage_class=where)

    def thaw(self, key: str, *, days: int, speed: ThawSpeed) -> None:
        """Send RestoreObject."""
        client = self._s3.client
        asked: Any = {"Days": days, "GlacierJobParameters": {"Tier": speed.value.capitalize()}}
        with self._translated("bring an object back (RestoreObject)", key):
            try:
                client.restore_object(Bucket=self._bucket, Key=key, RestoreRequest=asked)
            except client.exceptions.ClientError as error:
                if code_of(error) in _COMING:
                    return
                if code_of(error) in _BUSY:
                    msg = f"{self.store} cannot bring '{key}' back so fast now ({code_of(error)}); ask again, or slower"
                    raise StoreUnavailable(msg, store=self.store, key=key, answer=code_of(error)) from error
                raise

    @cached_property
    def _enforcement(self) -> Enforcement:
        key = probe_key(SystemClock().new_id(), "hold")
        client = self._s3.client
        with self._translated("try a legal hold", key):
            version = client.put_object(Bucket=self._bucket, Key=key, Body=b"held").get("VersionId") or "null"
        one = KeptObject(key=key, version=version)
        self.set_legal_hold(one, on=True)
        is_refused = not self._deletes(one)
        self.set_legal_hold(one, on=False) if is_refused else None
        gives_way = is_refused and self._deletes(one)
        if is_refused and not gives_way:
            with self._translated("remove what was tried", key):
                client.delete_object(Bucket=self._bucket, Key=key)
            return Enforcement.UNTRIED
        return Enforcement.REFUSED if is_refused else Enforcement.NONE

    def _deletes(self, one: KeptObject) -> bool:
        """Try to delete a version of an object that this process made itself a moment ago."""
        with self._s3.translated(one.key):
            try:
                self._s3.client.delete_object(Bucket=self._bucket, Key=one.key, VersionId=one.version)
            except self._s3.client.exceptions.ClientError as error:
                if status_of(error) in {400, 403, 409}:
                    return False
                raise
        return True

    def _tags(self, key: str) -> list[dict[str, str]]:
        with self._translated("read tags", key):
            found: Any = self._s3.client.get_object_tagging(Bucket=self._bucket, Key=key).get("TagSet", [])
        return list(found)

    def _set_tags(self, key: str, tags: Any) -> None:
        with self._translated("tag an object", key):
            self._s3.client.put_object_tagging(Bucket=self._bucket, Key=key, Tagging={"TagSet": tags})

    def _setting(self, what: str, call: str) -> dict[str, Any]:
        with self._translated(what, ""):
            try:
                answer: dict[str, Any] = getattr(self._s3.client, call)(Bucket=self._bucket)
            except self._s3.client.exceptions.ClientError as error:
                if code_of(error) in _NOTHING_SET:
                    return {}
                raise
        return answer

    @contextmanager
    def _translated(self, what: str, key: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        with self._s3.translated(key):
            try:
                yield
            except ClientError as error:
                code, status = code_of(error), status_of(error)
                facts = {"store": self.store, "bucket": self._bucket, "key": key, "answer": code}
                if code in _NO_VERSION or status == 404:
                    raise ObjectNotFound(f"{self.store} has no object {key} any more", **facts) from error
                if code in _FORBIDDEN or status == 403:
                    msg = f"these keys may not {what} in {self.store}: it answered {code or status} for '{key}'"
                    raise StoreForbids(msg, **facts) from error
                if code in _LACKING or status in {400, 405, 501}:
                    msg = f"{self.store} cannot {what}: it answered {code or status} for '{key}'"
                    raise StoreLacks(msg, **facts) from error
                raise


def _expiry(restore: str) -> datetime | None:
    """Read until when a copy stays from S3's header; None where it says nothing that is a date."""
    found = _EXPIRY.search(restore)
    try:
        return parsedate_to_datetime(found[1]).astimezone(UTC) if found else None
    except ValueError:
        return None
