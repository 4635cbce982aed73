"""Folders, prefixes of buckets and the zone in memory keep the same promises."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from cisterna.adapters.landing_bucket import LandingBucket
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.domain.instrument import SENTINEL_NAME, Identity
from cisterna.testing.landing_zone_contract import LandingZoneContract
from cisterna.testing.memory_zone import MemoryZone
from tests.store_fixtures import SHORT

_numbers = itertools.count(1)


class FolderWriter:
    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir()

    def write(self, path: str, body: bytes) -> None:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.new")
        fresh.write_bytes(body)
        fresh.rename(file)

    def remove(self, path: str) -> None:
        (self.top / path).unlink()

    def swap(self) -> None:
        self.top.rename(self.top.with_name("away"))
        self.top.mkdir()

    def zone(self, *, declared: Identity | None = None) -> LandingFolder:
        return LandingFolder(str(self.top), declared=declared)


class BucketWriter:
    def __init__(self, access: S3Access, *, bucket: str, prefix: str) -> None:
        self.bucket = S3Bucket(access, bucket=bucket, name=f"s3://{bucket}", patience=SHORT)
        self.prefix = prefix
        self.zone().mark()

    def write(self, path: str, body: bytes) -> None:
        self.bucket.client.put_object(Bucket=self.bucket.bucket, Key=self._key(path), Body=body)

    def remove(self, path: str) -> None:
        self.bucket.client.delete_object(Bucket=self.bucket.bucket, Key=self._key(path))

    def swap(self) -> None:
        for page in self.bucket.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket.bucket):
            for one in page.get("Contents", []):
                self.bucket.client.delete_object(Bucket=self.bucket.bucket, Key=one["Key"])

    def zone(self, *, declared: Identity | None = None) -> LandingBucket:
        return LandingBucket(self.bucket, prefix=self.prefix, declared=declared)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path


class MemoryWriter(MemoryZone):
    def zone(self, *, declared: Identity | None = None) -> MemoryZone:
        self._declared = declared
        return self


@pytest.fixture
def bucket(s3_endpoint: S3Access) -> Iterator[str]:
    """Make a bucket of the real SeaweedFS."""
    store = S3BotoStore(s3_endpoint, bucket=f"landing-{next(_numbers)}", patience=SHORT)
    store.create_bucket()
    yield store.bucket
    store.delete_bucket()
    store.close()


class TestLandingFolder(LandingZoneContract):
    @pytest.fixture
    def writer(self, tmp_path: Path) -> FolderWriter:
        return FolderWriter(tmp_path / "zone")


class TestMemoryZone(LandingZoneContract):
    @pytest.fixture(params=[None, "runs"], ids=["folder", "bucket"])
    def writer(self, request: pytest.FixtureRequest) -> MemoryWriter:
        return MemoryWriter(bucket=request.param)


class TestLandingBucket(LandingZoneContract):
    @pytest.fixture(params=["", "farm/novaseq"], ids=["bucket", "prefix"])
    def writer(self, s3_endpoint: S3Access, bucket: str, request: pytest.FixtureRequest) -> Iterator[BucketWriter]:
        made = BucketWriter(s3_endpoint, bucket=bucket, prefix=request.param)
        yield made
        made.bucket.close()


def test_marking_a_zone_twice_keeps_the_first_sentinel(s3_endpoint: S3Access, bucket: str) -> None:
    writer = BucketWriter(s3_endpoint, bucket=bucket, prefix="a")
    first = writer.zone().identity()

    writer.zone().mark()

    assert writer.zone().identity() == first
    assert BucketWriter(s3_endpoint, bucket=bucket, prefix="b").zone().identity() != first
    assert SENTINEL_NAME not in {stray.shown for stray in writer.zone().strays()}
    writer.bucket.close()
