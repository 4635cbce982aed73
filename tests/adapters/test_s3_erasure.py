"""The one place that deletes archived objects: everything below one root goes, and nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_erasure import S3Eraser, _require_below
from cisterna.domain.errors import CisternaError, HostileInput, StoreUnavailable
from cisterna.domain.identifier import ark
from cisterna.domain.ocfl import object_root
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_dataset
from tests.store_fixtures import SHORT

PID = ark(make_dataset().dataset_id)
ROOT = object_root(PID)


@pytest.fixture(scope="module")
def raw(s3_endpoint: S3Access) -> Iterator[S3Bucket]:
    """Give boto3 on a bucket that can hold single objects."""
    bucket = S3Bucket(s3_endpoint, bucket="erasing", name="raw", patience=SHORT)
    bucket.client.create_bucket(Bucket="erasing", ObjectLockEnabledForBucket=True)
    yield bucket
    for one in versions(bucket):
        bucket.client.put_object_legal_hold(Bucket="erasing", Key=one[0], LegalHold={"Status": "OFF"}, VersionId=one[1])
        bucket.client.delete_object(Bucket="erasing", Key=one[0], VersionId=one[1])
    bucket.client.delete_bucket(Bucket="erasing")
    bucket.close()


@pytest.fixture
def eraser(raw: S3Bucket, s3_endpoint: S3Access) -> Iterator[S3Eraser]:
    """Give the eraser of that bucket, which holds two versions and a mark below the root, and a neighbour."""
    for key in (f"{ROOT}/inventory.json", f"{ROOT}/inventory.json", f"{ROOT}/v1/content/a", f"{ROOT}0/beside"):
        raw.client.put_object(Bucket=raw.bucket, Key=key, Body=b"x")
    raw.client.delete_object(Bucket=raw.bucket, Key=f"{ROOT}/v1/content/a")
    made = S3Eraser(s3_endpoint, bucket=raw.bucket, store="archive", clock=SettableClock(), patience=SHORT)
    yield made
    made.close()


def versions(raw: S3Bucket, prefix: str = "") -> list[tuple[str, str]]:
    answer: Any = raw.client.list_object_versions(Bucket=raw.bucket, Prefix=prefix)
    return [(one["Key"], one["VersionId"]) for kind in ("Versions", "DeleteMarkers") for one in answer.get(kind, [])]


def test_every_version_and_mark_goes_and_a_longer_name_beside_it_stays(eraser: S3Eraser, raw: S3Bucket) -> None:
    seen = eraser.look(ROOT, pid=PID)
    found = eraser.remove(ROOT, pid=PID)

    assert (seen.keys, seen.replaced) == (1, 3)
    assert (found.removed, found.refused, found.left.is_nothing) == (4, (), True)
    assert versions(raw, f"{ROOT}/") == []
    assert versions(raw, f"{ROOT}0/")
    assert eraser.remove(ROOT, pid=PID).removed == 0


def test_what_a_legal_hold_keeps_is_told_and_goes_once_it_is_lifted(eraser: S3Eraser, raw: S3Bucket) -> None:
    key = f"{ROOT}/inventory.json"
    raw.client.put_object_legal_hold(Bucket=raw.bucket, Key=key, LegalHold={"Status": "ON"})

    seen = eraser.look(ROOT, pid=PID)
    found = eraser.remove(ROOT, pid=PID)

    assert seen.lock == "a legal hold of the store is on"
    assert found.refused_count == 1
    assert found.refused[0].name.startswith(key)
    assert "AccessDenied" in found.refused[0].reason
    assert not found.left.is_nothing
    held = [one for one in versions(raw, f"{ROOT}/") if one in versions(raw, key)]
    for name, version in held:
        raw.client.put_object_legal_hold(Bucket=raw.bucket, Key=name, LegalHold={"Status": "OFF"}, VersionId=version)
    assert eraser.remove(ROOT, pid=PID).left.is_nothing


@pytest.mark.parametrize("root", ["", "/", ROOT[:-1], f"{ROOT}0", ROOT.rsplit("/", 1)[0], f"{ROOT}/", "*"])
def test_any_other_root_is_refused_before_the_store_is_asked(eraser: S3Eraser, raw: S3Bucket, root: str) -> None:
    before = versions(raw)

    for act in (eraser.look, eraser.remove):
        with pytest.raises(HostileInput, match="nothing was deleted"):
            act(root, pid=PID)

    assert versions(raw) == before


@pytest.mark.parametrize("pid", ["", "ark:/", "ark:/99999/", "ark:/99999/a/b", "*", "ark:/99999/../x"])
def test_public_records_are_named_by_a_whole_ark(eraser: S3Eraser, pid: str) -> None:
    with pytest.raises(HostileInput):
        eraser.remove_replaced(pid)


@pytest.mark.parametrize(
    ("prefix", "key"),
    [("", "a"), ("/", "/a"), ("a/", "a/b"), (f"{ROOT}/", f"{ROOT}0/a"), (ROOT, f"{ROOT}/a"), (f"{ROOT}/", "other")],
)
def test_a_listing_that_gives_somebody_elses_key_is_not_acted_on(prefix: str, key: str) -> None:
    with pytest.raises(HostileInput, match="nothing of this request was deleted"):
        _require_below(prefix, [key])


def test_a_store_that_is_away_and_keys_that_are_wrong_are_told(s3_endpoint: S3Access, raw: S3Bucket) -> None:
    wrong = s3_endpoint.model_copy(update={"secret_access_key": SecretStr("wrong")})
    away = s3_endpoint.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    for access, expected in ((wrong, CisternaError), (away, StoreUnavailable)):
        made = S3Eraser(access, bucket=raw.bucket, store="archive", clock=SettableClock(), patience=SHORT)
        with pytest.raises(expected):
            made.remove(ROOT, pid=PID)
        made.close()


def test_keys_that_may_not_see_versions_hide_what_everybody_sees_and_say_so(eraser: S3Eraser, raw: S3Bucket) -> None:
    """SeaweedFS holds a policy on `s3:ListBucketVersions`, and not one on `s3:DeleteObjectVersion`."""
    resources = [f"arn:aws:s3:::{raw.bucket}", f"arn:aws:s3:::{raw.bucket}/*"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": ["s3:ListBucketVersions"], "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "Everyday", **statement}]})
    raw.client.put_bucket_policy(Bucket=raw.bucket, Policy=policy)
    try:
        found = eraser.remove(ROOT, pid=PID)
        again = eraser.remove(ROOT, pid=PID)
    finally:
        raw.client.delete_bucket_policy(Bucket=raw.bucket)

    visible: Any = raw.client.list_objects_v2(Bucket=raw.bucket, Prefix=f"{ROOT}/")
    assert visible["KeyCount"] == 0
    assert found.removed >= 1
    assert again.removed == 0
    assert "may not list versions" in (found.left.unseen or "")
    assert versions(raw, f"{ROOT}/")
    assert eraser.remove(ROOT, pid=PID).left.is_nothing
