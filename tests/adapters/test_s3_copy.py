"""Copies within a real SeaweedFS: what they take over, what passes through this process, and what faults do to them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import (
    ChecksumMismatch,
    PreconditionFailed,
    StoreForbids,
    StoreLacks,
    StoreUnavailable,
)
from cisterna.domain.probe_key import PROBE_PREFIX
from cisterna.ports.object_store import ServerCopier
from cisterna.testing.fault_proxy import Answer, Effect, FaultProxy, Request, Rule
from cisterna.testing.object_store_contract import LARGE_BYTES, new_prefix, varied_bytes
from tests.landing_fixtures import S3Landing
from tests.store_fixtures import SHORT

HASTY = Patience(answer_seconds=1.0, connect_seconds=1.0, attempts=3, pause_seconds=0.01)
AnyStore = S3Store | S3BotoStore | S3MinioStore
SMALL_BYTES = 100_000
ALWAYS = 1_000
ERROR = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We failed midway.</Message></Error>"


@pytest.fixture(scope="module")
def archive(s3_endpoint: S3Access) -> Iterator[S3Store]:
    """Give one archive for all tests here: each has keys of its own."""
    store = S3Store(s3_endpoint, bucket=f"copy-archive-{os.getpid()}", patience=SHORT)
    store.create_bucket()
    yield store
    store.control.delete_bucket()
    store.close()


@pytest.fixture
def proxy(seaweedfs: EmbeddedSeaweedFS) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs.endpoint) as made:
        yield made


@pytest.fixture(params=[S3Store, S3BotoStore, S3MinioStore], ids=["obstore", "boto3", "minio"])
def any_store(
    request: pytest.FixtureRequest, proxy: FaultProxy, archive: S3Store, s3_endpoint: S3Access
) -> Iterator[AnyStore]:
    access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
    store: AnyStore = request.param(access, bucket=archive.bucket, name="archive", patience=HASTY)
    yield store
    store.close()


@pytest.fixture
def faulty(proxy: FaultProxy, archive: S3Store, s3_endpoint: S3Access) -> Iterator[S3Store]:
    access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
    store = S3Store(access, bucket=archive.bucket, name="archive", patience=HASTY)
    yield store
    store.close()


@pytest.fixture
def copier(faulty: S3Store, proxy: FaultProxy, landing: S3Landing) -> ServerCopier:
    made = faulty.copier(landing.witness())
    proxy.requests.clear()
    return made


def is_copy(request: Request) -> bool:
    return request.method == "PUT" and "x-amz-copy-source" in request.headers


def sent_bytes(proxy: FaultProxy) -> int:
    return sum(int(one.headers.get("content-length", 0)) for one in proxy.requests if one.method == "PUT")


def said(status: int, body: bytes) -> Callable[[Request], Answer]:
    return lambda _: (status, [("Content-Type", "application/xml")], body)


def put_or_upload(copier: ServerCopier, key: str, size_bytes: int, landing: S3Landing) -> bytes:
    """Copy that many bytes: one request for few, parts for many."""
    body = varied_bytes(size_bytes)
    copier.put(key, body, source=landing.write(f"{new_prefix()}x", body))
    return body


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
def test_a_copy_takes_over_no_metadata_tags_or_media_type(
    copier: ServerCopier, landing: S3Landing, faulty: S3Store, size_bytes: int
) -> None:
    key = new_prefix() + "a"
    put_or_upload(copier, key, size_bytes, landing)

    client: Any = landing.bucket.client
    found = client.head_object(Bucket=faulty.bucket, Key=key)
    tags = client.get_object_tagging(Bucket=faulty.bucket, Key=key)
    assert set(found["Metadata"]) <= {"cisterna-write"}
    assert tags["TagSet"] == []
    assert "image" not in found["ContentType"]
    assert "CacheControl" not in found


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
def test_no_byte_of_a_copy_goes_through_this_process(
    any_store: AnyStore, proxy: FaultProxy, landing: S3Landing, size_bytes: int
) -> None:
    copier = any_store.copier(landing.witness())
    proxy.requests.clear()

    put_or_upload(copier, new_prefix() + "a", size_bytes, landing)

    copies = [one for one in proxy.requests if is_copy(one)]
    assert sent_bytes(proxy) == 0
    assert len(copies) == (1 if size_bytes == SMALL_BYTES else 2)
    assert all("x-amz-copy-source-if-match" in one.headers for one in copies)
    assert not [one for one in proxy.requests if one.method == "GET"]


FAULTS = {
    "lost response": Rule(Effect.LOSE),
    "reset": Rule(Effect.RESET),
    "cut response": Rule(Effect.CUT),
    "silence": Rule(Effect.SILENCE, seconds=2.0),
    "503": Rule(Effect.ANSWER, status=503, code="SlowDown", times=2),
    "200 with an error": Rule(Effect.ANSWER, answer=said(200, ERROR)),
}


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_copy_outlives_a_short_fault(
    copier: ServerCopier, proxy: FaultProxy, landing: S3Landing, archive: S3Store, *, fault: str, size_bytes: int
) -> None:
    rule = FAULTS[fault]
    struck = proxy.add(
        Rule(
            rule.effect,
            when=is_copy,
            times=rule.times,
            status=rule.status,
            code=rule.code,
            answer=rule.answer,
            seconds=rule.seconds,
        )
    )
    key = new_prefix() + "a"

    body = put_or_upload(copier, key, size_bytes, landing)

    assert struck.fired == rule.times
    assert b"".join(archive.stream(key)) == body
    assert sent_bytes(proxy) == 0
    assert list(archive.unfinished_uploads(key)) == []


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
@pytest.mark.parametrize(
    "answer",
    [said(503, b""), said(200, ERROR), said(200, b""), said(200, b"<Other/>")],
    ids=["503", "200 with an error", "200 with nothing", "200 of others"],
)
def test_what_never_is_a_copy_is_never_taken_for_one(
    copier: ServerCopier,
    proxy: FaultProxy,
    landing: S3Landing,
    archive: S3Store,
    *,
    answer: Callable[[Request], Answer],
    size_bytes: int,
) -> None:
    proxy.add(Rule(Effect.ANSWER, when=is_copy, times=ALWAYS, answer=answer))
    key = new_prefix() + "a"

    with pytest.raises(StoreUnavailable):
        put_or_upload(copier, key, size_bytes, landing)

    assert archive.head(key) is None
    assert sent_bytes(proxy) == 0


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
def test_a_copy_whose_source_changed_while_its_answer_was_lost_is_not_taken_for_one(
    copier: ServerCopier, proxy: FaultProxy, landing: S3Landing, size_bytes: int
) -> None:
    where, body = new_prefix() + "x", varied_bytes(size_bytes)
    source = landing.write(where, body)
    proxy.add(Rule(Effect.LOSE, when=is_copy, after=lambda _: landing.write(where, bytes(size_bytes))))

    with pytest.raises(PreconditionFailed):
        copier.put(new_prefix() + "a", body, source=source)


def refusing(status: int, code: str) -> Rule:
    return Rule(Effect.ANSWER, when=is_copy, times=ALWAYS, status=status, code=code)


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
def test_what_the_store_refuses_to_copy_is_sent(
    any_store: AnyStore, proxy: FaultProxy, landing: S3Landing, archive: S3Store, size_bytes: int
) -> None:
    copier = any_store.copier(landing.witness())
    proxy.add(refusing(403, "AccessDenied"))
    key = new_prefix() + "a"

    body = put_or_upload(copier, key, size_bytes, landing)

    assert b"".join(archive.stream(key)) == body
    assert sent_bytes(proxy) >= size_bytes


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (400, "InvalidRequest"), (403, "InvalidObjectState")]
)
def test_whatever_a_store_has_against_copying_one_object_it_is_sent(
    copier: ServerCopier, proxy: FaultProxy, landing: S3Landing, archive: S3Store, *, status: int, code: str
) -> None:
    proxy.add(refusing(status, code))
    key = new_prefix() + "a"

    upload, body = copier.begin_upload(key, source=landing.write(new_prefix() + "x", b"ab")), b"ab"
    upload.write(body)

    assert upload.complete().size_bytes == 2
    assert upload.sent_bytes == 2
    assert archive.get(key)[0] == body


def lying(name: str, value: str) -> Callable[[Request, Answer], Answer]:
    """Give the answers to HEAD requests another header."""

    def tamper(request: Request, answer: Answer) -> Answer:
        status, headers, body = answer
        if request.method != "HEAD" or status != 200:
            return answer
        return status, [*((one, said) for one, said in headers if one.lower() != name), (name, value)], body

    return tamper


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-length", "99999"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
    ],
)
def test_a_copy_of_another_size_or_checksum_is_refused(
    copier: ServerCopier, proxy: FaultProxy, landing: S3Landing, *, name: str, value: str, size_bytes: int
) -> None:
    proxy.tamper = lying(name, value)

    with pytest.raises(ChecksumMismatch, match="says that its copy"):
        put_or_upload(copier, new_prefix() + "a", size_bytes, landing)

    proxy.tamper = None


@pytest.mark.parametrize("name", ["sha256", "sha1", "crc32", "crc32c"])
def test_every_checksum_that_a_store_tells_of_a_copy_is_compared(
    copier: ServerCopier, landing: S3Landing, proxy: FaultProxy, name: str
) -> None:
    body, client = varied_bytes(SMALL_BYTES), landing.bucket.client
    where = new_prefix() + "x"
    put = client.put_object(Bucket=landing.bucket.bucket, Key=where, Body=body, ChecksumAlgorithm=name.upper())
    source = landing.seen(where, put, size_bytes=len(body))

    copier.put(new_prefix() + "a", body, source=source)

    proxy.tamper = lying(f"x-amz-checksum-{name}", "AAAA")
    with pytest.raises(ChecksumMismatch, match=name.upper()):
        copier.put(new_prefix() + "b", body, source=source)
    proxy.tamper = None


def test_a_checksum_of_parts_is_not_taken_for_one_of_the_whole(
    copier: ServerCopier, landing: S3Landing, proxy: FaultProxy
) -> None:
    for value in ("AAAAAA==-2", "AAAAAA=="):
        proxy.tamper = lying("x-amz-checksum-crc32", value)
        if "-" not in value:
            inner = proxy.tamper
            proxy.tamper = lambda request, answer, inner=inner: lying("x-amz-checksum-type", "COMPOSITE")(
                request, inner(request, answer)
            )
        put_or_upload(copier, new_prefix() + "a", SMALL_BYTES, landing)
    proxy.tamper = None


@pytest.mark.parametrize("size_bytes", [6_000_000, LARGE_BYTES], ids=["whole", "parts"])
def test_what_was_written_in_parts_is_copied_by_its_own_kind_of_etag(
    copier: ServerCopier, landing: S3Landing, archive: S3Store, size_bytes: int
) -> None:
    key, body = new_prefix() + "a", varied_bytes(size_bytes)
    source = landing.write_in_parts(new_prefix() + "x", body, part_bytes=5 * 1024 * 1024)
    assert "-" in source.etag

    copier.put(key, body, source=source)

    assert b"".join(archive.stream(key)) == body


@pytest.mark.parametrize("size_bytes", [SMALL_BYTES, LARGE_BYTES], ids=["whole", "parts"])
def test_of_a_bucket_that_keeps_versions_the_one_that_was_read_is_copied(
    archive: S3Store, s3_endpoint: S3Access, size_bytes: int
) -> None:
    store = S3BotoStore(s3_endpoint, bucket=f"versions-{uuid.uuid4().hex[:8]}", patience=SHORT)
    store.create_bucket()
    landing = S3Landing(store._bucket)
    landing.bucket.client.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    copier = archive.copier(landing.witness())
    where, body = "x", varied_bytes(size_bytes)
    read, other = landing.write(where, body), landing.write(where, bytes(size_bytes))
    assert read.version_id
    key = new_prefix() + "a"

    copier.put(key, body, source=read)

    assert b"".join(archive.stream(key)) == body
    with pytest.raises(PreconditionFailed):
        copier.put(key, body, source=read.model_copy(update={"version_id": other.version_id}))
    landing.bucket.client.delete_object(Bucket=store.bucket, Key=where, VersionId=read.version_id)
    with pytest.raises(PreconditionFailed):
        copier.put(key, body, source=read)
    store.delete_bucket()
    store.close()


def test_keys_that_may_not_read_the_landing_bucket_copy_nothing(
    seaweedfs: EmbeddedSeaweedFS, landing: S3Landing
) -> None:
    store = S3Store(seaweedfs.public_access, bucket=seaweedfs.public_bucket, name="public", patience=SHORT)

    with pytest.raises(StoreForbids, match=r"its keys may not read there; give them s3:GetObject"):
        store.copier(landing.witness())

    assert list(store.list(PROBE_PREFIX)) == []
    store.close()


def blind(part: str) -> Callable[[Request], bool]:
    """Choose copies of one kind."""
    return lambda one: is_copy(one) and ("partnumber" in one.query.lower()) == (part == "a copied part")


@pytest.mark.parametrize("what", ["a copy", "a copied part"])
def test_a_store_that_ignores_the_condition_is_not_let_copy(
    seaweedfs: EmbeddedSeaweedFS, s3_endpoint: S3Access, archive: S3Store, landing: S3Landing, what: str
) -> None:
    def admit(request: Request, answer: Answer) -> Answer:
        if not blind(what)(request) or answer[0] != 412:
            return answer
        result = "CopyPartResult" if what == "a copied part" else "CopyObjectResult"
        body = f"<{result}><ETag>0</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></{result}>"
        landing.bucket.client.put_object(Bucket=archive.bucket, Key=request.path.split("/", 2)[2], Body=witness)
        return 200, [("Content-Type", "application/xml")], body.encode()

    witness = landing.witness().body
    with FaultProxy(seaweedfs.endpoint, tamper=admit) as proxy:
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        store = S3Store(access, bucket=archive.bucket, name="archive", patience=HASTY)
        with pytest.raises(StoreLacks, match=f"{what} does not keep x-amz-copy-source-if-match"):
            store.copier(landing.witness())
        store.close()
    assert list(archive.list(PROBE_PREFIX)) == []
    assert list(archive.unfinished_uploads(PROBE_PREFIX)) == []


def test_a_store_that_copies_other_bytes_or_what_it_refused_is_not_let_copy(
    faulty: S3Store, proxy: FaultProxy, landing: S3Landing, archive: S3Store
) -> None:
    def garble(request: Request, answer: Answer) -> Answer:
        is_look = request.method == "GET" and "-copy-part" in request.path
        plain = [(name, value) for name, value in answer[1] if "checksum" not in name.lower()]
        return (200, plain, bytes(len(answer[2]))) if is_look else answer

    def keep(request: Request, answer: Answer) -> Answer:
        if is_copy(request) and answer[0] == 412:
            archive.put(request.path.split("/", 2)[2], b"copied all the same")
        return answer

    for tamper, told in ((garble, "other bytes than its source"), (keep, "a copy that it refused is there")):
        proxy.tamper = tamper
        with pytest.raises(StoreLacks, match=told):
            faulty.copier(landing.witness())
        proxy.tamper = None
        assert list(archive.list(PROBE_PREFIX)) == []


FOUND = {
    "no such request": (501, "NotImplemented", StoreLacks, "it refuses to"),
    "never holds": (412, "PreconditionFailed", StoreLacks, "refuses a condition that holds"),
    "away": (503, "SlowDown", StoreUnavailable, "503"),
}


@pytest.mark.parametrize("found", FOUND)
def test_what_keeps_a_store_from_copying_is_told(
    faulty: S3Store, proxy: FaultProxy, landing: S3Landing, found: str
) -> None:
    status, code, error, told = FOUND[found]
    proxy.add(refusing(status, code))

    with pytest.raises(error, match=told):
        faulty.copier(landing.witness())

    proxy.heal()
    faulty.copier(landing.witness())


def test_what_was_proven_is_not_proven_again(faulty: S3Store, proxy: FaultProxy, landing: S3Landing) -> None:
    faulty.copier(landing.witness())
    asked = len(proxy.requests)

    faulty.copier(landing.witness())

    assert len(proxy.requests) == asked
