"""What `infra/` says of buckets and rights is read whole, grants no more than it must, and is refused when damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cisterna.adapters.bucket_plan import read_plans, read_policy
from cisterna.domain.errors import SettingsInvalid

UNDOES_THE_NETS = (
    "s3:*",
    "s3:BypassGovernanceRetention",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:DeleteObjectVersion",
    "s3:PutBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
)


def test_the_shipped_plan_keeps_what_is_replaced_in_the_archive() -> None:
    plans = read_plans()

    archive = plans["archive"]
    assert archive.versioning
    assert archive.object_lock
    assert archive.refuses_deletion
    assert archive.replaced_days
    assert archive.unfinished_uploads_days
    assert archive.unfinished_uploads_days >= 7  # longer than any ingest takes
    assert plans["public"].refuses_deletion


def test_an_embedded_home_keeps_no_versions_and_else_asks_what_the_whole_plan_asks() -> None:
    whole, embedded = read_plans(), read_plans(embedded=True)

    for name, plan in embedded.items():
        assert (plan.versioning, plan.object_lock, plan.replaced_days, plan.tiers) == (False, False, None, ())
        assert plan.refuses_deletion
        assert plan.unfinished_uploads_days == whole[name].unfinished_uploads_days  # a start undoes no provisioning


@pytest.mark.parametrize("content", ["", "embedded = 3\n", "[embedded.archive]\n", "[embedded]\narchive = 1\n"])
def test_a_damaged_plan_of_an_embedded_home_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "buckets.toml").write_text(content)

    with pytest.raises(SettingsInvalid, match=r"buckets\.toml"):
        read_plans(embedded=True, infra=tmp_path)


def test_everyday_keys_reach_one_bucket_and_cannot_undo_its_nets() -> None:
    statements = read_policy("identity", bucket="imaging")["Statement"]

    assert {one["Effect"] for one in statements} == {"Allow"}
    assert {place for one in statements for place in one["Resource"]} == {
        "arn:aws:s3:::imaging",
        "arn:aws:s3:::imaging/*",
    }
    granted = {action for one in statements for action in one["Action"]}
    assert not granted & set(UNDOES_THE_NETS)
    assert not [action for action in granted if "*" in action]


def test_reading_keys_change_nothing() -> None:
    statements = read_policy("reader", bucket="imaging")["Statement"]

    assert {place for one in statements for place in one["Resource"]} == {
        "arn:aws:s3:::imaging",
        "arn:aws:s3:::imaging/*",
    }
    granted = [action for one in statements for action in one["Action"]]
    assert [one for one in granted if not one.startswith(("s3:Get", "s3:List")) or "*" in one] == []
    assert {one["Effect"] for one in statements} == {"Allow"}


def test_the_bucket_policy_only_refuses() -> None:
    assert [one["Effect"] for one in read_policy("bucket", bucket="imaging")["Statement"]] == ["Deny"]


@pytest.mark.parametrize(
    "content",
    ["", "[archive]\n", "[archive]\nversioning = 3\n[public]\n", "[archive]\nretention = 1\n[public]\n", "[[["],
    ids=["empty", "one bucket", "no truth value", "unknown key", "no TOML"],
)
def test_a_damaged_plan_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "buckets.toml").write_text(content)

    with pytest.raises(SettingsInvalid, match=r"buckets\.toml"):
        read_plans(infra=tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"Statement": [{"Sid": "x"}]})])
def test_a_damaged_policy_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "bucket.json").write_text(content)

    with pytest.raises(SettingsInvalid, match=r"bucket\.json"):
        read_policy("bucket", bucket="imaging", infra=tmp_path)
