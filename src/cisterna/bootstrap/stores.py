"""The object stores of one process: where each is, with which keys, and who must not reach it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from cisterna.domain.errors import NotFound, SettingsInvalid
from cisterna.domain.stored_copy import ARCHIVE
from cisterna.ports.bucket import BucketAdmin, BucketPlan, Stranger
from cisterna.ports.clock import Clock
from cisterna.ports.erasure import Eraser, Onlooker
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.protection import ObjectKeeper
from cisterna.settings import Settings, StoreClient

if TYPE_CHECKING:
    from cisterna.adapters.s3_access import S3Access
    from cisterna.bootstrap.home import Endpoints

Keys = tuple[str, SecretStr]
"""Access key id and secret key."""
PUBLIC = "public"
_ERASING_ATTEMPTS = 2
"""A store that is away is told as away, and asked again when the erasure is run again."""


class Stores:
    """The archive's store, the public one and the copies, by the names that receipts call them.

    Args:
        settings: Name the stores.
        embedded: Tells where the embedded store answers; asked only when no other is set.
        stack: Closes what was opened.
    """

    def __init__(self, settings: Settings, *, embedded: Callable[[], Endpoints], stack: contextlib.ExitStack) -> None:
        self._settings = settings
        self._embedded = embedded
        self._stack = stack

    @property
    def names(self) -> Sequence[str]:
        """Name every store."""
        return [ARCHIVE, PUBLIC, *self.copies]

    @property
    def copies(self) -> Sequence[str]:
        """Name the stores that keep copies."""
        return [copy.name for copy in self._settings.store.copies]

    @property
    def is_embedded(self) -> bool:
        """Tell whether the archive lies in the embedded store."""
        return self._settings.store.endpoint is None

    def open(self, name: str, *, attempts: int | None = None) -> ObjectStore:
        """Open a store by the library that the settings name.

        A copy's store is probed before the first write of this process: it may have been away at the start.

        Args:
            name: The store.
            attempts: How often a request is sent at most, where that is not left to the library.

        Raises:
            NotFound: There is no such store.
            SettingsInvalid: It is to keep copies, and is the archive's own bucket.
        """
        from cisterna.adapters.proven_store import ProvenStore
        from cisterna.adapters.s3_access import Patience
        from cisterna.adapters.s3_minio import S3MinioStore
        from cisterna.adapters.s3_obstore import S3Store

        access, bucket = self.place(name)
        self._require_elsewhere(name, access, bucket)
        patience = None if attempts is None else Patience(attempts=attempts)
        kind = S3MinioStore if self._settings.store.client is StoreClient.MINIO else S3Store
        store = kind(access, bucket=bucket, name=name, patience=patience)
        self._stack.callback(store.close)
        return ProvenStore(store) if name in self.copies else store

    def plan(self, name: str, *, tiers: Sequence[str] = ()) -> BucketPlan:
        """Say how the bucket of a store is to be kept: a copy as the archive is.

        Args:
            name: The store.
            tiers: Storage classes that retention rules name; nothing public ever moves.
        """
        from cisterna.adapters.bucket_plan import read_plans

        plans = read_plans()
        return plans[PUBLIC] if name == PUBLIC else plans[ARCHIVE].model_copy(update={"tiers": tuple(tiers)})

    def kept_plan(self, name: str) -> BucketPlan:
        """Say how the bucket of a store must be kept now: the embedded one as every start sees to, others in full."""
        from cisterna.adapters.bucket_plan import read_plans

        if self.is_embedded and name in {ARCHIVE, PUBLIC}:
            return read_plans(embedded=True)[name]
        return self.plan(name)

    def identity_policy(self, name: str, *, reads_only: bool = False) -> dict[str, Any]:
        """Write the policy of keys that reach the bucket of a store and nothing else. Raises `NotFound`.

        Args:
            name: The store.
            reads_only: For the web process, which changes nothing in the archive.
        """
        from cisterna.adapters.bucket_plan import read_policy

        return read_policy("reader" if reads_only else "identity", bucket=self.place(name)[1])

    def admin(self, name: str, *, keys: Keys | None = None) -> BucketAdmin:
        """Open the bucket of a store for arranging it. Raises `NotFound`.

        Args:
            name: The store.
            keys: Those of its administrator; by default the store's own, of which the embedded one's archive keys may
                arrange both buckets.
        """
        from cisterna.adapters.bucket_plan import read_policy
        from cisterna.adapters.s3_admin import S3BucketAdmin

        access, bucket = self.place(name)
        if keys is None and self.is_embedded and name == PUBLIC:
            access, _ = self.place(ARCHIVE)
        if keys is not None:
            access = access.model_copy(update={"access_key_id": keys[0], "secret_access_key": keys[1]})
        admin = S3BucketAdmin(access, bucket=bucket, store=name, policy=read_policy("bucket", bucket=bucket))
        self._stack.callback(admin.close)
        return admin

    def keeper(self, name: str) -> ObjectKeeper:
        """Open a store for holding, locking and marking single objects, with its own keys. Raises `NotFound`."""
        from cisterna.adapters.s3_keeper import S3ObjectKeeper

        access, bucket = self.place(name)
        keeper = S3ObjectKeeper(access, bucket=bucket, store=name)
        self._stack.callback(keeper.close)
        return keeper

    def eraser(self, name: str, *, clock: Clock, keys: Keys | None = None) -> Eraser:
        """Open a store for deletion. Raises `NotFound`.

        Args:
            name: The store.
            clock: Tells whether a lock has ended.
            keys: Of somebody who may delete versions; by default the store's own, which in a bucket as Cisterna
                provisions it may not.
        """
        from cisterna.adapters.s3_access import Patience
        from cisterna.adapters.s3_erasure import S3Eraser

        access, bucket = self.place(name)
        if keys is not None:
            access = access.model_copy(update={"access_key_id": keys[0], "secret_access_key": keys[1]})
        eraser = S3Eraser(access, bucket=bucket, store=name, clock=clock, patience=Patience(attempts=_ERASING_ATTEMPTS))
        self._stack.callback(eraser.close)
        return eraser

    def onlooker(self, name: str, *, clock: Clock) -> Onlooker:
        """Open a store for seeing what an erasure would take, with its own keys. Raises `NotFound`.

        Args:
            name: The store.
            clock: Tells whether a lock has ended.
        """
        from cisterna.adapters.s3_access import Patience
        from cisterna.adapters.s3_survey import S3Survey

        access, bucket = self.place(name)
        survey = S3Survey(access, bucket=bucket, store=name, clock=clock, patience=Patience(attempts=_ERASING_ATTEMPTS))
        self._stack.callback(survey.close)
        return survey

    def strangers(self, name: str) -> Sequence[Stranger]:
        """Name those who must not reach the bucket of a store: whoever has no keys, and the public keys."""
        from cisterna.adapters.s3_admin import S3Stranger

        access, bucket = self.place(name)
        found = [S3Stranger(access, bucket=bucket, name="no keys at all", anonymous=True)]
        if name != PUBLIC:
            public, _ = self.place(PUBLIC)
            tried = public.model_copy(update={"endpoint": access.endpoint, "region": access.region})
            found.append(S3Stranger(tried, bucket=bucket, name="the public keys"))
        for one in found:
            self._stack.callback(one.close)
        return found

    def with_public_keys(self) -> Sequence[str]:
        """Name the stores other than the public one whose keys are the public ones."""
        public, _ = self.place(PUBLIC)
        others = ((name, self.place(name)[0]) for name in self.names if name != PUBLIC)
        return [name for name, access in others if access.access_key_id == public.access_key_id]

    def _require_elsewhere(self, name: str, access: S3Access, bucket: str) -> None:
        """Refuse a store of copies that is the archive's own bucket by its address; others are found by a probe."""
        if name not in self.copies:
            return
        archive, archive_bucket = self.place(ARCHIVE)
        if (access.endpoint.rstrip("/"), bucket) == (archive.endpoint.rstrip("/"), archive_bucket):
            msg = (
                f"the store '{name}' of store.copies is the archive's own bucket, {bucket} at {access.endpoint}; a "
                "copy there would prove nothing: give it another one"
            )
            raise SettingsInvalid(msg, store=name)

    def place(self, name: str) -> tuple[S3Access, str]:
        """Say where a store is, with its own keys, and its bucket."""
        from cisterna.adapters.s3_access import S3Access

        configured = self._settings.store
        if name in {ARCHIVE, PUBLIC}:
            bucket = configured.public_bucket if name == PUBLIC else configured.archive_bucket
            return self._first(public=name == PUBLIC), bucket
        copy = next((one for one in configured.copies if one.name == name), None)
        if copy is None:
            msg = f"there is no store '{name}'; there are: {', '.join(self.names)}"
            raise NotFound(msg, store=name)
        access = S3Access(
            endpoint=copy.endpoint,
            region=copy.region,
            access_key_id=copy.access_key_id,
            secret_access_key=copy.secret_access_key,
        )
        return access, copy.bucket

    def _first(self, *, public: bool) -> S3Access:
        from cisterna.adapters.s3_access import S3Access

        configured = self._settings.store
        if configured.endpoint is not None:
            key, secret = configured.credentials(public=public)
            return S3Access(
                endpoint=configured.endpoint, region=configured.region, access_key_id=key, secret_access_key=secret
            )
        known = self._embedded()
        return S3Access(
            endpoint=known.s3_endpoint,
            region=known.s3_region,
            access_key_id=known.public_access_key_id if public else known.archive_access_key_id,
            secret_access_key=known.public_secret_access_key if public else known.archive_secret_access_key,
        )
