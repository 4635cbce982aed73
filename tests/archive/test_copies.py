"""Every archived version comes to every further store, proven by reading it back there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cisterna.domain.errors import (
    ChecksumMismatch,
    LeaseLost,
    NotReady,
    ObjectInvalid,
    StoreNotDistinct,
    StoreUnavailable,
)
from cisterna.domain.fixity import Fixity
from cisterna.domain.ocfl import OBJECT_DECLARATION, ROOT_DECLARATION
from cisterna.domain.work import WorkKind
from cisterna.services.copy_object import carry_records
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility
from tests.archive.vault import Vault, memory

LARGE = bytes(range(256)) * 80_000
"""20 MB: goes up in parts."""


@pytest.fixture
def vault(facility: Facility) -> Vault:
    return Vault(facility, MemoryStore(name="archive"), MemoryStore(name="mirror"))


def test_a_copy_has_every_file_of_the_object_and_a_receipt_of_its_own(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha", b=b"beta", c=b"alpha")

    kept = vault.copy(dataset)

    assert kept.check.fixity is Fixity.OK
    assert vault.content(dataset, vault.second) == vault.content(dataset, vault.first)
    assert vault.second.head(ROOT_DECLARATION) is not None
    (own,), (copied,) = vault.receipts(dataset, vault.first), vault.receipts(dataset, vault.second)
    skipped = {"receipt_id", "store", "verified_at"}
    assert copied.model_dump(exclude=skipped) == own.model_dump(exclude=skipped)
    known = vault.known(dataset, vault.second)
    assert known is not None
    assert (known.fixity, known.checked_at) == (Fixity.OK, vault.facility.clock.now())


def test_a_large_file_goes_in_parts_and_arrives_whole(vault: Vault) -> None:
    dataset = vault.archive("run", large=LARGE)

    vault.copy(dataset)

    assert LARGE in vault.content(dataset, vault.second).values()
    assert memory(vault.second).calls["complete"] == 1


def test_what_has_arrived_of_a_large_file_is_not_sent_again(vault: Vault) -> None:
    dataset = vault.archive("run", large=LARGE)
    mirror = memory(vault.second)
    mirror.fail_on({"write"}, nth=3)
    with pytest.raises(StoreUnavailable):
        vault.copy(dataset)
    assert len(list(mirror.unfinished_uploads(""))) == 1
    sent = mirror.calls["write"]

    vault.copy(dataset)

    assert LARGE in vault.content(dataset, mirror).values()
    assert (sent, mirror.calls["write"] - sent) == (3, 1)
    assert list(mirror.unfinished_uploads("")) == []


def test_uploads_that_nobody_goes_on_with_are_gone_when_the_copy_is_whole(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    stranger = vault.second.begin_upload("another/program's")
    stranger.write(b"its bytes")
    stranger.leave()
    overtaken = vault.second.begin_upload(f"{vault.root(dataset)}/v1/content/0/large")
    overtaken.write(LARGE)
    overtaken.leave()

    vault.copy(dataset)

    assert list(vault.second.unfinished_uploads("")) == ["another/program's"]


def test_a_later_version_is_added_to_the_copy(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    vault.copy(dataset)
    vault.facility.write("run", {"more.txt": b"more"})
    vault.facility.ingest(vault.facility.detect("run", number=2).version_id)

    vault.copy(dataset)

    assert vault.content(dataset, vault.second) == vault.content(dataset, vault.first)
    assert len(vault.receipts(dataset, vault.second, "v2")) == 1


def test_several_versions_at_once_come_to_a_store_that_was_added_late(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    for number in (2, 3):
        vault.facility.write("run", {f"more-{number}.txt": b"more" * number})
        vault.facility.ingest(vault.facility.detect("run", number=number).version_id)

    vault.copy(dataset)

    assert vault.look(dataset, vault.second).fixity is Fixity.OK
    assert [len(vault.receipts(dataset, vault.second, f"v{number}")) for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_copy_killed_at_any_write_is_finished_by_the_next_one(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    monkeypatch.setattr("cisterna.services.carry.WHOLE_BYTES", 1000)
    dataset = vault.archive("run", a=b"alpha", b=b"beta", large=b"large" * 1000)
    wanted = vault.content(dataset, vault.first)
    for strike in range(1, 100):
        vault.second = MemoryStore(name=f"mirror-{strike}")
        fault = vault.second.fail_on(WRITES, nth=strike, after=after, error=KeyboardInterrupt())
        try:
            vault.copy(dataset)
        except KeyboardInterrupt:
            vault.second.heal()
            assert vault.look(dataset, vault.second).fixity is not Fixity.DAMAGED
            vault.copy(dataset)

        assert vault.content(dataset, vault.second) == wanted
        assert list(vault.second.unfinished_uploads("")) == []
        assert len(vault.receipts(dataset, vault.second)) == 1
        if not fault.fired:
            break
    else:
        pytest.fail("the strikes never came to an end")
    assert strike > 10


def test_a_version_that_was_not_read_back_yet_waits(vault: Vault) -> None:
    vault.facility.write("run", {"a.txt": b"alpha"})
    version = vault.facility.detect("run")
    lease = vault.facility.lease(version.version_id)
    vault.facility.measure(version.version_id, lease)
    vault.facility.describe(version.version_id, lease)
    vault.facility.archive(version.version_id, lease)

    with pytest.raises(NotReady, match="not read back yet"):
        vault.copy(version.dataset_id, lease)

    assert vault.content(version.dataset_id, vault.second) == {}


def test_damaged_bytes_are_not_copied(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha", b=b"beta")
    key = vault.key_of(dataset, b"alpha")
    memory(vault.first).flip_byte(key)

    with pytest.raises(ChecksumMismatch, match="archive has other bytes"):
        vault.copy(dataset)

    assert vault.second.head(key) is None
    assert vault.receipts(dataset, vault.second) == []


def test_a_damaged_large_file_leaves_no_upload_behind(vault: Vault) -> None:
    dataset = vault.archive("run", large=LARGE)
    memory(vault.first).flip_byte(vault.key_of(dataset, LARGE))

    with pytest.raises(ChecksumMismatch):
        vault.copy(dataset)

    assert list(vault.second.unfinished_uploads("")) == []


def test_an_inventory_that_was_never_read_back_is_not_copied(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    key = f"{vault.root(dataset)}/inventory.json"
    vault.first.put(key, vault.first.get(key)[0] + b"\n")

    with pytest.raises(NotReady):
        vault.copy(dataset)


def test_another_object_in_the_place_of_the_copy_is_left_as_it_is(vault: Vault) -> None:
    dataset, other = vault.archive("run", a=b"alpha"), vault.archive("other", a=b"omega")
    foreign = vault.first.get(f"{vault.root(other)}/inventory.json")[0]
    vault.second.put(f"{vault.root(dataset)}/inventory.json", foreign)

    with pytest.raises(ObjectInvalid, match="none of this object's versions"):
        vault.copy(dataset)

    assert vault.second.get(f"{vault.root(dataset)}/inventory.json")[0] == foreign


def test_a_file_that_went_bad_during_the_copy_is_replaced_before_the_receipt(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    vault.second.put(vault.key_of(dataset, b"alpha"), b"alphA")

    kept = vault.copy(dataset)

    assert (kept.first.fixity, kept.check.fixity) == (Fixity.DAMAGED, Fixity.OK)
    assert vault.content(dataset, vault.second) == vault.content(dataset, vault.first)


def test_a_copy_store_that_is_the_archive_itself_is_refused_and_gets_no_receipt(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    before = vault.content(dataset, vault.first)
    alias = MemoryStore(name="mirror", _objects=memory(vault.first)._objects)
    vault.second = alias

    with pytest.raises(StoreNotDistinct, match="'mirror' is the bucket of 'archive'"):
        vault.copy(dataset)

    assert vault.receipts(dataset, vault.second) == []
    assert vault.content(dataset, vault.first) == before
    assert list(vault.first.list(".cisterna-probe/")) == []


def test_a_worker_that_lost_its_lease_copies_nothing(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    lease = vault.lease(dataset)
    vault.lease(dataset)

    with pytest.raises(LeaseLost):
        vault.copy(dataset, lease)

    assert vault.content(dataset, vault.second) == {}


def test_records_come_along_and_damaged_ones_are_not_spread(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    event = "01900000-0000-7000-8000-000000000001"
    good, bad = (f"{vault.root(dataset)}/logs/20261123T080000.00000{n}Z-receipt.issued-{event}.json" for n in (1, 2))
    vault.first.put(good, b'{"event": {"event_id": "%s"}}' % event.encode())
    vault.first.put(bad, b'{"event": {"event_id": "%s"' % event.encode())

    vault.copy(dataset)

    assert vault.second.head(good) is not None
    assert vault.second.head(bad) is None
    with vault.facility.catalogue.begin() as tx:
        found = tx.datasets.get(dataset)
    assert carry_records(found, source=vault.first, target=vault.second) == 0


def test_whatever_lacks_a_receipt_is_asked_for_once_whenever_the_store_was_added(vault: Vault) -> None:
    datasets = {vault.archive(name, a=name.encode()) for name in ("one", "two", "three")}

    asked = vault.ask(vault.second)
    again = vault.ask(vault.second)

    assert {one.subject.partition(":")[0] for one in asked} == datasets
    assert [one.work_id for one in again] == [one.work_id for one in asked]
    for work in asked:
        vault.do(work)
    assert vault.ask(vault.second) == []
    assert all(vault.receipts(dataset, vault.second) for dataset in datasets)


def test_a_store_that_is_away_gets_no_work_and_the_other_one_does(vault: Vault) -> None:
    vault.archive("one", a=b"alpha")
    vault.facility.clock.advance(timedelta(days=60))
    memory(vault.second).fail_on({"get", "put", "head", "list", "stream"}, times=10_000)

    with pytest.raises(StoreUnavailable):
        vault.ask(vault.second)

    assert [one.kind for one in vault.ask(vault.first)] == [WorkKind.CHECK]


def test_only_so_much_work_waits_for_a_store(vault: Vault) -> None:
    for number in range(5):
        vault.archive(f"run-{number}", a=b"%d" % number)

    assert len(vault.ask(vault.second, open_most=2)) == 2
    assert len(vault.ask(vault.second, open_most=2)) == 2


def test_nothing_is_declared_before_all_of_it_is_there(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")
    memory(vault.second).fail_on("put", key_ends="/inventory.json", error=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        vault.copy(dataset)

    assert vault.second.head(f"{vault.root(dataset)}/{OBJECT_DECLARATION}") is None
    assert vault.look(dataset, vault.second).fixity is Fixity.COULD_NOT_CHECK
