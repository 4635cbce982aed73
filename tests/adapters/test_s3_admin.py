"""Buckets are brought to their plan on a real SeaweedFS, others' settings stay, and open doors are found."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from cisterna.adapters.bucket_plan import read_plans, read_policy
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_admin import S3BucketAdmin, S3Stranger
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import StoreUnavailable
from cisterna.domain.probe_key import PROBE_PREFIX
from cisterna.ports.bucket import BucketPlan
from cisterna.ports.object_store import ObjectStore
from cisterna.services.health import Condition, look_at_bucket, look_at_clock, look_at_doors
from cisterna.services.provision import Outcome, provision_bucket
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule
from cisterna.testing.object_store_contract import ObjectStoreContract
from tests.store_fixtures import SHORT

_numbers = itertools.count(1)
ARCHIVE = read_plans()["archive"]
POINTS = [
    "bucket",
    "versioning",
    "object lock",
    "unfinished uploads",
    "replaced objects",
    "deletion of the bucket",
]
NewAdmin = Callable[..., S3BucketAdmin]


@pytest.fixture
def raw(s3_endpoint: S3Access) -> Iterator[S3Bucket]:
    """Give boto3 on a bucket that is not there yet; in the end it is removed, whatever its policy says."""
    bucket = S3Bucket(s3_endpoint, bucket=f"plan-{next(_numbers)}", name="raw", patience=SHORT)
    yield bucket
    try:
        bucket.client.delete_bucket_policy(Bucket=bucket.bucket)
        bucket.client.delete_bucket(Bucket=bucket.bucket)
    except bucket.client.exceptions.ClientError:
        pass  # it was never made
    bucket.close()


@pytest.fixture
def new_admin(raw: S3Bucket, s3_endpoint: S3Access) -> Iterator[NewAdmin]:
    made: list[S3BucketAdmin] = []

    def make(**update: object) -> S3BucketAdmin:
        policy = read_policy("bucket", bucket=raw.bucket)
        access = s3_endpoint.model_copy(update=update)
        made.append(S3BucketAdmin(access, bucket=raw.bucket, store="archive", policy=policy, patience=SHORT))
        return made[-1]

    yield make
    for one in made:
        one.close()


def settle(admin: S3BucketAdmin, *, dry_run: bool = False, plan: BucketPlan = ARCHIVE) -> dict[str, Outcome]:
    return {one.point: one.outcome for one in provision_bucket(admin, plan, dry_run=dry_run)}


def test_a_bucket_is_made_as_planned_and_the_second_run_changes_nothing(raw: S3Bucket, new_admin: NewAdmin) -> None:
    admin = new_admin()

    first, second = settle(admin), settle(admin)

    assert list(first) == POINTS
    assert set(first.values()) <= {Outcome.CHANGED, Outcome.AS_WANTED}  # a lock that came with the bucket is there
    assert first["bucket"] is Outcome.CHANGED
    assert set(second.values()) == {Outcome.AS_WANTED}
    assert look_at_bucket(admin, ARCHIVE).condition is Condition.OK
    versions = raw.client.get_bucket_versioning(Bucket=raw.bucket)
    assert versions["Status"] == "Enabled"


def test_a_bucket_that_was_there_is_brought_to_the_plan(raw: S3Bucket, new_admin: NewAdmin) -> None:
    raw.client.create_bucket(Bucket=raw.bucket)

    found = settle(new_admin())

    assert found == {point: Outcome.AS_WANTED if point == "bucket" else Outcome.CHANGED for point in POINTS}


def test_a_dry_run_names_every_change_and_makes_none(raw: S3Bucket, new_admin: NewAdmin) -> None:
    absent = settle(new_admin(), dry_run=True)
    raw.client.create_bucket(Bucket=raw.bucket)
    present = [settle(new_admin(), dry_run=True) for _ in range(2)]

    assert set(absent.values()) == {Outcome.TO_CHANGE}
    assert present[0] == present[1] == {**absent, "bucket": Outcome.AS_WANTED}
    assert look_at_bucket(new_admin(), ARCHIVE).condition is Condition.WARNING


def test_rules_and_statements_of_others_stay_as_they_are(raw: S3Bucket, new_admin: NewAdmin) -> None:
    raw.client.create_bucket(Bucket=raw.bucket)
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    raw.client.put_bucket_lifecycle_configuration(
        Bucket=raw.bucket,
        LifecycleConfiguration={"Rules": [theirs]},  # type: ignore[list-item, typeddict-item]
    )
    statement = {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{raw.bucket}/frozen/*",
    }
    raw.client.put_bucket_policy(
        Bucket=raw.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )

    settle(new_admin())
    settle(new_admin())

    rules = raw.client.get_bucket_lifecycle_configuration(Bucket=raw.bucket)["Rules"]
    assert [rule["ID"] for rule in rules].count("theirs") == 1
    assert next(rule for rule in rules if rule["ID"] == "theirs")["Expiration"]["Days"] == 3
    assert len(rules) == 3
    statements = json.loads(raw.client.get_bucket_policy(Bucket=raw.bucket)["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["Theirs", "CisternaKeepTheBucket"]
    with pytest.raises(raw.client.exceptions.ClientError, match="AccessDenied"):
        raw.client.put_object(Bucket=raw.bucket, Key="frozen/a", Body=b"x")


def test_a_provisioned_bucket_cannot_be_deleted_and_gives_back_what_was_replaced(
    raw: S3Bucket, new_admin: NewAdmin, new_store: Callable[..., S3Store]
) -> None:
    settle(new_admin())
    store = new_store(bucket=raw.bucket)
    store.put("a", b"first")
    store.put("a", b"second")
    store.delete(["a"])

    with pytest.raises(raw.client.exceptions.ClientError, match="AccessDenied"):
        raw.client.delete_bucket(Bucket=raw.bucket)

    assert store.head("a") is None
    kept = raw.client.list_object_versions(Bucket=raw.bucket)["Versions"]
    bodies = [
        raw.client.get_object(Bucket=raw.bucket, Key="a", VersionId=one["VersionId"])["Body"].read() for one in kept
    ]
    assert sorted(bodies) == [b"first", b"second"]


def test_keys_that_may_not_look_are_no_answer(new_admin: NewAdmin, raw: S3Bucket) -> None:
    raw.client.create_bucket(Bucket=raw.bucket)
    stranger = new_admin(access_key_id="STRANGER", secret_access_key=SecretStr("wrong"))

    found = settle(stranger)

    assert set(found.values()) == {Outcome.FORBIDDEN}
    assert look_at_bucket(stranger, ARCHIVE).condition is Condition.COULD_NOT_CHECK


def test_a_function_that_the_store_lacks_is_named_and_the_others_are_set(
    raw: S3Bucket, new_admin: NewAdmin, seaweedfs: EmbeddedSeaweedFS
) -> None:
    raw.client.create_bucket(Bucket=raw.bucket)
    with FaultProxy(seaweedfs.endpoint) as proxy:
        proxy.add(Rule(Effect.ANSWER, when=lambda one: "lifecycle" in one.query, status=501, times=1_000))
        admin = new_admin(endpoint=proxy.url)

        found = settle(admin)
        diagnosis = look_at_bucket(admin, ARCHIVE)

    lacking = {"unfinished uploads", "replaced objects"}
    assert {point for point, outcome in found.items() if outcome is Outcome.LACKING} == lacking
    assert {found[point] for point in POINTS if point not in {*lacking, "bucket"}} == {Outcome.CHANGED}
    assert diagnosis.condition is Condition.WARNING
    assert "lifecycle" in diagnosis.message


def test_a_store_that_takes_a_setting_and_does_not_keep_it_is_found_out(
    raw: S3Bucket, new_admin: NewAdmin, seaweedfs: EmbeddedSeaweedFS
) -> None:
    raw.client.create_bucket(Bucket=raw.bucket)
    with FaultProxy(seaweedfs.endpoint) as proxy:
        proxy.add(
            Rule(Effect.ANSWER, when=lambda one: one.method == "PUT" and "versioning" in one.query, status=200, times=9)
        )
        found = settle(new_admin(endpoint=proxy.url), plan=BucketPlan(versioning=True))

    assert found == {"bucket": Outcome.AS_WANTED, "versioning": Outcome.LACKING}


@pytest.mark.timeout(30)
def test_a_store_that_is_down_is_neither_as_planned_nor_otherwise(
    new_admin: NewAdmin, seaweedfs: EmbeddedSeaweedFS
) -> None:
    with FaultProxy(seaweedfs.endpoint) as proxy:
        proxy.add(Rule(Effect.RESET, times=1_000))
        admin = new_admin(endpoint=proxy.url)

        with pytest.raises(StoreUnavailable):
            settle(admin)
        assert look_at_bucket(admin, ARCHIVE).condition is Condition.COULD_NOT_CHECK
        assert look_at_clock(admin, SystemClock()).condition is Condition.COULD_NOT_CHECK


@pytest.mark.torture
class TestProvisionedStore(ObjectStoreContract):
    """Versioning, lock and policy take nothing from what the archive stands on.

    In CI a stack on provisioned stores shows it: `tests/system/test_copies.py`.
    """

    @pytest.fixture
    def store(self, raw: S3Bucket, new_admin: NewAdmin, new_store: Callable[..., S3Store]) -> ObjectStore:
        settle(new_admin())
        return new_store(bucket=raw.bucket)


@pytest.fixture
def strangers(raw: S3Bucket, seaweedfs: EmbeddedSeaweedFS) -> Iterator[list[S3Stranger]]:
    access = seaweedfs.public_access
    made = [
        S3Stranger(access, bucket=raw.bucket, name="no keys at all", anonymous=True, patience=SHORT),
        S3Stranger(access, bucket=raw.bucket, name="the public keys", patience=SHORT),
    ]
    yield made
    for one in made:
        one.close()


@pytest.fixture
def shut(raw: S3Bucket, new_store: Callable[..., S3Store]) -> S3Store:
    raw.client.create_bucket(Bucket=raw.bucket)
    return new_store(bucket=raw.bucket)


def allow(raw: S3Bucket, action: str) -> None:
    places = [f"arn:aws:s3:::{raw.bucket}", f"arn:aws:s3:::{raw.bucket}/*"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": places}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    raw.client.put_bucket_policy(Bucket=raw.bucket, Policy=json.dumps(policy))


def test_shut_doors_are_shut_and_nothing_is_left_behind(shut: S3Store, strangers: list[S3Stranger]) -> None:
    found = look_at_doors(shut, strangers, token=SystemClock().new_id(), is_public=False)

    assert found.condition is Condition.OK
    assert "no keys at all" in found.message
    assert list(shut.list("")) == []


@pytest.mark.parametrize(
    ("action", "came_in"),
    [
        ("s3:GetObject", "read with no keys at all, read with the public keys"),
        ("s3:ListBucket", "listed with no keys at all, listed with the public keys"),
        ("s3:PutObject", "written with the public keys"),  # SeaweedFS takes nothing unsigned, whatever a policy says
    ],
)
def test_an_open_door_is_named_with_who_came_in(
    raw: S3Bucket, shut: S3Store, strangers: list[S3Stranger], action: str, came_in: str
) -> None:
    allow(raw, action)

    found = look_at_doors(shut, strangers, token=SystemClock().new_id(), is_public=False)

    assert found.condition is Condition.FAILED
    assert found.message.endswith(f" can be {came_in}")
    assert list(shut.list(PROBE_PREFIX)) == []


def test_reading_is_open_to_all_in_a_public_bucket_and_writing_is_not(
    raw: S3Bucket, shut: S3Store, strangers: list[S3Stranger]
) -> None:
    allow(raw, "s3:GetObject")
    assert look_at_doors(shut, strangers, token=SystemClock().new_id(), is_public=True).condition is Condition.OK
    allow(raw, "s3:PutObject")
    assert look_at_doors(shut, strangers, token=SystemClock().new_id(), is_public=True).condition is Condition.FAILED


def test_a_door_that_does_not_answer_is_not_shut(
    shut: S3Store, seaweedfs: EmbeddedSeaweedFS, s3_endpoint: S3Access
) -> None:
    with FaultProxy(seaweedfs.endpoint) as proxy:
        proxy.add(Rule(Effect.ANSWER, status=500, times=1_000))
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        stranger = S3Stranger(access, bucket=shut.bucket, name="no keys at all", anonymous=True, patience=SHORT)
        found = look_at_doors(shut, [stranger], token=SystemClock().new_id(), is_public=False)
        stranger.close()

    assert found.condition is Condition.COULD_NOT_CHECK
    assert list(shut.list("")) == []


@pytest.mark.parametrize(
    ("minutes", "condition"),
    [(0, Condition.OK), (2, Condition.WARNING), (-2, Condition.WARNING), (16, Condition.FAILED)],
)
def test_a_clock_that_is_off_is_told_before_requests_are_refused(
    raw: S3Bucket, new_admin: NewAdmin, minutes: int, condition: Condition
) -> None:
    raw.client.create_bucket(Bucket=raw.bucket)
    ours = SettableClock(SystemClock().now() + timedelta(minutes=minutes))

    found = look_at_clock(new_admin(), ours)

    # the clock that stands still may lie a little behind by the time the store answers
    assert found.condition is condition, found.message


def test_a_tier_is_a_rule_by_a_tag_beside_those_of_others(
    raw: S3Bucket, new_admin: NewAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SeaweedFS has no transitions, so what would be sent is looked at on its way."""
    raw.client.create_bucket(Bucket=raw.bucket)
    settle(new_admin())
    admin = new_admin()
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(admin._s3.client, "put_bucket_lifecycle_configuration", lambda **said: sent.append(said))

    settle(admin, plan=ARCHIVE.model_copy(update={"tiers": ("GLACIER", "STANDARD_IA")}))

    glacier, seldom = (one["LifecycleConfiguration"]["Rules"] for one in sent)
    assert [rule["ID"] for rule in glacier] == [
        "cisterna-unfinished-uploads",
        "cisterna-replaced",
        "cisterna-tier-GLACIER",
    ]
    assert glacier[-1]["Filter"] == {"Tag": {"Key": "cisterna-tier", "Value": "GLACIER"}}
    assert glacier[-1]["Transitions"] == [{"Days": 0, "StorageClass": "GLACIER"}]
    assert "Expiration" not in glacier[-1]
    assert seldom[-1]["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]


def test_a_store_without_transitions_is_said_to_lack_them_and_keeps_its_rules(
    raw: S3Bucket, new_admin: NewAdmin
) -> None:
    plan = ARCHIVE.model_copy(update={"tiers": ("GLACIER",)})

    found = settle(new_admin(), plan=plan)

    assert found["tier GLACIER"] is Outcome.LACKING
    rules = raw.client.get_bucket_lifecycle_configuration(Bucket=raw.bucket)["Rules"]
    assert {one["ID"] for one in rules} == {"cisterna-unfinished-uploads", "cisterna-replaced"}
