"""The store in memory keeps the port's promises, and fails exactly when told to."""

from __future__ import annotations

import pytest

from cisterna.domain.errors import InvalidInput, ObjectNotFound, PreconditionFailed, StoreUnavailable, StoreUnfit
from cisterna.ports.object_store import IfAbsent, ObjectStore, SourceObject
from cisterna.testing.memory_store import WRITES, MemoryStore
from cisterna.testing.memory_zone import MemoryZone
from cisterna.testing.object_store_contract import ObjectStoreContract
from cisterna.testing.server_copy_contract import CopiedUploadContract, WholeCopyContract


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore()


class MemoryLanding(MemoryZone):
    def __init__(self) -> None:
        super().__init__(bucket="runs")

    def write(self, path: str, body: bytes) -> SourceObject:  # type: ignore[override]
        super().write(path, body)
        found = self.object_at(path)
        assert found is not None
        return found[0]


class TestMemoryCopier(WholeCopyContract, CopiedUploadContract):
    @pytest.fixture
    def landing(self) -> MemoryLanding:
        return MemoryLanding()

    @pytest.fixture
    def store(self, landing: MemoryLanding) -> ObjectStore:
        return MemoryStore(reaches={"runs": landing})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_a_call_fails_before_it_takes_effect(store: MemoryStore) -> None:
    fault = store.fail_on("put", nth=2)

    store.put("a", b"1")
    with pytest.raises(StoreUnavailable):
        store.put("b", b"2")
    store.put("c", b"3")

    assert [one.key for one in store.list("")] == ["a", "c"]
    assert fault.fired == 1


def test_a_lost_response_hides_a_write_that_took_effect(store: MemoryStore) -> None:
    store.fail_on("put", after=True)

    with pytest.raises(StoreUnavailable):
        store.put("a", b"1", condition=IfAbsent())

    assert store.get("a")[0] == b"1"
    with pytest.raises(PreconditionFailed):
        store.put("a", b"1", condition=IfAbsent())


def test_a_lost_response_hides_a_refusal_too(store: MemoryStore) -> None:
    store.put("a", b"1")
    store.fail_on("put", after=True)

    with pytest.raises(StoreUnavailable):
        store.put("a", b"2", condition=IfAbsent())

    assert store.get("a")[0] == b"1"


def test_an_upload_whose_completion_was_lost_is_there_and_abort_leaves_it(store: MemoryStore) -> None:
    store.fail_on("complete", after=True)
    upload = store.begin_upload("a")
    upload.write(b"x")

    with pytest.raises(StoreUnavailable):
        upload.complete()
    upload.abort()

    assert store.get("a")[0] == b"x"


def test_faults_count_over_several_methods_and_only_on_named_keys(store: MemoryStore) -> None:
    kill = store.fail_on(WRITES, nth=3, key_ends=".json", error=KeyboardInterrupt())

    store.put("a.json", b"1")
    store.put("other", b"1")
    store.delete(["a.json"])
    with pytest.raises(KeyboardInterrupt):
        store.begin_upload("b.json")

    assert kill.seen == 3
    assert list(store.unfinished_uploads("")) == []


def test_an_outage_ends_when_healed(store: MemoryStore) -> None:
    store.fail_on("head", times=1_000_000)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.head("a")

    store.heal()

    assert store.head("a") is None
    assert store.calls["head"] == 4


def test_a_stream_breaks_midway(store: MemoryStore) -> None:
    store.put("a", bytes(4 * 1024 * 1024))
    store.fail_on("stream", after=True)
    chunks = store.stream("a")

    assert len(next(chunks)) == 1024 * 1024
    with pytest.raises(StoreUnavailable):
        list(chunks)


def test_a_flipped_byte_shows_only_to_whoever_reads(store: MemoryStore) -> None:
    put = store.put("a", b"abc")

    store.flip_byte("a", position=1)

    assert store.head("a") == put
    assert store.get("a")[0] == b"a\x9dc"


def test_an_unreadable_object_looks_fine_to_head(store: MemoryStore) -> None:
    put = store.put("a", b"abc")

    store.make_unreadable("a")

    assert store.head("a") == put
    with pytest.raises(StoreUnavailable):
        store.get("a")


def test_slow_calls_still_do_their_work(store: MemoryStore) -> None:
    store.slow_down("put", seconds=0.01)

    store.put("a", b"abc")

    assert store.get("a")[0] == b"abc"


def test_an_unfit_store_is_refused_by_its_probe(store: MemoryStore) -> None:
    store.make_unfit("If-Match lets two win")

    with pytest.raises(StoreUnfit, match="If-Match"):
        store.probe()


def test_the_media_type_is_remembered(store: MemoryStore) -> None:
    store.put("a", b"{}", content_type="application/json")

    assert store.content_type("a") == "application/json"
    with pytest.raises(ObjectNotFound):
        store.content_type("b")


def test_a_fault_on_a_method_that_is_none_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InvalidInput):
        store.fail_on("putt")
