"""The catalogue from the archive alone: the same rows, and nothing believed that should not be."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli.rehearsal import Rehearsal
from cisterna.domain.errors import AlreadyExists, NotFound, StoreUnavailable
from cisterna.domain.ocfl import INVENTORY, object_root
from cisterna.domain.project import Binding, BindingKind
from cisterna.domain.rebuild import RebuildOutcome, Rebuilt
from cisterna.domain.record import SCHEMA_VERSION, Record
from cisterna.domain.record_segment import LARGEST_SEGMENT_BYTES, write_segment
from cisterna.domain.work import WorkKind, WorkState
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.testing.factory import make_event
from tests.archive.told import Told, dump, lines_of

pytestmark = pytest.mark.timeout(120)


def rebuild(told: Told, empty: SqlCatalogue) -> Rebuilt:
    return rebuild_catalogue(catalogue=empty, store=told.store, readers=3)


def reasons(found: Rebuilt) -> dict[str, str]:
    return {fault.where: fault.reason for fault in found.faults}


@pytest.fixture
def life(told: Told) -> Told:
    """An archive in a real store: runs decided, held, published, withdrawn, undecided, derived and erased."""
    return _lived(told)


@pytest.fixture
def quick_life(told_in_memory: Told) -> Told:
    """The same in memory, for the many forms of hostile bytes."""
    return _lived(told_in_memory)


def _lived(told: Told) -> Told:
    sharp = told.ingest("sharp")
    told.hold_and_release(sharp)
    told.keep_by_rule(sharp)
    told.alert(sharp)
    told.watch_in_shadow(sharp)
    told.deliver(sharp)
    told.publish(told.ingest("shown"))
    told.derive(told.ingest("blurred", decided=False))
    gone = told.ingest("gone")
    told.watch_in_shadow(gone)
    told.deliver(gone)
    told.erase(gone)
    told.record()
    return told


def test_the_rebuilt_catalogue_is_equal_table_by_table(life: Told, empty_catalogue: SqlCatalogue) -> None:
    found = rebuild(life, empty_catalogue)

    before, after = dump(life.catalogue), dump(empty_catalogue)
    for work in before["works"]:  # leases end with the catalogue that gave them
        work["state"] = "ready" if work["state"] == "leased" else work["state"]
    assert (found.outcome, found.faults) == (RebuildOutcome.REBUILT, ())
    assert after == before
    assert all(before.values()), [name for name, rows in before.items() if not rows]
    assert found.rows == {name: len(rows) for name, rows in before.items()}


def test_bodies_come_back_to_the_byte(life: Told, empty_catalogue: SqlCatalogue) -> None:
    rebuild(life, empty_catalogue)

    def bodies(catalogue: SqlCatalogue) -> list[Any]:
        with catalogue._engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT body::text FROM versions ORDER BY version_id")
            return list(found.scalars())

    assert bodies(empty_catalogue) == bodies(life.catalogue)


def test_a_second_rebuild_finds_the_catalogue_equal(life: Told, empty_catalogue: SqlCatalogue) -> None:
    rebuild(life, empty_catalogue)
    before = dump(empty_catalogue)

    assert rebuild(life, empty_catalogue).outcome is RebuildOutcome.EQUAL
    assert dump(empty_catalogue) == before


def test_a_filled_catalogue_that_differs_is_refused_and_not_changed(life: Told) -> None:
    with life.catalogue.begin() as tx:
        tx.accounts.save(tx.accounts.list()[0].model_copy(update={"full_name": "Somebody"}))
    before = dump(life.catalogue)

    with pytest.raises(AlreadyExists, match="accounts: 0 only in the archive, 0 only in the catalogue, 1 different"):
        rebuild(life, life.catalogue)

    assert dump(life.catalogue) == before


def test_a_dry_run_says_what_would_be_and_writes_nothing(life: Told, empty_catalogue: SqlCatalogue) -> None:
    found = rebuild_catalogue(catalogue=Rehearsal(empty_catalogue), store=life.store)

    assert found.rows["datasets"] == 5
    assert not any(dump(empty_catalogue).values())


def test_numbers_go_on_where_they_ended_and_the_record_with_them(life: Told, empty_catalogue: SqlCatalogue) -> None:
    rebuild(life, empty_catalogue)
    last = lines_of(life.store.get(life.segments()[-1])[0])

    with empty_catalogue.begin() as tx:
        assert tx.records.unrecorded() == 0
        tx.projects.bind(Binding(kind=BindingKind.PATH, pattern="*/new/*", project="cells"))
        tx.outbox.append(make_event("new"))
        assert tx.projects.bindings()[-1].pattern == "*/new/*"
        waiting = tx.records.waiting(limit=10)
    assert waiting.number == last[0]["segment"] + 1
    assert min(one.sequence for one in waiting.records) > max(one["sequence"] for one in last[1:])


def test_work_in_somebodys_hands_is_ready_again_and_what_was_done_stays_done(
    life: Told, empty_catalogue: SqlCatalogue
) -> None:
    life.facility.lease("begun")
    life.record()

    rebuild(life, empty_catalogue)

    with empty_catalogue.begin() as tx:
        (work,) = tx.inbox.list(subject="begun")
        assert (work.state, work.kind) == (WorkState.READY, WorkKind.INGEST)


def test_without_the_record_the_objects_alone_tell_their_datasets(life: Told, empty_catalogue: SqlCatalogue) -> None:
    life.store.delete(life.segments())

    found = rebuild(life, empty_catalogue)

    before, after = dump(life.catalogue), dump(empty_catalogue)
    archived = {row["dataset_id"] for row in before["versions"] if row["body"]["ocfl_version"]}
    assert {row["dataset_id"] for row in after["datasets"]} == archived
    for table in ("receipts", "decisions", "publications"):
        assert after[table] == before[table]
    stages = {row["version_id"]: row["stage"] for row in after["versions"]}
    assert stages == {row["version_id"]: row["stage"] for row in before["versions"] if row["dataset_id"] in archived}
    assert len(after["findings"]) == 2 * len(archived)
    assert found.outcome is RebuildOutcome.REBUILT
    with empty_catalogue.begin() as tx:
        assert tx.records.unrecorded() > 0  # what only logs told goes into a new record


def test_without_an_objects_logs_the_record_tells_the_same(life: Told, empty_catalogue: SqlCatalogue) -> None:
    logs = [one.key for one in life.store.list("") if "/logs/" in one.key and one.key not in life.segments()]
    life.store.delete(logs)

    assert rebuild(life, empty_catalogue).faults == ()
    assert dump(empty_catalogue)["decisions"] == dump(life.catalogue)["decisions"]


def test_an_archive_that_tells_nothing_is_refused(told: Told, empty_catalogue: SqlCatalogue) -> None:
    with pytest.raises(NotFound, match="is it the archive"):
        rebuild(told, empty_catalogue)


def test_a_store_that_fails_is_not_an_archive_that_lacks_something(life: Told, empty_catalogue: SqlCatalogue) -> None:
    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(life.store, name)

        def get(self, key: str) -> object:
            if key == life.segments()[-1]:
                raise StoreUnavailable("a part of the store is away")
            return life.store.get(key)

    with pytest.raises(StoreUnavailable):
        rebuild_catalogue(catalogue=empty_catalogue, store=Failing())  # type: ignore[arg-type]

    assert not any(dump(empty_catalogue).values())


def records(*made: dict[str, Any]) -> list[Record]:
    return [Record.model_validate({"changed_at": "2026-11-22T12:00:00Z", **one}) for one in made]


def put_records(told: Told, found: Sequence[Record], *, number: int = 900) -> str:
    return told.add_segment(write_segment(found, number=number, previous=None, written_at=told.facility.clock.now()))


PERSON = {"name": "eve", "created_at": "2026-11-22T12:00:00Z"}
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown kind": ({"kind": "pg_shadow", "content": {}}, "is no kind of record"),
    "an unknown kind that was removed": ({"kind": "pg_shadow", "content": None}, "is no kind of record"),
    "a newer schema": (
        {"kind": "accounts", "content": PERSON, "schema_version": SCHEMA_VERSION + 1},
        "use a newer Cisterna",
    ),
    "a field that is not there": ({"kind": "accounts", "content": {**PERSON, "sudo": True}}, "sudo"),
    "a value of another form": ({"kind": "accounts", "content": {**PERSON, "created_at": "now"}}, "created_at"),
    "the key of another row": ({"kind": "accounts", "content": PERSON, "key": '["rosa"]'}, "its content is of"),
    "a number that no column holds": (
        {"kind": "projects", "content": None},
        "the table refuses it",
    ),
    "what nothing tells of": (
        {
            "kind": "api_tokens",
            "key": '["t9"]',
            "content": {
                "token_id": "t9",
                "secret_sha256": "ee" * 32,
                "account": "nobody",
                "label": "x",
                "created_at": "2026-11-22T12:00:00Z",
            },
        },
        "nothing tells of its account, nobody, in accounts",
    ),
    "a secret that somebody has": (
        {
            "kind": "api_tokens",
            "key": '["t9"]',
            "content": {
                "token_id": "t9",
                "secret_sha256": "ab" * 32,
                "account": "rosa",
                "label": "x",
                "created_at": "2026-11-22T12:00:00Z",
            },
        },
        "a name that only one may have",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_row_that_cannot_be_is_named_and_all_others_are_rebuilt(
    quick_life: Told, empty_catalogue: SqlCatalogue, what: str
) -> None:
    row, why = HOSTILE[what]
    if what == "a number that no column holds":
        project = next(one for one in dump(quick_life.catalogue)["projects"] if one["slug"] == "cells")["body"]
        row = {"kind": "projects", "key": '["huge"]', "content": {**project, "slug": "huge", "record": 10**15}}
    key = put_records(quick_life, records({"key": '["eve"]', "sequence": 10**6, **row}))

    found = rebuild(quick_life, empty_catalogue)

    assert why in reasons(found)[key], found.faults
    assert found.fault_count == 1
    after, before = dump(empty_catalogue), dump(quick_life.catalogue)
    for table in ("accounts", "datasets", "versions", "decisions", "events"):
        assert after[table] == before[table]


def test_a_record_of_an_older_cisterna_gets_what_has_come_since(life: Told, empty_catalogue: SqlCatalogue) -> None:
    put_records(life, records({"kind": "accounts", "key": '["eve"]', "sequence": 10**6, "content": PERSON}))

    rebuild(life, empty_catalogue)

    with empty_catalogue.begin() as tx:
        eve = tx.accounts.find("eve")
    assert eve is not None
    assert eve.active


def bomb() -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    chunk = b"[" * (1 << 20)
    return b"".join(packer.compress(chunk) for _ in range(LARGEST_SEGMENT_BYTES // len(chunk) + 64)) + packer.flush()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda body: body[:40] + bytes([body[40] ^ 1]) + body[41:],
    "cut short": lambda body: body[: len(body) // 2],
    "empty": lambda body: body[:0],
    "something else": lambda body: b"<html>" + body[:0],
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_segment_is_named_and_the_rest_is_rebuilt(
    told_in_memory: Told, empty_catalogue: SqlCatalogue, what: str
) -> None:
    told_in_memory.record()
    with told_in_memory.catalogue.begin() as tx:
        tx.accounts.save(tx.accounts.list()[0].model_copy(update={"full_name": "Rosa"}))
    told_in_memory.record()
    first, second = told_in_memory.segments()
    body, _ = told_in_memory.store.get(second)
    told_in_memory.store.put(second, DAMAGE[what](body))

    found = rebuild(told_in_memory, empty_catalogue)

    assert "do not have the digest in its name" in reasons(found)[second]
    with empty_catalogue.begin() as tx:
        assert tx.accounts.list()[0].full_name == ""
    assert first not in reasons(found)


def test_a_segment_that_is_missing_is_named(told: Told, empty_catalogue: SqlCatalogue) -> None:
    for name in ("Rosa", "Rosalind"):
        told.record()
        with told.catalogue.begin() as tx:
            tx.accounts.save(tx.accounts.list()[0].model_copy(update={"full_name": name}))
    told.record()
    _, second, _ = told.segments()
    told.store.delete([second])

    found = rebuild(told, empty_catalogue)

    (fault,) = found.faults
    assert second.rsplit("-", 1)[1] in fault.where
    assert "missing" in fault.reason


def test_segments_that_are_traps_are_named_and_not_unpacked(life: Told, empty_catalogue: SqlCatalogue) -> None:
    made = {
        "bomb": bomb(),
        "no header": gzip.compress(b"{}\n"),
        "another count": gzip.compress(
            b'{"segment":9,"previous":null,"records":5,"written_at":"2026-11-22T12:00:00Z"}\n'
        ),
        "deep": gzip.compress(
            b'{"segment":9,"previous":null,"records":1,"written_at":"2026-11-22T12:00:00Z"}\n' + b"[" * 100_000 + b"\n"
        ),
    }
    keys = {}
    for name, body in made.items():
        digest = hashlib.sha256(body).hexdigest()
        keys[name] = f"{life.segments()[0].rsplit('/', 1)[0]}/20261122T120000Z-000000900-{digest}.jsonl.gz"
        life.store.put(keys[name], body)
    odd = f"{life.segments()[0].rsplit('/', 1)[0]}/notes.txt"
    life.store.put(odd, b"hello")

    found = reasons(rebuild(life, empty_catalogue))

    assert found.keys() == {*keys.values(), odd}
    assert dump(empty_catalogue)["versions"] == dump(life.catalogue)["versions"]


def test_records_that_contradict_each_other_are_both_left_out(life: Told, empty_catalogue: SqlCatalogue) -> None:
    decision, *_ = dump(life.catalogue)["decisions"]
    forged = {**decision["body"], "reason": "forged"}
    key = json.dumps([decision["decision_id"]])
    put_records(life, records({"kind": "decisions", "key": key, "sequence": 10**6, "content": forged}))

    found = rebuild(life, empty_catalogue)

    assert any("says something else" in fault.reason and key in fault.reason for fault in found.faults)
    kept = {row["decision_id"] for row in dump(empty_catalogue)["decisions"]}
    assert decision["decision_id"] not in kept
    assert len(kept) == len(dump(life.catalogue)["decisions"]) - 1


def first_log(told: Told, part: str) -> tuple[str, dict[str, Any]]:
    key = next(one.key for one in told.store.list("") if part in one.key)
    return key, json.loads(told.store.get(key)[0])


def test_a_log_that_contradicts_the_record_is_named(life: Told, empty_catalogue: SqlCatalogue) -> None:
    key, document = first_log(life, "decision.made")
    document["decisions"][0]["reason"] = "forged"
    life.store.put(key, json.dumps(document).encode())

    found = rebuild(life, empty_catalogue)

    (fault,) = found.faults
    assert key in fault.reason
    assert len(dump(empty_catalogue)["decisions"]) == len(dump(life.catalogue)["decisions"]) - 1


BAD_LOGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no JSON": lambda document: str(document)[:0],
    "a list": lambda document: [document],
    "no event": lambda document: {**document, "event": None},
    "no time": lambda document: {**document, "event": {**document["event"], "occurred_at": "yesterday"}},
    "a newer schema": lambda document: {**document, "schema_version": 99},
    "another dataset's": lambda document: {
        **document,
        "dataset": {**document["dataset"], "object_root": "000/000/000/x"},
    },
    "of a version of another": lambda document: {
        **document,
        "decisions": [{**document["decisions"][0], "version_id": "ds-" + "0" * 26 + ":v1"}],
    },
    "an unknown field": lambda document: {**document, "version": {**document["version"], "sudo": 1}},
}


ODD_LOGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no Unicode": lambda document: {**document, "project": {**document["project"], "title": "\ud800"}},
    "a count beyond all": lambda document: {**document, "version": {**document["version"], "record": 10**30}},
    "a number beyond all": lambda document: {**document, "version": {**document["version"], "ocfl_version": 10**30}},
    "a key beyond all": lambda document: {
        **document,
        "decisions": [{**document["decisions"][0], "decision_id": "x" * 5000}],
    },
}


@pytest.mark.parametrize("what", ODD_LOGS)
@pytest.mark.parametrize("has_record", [True, False], ids=["beside the record", "alone"])
def test_what_no_table_can_hold_keeps_nothing_else_out(
    quick_life: Told, empty_catalogue: SqlCatalogue, what: str, *, has_record: bool
) -> None:
    key, document = first_log(quick_life, "decision.made")
    quick_life.store.put(key, json.dumps(ODD_LOGS[what](document)).encode())
    if not has_record:
        quick_life.store.delete(quick_life.segments())

    found = rebuild(quick_life, empty_catalogue)

    assert found.outcome is RebuildOutcome.REBUILT
    others = [
        row for row in dump(quick_life.catalogue)["receipts"] if row["version_id"] != document["version"]["version_id"]
    ]
    assert [row for row in dump(empty_catalogue)["receipts"] if row in others] == others


@pytest.mark.parametrize("what", BAD_LOGS)
def test_a_log_that_cannot_be_is_named_and_nothing_of_it_is_believed(
    quick_life: Told, empty_catalogue: SqlCatalogue, what: str
) -> None:
    key, document = first_log(quick_life, "decision.made")
    changed = BAD_LOGS[what](document)
    quick_life.store.put(key, b"{" if changed == "" else json.dumps(changed).encode())

    found = rebuild(quick_life, empty_catalogue)

    assert "nothing of this log was believed" in reasons(found)[key]
    assert dump(empty_catalogue)["decisions"] == dump(quick_life.catalogue)["decisions"]


def test_foreign_damaged_and_missing_objects_are_each_named(life: Told, empty_catalogue: SqlCatalogue) -> None:
    roots = sorted(row["object_root"] for row in dump(life.catalogue)["datasets"] if row["object_root"])
    archived = [root for root in roots if life.store.head(f"{root}/{INVENTORY}")]
    life.store.put(f"{archived[0]}/{INVENTORY}", b"{}")
    life.store.delete([one.key for one in life.store.list(f"{archived[1]}/")])
    foreign = object_root("info:foreign")
    body, _ = life.store.get(f"{archived[2]}/{INVENTORY}")
    life.store.put(f"{foreign}/{INVENTORY}", body)
    life.store.put("abc/readme.txt", b"hello")

    found = reasons(rebuild(life, empty_catalogue))

    assert "not valid" in found[f"{archived[0]}/{INVENTORY}"]
    assert "the object is not in the archive" in found[archived[1]]
    assert "whose place is another one" in found[f"{foreign}/{INVENTORY}"]
    assert "no dataset" in found[foreign]
    assert "outside of every object" in found["abc/readme.txt"]
    assert dump(empty_catalogue)["versions"] == dump(life.catalogue)["versions"]


def test_an_object_that_lost_its_newest_version_is_named(life: Told, empty_catalogue: SqlCatalogue) -> None:
    version = life.ingest("twice")
    life.facility.write("twice", {"late.txt": b"late"})
    second = life.facility.detect("twice", number=2).version_id
    life.facility.ingest(second)
    life.record()
    root = life.facility.root_of(version)
    body, _ = life.store.get(f"{root}/v1/{INVENTORY}")
    life.store.put(f"{root}/{INVENTORY}", body)

    found = reasons(rebuild(life, empty_catalogue))

    assert "ends with v1" in found[root]
    assert "sidecar" in found[f"{root}/{INVENTORY}"]
