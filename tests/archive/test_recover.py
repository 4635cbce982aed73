"""Every interrupted state of an object, made by hand, and where the recovery takes it."""

from __future__ import annotations

import pytest

from cisterna.domain.dataset import Stage
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, Conflict, IllegalTransition, LeaseLost, NotReady, ObjectInvalid
from cisterna.domain.ocfl import Agent, Placed, next_version, sidecar
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.work import Attempt
from cisterna.services.recover import Recovery, recover_object
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN, Facility

LOG = "logs/20261122-receipt.issued.json"


@pytest.fixture
def archived(facility: Facility) -> str:
    """A version that is archived and verified, with a record in its logs."""
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    put(facility, version, LOG, b"{}")
    return version


def put(facility: Facility, version: str, path: str, body: bytes) -> None:
    facility.store.put(f"{facility.root_of(version)}/{path}", body)


def drop(facility: Facility, version: str, *paths: str) -> None:
    facility.store.delete([f"{facility.root_of(version)}/{path}" for path in paths])


def recover(facility: Facility, version: str, lease: Attempt | None = None) -> Recovery:
    dataset_id = facility.version(version).dataset_id
    return recover_object(dataset_id, lease=lease, catalogue=facility.catalogue, store=facility.store)


def described(facility: Facility, run: str = "run") -> str:
    """A version that waits for its commit."""
    facility.write(run, RUN)
    version = facility.detect(run).version_id
    lease = facility.lease(version)
    facility.measure(version, lease)
    facility.describe(version, lease)
    return version


def test_a_whole_object_is_left_as_it_is(facility: Facility, archived: str) -> None:
    before = facility.keys(archived)

    found = recover(facility, archived)

    assert (found.actions, found.strangers) == ((), ())
    assert facility.keys(archived) == before


@pytest.mark.parametrize("missing", ["0=ocfl_object_1.1", "inventory.json.sha512"])
def test_a_commit_that_stopped_after_the_root_inventory_is_rolled_forward(
    facility: Facility, archived: str, missing: str
) -> None:
    whole = facility.keys(archived)
    drop(facility, archived, missing)

    assert recover(facility, archived).actions
    assert facility.keys(archived) == whole


def test_a_sidecar_of_the_version_before_is_replaced(facility: Facility, archived: str) -> None:
    whole = facility.keys(archived)
    put(facility, archived, "inventory.json.sha512", sidecar("0" * 128))

    recover(facility, archived)

    assert facility.keys(archived) == whole


def test_an_inventory_that_its_version_does_not_vouch_for_is_damage_and_is_not_touched(
    facility: Facility, archived: str
) -> None:
    body = facility.keys(archived)["inventory.json"].replace(b"v1: acquired", b"v1: forged!!")
    put(facility, archived, "inventory.json", body)
    before = facility.keys(archived)

    with pytest.raises(ObjectInvalid, match="does not vouch for it"):
        recover(facility, archived)
    assert facility.keys(archived) == before


def test_what_dead_attempts_left_is_removed_and_the_logs_are_not(facility: Facility, archived: str) -> None:
    whole = facility.keys(archived)
    for path in ("v1/content/dead/abc", "v2/content/dead/abc", "v2/inventory.json", "v2/inventory.json.sha512"):
        put(facility, archived, path, b"left")
    upload = facility.store.begin_upload(f"{facility.root_of(archived)}/v2/content/dead/s1")
    upload.write(b"half")

    found = recover(facility, archived)

    assert facility.keys(archived) == whole
    assert LOG in whole
    assert not list(facility.store.unfinished_uploads(""))
    assert len(found.actions) == 2


def test_what_a_version_on_its_way_has_staged_is_kept(facility: Facility, archived: str) -> None:
    facility.write("run", {"more.tiff": b"more"})
    second = facility.detect("run", number=2).version_id
    facility.measure(second, facility.lease(second))
    staging = facility.version(second).staging
    put(facility, archived, "v2/inventory.json", b"being written")
    upload = facility.store.begin_upload(f"{facility.root_of(archived)}/{staging}/s1")
    before = facility.keys(archived)

    assert recover(facility, archived).actions == ()
    assert facility.keys(archived) == before
    assert list(facility.store.unfinished_uploads(""))
    upload.abort()


def test_what_cannot_have_been_ours_is_named_and_left(facility: Facility, archived: str) -> None:
    put(facility, archived, "notes.txt", b"a technician's")
    put(facility, archived, "v1/other/x", b"?")

    assert set(recover(facility, archived).strangers) == {"notes.txt", "v1/other/x"}
    assert {"notes.txt", "v1/other/x"} <= facility.keys(archived).keys()


def test_a_first_version_that_never_came_to_its_inventory_is_removed(facility: Facility) -> None:
    version = described(facility)
    lease = facility.lease(version)
    with facility.catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        tx.datasets.remove_version(tx.datasets.get_version(version))
        dataset = tx.datasets.list()[0]
    facility.store.put(f"{dataset.object_root}/v1/inventory.json", b"{}")

    recover_object(dataset.dataset_id, lease=None, catalogue=facility.catalogue, store=facility.store)

    assert list(facility.store.list(f"{dataset.object_root}/")) == []


def test_an_object_that_lost_its_inventory_is_not_emptied(facility: Facility, archived: str) -> None:
    drop(facility, archived, "inventory.json", "inventory.json.sha512", "0=ocfl_object_1.1")
    before = facility.keys(archived)

    with pytest.raises(ObjectInvalid, match="has no inventory, but v1 was archived"):
        recover(facility, archived)
    assert facility.keys(archived) == before


def test_an_object_rolled_back_behind_the_catalogue_is_not_emptied(facility: Facility, archived: str) -> None:
    facility.write("run", {"more.tiff": b"more"})
    second = facility.detect("run", number=2).version_id
    facility.ingest(second)
    keys = facility.keys(archived)
    put(facility, archived, "inventory.json", keys["v1/inventory.json"])
    put(facility, archived, "inventory.json.sha512", keys["v1/inventory.json.sha512"])
    before = facility.keys(archived)

    with pytest.raises(ObjectInvalid, match="holds versions up to v1, but v2 was archived"):
        recover(facility, archived)
    assert facility.keys(archived) == before


def test_a_declared_object_without_inventory_is_damage(facility: Facility) -> None:
    version = described(facility)
    put(facility, version, "0=ocfl_object_1.1", b"ocfl_object_1.1\n")

    with pytest.raises(ObjectInvalid, match="declared but has no inventory"):
        recover(facility, version)


def test_an_object_whose_content_is_gone_is_not_declared(facility: Facility, archived: str) -> None:
    content = next(path for path in facility.keys(archived) if "/content/" in path)
    drop(facility, archived, "0=ocfl_object_1.1", content)

    with pytest.raises(ObjectInvalid, match="cannot be declared"):
        recover(facility, archived)
    assert "0=ocfl_object_1.1" not in facility.keys(archived)


def test_a_worker_that_lost_its_lease_recovers_nothing(facility: Facility, archived: str) -> None:
    put(facility, archived, "v2/content/dead/abc", b"left")
    old = facility.lease("some work")
    facility.lease("some work")

    with pytest.raises(LeaseLost):
        recover(facility, archived, old)
    assert "v2/content/dead/abc" in facility.keys(archived)


def test_the_commit_sets_versions_and_acquisition(facility: Facility) -> None:
    version = described(facility)

    committed = facility.archive(version, facility.lease(version))

    assert (committed.stage, committed.ocfl_version) == (Stage.ARCHIVED, 1)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(committed.dataset_id)
        acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
    assert acquisition.ingested_fingerprint == committed.source_fingerprint
    assert acquisition.dataset_id == dataset.dataset_id


def test_after_the_commit_every_file_of_ours_is_where_the_version_says(facility: Facility) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    second = facility.detect("run", number=2, cause="again").version_id  # all its bytes are in v1
    facility.ingest(second)

    keys = facility.keys(second)
    for path, one in facility.version(second).staged.items():
        assert one.content_path in keys, path


def test_a_version_that_is_not_described_is_not_archived(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    with pytest.raises(IllegalTransition):
        facility.archive(version, facility.lease(version))


def test_an_archived_version_is_archived_again_without_a_write(facility: Facility, archived: str) -> None:
    assert isinstance(facility.store, MemoryStore)
    before = facility.store.calls["put"]

    assert facility.archive(archived, facility.lease(archived)).is_archived
    assert facility.store.calls["put"] == before


@pytest.mark.parametrize("harm", ["gone", "cut short"])
def test_staged_bytes_that_are_gone_are_not_committed(facility: Facility, harm: str) -> None:
    version = described(facility)
    victim = next(path for path, body in facility.keys(version).items() if body == RUN["0/A1_0_BF.tiff"])
    if harm == "gone":
        drop(facility, version, victim)
    else:
        put(facility, version, victim, b"A")

    with pytest.raises(ObjectInvalid, match="missing or cut short"):
        facility.archive(version, facility.lease(version))
    assert "inventory.json" not in facility.keys(version)


def test_a_staged_manifest_that_was_changed_is_not_committed(facility: Facility) -> None:
    version = described(facility)
    put(facility, version, facility.version(version).staged["provenance/manifest.parquet"].content_path, b"other")

    with pytest.raises(ChecksumMismatch, match="not what was staged"):
        facility.archive(version, facility.lease(version))


def test_the_loser_of_a_race_for_a_version_gets_a_conflict_and_leaves_nothing(facility: Facility) -> None:
    version = described(facility)
    store = facility.store
    assert isinstance(store, MemoryStore)
    plain_put = store.put

    def overtaken(key: str, body: bytes, **options: object) -> object:
        if key.endswith("/inventory.json") and "/v1/" not in key:
            plain_put(key, winners_inventory(facility, version))
        return plain_put(key, body, **options)  # type: ignore[arg-type]

    store.put = overtaken  # type: ignore[method-assign, assignment]

    with pytest.raises(Conflict, match="nothing of this one was kept"):
        facility.archive(version, facility.lease(version))
    assert facility.keys(version).keys() == {"inventory.json"}
    assert facility.version(version).stage is Stage.DESCRIBED


def winners_inventory(facility: Facility, version: str) -> bytes:
    """Give the inventory of somebody whose content lies in a folder of its own."""
    staging = (facility.version(version).staging or "").encode()
    return facility.keys(version)["v1/inventory.json"].replace(staging, b"v1/content/winner")


def test_a_place_that_was_taken_before_is_a_conflict_too(facility: Facility) -> None:
    version = described(facility)
    facility.archive(version, facility.lease(version))
    keys = facility.keys(version)
    run2 = described(facility, "run2")
    root = facility.root_of(run2)
    pid = f"ark:/99999/{facility.version(run2).dataset_id.removeprefix('ds-')}".encode()
    own = f"ark:/99999/{facility.version(version).dataset_id.removeprefix('ds-')}".encode()
    inventory = keys["inventory.json"].replace(own, pid)
    for name in ("inventory.json", "v1/inventory.json"):
        facility.store.put(f"{root}/{name}", inventory)
        facility.store.put(f"{root}/{name}.sha512", sidecar(sha512_of(inventory)))
    for path, body in keys.items():
        if "/content/" in path or path.startswith("0="):
            facility.store.put(f"{root}/{path}", body)
    before = facility.keys(run2)

    with pytest.raises(Conflict):
        facility.archive(run2, facility.lease(run2))
    staging = facility.version(run2).staging
    assert facility.keys(run2) == {path: body for path, body in before.items() if not path.startswith(f"{staging}/")}


def test_versions_are_archived_in_their_order(facility: Facility) -> None:
    first = described(facility)
    facility.write("run", {"more.tiff": b"more"})
    second = facility.detect("run", number=2, stage=Stage.DESCRIBED, staging="v1/content/x").version_id

    with pytest.raises(NotReady, match="waits until v1"):
        facility.archive(second, facility.lease(second))
    facility.archive(first, facility.lease(first))


def test_a_commit_of_known_bytes_that_was_cut_short_after_the_root_inventory_is_finished(facility: Facility) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    for number in (2, 3):  # the third brings no new byte at all: even its manifest is known
        version = facility.detect("run", number=number, cause="again").version_id
        lease = facility.lease(version)
        facility.measure(version, lease)
        facility.describe(version, lease)
        store = facility.store
        assert isinstance(store, MemoryStore)
        store.fail_on("put", key_ends="inventory.json.sha512", nth=2, error=KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            facility.archive(version, lease)
        store.heal()

        assert facility.archive(version, facility.lease(version)).ocfl_version == number
        facility.verify(version, facility.lease(version))


def test_a_version_whose_commit_was_followed_by_another_before_it_was_noted_loses_nothing(facility: Facility) -> None:
    version = described(facility)
    lease = facility.lease(version)
    store = facility.store
    assert isinstance(store, MemoryStore)
    store.fail_on("put", key_ends="0=ocfl_object_1.1", after=True, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        facility.archive(version, lease)
    store.heal()
    follow_up(facility, version)
    before = facility.keys(version)

    assert facility.archive(version, facility.lease(version)).ocfl_version == 1
    assert facility.keys(version) == before


def follow_up(facility: Facility, version: str) -> None:
    """Let somebody who does not ask the catalogue commit a v2 with the state of v1."""
    first = parse_inventory(facility.keys(version)["inventory.json"])
    files = [Placed(path, digest, "") for path, digest in first.files(1).items()]
    second = next_version(
        first, pid=first.pid, files=files, created=first.versions[0].created, message="v2", user=Agent(name="other")
    )
    for folder in ("v2/", ""):
        put(facility, version, f"{folder}inventory.json", second.body)
        put(facility, version, f"{folder}inventory.json.sha512", sidecar(second.sha512))
