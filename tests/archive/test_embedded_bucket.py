"""An embedded home's buckets are brought to their plan at every start; a store that will not is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from cisterna.adapters.bucket_plan import read_plans, read_policy
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_admin import S3BucketAdmin
from cisterna.adapters.s3_bucket import S3Bucket, code_of
from cisterna.bootstrap.embedded_bucket import arrange_buckets, arranging_words
from cisterna.ports.bucket import BucketPlan
from cisterna.services.health import Condition, Diagnosis, look_at_bucket
from cisterna.services.provision import Outcome
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from tests.store_fixtures import SHORT

_numbers = itertools.count(1)
Buckets = tuple[S3Bucket, S3Bucket]


@pytest.fixture
def buckets(s3_endpoint: S3Access) -> Iterator[Buckets]:
    """Give boto3 on two bare buckets, as a store of an older home has them."""
    made = [S3Bucket(s3_endpoint, bucket=f"home-{next(_numbers)}", name="raw", patience=SHORT) for _ in range(2)]
    for one in made:
        one.client.create_bucket(Bucket=one.bucket)
    yield made[0], made[1]
    for one in made:
        one.client.delete_bucket_policy(Bucket=one.bucket)
        one.client.delete_bucket(Bucket=one.bucket)
        one.close()


def arranged(access: S3Access, buckets: Buckets) -> list[tuple[str, str, Outcome]]:
    archive, public = (one.bucket for one in buckets)
    found = arrange_buckets(access, archive_bucket=archive, public_bucket=public)
    return [(one.store, one.point, one.outcome) for one in found]


def test_bare_buckets_get_the_plan_and_the_next_start_changes_nothing(s3_endpoint: S3Access, buckets: Buckets) -> None:
    points = ("bucket", "unfinished uploads", "deletion of the bucket")

    first, second = arranged(s3_endpoint, buckets), arranged(s3_endpoint, buckets)

    assert [one[:2] for one in first] == [(store, point) for store in ("archive", "public") for point in points]
    assert {one[2] for one in first if one[1] != "bucket"} == {Outcome.CHANGED}
    assert {one[2] for one in second} == {Outcome.AS_WANTED}
    for one in buckets:
        with pytest.raises(one.client.exceptions.ClientError) as refusal:
            one.client.delete_bucket(Bucket=one.bucket)
        assert code_of(refusal.value) == "AccessDenied"


def test_what_is_replaced_or_deleted_in_an_arranged_bucket_leaves_no_version(
    s3_endpoint: S3Access, buckets: Buckets
) -> None:
    arranged(s3_endpoint, buckets)
    raw, bucket = buckets[0].client, buckets[0].bucket
    for body in (b"first", b"replaced"):
        raw.put_object(Bucket=bucket, Key="a", Body=body)

    raw.delete_object(Bucket=bucket, Key="a")

    left = raw.list_object_versions(Bucket=bucket)
    assert [*left.get("Versions", []), *left.get("DeleteMarkers", [])] == []


def test_what_somebody_turned_on_beside_it_stays(s3_endpoint: S3Access, buckets: Buckets) -> None:
    raw, bucket = buckets[0].client, buckets[0].bucket
    raw.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    arranged(s3_endpoint, buckets)

    assert raw.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_doctor_holds_the_bucket_against_the_plan_and_names_the_next_start(
    s3_endpoint: S3Access, buckets: Buckets
) -> None:
    plan = read_plans(embedded=True)["archive"]
    before = _look(s3_endpoint, buckets, plan=plan)
    arranged(s3_endpoint, buckets)

    after = _look(s3_endpoint, buckets, plan=plan)

    assert (before.condition, after.condition) == (Condition.WARNING, Condition.OK)
    assert "unfinished uploads: never dropped now" in before.message
    assert before.fix == "start `cisterna up` anew, which sets it"


def test_a_store_that_does_not_let_itself_be_arranged_is_told_and_stops_no_start(
    seaweedfs: EmbeddedSeaweedFS, s3_endpoint: S3Access, buckets: Buckets
) -> None:
    archive, public = (one.bucket for one in buckets)

    def words(rule: Rule) -> str:
        with FaultProxy(seaweedfs.endpoint) as proxy:
            proxy.add(rule)
            through = s3_endpoint.model_copy(update={"endpoint": proxy.url})
            return arranging_words(through, archive_bucket=archive, public_bucket=public)

    lacking = words(Rule(Effect.ANSWER, status=501, code="NotImplemented", times=99, when=_writes_lifecycle))
    closed = words(Rule(Effect.ANSWER, status=403, code="AccessDenied", times=99))

    assert "its buckets are not as planned: unfinished uploads: archive cannot" in lacking
    assert "its buckets are not as planned: bucket: these keys may not" in closed
    assert arranging_words(s3_endpoint, archive_bucket=archive, public_bucket=public) == ""


def _writes_lifecycle(request: Request) -> bool:
    return request.method == "PUT" and "lifecycle" in request.query


def _look(access: S3Access, buckets: Buckets, *, plan: BucketPlan) -> Diagnosis:
    bucket = buckets[0].bucket
    admin = S3BucketAdmin(access, bucket=bucket, store="archive", policy=read_policy("bucket", bucket=bucket))
    try:
        return look_at_bucket(admin, plan, is_embedded=True)
    finally:
        admin.close()
