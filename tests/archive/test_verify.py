"""Verification and fixity: nothing is believed that was not read."""

from __future__ import annotations

import json

import pytest

from cisterna.domain.dataset import Stage
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    ChecksumMismatch,
    CouldNotCheck,
    IllegalTransition,
    InvalidInput,
    LeaseLost,
    NotFound,
    ObjectInvalid,
    StoreUnavailable,
)
from cisterna.domain.fixity import Fixity, ObjectCheck, Subset, parse_subset
from cisterna.domain.ocfl import sidecar
from cisterna.services.check import check_archive, check_object, require_ok
from cisterna.services.data_manifest import dump_manifest, load_manifest
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN, Facility

VICTIM = "0/A1_0_BF.tiff"


def key_of(facility: Facility, version: str, path: str = VICTIM) -> str:
    """Give the key in the store of the bytes of a file of the run."""
    root = facility.root_of(version)
    body = RUN.get(path)
    found = [key for key, kept in facility.keys(version).items() if kept == body] if body is not None else [path]
    return f"{root}/{found[0]}"


def memory(facility: Facility) -> MemoryStore:
    assert isinstance(facility.store, MemoryStore)
    return facility.store


@pytest.fixture
def archived(facility: Facility) -> str:
    """A version that waits to be verified."""
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    facility.measure(version, lease)
    facility.describe(version, lease)
    facility.archive(version, lease)
    return version


@pytest.fixture
def verified(facility: Facility, archived: str) -> str:
    facility.verify(archived, facility.lease(archived))
    return archived


def check(facility: Facility, version: str, subset: Subset | None = None) -> ObjectCheck:
    dataset_id = facility.version(version).dataset_id
    return check_object(dataset_id, catalogue=facility.catalogue, store=facility.store, subset=subset)


def test_the_receipt_tells_what_was_read_back(facility: Facility, archived: str) -> None:
    receipt = facility.verify(archived, facility.lease(archived))

    keys = facility.keys(archived)
    content = [body for path, body in keys.items() if "/content/" in path]
    assert (receipt.files_read, receipt.bytes_read) == (len(content), sum(map(len, content)))
    assert receipt.inventory_sha512 in keys["inventory.json.sha512"].decode()
    version = facility.version(archived)
    assert receipt.manifest_digest == version.manifest_digest
    assert version.stage is Stage.VERIFIED
    with facility.catalogue.begin() as tx:
        assert list(tx.datasets.receipts(archived)) == [receipt]
        told = [event for event in tx.outbox.history([archived]) if event.name == "receipt.issued"]
    assert json.loads(receipt.model_dump_json()) == told[0].data["receipt"]


def test_a_verified_version_gives_the_receipt_it_has(facility: Facility, verified: str) -> None:
    before = memory(facility).calls["stream"]

    facility.verify(verified, facility.lease(verified))

    assert memory(facility).calls["stream"] == before
    with facility.catalogue.begin() as tx:
        assert len(tx.datasets.receipts(verified)) == 1


@pytest.mark.parametrize("path", [VICTIM, "0/movie.avi", ".done"], ids=["small", "streamed", "empty"])
@pytest.mark.parametrize("harm", ["flipped", "gone", "longer"])
def test_bytes_that_do_not_come_back_as_they_were_sent_are_named(
    facility: Facility, archived: str, path: str, harm: str
) -> None:
    key = key_of(facility, archived, path)
    match harm:
        case "flipped" if RUN[path]:
            memory(facility).flip_byte(key, position=len(RUN[path]) - 1)
        case "gone":
            facility.store.delete([key])
        case _:
            facility.store.put(key, RUN[path] + b"more")

    with pytest.raises(ChecksumMismatch) as refusal:
        facility.verify(archived, facility.lease(archived))
    assert refusal.value.facts["paths"] == [f"data/{path}"]
    assert facility.version(archived).stage is Stage.ARCHIVED
    with facility.catalogue.begin() as tx:
        assert not tx.datasets.receipts(archived)


def test_all_files_that_share_damaged_bytes_are_named(facility: Facility, archived: str) -> None:
    memory(facility).flip_byte(key_of(facility, archived, "0/A1_1_BF.tiff"))

    with pytest.raises(ChecksumMismatch) as refusal:
        facility.verify(archived, facility.lease(archived))
    assert refusal.value.facts["paths"] == ["data/0/A1_1_BF.tiff", "data/0/A1_2_BF.tiff"]


def test_a_damaged_manifest_is_a_mismatch(facility: Facility, archived: str) -> None:
    key = facility.version(archived).staged["provenance/manifest.parquet"].content_path
    memory(facility).flip_byte(f"{facility.root_of(archived)}/{key}", position=40)

    with pytest.raises(ChecksumMismatch, match=r"manifest\.parquet"):
        facility.verify(archived, facility.lease(archived))


def test_a_store_that_does_not_answer_is_not_a_mismatch(facility: Facility, archived: str) -> None:
    memory(facility).make_unreadable(key_of(facility, archived))

    with pytest.raises(StoreUnavailable):
        facility.verify(archived, facility.lease(archived))
    assert facility.version(archived).stage is Stage.ARCHIVED


def test_an_inventory_that_disagrees_with_the_catalogue_is_a_mismatch(facility: Facility, archived: str) -> None:
    with facility.catalogue.begin() as tx:
        version = tx.datasets.get_version(archived)
        staged = {path: one for path, one in version.staged.items() if path != "README.md"}
        tx.datasets.save_version(version.model_copy(update={"staged": staged}))

    with pytest.raises(ChecksumMismatch) as refusal:
        facility.verify(archived, facility.lease(archived))
    assert refusal.value.facts["paths"] == ["README.md"]


def test_what_is_not_archived_is_not_verified(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    with pytest.raises(IllegalTransition):
        facility.verify(version, facility.lease(version))


def test_a_worker_that_lost_its_lease_issues_no_receipt(facility: Facility, archived: str) -> None:
    lease = facility.lease(archived)
    facility.lease(archived)

    with pytest.raises(LeaseLost):
        facility.verify(archived, lease)


def test_a_whole_object_is_ok_and_every_byte_of_it_was_read(facility: Facility, verified: str) -> None:
    found = check(facility, verified)

    content = [body for path, body in facility.keys(verified).items() if "/content/" in path]
    assert (found.fixity, found.files_read, found.bytes_read) == (Fixity.OK, len(content), sum(map(len, content)))
    require_ok(found)


def test_damage_names_the_files(facility: Facility, verified: str) -> None:
    memory(facility).flip_byte(key_of(facility, verified))

    found = check(facility, verified)

    assert found.fixity is Fixity.DAMAGED
    assert [fault.files for fault in found.damaged] == [(f"data/{VICTIM}",)]
    with pytest.raises(ObjectInvalid):
        require_ok(found)


def test_bytes_that_cannot_be_read_are_neither_good_nor_damaged(facility: Facility, verified: str) -> None:
    memory(facility).make_unreadable(key_of(facility, verified))

    found = check(facility, verified)

    assert (found.fixity, found.damaged) == (Fixity.COULD_NOT_CHECK, ())
    assert [fault.files for fault in found.unchecked] == [(f"data/{VICTIM}",)]
    with pytest.raises(CouldNotCheck):
        require_ok(found)


def test_damage_outweighs_what_could_not_be_read_and_both_are_told(facility: Facility, verified: str) -> None:
    memory(facility).flip_byte(key_of(facility, verified, "0/movie.avi"))
    memory(facility).make_unreadable(key_of(facility, verified))

    found = check(facility, verified)

    assert found.fixity is Fixity.DAMAGED
    assert (len(found.damaged), len(found.unchecked)) == (1, 1)


def test_a_store_that_is_away_could_not_be_checked(facility: Facility, verified: str) -> None:
    memory(facility).fail_on({"get", "head", "list", "stream"}, times=10_000)

    assert check(facility, verified).fixity is Fixity.COULD_NOT_CHECK


@pytest.mark.parametrize(
    "harm",
    [
        "0=ocfl_object_1.1",
        "inventory.json",
        "inventory.json.sha512",
        "v1/inventory.json",
        "v1/inventory.json.sha512",
        VICTIM,
    ],
)
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_every_part_of_the_structure_counts(facility: Facility, verified: str, harm: str, how: str) -> None:
    key = key_of(facility, verified, harm)
    if how == "gone":
        facility.store.delete([key])
    else:
        memory(facility).flip_byte(key, position=1)

    found = check(facility, verified)

    assert found.fixity is Fixity.DAMAGED
    assert found.reason


@pytest.mark.parametrize("path", ["v1/content/extra", "notes.txt", "v1/extra"])
def test_a_file_that_the_inventory_does_not_name_is_damage(facility: Facility, verified: str, path: str) -> None:
    facility.store.put(f"{facility.root_of(verified)}/{path}", b"?")

    assert [fault.path for fault in check(facility, verified).damaged] == [path]


def test_logs_and_unfinished_commits_are_no_damage(facility: Facility, verified: str) -> None:
    for path in ("logs/x.json", "v2/content/t/abc"):
        facility.store.put(f"{facility.root_of(verified)}/{path}", b"?")

    found = check(facility, verified)

    assert (found.fixity, found.leftovers) == (Fixity.OK, ("v2/content/t/abc",))


def test_an_object_that_ends_before_what_was_archived_is_damaged(facility: Facility, verified: str) -> None:
    facility.write("run", {"more.tiff": b"more"})
    facility.ingest(facility.detect("run", number=2).version_id)
    keys, root = facility.keys(verified), facility.root_of(verified)
    facility.store.put(f"{root}/inventory.json", keys["v1/inventory.json"])
    facility.store.put(f"{root}/inventory.json.sha512", keys["v1/inventory.json.sha512"])

    found = check(facility, verified)

    assert found.fixity is Fixity.DAMAGED
    assert "it ends with v1, but v2 was archived" in found.reason


def test_an_earlier_inventory_that_tells_another_story_is_damage(facility: Facility, verified: str) -> None:
    facility.write("run", {"more.tiff": b"more"})
    facility.ingest(facility.detect("run", number=2).version_id)
    root = facility.root_of(verified)
    forged = facility.keys(verified)["v1/inventory.json"].replace(b"v1: acquired", b"v1: forged!!")
    facility.store.put(f"{root}/v1/inventory.json", forged)
    facility.store.put(f"{root}/v1/inventory.json.sha512", sidecar(sha512_of(forged)))

    assert [fault.path for fault in check(facility, verified).damaged] == ["v1/inventory.json"]


def test_all_parts_of_a_subset_together_read_everything_once(facility: Facility, verified: str) -> None:
    whole = check(facility, verified)

    parts = [check(facility, verified, Subset(part=part, parts=4)) for part in range(1, 5)]

    assert sum(one.files_read for one in parts) == whole.files_read
    assert sum(one.bytes_read for one in parts) == whole.bytes_read


def test_missing_content_shows_in_every_subset(facility: Facility, verified: str) -> None:
    facility.store.delete([key_of(facility, verified)])

    found = [check(facility, verified, Subset(part=part, parts=3)).fixity for part in (1, 2, 3)]

    assert found == [Fixity.DAMAGED] * 3


def test_a_dataset_of_which_nothing_is_archived_is_not_called_ok(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    with pytest.raises(NotFound, match="nothing of"):
        check(facility, version)
    assert list(check_archive(catalogue=facility.catalogue, store=facility.store)) == []


def test_the_whole_archive_is_checked_object_by_object(facility: Facility, verified: str) -> None:
    facility.write("other", RUN)
    facility.ingest(facility.detect("other").version_id)
    memory(facility).flip_byte(key_of(facility, verified))

    found = list(check_archive(catalogue=facility.catalogue, store=facility.store))

    assert sorted(one.fixity for one in found) == [Fixity.DAMAGED, Fixity.OK]


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/4", "a/b", "1 / 3", "9" * 50 + "/1", "\u0661/\u0663"]
)
def test_what_is_no_subset_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_subset(text)


def test_a_subset_is_read_as_it_is_written() -> None:
    assert parse_subset("2/7") == Subset(part=2, parts=7)


@pytest.mark.parametrize(
    "change",
    [
        lambda columns: columns.pop("sha512"),
        lambda columns: columns["path"].__setitem__(0, "../../etc/passwd"),
        lambda columns: columns["path"].__setitem__(0, columns["path"][1]),
        lambda columns: columns["size_bytes"].__setitem__(0, -1),
        lambda columns: columns["sha512"].__setitem__(0, "abc"),
        lambda columns: columns["modified"].__setitem__(0, "yesterday"),
        lambda columns: columns["path"].pop(),
    ],
    ids=["no digests", "path climbs", "path twice", "size", "digest", "time", "uneven"],
)
def test_a_table_that_is_no_manifest_is_refused(facility: Facility, verified: str, change: object) -> None:
    class Changed:
        def dump(self, columns: object, *, metadata: object = None) -> bytes:
            raise NotImplementedError

        def load(self, body: bytes) -> dict[str, list[object]]:
            columns = facility.tables.load(body)
            change(columns)  # type: ignore[operator]
            return columns

    path = facility.version(verified).staged["provenance/manifest.parquet"].content_path
    body = facility.keys(verified)[path]

    with pytest.raises(ObjectInvalid):
        load_manifest(body, tables=Changed())
    manifest = load_manifest(body, tables=facility.tables)
    assert load_manifest(dump_manifest(manifest, tables=facility.tables), tables=facility.tables) == manifest
