"""The public shelf: one record a version, tombstones, and nothing but records of ours."""

from __future__ import annotations

import pytest

from cisterna.adapters.portal import Portal
from cisterna.adapters.portal_cache import RecordCache
from cisterna.domain.errors import ObjectInvalid, StoreUnavailable
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.testing.clock import START
from cisterna.testing.factory import make_sha512
from cisterna.testing.memory_store import MemoryStore

PID = "ark:/99999/abc123"


def record(version: str = "v1", **fields: object) -> PublicRecord:
    made = {
        "pid": PID,
        "dataset_id": "ds-" + "0" * 26,
        "version": version,
        "title": "Plate 7",
        "metadata": {"title": "Plate 7"},
        "documents": {"application/ld+json": "{}"},
        "files": (
            PublicFile(path="data/a", size_bytes=1, sha512=make_sha512(), media_type="text/plain", content_key="k"),
        ),
        "previews": {"data/a": b"\x89PNG\x00\xff"},
        "published_at": START,
    }
    return PublicRecord.model_validate({**made, **fields})


def tombstone(version: str = "v1") -> PublicRecord:
    return record(version, tombstone="wrong stain", withdrawn_at=START)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(name="public", bucket="public")


@pytest.fixture
def portal(store: MemoryStore) -> Portal:
    return Portal(store, base_url="http://example.test/")


def test_a_record_comes_back_as_it_was_with_its_pictures(portal: Portal) -> None:
    assert portal.publish(record()) == f"http://example.test/{PID}"

    assert portal.find(PID) == record()
    assert portal.find(PID, version="v1") == record()


def test_the_same_record_again_writes_nothing(portal: Portal, store: MemoryStore) -> None:
    portal.publish(record())
    written = store.calls["put"]

    portal.publish(record())

    assert store.calls["put"] == written


def test_the_newest_version_that_stands_is_found_and_numbers_are_not_words(portal: Portal) -> None:
    for version in ("v1", "v2", "v10", "v10.1", "v9"):
        portal.publish(record(version))

    assert [one.version for one in portal.versions(PID)] == ["v10.1", "v10", "v9", "v2", "v1"]
    portal.withdraw(tombstone("v10.1"))
    found = portal.find(PID)
    assert found is not None
    assert found.version == "v10"


def test_a_tombstone_holds_no_content_and_is_found_when_nothing_else_stands(portal: Portal, store: MemoryStore) -> None:
    portal.publish(record())
    portal.withdraw(tombstone())
    portal.withdraw(tombstone())

    found = portal.find(PID)

    assert found is not None
    assert (found.tombstone, found.files, found.previews, found.documents) == ("wrong stain", (), {}, {})
    assert b"data/a" not in b"".join(store.get(one.key)[0] for one in store.list(""))


def test_another_process_is_seen_at_once(store: MemoryStore) -> None:
    reads, writes = Portal(store, base_url="http://a"), Portal(store, base_url="http://a")
    writes.publish(record())
    assert reads.find(PID) == record()

    writes.withdraw(tombstone())

    found = reads.find(PID)
    assert found is not None
    assert found.tombstone == "wrong stain"


def test_names_that_are_part_of_another_name_do_not_mix(portal: Portal) -> None:
    portal.publish(record())

    for other in ("ark:/99999/abc", "ark:/99999/abc1234", "ark:/99998/abc123"):
        assert portal.find(other) is None
        assert list(portal.versions(other)) == []


@pytest.mark.parametrize(
    "pid", ["", "ark:/99999/", "ark:/99999/../x", "ark:/99999/A", "ark:/99999/x/y", "x", "ark:/99999/a\n"]
)
def test_a_name_that_is_none_finds_nothing(portal: Portal, pid: str) -> None:
    assert portal.find(pid) is None
    assert portal.find(pid, version="v1") is None


@pytest.mark.parametrize("version", ["", "v0", "1", "v1/../v2", "v1.0", "v01", "V1", "v1\n"])
def test_a_version_that_is_none_finds_nothing_and_is_not_published(portal: Portal, version: str) -> None:
    assert portal.find(PID, version=version) is None
    with pytest.raises(ObjectInvalid):
        portal.publish(record(version))


def test_a_foreign_object_in_the_bucket_is_named_and_not_shown(portal: Portal, store: MemoryStore) -> None:
    store.put("99999/abc123/v1/record.json", b"<html>forged")

    with pytest.raises(ObjectInvalid, match="not a record of ours"):
        portal.find(PID)


def test_a_store_that_does_not_answer_is_not_the_same_as_nothing_there(portal: Portal, store: MemoryStore) -> None:
    portal.publish(record())
    store.fail_on({"head", "list"}, times=2)

    with pytest.raises(StoreUnavailable):
        portal.find(PID, version="v1")
    with pytest.raises(StoreUnavailable):
        portal.find(PID)


def test_every_record_is_named_with_a_mark_that_changes_with_it_and_nothing_else_is(
    portal: Portal, store: MemoryStore
) -> None:
    portal.publish(record("v2"))
    store.put("99999/abc123/notes.txt", b"not ours")
    (before,) = portal.marks()

    portal.withdraw(tombstone("v2"))

    (after,) = portal.marks()
    assert (before.pid, before.version) == (after.pid, after.version) == (PID, "v2")
    assert before.mark != after.mark


def test_of_records_so_many_bytes_are_kept_and_the_last_asked_for_stay() -> None:
    cache = RecordCache(most_bytes=100, most_versions=3)
    for number in range(1, 5):
        cache.keep(f"k{number}", "e", record(f"v{number}"), size_bytes=40)
        cache.record("k1", "e")

    assert [name for name in ("k1", "k2", "k3", "k4") if cache.record(name, "e")] == ["k1", "k4"]
    assert [name for name in ("k1", "k2", "k3", "k4") if cache.version(name, "e")] == ["k2", "k3", "k4"]
    assert cache.size_bytes == 80


def test_a_record_too_large_to_be_kept_puts_none_out_and_leaves_none_of_its_earlier_states() -> None:
    cache = RecordCache(most_bytes=100, most_versions=3)
    cache.keep("k1", "e", record(), size_bytes=50)
    cache.keep("k2", "e", record(), size_bytes=30)

    cache.keep("k1", "f", record(), size_bytes=101)

    assert cache.record("k1", "e") is None
    assert cache.record("k1", "f") is None
    assert cache.version("k1", "f") is not None
    assert cache.record("k2", "e") is not None
    assert cache.size_bytes == 30
