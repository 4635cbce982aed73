"""A bucket through boto3 with the keys of who may arrange it: versioning, locks, lifecycle and policy.

boto3 and not the MinIO SDK, whose lifecycle drops what it does not know of others' rules (sizes in a filter) when it
writes them back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_bucket import S3Bucket, code_of, status_of
from cisterna.adapters.s3_keeper import TIER_TAG, tier_rule_name
from cisterna.domain.errors import StoreForbids, StoreLacks, StoreUnavailable

_SELDOM_DAYS = 30
_FIRST_REGION = "us-east-1"  # the one that S3 wants left out
_UPLOADS_RULE = "cisterna-unfinished-uploads"
_REPLACED_RULE = "cisterna-replaced"
_ABSENT = frozenset({"404", "NoSuchBucket", "NotFound"})
_NOTHING_SET = frozenset(
    {"NoSuchLifecycleConfiguration", "NoSuchBucketPolicy", "ObjectLockConfigurationNotFoundError", "NoSuchBucketLock"}
)
_LACKING = frozenset({"NotImplemented", "XNotImplemented", "MethodNotAllowed", "InvalidBucketState", "501", "405"})
_FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled", "403"})


class S3BucketAdmin:
    """Implements `ports.bucket.BucketAdmin`.

    Args:
        access: Endpoint, and keys that may arrange the bucket.
        bucket: Its name.
        store: What receipts call the store.
        policy: The statement that refuses the bucket's deletion, as a policy document of S3.
        patience: How long calls may take.
    """

    def __init__(
        self,
        access: S3Access,
        *,
        bucket: str,
        store: str,
        policy: Mapping[str, Any],
        patience: Patience | None = None,
    ) -> None:
        self.store = store
        self.bucket = bucket
        self._policy = policy
        self._region = access.region
        self._s3 = S3Bucket(access, bucket=bucket, name=store, patience=patience or Patience())

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    def exists(self) -> bool:
        """Tell whether the bucket is there."""
        with self._translated("look for the bucket"):
            try:
                self._s3.client.head_bucket(Bucket=self.bucket)
            except self._s3.client.exceptions.ClientError as error:
                if code_of(error) in _ABSENT:
                    return False
                raise
        return True

    def create(self, *, object_lock: bool) -> None:
        """Make the bucket."""
        asked: dict[str, Any] = {"Bucket": self.bucket}
        if object_lock:
            asked["ObjectLockEnabledForBucket"] = True
        if self._region != _FIRST_REGION:
            asked["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        errors = self._s3.client.exceptions
        with self._translated("create the bucket"):
            try:
                self._s3.client.create_bucket(**asked)
            except (errors.BucketAlreadyOwnedByYou, errors.BucketAlreadyExists):
                self._s3.client.head_bucket(Bucket=self.bucket)

    def versioning(self) -> bool:
        """Tell whether the store keeps what is replaced or deleted."""
        with self._translated("read its versioning"):
            return self._s3.client.get_bucket_versioning(Bucket=self.bucket).get("Status") == "Enabled"

    def turn_on_versioning(self) -> None:
        """Make it do so."""
        with self._translated("turn on versioning"):
            self._s3.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def object_lock(self) -> bool:
        """Tell whether single objects can be held."""
        found = self._setting("read its object lock", "get_object_lock_configuration")
        return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def turn_on_object_lock(self) -> None:
        """Make it possible; many stores can only when a bucket is made."""
        with self._translated("turn on object lock"):
            self._s3.client.put_object_lock_configuration(
                Bucket=self.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
            )

    def unfinished_uploads_days(self) -> int | None:
        """Tell after how many days our rule drops uploads."""
        rule = self._rule(_UPLOADS_RULE)
        return _days(rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"))

    def drop_unfinished_uploads(self, *, days: int) -> None:
        """Set our rule."""
        self._set_rule(_UPLOADS_RULE, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}})

    def replaced_days(self) -> int | None:
        """Tell how many days our rule keeps what was replaced or deleted."""
        return _days(self._rule(_REPLACED_RULE).get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"))

    def keep_replaced(self, *, days: int) -> None:
        """Set our rule; a deletion's mark goes with the last bytes it hides."""
        rule = {
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        }
        self._set_rule(_REPLACED_RULE, rule)

    def moves_to(self, storage_class: str) -> bool:
        """Tell whether our rule is there."""
        moved = self._rule(tier_rule_name(storage_class)).get("Transitions", [])
        return any(one.get("StorageClass") == storage_class for one in moved)

    def move_to(self, storage_class: str) -> None:
        """Set our rule: by a tag, since the keys of an archive say nothing of what its objects are."""
        # When it is time is decided before an object is marked, so the store has nothing left to wait for; but to the
        # classes for seldom access S3 moves nothing that is younger than 30 days.
        days = _SELDOM_DAYS if storage_class.endswith("_IA") else 0
        rule = {
            "Filter": {"Tag": {"Key": TIER_TAG, "Value": storage_class}},
            "Transitions": [{"Days": days, "StorageClass": storage_class}],
        }
        self._set_rule(tier_rule_name(storage_class), rule)

    def refuses_deletion(self) -> bool:
        """Tell whether each of our statements is in the policy."""
        found = {_canonical(one) for one in self._statements()}
        return all(_canonical(one) in found for one in self._policy["Statement"])

    def refuse_deletion(self) -> None:
        """Put our statements into the policy, in the place of those with the same names."""
        ours = list(self._policy["Statement"])
        names = {one["Sid"] for one in ours}
        others = [one for one in self._statements() if one.get("Sid") not in names]
        document = {"Version": self._policy["Version"], "Statement": [*others, *ours]}
        with self._translated("write its policy"):
            self._s3.client.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))

    def clock(self) -> datetime:
        """Read the store's time from an answer, also from one that refuses a request as too early or too late."""
        with self._translated("read its clock"):
            try:
                answer: Any = self._s3.client.head_bucket(Bucket=self.bucket)
            except self._s3.client.exceptions.ClientError as error:
                answer = error.response
        said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            return parsedate_to_datetime(said).astimezone(UTC)
        except ValueError as error:
            msg = f"{self.store} says no time in its answers ('{said}'); compare the clocks of both machines by hand"
            raise StoreLacks(msg, store=self.store) from error

    def _rule(self, name: str) -> dict[str, Any]:
        enabled = (one for one in self._rules() if one.get("ID") == name and one.get("Status") == "Enabled")
        return next(enabled, {})

    def _rules(self) -> list[dict[str, Any]]:
        found = self._setting("read its lifecycle rules", "get_bucket_lifecycle_configuration")
        return list(found.get("Rules", []))

    def _set_rule(self, name: str, rule: dict[str, Any]) -> None:
        others = [one for one in self._rules() if one.get("ID") != name]
        ours = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": ""}, **rule}
        rules: Any = [*others, ours]
        with self._translated(f"write its lifecycle rule {name}"):
            self._s3.client.put_bucket_lifecycle_configuration(
                Bucket=self.bucket, LifecycleConfiguration={"Rules": rules}
            )

    def _statements(self) -> list[dict[str, Any]]:
        found = self._setting("read its policy", "get_bucket_policy")
        try:
            said = json.loads(found.get("Policy") or "{}").get("Statement", [])
        except (ValueError, AttributeError) as error:
            msg = f"the policy of {self.bucket} is not JSON; look at it with the store's own tools"
            raise StoreUnavailable(msg, store=self.store) from error
        return said if isinstance(said, list) else [said]

    def _setting(self, what: str, call: str) -> dict[str, Any]:
        """Read one setting; empty when it was never set."""
        with self._translated(what):
            try:
                answer: dict[str, Any] = getattr(self._s3.client, call)(Bucket=self.bucket)
            except self._s3.client.exceptions.ClientError as error:
                if code_of(error) in _NOTHING_SET:
                    return {}
                raise
        return answer

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        with self._s3.translated(self.bucket):
            try:
                yield
            except ClientError as error:
                code = code_of(error)
                facts = {"store": self.store, "bucket": self.bucket, "answer": code}
                if code in _FORBIDDEN or status_of(error) == 403:
                    msg = f"these keys may not {what} of {self.store}: {self.bucket} answered {code}"
                    raise StoreForbids(msg, **facts) from error
                if code in _LACKING or status_of(error) in {405, 501}:
                    msg = f"{self.store} cannot {what}: {self.bucket} answered {code}"
                    raise StoreLacks(msg, **facts) from error
                raise


class S3Stranger:
    """Implements `ports.bucket.Stranger`, for somebody with keys or with none.

    Args:
        access: Endpoint, and the keys they have.
        bucket: What they must not reach.
        name: Who they are, in words.
        anonymous: Send nothing signed; the keys are not used then.
        patience: How long calls may take.
    """

    def __init__(
        self, access: S3Access, *, bucket: str, name: str, anonymous: bool = False, patience: Patience | None = None
    ) -> None:
        self.name = name
        self._bucket = bucket
        self._s3 = S3Bucket(
            access, bucket=bucket, name=f"{bucket} with {name}", patience=patience or Patience(), signed=not anonymous
        )

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    def lists(self) -> bool:
        """Tell whether the objects are listed to them."""
        return self._may("list_objects_v2", MaxKeys=1)

    def reads(self, key: str) -> bool:
        """Tell whether an object is given to them."""
        return self._may("get_object", Key=key)

    def writes(self, key: str) -> bool:
        """Tell whether an object is taken from them."""
        return self._may("put_object", Key=key, Body=b"written by a stranger")

    def _may(self, call: str, **named: Any) -> bool:
        with self._s3.translated(str(named.get("Key", ""))):
            try:
                getattr(self._s3.client, call)(Bucket=self._bucket, **named)
            except self._s3.client.exceptions.ClientError as error:
                if status_of(error) in {401, 403}:
                    return False
                raise
        return True


def _days(said: object) -> int | None:
    return int(said) if isinstance(said, int) else None


def _canonical(statement: Mapping[str, Any]) -> str:
    """Write a statement so that a list of one and the one alone are the same: stores rewrite them."""
    plain = {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in statement.items()
    }
    if plain.get("Principal") == {"AWS": "*"} or plain.get("Principal") == {"AWS": ["*"]}:
        plain["Principal"] = "*"
    return json.dumps(plain, sort_keys=True)
