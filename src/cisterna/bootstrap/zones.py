"""The landing zones of one process: folders on this machine, and prefixes of the buckets that the settings name."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.share_folder import ShareFolder
from cisterna.bootstrap.stores import Stores
from cisterna.domain.errors import InvalidInput, NotReady, SettingsInvalid
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.instrument import Identity, Instrument
from cisterna.domain.stored_copy import ARCHIVE
from cisterna.ports.hint import HintSource
from cisterna.ports.source import LandingZone
from cisterna.settings import Settings, SourceBucket

if TYPE_CHECKING:
    from cisterna.adapters.landing_bucket import LandingBucket
    from cisterna.adapters.s3_access import S3Access
    from cisterna.adapters.s3_bucket import S3Bucket


class Zones:
    """Opens landing zones by their paths; a bucket is connected to once.

    Args:
        settings: Name the buckets, with their keys.
        stores: Those of the archive, which are never landing zones.
        stack: Closes what was opened.
    """

    def __init__(self, settings: Settings, *, stores: Stores, stack: contextlib.ExitStack) -> None:
        self._buckets = {one.bucket: one for one in settings.landing.buckets}
        self._stores = stores
        self._stack = stack
        self._opened: dict[str, S3Bucket] = {}

    def open(self, path: str, *, declared: Identity | None = None) -> LandingZone:
        """Open a landing zone, and with a declared identity no other one that stands in its place.

        Raises:
            SettingsInvalid: It lies in a bucket that the settings do not name, or in one of the archive's own.
        """
        if path.startswith(BUCKET_SCHEME):
            return self._in_bucket(path, declared)
        return LandingFolder(path, declared=declared)

    def share(self, path: str, *, declared: Identity | None = None) -> ShareFolder:
        """Open a share that is taken in where it lies; it is a folder of this machine."""
        return ShareFolder(path, declared=declared)

    def mark(self, path: str) -> None:
        """Put the sentinel into a landing zone that lies in a bucket; a folder needs none."""
        if path.startswith(BUCKET_SCHEME):
            self._in_bucket(path, None).mark()

    def listen(self, instrument: Instrument, wake: threading.Event) -> HintSource | None:
        """Listen for what a store tells of a landing zone; None for folders, and where the settings do not ask for it.

        Args:
            instrument: Whose zone it is.
            wake: Set when something may have changed.
        """
        from cisterna.adapters.bucket_hint import BucketHint

        name, prefix = _split(instrument.path)
        found = self._buckets.get(name) if instrument.path.startswith(BUCKET_SCHEME) else None
        if found is None or not found.listen:
            return None
        return BucketHint(access_of(found), bucket=name, prefix=prefix, wake=wake)

    def _in_bucket(self, path: str, declared: Identity | None) -> LandingBucket:
        from cisterna.adapters.landing_bucket import LandingBucket

        name, prefix = _split(path)
        if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
            msg = f"'{path}' is no place in a bucket; write s3://bucket/prefix with plain parts between single slashes"
            raise InvalidInput(msg, path=path)
        if name not in self._opened:
            self._opened[name] = self._connect(self._named(name, path))
        is_copied = self._is_copied(self._buckets[name])
        return LandingBucket(self._opened[name], prefix=prefix, declared=declared, is_copied=is_copied)

    def _is_copied(self, found: SourceBucket) -> bool:
        """Tell whether to ask the archive's store to copy from there: it is one store where the endpoint is one."""
        with contextlib.suppress(NotReady, SettingsInvalid):  # the embedded store is not running, or has no keys
            access, _ = self._stores.place(ARCHIVE)
            return found.server_copy and same_endpoint(access.endpoint, found.endpoint)
        return False

    def _named(self, name: str, path: str) -> SourceBucket:
        found = self._buckets.get(name)
        if found is None:
            known = ", ".join(self._buckets) or "none"
            msg = f"{path} lies in a bucket that no [[landing.buckets]] of the settings names (there are: {known})"
            raise SettingsInvalid(msg, path=path)
        for store in self._stores.names:
            with contextlib.suppress(NotReady):  # the embedded store is not running; nothing is written there now
                self._require_elsewhere(store, found, path)
        return found

    def _require_elsewhere(self, store: str, found: SourceBucket, path: str) -> None:
        access, bucket = self._stores.place(store)
        if (access.endpoint.rstrip("/"), bucket) == (found.endpoint.rstrip("/"), found.bucket):
            msg = f"{path} lies in the bucket of the store '{store}'; no instrument writes there"
            raise SettingsInvalid(msg, path=path)

    def _connect(self, one: SourceBucket) -> S3Bucket:
        from cisterna.adapters.s3_access import Patience
        from cisterna.adapters.s3_bucket import S3Bucket

        name = f"{BUCKET_SCHEME}{one.bucket}"
        bucket = S3Bucket(access_of(one), bucket=one.bucket, name=name, patience=Patience())
        self._stack.callback(bucket.close)
        return bucket


def _split(path: str) -> tuple[str, str]:
    bucket, _, prefix = path.removeprefix(BUCKET_SCHEME).rstrip("/").partition("/")
    return bucket, prefix


def same_endpoint(one: str, other: str) -> bool:
    """Tell whether two URLs lead to one address, however they are written."""
    return _address(one) == _address(other)


def _address(endpoint: str) -> tuple[str, str, int | None]:
    found = urlsplit(endpoint)
    return found.scheme, found.hostname or "", found.port or {"http": 80, "https": 443}.get(found.scheme)


def access_of(one: SourceBucket) -> S3Access:
    """Say where a bucket is, with which keys."""
    from cisterna.adapters.s3_access import S3Access

    return S3Access(
        endpoint=one.endpoint,
        region=one.region,
        access_key_id=one.access_key_id,
        secret_access_key=one.secret_access_key,
    )
