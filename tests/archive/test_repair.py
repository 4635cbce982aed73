"""What is damaged in one store is found, named, and replaced by what another store's copy has."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cisterna.domain.digest import sha512_of
from cisterna.domain.fixity import Fixity, Subset
from cisterna.domain.ocfl import sidecar
from cisterna.domain.stored_copy import StoredCopy, after_check, pause_after, share_per_hour
from cisterna.domain.work import WorkKind
from cisterna.services.keep_object import keep_object
from cisterna.services.suspicion import Suspicion
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.vault import AT_ONCE, CYCLE, Vault, memory

STRUCTURE = [
    "0=ocfl_object_1.1",
    "inventory.json",
    "inventory.json.sha512",
    "v1/inventory.json",
    "v1/inventory.json.sha512",
    "v2/inventory.json",
    "v2/inventory.json.sha512",
]


@pytest.fixture
def vault(facility: Facility) -> Vault:
    return Vault(facility, MemoryStore(name="archive"), MemoryStore(name="mirror"))


@pytest.fixture
def dataset(vault: Vault) -> str:
    """An object of two versions in two stores."""
    made = vault.archive("run", a=b"alpha", b=b"beta", c=b"alpha")
    vault.facility.write("run", {"more.txt": b"more"})
    vault.facility.ingest(vault.facility.detect("run", number=2).version_id)
    vault.copy(made)
    return made


def harm(vault: Vault, store: MemoryStore, key: str, how: str) -> None:
    match how:
        case "gone":
            store.delete([key])
        case "unreadable":
            store.make_unreadable(key)
        case _:
            store.flip_byte(key, position=1)


@pytest.mark.parametrize("how", ["gone", "changed", "unreadable"])
@pytest.mark.parametrize("where", ["archive", "mirror"])
@pytest.mark.parametrize("path", [*STRUCTURE, "content"])
def test_each_kind_of_file_is_repaired_from_the_other_store(
    vault: Vault, dataset: str, path: str, where: str, how: str
) -> None:
    whole = vault.content(dataset, vault.first)
    store = memory(vault.first if where == "archive" else vault.second)
    key = vault.key_of(dataset, b"alpha") if path == "content" else f"{vault.root(dataset)}/{path}"
    harm(vault, store, key, how)

    kept = vault.keep(dataset, store)

    assert (kept.first.fixity, kept.check.fixity) == (Fixity.DAMAGED, Fixity.OK), kept
    assert key.removeprefix(f"{vault.root(dataset)}/") in {fault.path for fault in kept.first.damaged}
    assert vault.content(dataset, store) == whole
    assert len(vault.events(dataset, "copy.fixity")) == 0  # told of the newest version
    known = vault.known(dataset, store)
    assert known is not None
    assert (known.fixity, known.repaired_at) == (Fixity.OK, vault.facility.clock.now())


def test_damage_is_told_with_the_files_names_and_its_repair_is_told(vault: Vault, dataset: str) -> None:
    memory(vault.first).flip_byte(vault.key_of(dataset, b"alpha"))

    vault.keep(dataset, vault.first)

    with vault.facility.catalogue.begin() as tx:
        history = tx.outbox.history([f"{dataset}:v2"])
    told = [(one.name, one.data) for one in history if one.name.startswith("copy.")]
    assert [name for name, _ in told] == ["copy.fixity", "copy.repaired", "copy.fixity"]
    damaged, repaired, well = (data for _, data in told)
    assert (damaged["store"], damaged["fixity"], well["fixity"]) == ("archive", "damaged", "ok")
    assert "data/a.txt" in str(damaged["faults"])
    assert "data/c.txt" in str(damaged["faults"])
    assert (repaired["count"], str(repaired["files"]).count("mirror")) == (1, 1)


def test_everything_at_once_is_repaired(vault: Vault, dataset: str) -> None:
    whole = vault.content(dataset, vault.first)
    for path in whole:
        memory(vault.first).flip_byte(f"{vault.root(dataset)}/{path}")

    kept = vault.keep(dataset, vault.first)

    assert kept.check.fixity is Fixity.OK
    assert vault.content(dataset, vault.first) == whole


def test_an_object_that_is_gone_from_a_store_comes_back(vault: Vault, dataset: str) -> None:
    whole = vault.content(dataset, vault.second)
    vault.second.delete([one.key for one in vault.second.list(vault.root(dataset))])

    kept = vault.keep(dataset, vault.second)

    assert kept.check.fixity is Fixity.OK
    assert vault.content(dataset, vault.second) == whole


def test_without_a_good_copy_it_stays_damaged_and_what_is_lost_is_named(vault: Vault, dataset: str) -> None:
    key = vault.key_of(dataset, b"beta")
    for store in (vault.first, vault.second):
        memory(store).flip_byte(key)
    before = vault.first.get(key)[0]

    kept = vault.keep(dataset, vault.first)

    assert kept.check.fixity is Fixity.DAMAGED
    assert [fault.files for fault in kept.lost] == [("data/b.txt",)]
    assert "mirror has other bytes" in kept.lost[0].reason
    assert vault.first.get(key)[0] == before
    known = vault.known(dataset, vault.first)
    assert known is not None
    assert known.fixity is Fixity.DAMAGED
    assert known.next_at > vault.facility.clock.now()


def test_an_inventory_without_a_second_store_is_repaired_from_its_own_version(vault: Vault, dataset: str) -> None:
    memory(vault.first).flip_byte(f"{vault.root(dataset)}/inventory.json")

    kept = keep_object(
        dataset,
        store=vault.first,
        is_copy=False,
        repair=True,
        lease=None,
        catalogue=vault.facility.catalogue,
        clock=vault.facility.clock,
    )

    assert kept.check.fixity is Fixity.OK


def test_an_inventory_is_never_repaired_from_an_earlier_version(vault: Vault, dataset: str) -> None:
    for store in (vault.first, vault.second):
        for path in ("inventory.json", "v2/inventory.json"):
            memory(store).flip_byte(f"{vault.root(dataset)}/{path}", position=1)
    before = vault.first.get(f"{vault.root(dataset)}/inventory.json")[0]

    kept = vault.keep(dataset, vault.first)

    assert kept.check.fixity is Fixity.DAMAGED
    assert "ever read back" in kept.lost[0].reason
    assert vault.first.get(f"{vault.root(dataset)}/inventory.json")[0] == before


def test_a_forged_object_that_agrees_with_itself_is_damage(vault: Vault, dataset: str) -> None:
    root = vault.root(dataset)
    forged = vault.first.get(f"{root}/inventory.json")[0].replace(b"v2: acquired", b"v2: forged!!")
    for folder in (root, f"{root}/v2"):
        vault.first.put(f"{folder}/inventory.json", forged)
        vault.first.put(f"{folder}/inventory.json.sha512", sidecar(sha512_of(forged)))

    kept = vault.keep(dataset, vault.first)

    assert "read back when the version was archived" in kept.first.reason
    assert kept.check.fixity is Fixity.OK


@pytest.mark.parametrize("path", ["v1/content/extra", "notes.txt", "v1/extra", "foo/inventory.json"])
def test_what_no_inventory_names_is_told_of_and_never_removed(vault: Vault, dataset: str, path: str) -> None:
    key = f"{vault.root(dataset)}/{path}"
    vault.first.put(key, b"?")

    kept = vault.keep(dataset, vault.first)

    assert [fault.path for fault in kept.lost] == [path]
    assert vault.first.get(key)[0] == b"?"


def test_a_damaged_record_is_named_and_repaired(vault: Vault, dataset: str) -> None:
    event = "01900000-0000-7000-8000-000000000001"
    key = f"{vault.root(dataset)}/logs/20261123T080000.000000Z-receipt.issued-{event}.json"
    body = b'{"event": {"event_id": "%s"}}' % event.encode()
    for store in (vault.first, vault.second):
        store.put(key, body)
    memory(vault.first).flip_byte(key)

    kept = vault.keep(dataset, vault.first)

    assert [fault.path for fault in kept.first.damaged] == [key.removeprefix(f"{vault.root(dataset)}/")]
    assert (kept.check.fixity, vault.first.get(key)[0]) == (Fixity.OK, body)


def test_repair_is_not_done_unless_it_is_wanted(vault: Vault, dataset: str) -> None:
    key = vault.key_of(dataset, b"alpha")
    memory(vault.first).flip_byte(key)
    before = vault.first.get(key)[0]

    kept = vault.keep(dataset, vault.first, repair=False)

    assert (kept.check.fixity, kept.repaired, vault.first.get(key)[0]) == (Fixity.DAMAGED, (), before)


def test_a_repair_killed_at_any_write_is_finished_by_the_next_one(vault: Vault, dataset: str) -> None:
    whole = vault.content(dataset, vault.first)
    for strike in range(1, 40):
        for path in whole:
            memory(vault.first).flip_byte(f"{vault.root(dataset)}/{path}")
        fault = memory(vault.first).fail_on("put", nth=strike, after=True, error=KeyboardInterrupt())
        try:
            vault.keep(dataset, vault.first)
        except KeyboardInterrupt:
            memory(vault.first).heal()
            assert vault.keep(dataset, vault.first).check.fixity is Fixity.OK
        assert vault.content(dataset, vault.first) == whole
        if not fault.fired:
            return
    pytest.fail("the strikes never came to an end")


def test_somebody_elses_bytes_in_the_moment_of_a_repair_are_not_overwritten(vault: Vault, dataset: str) -> None:
    key = vault.key_of(dataset, b"alpha")
    store = memory(vault.first)
    store.flip_byte(key)
    put = store.put

    def overtaken(at: str, body: bytes, **options: object) -> object:
        if at == key:
            put(at, b"others")
        return put(at, body, **options)  # type: ignore[arg-type]

    store.put = overtaken  # type: ignore[method-assign]

    kept = vault.keep(dataset, store)

    assert (kept.check.fixity, store.get(key)[0]) == (Fixity.DAMAGED, b"others")


@pytest.mark.parametrize("how", ["gone", "unreadable"])
@pytest.mark.parametrize("path", ["0=ocfl_1.1", "ocfl_layout.json"])
def test_the_storage_roots_own_files_come_back(vault: Vault, dataset: str, path: str, how: str) -> None:
    body = vault.second.get(path)[0]
    harm(vault, memory(vault.second), path, how)

    vault.keep(dataset, vault.second)

    assert vault.second.get(path)[0] == body


def test_a_storage_root_that_says_something_else_is_left_as_it_is(vault: Vault, dataset: str) -> None:
    vault.second.put("ocfl_layout.json", b"{}")

    vault.keep(dataset, vault.second)

    assert vault.second.get("ocfl_layout.json")[0] == b"{}"


# A file that cannot be read


def test_one_file_that_cannot_be_read_while_others_can_is_damaged(vault: Vault, dataset: str) -> None:
    memory(vault.first).make_unreadable(vault.key_of(dataset, b"alpha"))

    found = vault.look(dataset, vault.first)

    assert found.fixity is Fixity.DAMAGED
    assert [fault.files for fault in found.damaged] == [("data/a.txt", "data/c.txt")]
    assert "the store answers, and cannot give this file" in found.damaged[0].reason


def test_a_file_that_could_not_be_read_only_once_is_not(vault: Vault, dataset: str) -> None:
    memory(vault.first).fail_on("stream", key_ends=vault.key_of(dataset, b"alpha"))

    assert vault.look(dataset, vault.first).fixity is Fixity.OK


def test_a_store_that_goes_away_meanwhile_damages_nothing(vault: Vault, dataset: str) -> None:
    memory(vault.first).fail_on({"stream"}, nth=3, times=10_000)

    found = vault.look(dataset, vault.first)

    assert (found.fixity, found.damaged) == (Fixity.COULD_NOT_CHECK, ())


def test_many_files_that_cannot_be_read_speak_of_the_store_until_it_has_lasted(vault: Vault) -> None:
    dataset = vault.archive("wide", **{f"f{number}": b"%d" % number for number in range(8)})
    for key in [vault.key_of(dataset, b"%d" % number) for number in range(5)]:
        memory(vault.first).make_unreadable(key)

    for _ in range(5):
        assert vault.keep(dataset, vault.first).check.fixity is Fixity.COULD_NOT_CHECK
        vault.facility.clock.advance(timedelta(minutes=20))

    found = vault.keep(dataset, vault.first, repair=False).check
    assert (found.fixity, len(found.damaged)) == (Fixity.DAMAGED, 5)


def test_how_much_is_too_much_at_once() -> None:
    assert Suspicion().is_about_files(3, of=5)
    assert not Suspicion().is_about_files(4, of=5)
    assert Suspicion().is_about_files(100, of=1000)
    assert AT_ONCE.model_copy(update={"is_lasting": True}).is_about_files(5, of=5)


# What is on record, and when it is read again


def test_damage_stays_on_record_when_the_store_goes_away(vault: Vault, dataset: str) -> None:
    memory(vault.first).flip_byte(vault.key_of(dataset, b"alpha"))
    vault.keep(dataset, vault.first, repair=False)
    memory(vault.first).fail_on({"get", "head", "list", "stream"}, times=10_000)

    vault.keep(dataset, vault.first, repair=False)

    known = vault.known(dataset, vault.first)
    assert known is not None
    assert (known.fixity, known.failures) == (Fixity.DAMAGED, 2)
    assert known.faults[0].files == ("data/a.txt", "data/c.txt")


def test_a_part_that_is_good_says_nothing_of_the_rest_and_damage_in_it_counts(vault: Vault, dataset: str) -> None:
    memory(vault.first).flip_byte(vault.key_of(dataset, b"alpha"))
    part = next(n for n in (1, 2) if Subset(part=n, parts=2).holds(sha512_of(b"alpha")))

    def keep(number: int) -> StoredCopy | None:
        keep_object(
            dataset,
            store=vault.first,
            is_copy=False,
            repair=False,
            lease=None,
            catalogue=vault.facility.catalogue,
            clock=vault.facility.clock,
            subset=Subset(part=number, parts=2),
        )
        return vault.known(dataset, vault.first)

    before = vault.known(dataset, vault.first)
    good, bad, still = keep(3 - part), keep(part), keep(3 - part)

    assert before is not None
    assert good is not None
    assert bad is not None
    assert still is not None
    assert (good.fixity, good.checked_at) == (Fixity.OK, before.checked_at)
    assert (bad.fixity, still.fixity) == (Fixity.DAMAGED, Fixity.DAMAGED)
    assert len(vault.receipts(dataset, vault.first)) == 1


def test_a_full_good_check_gives_every_version_a_fresh_receipt(vault: Vault, dataset: str) -> None:
    later = vault.facility.clock.advance(timedelta(days=50))

    vault.keep(dataset, vault.second)

    for version in ("v1", "v2"):
        receipts = vault.receipts(dataset, vault.second, version)
        assert [one.verified_at for one in receipts][-1] == later
        assert len(receipts) == 2
    assert vault.receipts(dataset, vault.first)[-1].verified_at < later


def test_every_object_is_asked_for_within_the_cycle_and_the_oldest_first(vault: Vault) -> None:
    datasets = [vault.archive(f"run-{number}", a=b"%d" % number) for number in range(4)]
    vault.facility.clock.advance(CYCLE / 2 + timedelta(hours=1))

    seen: list[str] = []
    for _ in range(len(datasets)):
        (work,) = vault.ask(vault.first)
        assert work.kind is WorkKind.CHECK
        assert [one.work_id for one in vault.ask(vault.first)] == [work.work_id]
        vault.do(work)
        seen.append(work.subject.partition(":")[0])
        assert vault.ask(vault.first) == []  # this hour's share is done
        vault.facility.clock.advance(timedelta(hours=1, minutes=1))

    assert seen == datasets
    assert vault.ask(vault.first) == []


def test_what_is_older_than_the_cycle_is_read_at_once(vault: Vault) -> None:
    for number in range(4):
        vault.archive(f"run-{number}", a=b"%d" % number)
    vault.facility.clock.advance(CYCLE + timedelta(hours=1))

    assert len(vault.ask(vault.first)) == 4


def test_what_could_not_be_checked_is_looked_at_again_later_and_later(vault: Vault, dataset: str) -> None:
    memory(vault.first).fail_on("stream", times=10_000)
    pauses = []
    for _ in range(4):
        vault.keep(dataset, vault.first)
        known = vault.known(dataset, vault.first)
        assert known is not None
        pauses.append((known.next_at - vault.facility.clock.now()).total_seconds() / 60)

    assert pauses == [1, 2, 4, 8]
    assert vault.ask(vault.first) == []
    vault.facility.clock.advance(timedelta(minutes=9))
    assert [one.subject for one in vault.ask(vault.first)] == [f"{dataset}:v2"]


@pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 360), (400, 360)])
def test_pauses_grow_and_are_bounded(failures: int, minutes: int) -> None:
    assert pause_after(failures) == timedelta(minutes=minutes)


@pytest.mark.parametrize(("objects", "share"), [(0, 0), (1, 1), (2160, 2), (216_000, 110)])
def test_the_share_of_an_hour_is_enough_for_the_cycle(objects: int, share: int) -> None:
    assert share_per_hour(objects, cycle=CYCLE) == share
    assert share * CYCLE / timedelta(hours=1) >= objects


def test_a_check_of_what_was_never_there_is_no_damage(vault: Vault) -> None:
    dataset = vault.archive("run", a=b"alpha")

    kept = vault.keep(dataset, vault.second)

    assert kept.check.fixity is Fixity.COULD_NOT_CHECK
    assert "was not copied to mirror yet" in kept.check.reason
    assert vault.known(dataset, vault.second) is None


def test_what_is_known_first_comes_from_the_check(vault: Vault, dataset: str) -> None:
    now = vault.facility.clock.now()

    known = after_check(None, vault.look(dataset, vault.first), now=now)

    assert (known.fixity, known.checked_at, known.failures) == (Fixity.OK, now, 0)
