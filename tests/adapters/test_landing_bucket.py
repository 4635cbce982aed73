"""What a prefix of a bucket shows as a landing zone: keys that are no paths, reads that break, zones that go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cisterna.adapters.bucket_listing import SeenKey, listing_of
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.landing_bucket import LandingBucket
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.domain.errors import ReleaseRefused, SourceChanged, SourceUnavailable
from cisterna.domain.instrument import SENTINEL_NAME
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule

HASTY = Patience(answer_seconds=2.0, connect_seconds=1.0, attempts=3, pause_seconds=0.01)
WRITTEN = datetime(2026, 11, 30, 8, 0, 0, 250_000, tzinfo=UTC)
BIG = os.urandom(6 * 1024 * 1024)


def seen(*keys: str, size_bytes: int = 3, etag: str = '"e1"') -> list[SeenKey]:
    return [SeenKey(f"zone/run/{key}", size_bytes, etag, WRITTEN) for key in keys]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("a//b", "two '/' in a row"),
        ("/a", "two '/' in a row"),
        ("../../etc/passwd", "part '.' or '..'"),
        ("a/./b", "part '.' or '..'"),
        ("..", "part '.' or '..'"),
        ("a/", "ends in '/'"),
        ("", "ends in '/'"),
        ("a\0b", "NUL"),
    ],
)
def test_a_key_that_is_no_path_holds_the_run_and_says_why(key: str, says: str) -> None:
    listing = listing_of(seen("fine.txt", key), below="zone/run/")

    (obstacle,) = listing.obstacles
    assert says in obstacle.reason
    assert [file.path for file in listing.files] == ["fine.txt"]


def test_an_empty_object_that_stands_for_a_folder_is_no_file_and_holds_nothing() -> None:
    listing = listing_of([*seen("", "0/", size_bytes=0), *seen("0/a")], below="zone/run/")

    assert [file.path for file in listing.files] == ["0/a"]
    assert listing.obstacles == ()


def test_a_key_that_others_take_for_a_folder_holds_the_run() -> None:
    listing = listing_of(seen("a", "a/b", "a.txt"), below="zone/run/")

    assert [(one.shown, "for a folder" in one.reason) for one in listing.obstacles] == [("a", True)]


def test_names_are_written_as_in_folders() -> None:
    listing = listing_of(seen("line\nbreak", "%41", "50%", "µ"), below="zone/run/")

    assert [file.path for file in listing.files] == ["%2541", "50%", "line%0Abreak", "µ"]


def test_another_etag_is_another_file_though_size_and_second_are_the_same() -> None:
    first, other = (listing_of(seen("a", etag=etag), below="zone/run/") for etag in ('"e1"', '"e2"'))
    unquoted = listing_of(seen("a", etag="e1"), below="zone/run/")

    assert first.fingerprint == unquoted.fingerprint != other.fingerprint
    assert first.files[0].mtime_ns == int(WRITTEN.timestamp()) * 10**9


@pytest.fixture
def bucket(s3_endpoint: S3Access) -> Iterator[S3Bucket]:
    store = S3BotoStore(s3_endpoint, bucket="landing-odd", patience=HASTY)
    store.create_bucket()
    made = S3Bucket(s3_endpoint, bucket=store.bucket, name="s3://landing-odd", patience=HASTY)
    made.client.put_object(Bucket=made.bucket, Key="zone/run/big", Body=BIG)
    LandingBucket(made, prefix="zone").mark()
    yield made
    store.delete_bucket()
    store.close()
    made.close()


@pytest.fixture
def proxy(seaweedfs: EmbeddedSeaweedFS) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs.endpoint) as made:
        yield made


@pytest.fixture
def faulty(proxy: FaultProxy, bucket: S3Bucket, s3_endpoint: S3Access) -> Iterator[LandingBucket]:
    access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
    made = S3Bucket(access, bucket=bucket.bucket, name="s3://landing-odd", patience=HASTY)
    yield LandingBucket(made, prefix="zone")
    made.close()


def read(zone: LandingBucket) -> bytes:
    body, buffer = bytearray(), bytearray(1024 * 1024)
    with zone.open("run", "big") as file:
        while count := file.readinto(memoryview(buffer)):
            body += buffer[:count]
    return bytes(body)


def test_a_read_that_breaks_goes_on_where_it_broke(faulty: LandingBucket, proxy: FaultProxy) -> None:
    cut = proxy.add(Rule(Effect.CUT, when=lambda one: one.method == "GET"))

    assert read(faulty) == BIG

    assert cut.fired == 1
    assert len([one for one in proxy.requests if one.method == "GET"]) == 2


def test_a_read_that_goes_on_breaking_is_the_source_being_away(faulty: LandingBucket, proxy: FaultProxy) -> None:
    proxy.add(Rule(Effect.CUT, when=lambda one: one.method == "GET"))
    proxy.add(Rule(Effect.RESET, when=lambda one: one.method == "GET", times=50))

    with pytest.raises(SourceUnavailable, match="zone/run/big"):
        read(faulty)


def test_a_read_never_goes_on_in_another_object(faulty: LandingBucket, proxy: FaultProxy, bucket: S3Bucket) -> None:
    proxy.add(Rule(Effect.CUT, when=lambda one: one.method == "GET"))

    with faulty.open("run", "big") as file:
        bucket.client.put_object(Bucket=bucket.bucket, Key="zone/run/big", Body=BIG[::-1])
        with pytest.raises(SourceChanged, match="another object was written"):
            file.readinto(memoryview(bytearray(len(BIG))))


def test_an_object_that_is_deleted_while_it_is_read_has_changed(bucket: S3Bucket) -> None:
    with LandingBucket(bucket, prefix="zone").open("run", "big") as file:
        file.still()
        bucket.client.delete_object(Bucket=bucket.bucket, Key="zone/run/big")

        with pytest.raises(SourceChanged, match="deleted"):
            file.still()


def test_a_bucket_that_is_not_there_is_unavailable(s3_endpoint: S3Access) -> None:
    bucket = S3Bucket(s3_endpoint, bucket="no-such-bucket", name="s3://no-such-bucket", patience=HASTY)
    zone = LandingBucket(bucket, prefix="zone")

    for look in (zone.folders, zone.strays, zone.identity, lambda: zone.listing("run"), zone.mark):
        with pytest.raises(SourceUnavailable):
            look()
    bucket.close()


def test_a_store_that_does_not_answer_is_unavailable(faulty: LandingBucket, proxy: FaultProxy) -> None:
    proxy.add(Rule(Effect.ANSWER, status=500, times=100))

    for look in (faulty.folders, faulty.identity, lambda: faulty.listing("run")):
        with pytest.raises(SourceUnavailable):
            look()


@pytest.mark.parametrize("text", [b"", b"short", b"x" * 1000, b"\xff" * 32, b"two words and more"])
def test_a_sentinel_that_is_none_declares_nothing(bucket: S3Bucket, text: bytes) -> None:
    bucket.client.put_object(Bucket=bucket.bucket, Key=f"zone/{SENTINEL_NAME}", Body=text)

    with pytest.raises(SourceUnavailable, match="sentinel"):
        LandingBucket(bucket, prefix="zone").identity()


def test_nothing_in_a_bucket_is_deleted(bucket: S3Bucket) -> None:
    with pytest.raises(ReleaseRefused, match="bucket"):
        LandingBucket(bucket, prefix="zone").delete("run", (), keep_on=lambda: None)
