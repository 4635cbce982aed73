"""Deletes objects of the archive for good, with every version a bucket keeps of them, through boto3.

No other place of the product deletes what is archived. It is asked for one object by its PID and its root, holds the
two against each other, and looks at every key once more before it goes into a request.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_bucket import S3Bucket, code_of, status_of
from cisterna.domain.erasure import require_object_root
from cisterna.domain.errors import HostileInput, StoreForbids
from cisterna.domain.ocfl import INVENTORY
from cisterna.ports.clock import Clock
from cisterna.ports.erasure import Content, Refused, Removed

_AT_ONCE = 1000
_REFUSED_KEPT = 100
_ROUNDS = 3
"""Something may be put while it is listed; each round begins with a new list."""
_ARK = re.compile(r"ark:/([0-9]{5})/([0-9a-z]{1,64})")
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


class _Stored(NamedTuple):
    """One version of a key, or a mark of its deletion."""

    key: str
    version_id: str
    is_latest: bool
    is_mark: bool
    size_bytes: int


class S3Eraser:
    """Implements `ports.erasure.Eraser`.

    Args:
        access: Endpoint, and keys that may delete versions (`s3:ListBucketVersions`, `s3:DeleteObjectVersion`).
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

    def remove(self, object_root: str, *, pid: str) -> Removed:
        """Remove all of it, round by round until nothing more goes."""
        require_object_root(object_root, pid=pid)
        return self._removed(f"{object_root}/", replaced_only=False)

    def remove_replaced(self, pid: str) -> Removed:
        """Remove what stood there before."""
        matched = _ARK.fullmatch(pid)
        if matched is None:
            raise HostileInput(f"{pid[:100]!a} is no ARK; nothing was deleted", pid=pid[:100])
        return self._removed(f"{matched[1]}/{matched[2]}/", replaced_only=True)

    def _removed(self, prefix: str, *, replaced_only: bool) -> Removed:
        refused: dict[str, Refused] = {}
        removed = self._abort_uploads(prefix)
        for _ in range(_ROUNDS):
            gone, not_gone = self._round(prefix, replaced_only=replaced_only)
            removed += gone
            refused = {one.name: one for one in not_gone}
            if not gone:
                break
        left = self._content(prefix, lock=None)
        if replaced_only:
            left = left.model_copy(update={"keys": 0})
        shown = tuple(itertools.islice(refused.values(), _REFUSED_KEPT))
        return Removed(removed=removed, refused=shown, refused_count=len(refused), left=left)

    def _round(self, prefix: str, *, replaced_only: bool) -> tuple[int, list[Refused]]:
        """Delete what is listed; where versions may not be seen or do not go, at least what everybody sees.

        The mark that hides a version which does not go stays, else the version would be seen again.
        """
        try:
            stored = list(self._versions(prefix))
        except StoreForbids as refusal:
            said = Refused(name=f"{prefix}*", reason=str(refusal))
            if replaced_only:
                return 0, [said]
            gone, refused = self._delete([(key, None) for key, _ in self._keys(prefix)], prefix=prefix)
            return gone, [said, *(one for _, one in refused)]
        data = [one for one in stored if not one.is_mark and not (replaced_only and one.is_latest)]
        gone, refused = self._delete([(one.key, one.version_id) for one in data], prefix=prefix)
        stuck = {key for key, _ in refused}
        marks = [(one.key, one.version_id) for one in stored if one.is_mark and one.key not in stuck]
        unmarked, more = self._delete(marks, prefix=prefix)
        refused += more
        if stuck and not replaced_only:
            hidden, visible = self._delete(
                [(key, None) for key, _ in self._keys(prefix) if key in stuck], prefix=prefix
            )
            gone, refused = gone + hidden, [*refused, *visible]
        return gone + unmarked, [one for _, one in refused]

    def _delete(
        self, wanted: Sequence[tuple[str, str | None]], *, prefix: str
    ) -> tuple[int, list[tuple[str, Refused]]]:
        """Delete keys, or versions of them, and give those that the store refused."""
        gone, refused = 0, []
        for start in range(0, len(wanted), _AT_ONCE):
            batch = wanted[start : start + _AT_ONCE]
            _require_below(prefix, [key for key, _ in batch])
            named: Any = [{"Key": key, **({"VersionId": version} if version else {})} for key, version in batch]
            with self._translated("delete", prefix):
                answer: Any = self._s3.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": named, "Quiet": True}
                )
            said = [
                (str(one.get("Key", "")), Refused(name=_named(one), reason=f"{one.get('Code')}: {one.get('Message')}"))
                for one in answer.get("Errors", [])
                if one.get("Code") not in {"NoSuchKey", "NoSuchVersion"}
            ]
            gone += len(batch) - len(said)
            refused += said
        return gone, refused

    def _abort_uploads(self, prefix: str) -> int:
        found = [one for one in self._s3.uploads(prefix) if one.key.startswith(prefix)]
        for one in found:
            self._s3.abort_upload(one.key, one.upload_id)
        return len(found)

    def _content(self, prefix: str, *, lock: str | None) -> Content:
        uploads = sum(1 for _ in self._s3.uploads(prefix))
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

    def _versions(self, prefix: str) -> Iterator[_Stored]:
        with self._translated("list versions", prefix):
            pages = self._s3.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                for kind in ("Versions", "DeleteMarkers"):
                    found: Any = page.get(kind, [])
                    for one in found:
                        if one["Key"].startswith(prefix):
                            yield _Stored(
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
                    if one["Key"].startswith(prefix):
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


def _require_below(prefix: str, keys: Iterable[str]) -> None:
    """Look at every key once more: a listing that gave a neighbour's is a listing not to act on."""
    for key in keys:
        if not prefix.endswith("/") or prefix.count("/") < 2 or not key.startswith(prefix):
            msg = f"{key[:200]!a} does not lie below {prefix!a}; nothing of this request was deleted"
            raise HostileInput(msg, key=key[:200])


def _named(error: dict[str, Any]) -> str:
    version = error.get("VersionId")
    return str(error.get("Key", "")) + (f" (version {version})" if version else "")
