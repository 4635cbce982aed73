"""Through resets, lost responses, 5xx and silence the S3 adapters keep what the port promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import ObjectNotFound, PreconditionFailed, StoreUnavailable, StoreUnfit
from cisterna.ports.object_store import IfAbsent, IfMatch
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from cisterna.testing.object_store_contract import LARGE_BYTES, varied_bytes

HASTY = Patience(answer_seconds=1.0, connect_seconds=1.0, attempts=3, pause_seconds=0.01)
AnyStore = S3Store | S3BotoStore | S3MinioStore
ADAPTERS = (S3Store, S3BotoStore, S3MinioStore)


@pytest.fixture
def proxy(seaweedfs: EmbeddedSeaweedFS) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs.endpoint) as made:
        yield made


@pytest.fixture(params=ADAPTERS, ids=["obstore", "boto3", "minio"])
def faulty(
    request: pytest.FixtureRequest, proxy: FaultProxy, object_store: S3Store, s3_endpoint: S3Access
) -> Iterator[AnyStore]:
    access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
    store: AnyStore = request.param(access, bucket=object_store.bucket, patience=HASTY)
    yield store
    store.close()


def of(method: str, *, query: str | None = None) -> Callable[[Request], bool]:
    return lambda one: one.method == method and (query is None or query in one.query)


@pytest.mark.parametrize(
    "rule",
    [Rule(Effect.RESET), Rule(Effect.LOSE), Rule(Effect.ANSWER, status=500), Rule(Effect.ANSWER, status=503, times=2)],
    ids=["reset", "lost response", "500", "503 twice"],
)
def test_a_put_outlives_a_short_fault(faulty: AnyStore, proxy: FaultProxy, object_store: S3Store, rule: Rule) -> None:
    fault = proxy.add(Rule(rule.effect, when=of("PUT"), times=rule.times, status=rule.status))

    put = faulty.put("a", b"bytes")

    assert fault.fired == rule.times
    assert object_store.get("a") == (b"bytes", put)


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.LOSE, Effect.CUT])
def test_a_get_outlives_a_short_fault(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store, effect: Effect
) -> None:
    body = varied_bytes(300_000)
    object_store.put("a", body)
    fault = proxy.add(Rule(effect, when=of("GET")))

    try:
        got = faulty.get("a")[0]
    except StoreUnavailable:
        assert effect is Effect.CUT  # only obstore resumes a body that broke off; nothing wrong was returned
        got = faulty.get("a")[0]

    assert fault.fired == 1
    assert got == body


def test_a_creation_whose_response_is_lost_is_known_as_ours(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store
) -> None:
    lost = proxy.add(Rule(Effect.LOSE, when=of("PUT")))

    put = faulty.put("a", b"ours", condition=IfAbsent())

    assert lost.fired == 1
    assert object_store.get("a") == (b"ours", put)


def test_a_replacement_whose_response_is_lost_is_known_as_ours(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store
) -> None:
    seen = object_store.put("a", b"first")
    proxy.add(Rule(Effect.LOSE, when=of("PUT")))

    put = faulty.put("a", b"ours", condition=IfMatch(etag=seen.etag))

    assert object_store.get("a") == (b"ours", put)


def test_a_replacement_of_what_is_gone_is_refused_also_by_a_store_that_says_not_found(
    faulty: AnyStore, proxy: FaultProxy
) -> None:
    """Amazon S3 answers `If-Match` for an absent key with 404, SeaweedFS with 412."""
    proxy.add(Rule(Effect.ANSWER, when=of("PUT"), status=404))

    with pytest.raises(PreconditionFailed):
        faulty.put("gone", b"ours", condition=IfMatch(etag="d41d8cd98f00b204e9800998ecf8427e"))


def test_anothers_object_of_the_same_bytes_is_not_taken_for_ours(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store
) -> None:
    object_store.put("a", b"the same", condition=IfAbsent())
    lost = proxy.add(Rule(Effect.LOSE, when=of("PUT")))

    with pytest.raises(PreconditionFailed):
        faulty.put("a", b"the same", condition=IfAbsent())

    assert lost.fired == 1


def test_a_conditional_write_in_doubt_to_the_end_is_unavailable_and_not_refused(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store
) -> None:
    proxy.add(Rule(Effect.RESET, when=of("PUT"), times=1_000))

    with pytest.raises(StoreUnavailable):
        faulty.put("a", b"ours", condition=IfAbsent())

    assert object_store.head("a") is None


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.LOSE])
def test_an_upload_outlives_the_loss_of_a_part_and_of_its_completion(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store, effect: Effect
) -> None:
    part = proxy.add(Rule(effect, when=of("PUT", query="partNumber=1")))
    end = proxy.add(Rule(effect, when=lambda one: one.method == "POST" and "uploadId=" in one.query))
    body = varied_bytes(LARGE_BYTES)
    upload = faulty.begin_upload("large")
    upload.write(body)

    done = upload.complete()

    assert (part.fired, end.fired) == (1, 1)
    assert b"".join(object_store.stream("large")) == body
    assert object_store.head("large") == done
    assert list(object_store.unfinished_uploads("")) == []


def test_an_upload_that_cannot_go_on_says_so_and_leaves_nothing(
    faulty: AnyStore, proxy: FaultProxy, object_store: S3Store
) -> None:
    proxy.add(Rule(Effect.ANSWER, status=500, when=of("PUT", query="partNumber=2"), times=1_000))
    upload = faulty.begin_upload("large")

    def send() -> None:
        upload.write(varied_bytes(4 * LARGE_BYTES))
        upload.complete()

    with pytest.raises(StoreUnavailable):
        send()
    upload.abort()

    assert object_store.head("large") is None
    assert list(object_store.unfinished_uploads("")) == []


def test_a_listing_and_a_deletion_outlive_a_reset(faulty: AnyStore, proxy: FaultProxy, object_store: S3Store) -> None:
    for key in ("a/1", "a/2"):
        object_store.put(key, b"x")

    proxy.add(Rule(Effect.RESET, when=of("GET")))
    assert [one.key for one in faulty.list("a/")] == ["a/1", "a/2"]
    proxy.add(Rule(Effect.LOSE, when=of("POST")))
    faulty.delete(["a/1"])

    assert [one.key for one in object_store.list("a/")] == ["a/2"]


@pytest.mark.timeout(30)
def test_a_store_that_is_silent_is_unavailable_in_bounded_time(faulty: AnyStore, proxy: FaultProxy) -> None:
    proxy.add(Rule(Effect.SILENCE, seconds=60.0, times=1_000))

    for act in (lambda: faulty.put("a", b"x"), lambda: faulty.head("a"), lambda: list(faulty.list("a/"))):
        with pytest.raises(StoreUnavailable):
            act()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_store_that_is_down_is_unavailable_in_bounded_time(kind: type[AnyStore], s3_endpoint: S3Access) -> None:
    nobody = s3_endpoint.model_copy(update={"endpoint": f"http://127.0.0.1:{spare_ports(1)[0]}"})
    store = kind(nobody, bucket="some-bucket", patience=HASTY)
    calls: list[Callable[[], object]] = [
        lambda: store.put("a", b"x"),
        lambda: store.put("a", b"x", condition=IfAbsent()),
        lambda: store.get("a"),
        lambda: next(iter(store.stream("a"))),
        lambda: store.head("a"),
        lambda: list(store.list("a/")),
        lambda: list(store.list("a")),
        lambda: store.delete(["a"]),
        lambda: list(store.unfinished_uploads("")),
        lambda: store.begin_upload("a").complete(),
        store.probe,
    ]

    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
    store.close()


@pytest.mark.parametrize("kind", ADAPTERS)
def test_wrong_credentials_and_a_missing_bucket_are_neither_absence_nor_success(
    kind: type[AnyStore], s3_endpoint: S3Access, object_store: S3Store
) -> None:
    object_store.put("a", b"x")
    stranger = kind(
        s3_endpoint.model_copy(update={"access_key_id": "STRANGER"}), bucket=object_store.bucket, patience=HASTY
    )
    nowhere = kind(s3_endpoint, bucket="test-missing", patience=HASTY)

    for store in (stranger, nowhere):
        with pytest.raises((StoreUnavailable, ObjectNotFound)):
            store.get("a")
        with pytest.raises((StoreUnavailable, ObjectNotFound)):
            store.put("a", b"x")
        store.close()
    with pytest.raises(StoreUnavailable):
        stranger.get("a")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(Effect.ANSWER, when=of("PUT"), skip=2, status=412), "refuses a condition that holds"),
        (Rule(Effect.ANSWER, when=of("GET", query="uploads"), status=501, times=1_000), "lacks a request"),
    ],
    ids=["If-Match never holds", "no listing of uploads"],
)
def test_the_probe_names_what_a_store_lacks(faulty: AnyStore, proxy: FaultProxy, rule: Rule, told: str) -> None:
    proxy.add(Rule(rule.effect, when=rule.when, skip=rule.skip, times=rule.times, status=rule.status))

    with pytest.raises(StoreUnfit, match=told):
        faulty.probe()


def test_what_the_probe_finds_first_is_told_even_if_it_cannot_clean_up(faulty: AnyStore, proxy: FaultProxy) -> None:
    """s3rver has neither conditional writes nor a listing of uploads."""
    proxy.add(Rule(Effect.ANSWER, when=of("PUT"), skip=2, status=412))
    proxy.add(Rule(Effect.ANSWER, when=of("GET", query="uploads"), status=501, times=1_000))

    with pytest.raises(StoreUnfit, match="refuses a condition that holds"):
        faulty.probe()
