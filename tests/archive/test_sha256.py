"""The profile `sha256`: objects that are made of it go the whole way, beside those of SHA-512."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.digest import DigestAlgorithm, sha256_of, sha512_of
from cisterna.domain.errors import ChecksumMismatch, ObjectInvalid, ReleaseRefused
from cisterna.domain.fixity import Fixity, Subset
from cisterna.domain.ocfl import sidecar
from cisterna.domain.rebuild import RebuildOutcome
from cisterna.domain.release import ReleaseState
from cisterna.profiles.folder import Folder
from cisterna.services.check import check_object
from cisterna.services.data_manifest import MANIFEST_PATH
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.services.restore import restore_object, restore_version
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import RUN, Facility
from tests.archive.ocfl_judge import judge_all
from tests.archive.test_kill import SECOND, Killed, prepare, reference, require_all, run_until_killed
from tests.archive.told import Told
from tests.archive.told import dump as rows_of
from tests.archive.vault import Vault, memory
from tests.release.world import ReleaseWorld

STRUCTURE = [
    "inventory.json",
    "inventory.json.sha256",
    "v1/inventory.json",
    "v1/inventory.json.sha256",
    "v2/inventory.json",
    "v2/inventory.json.sha256",
]


@pytest.fixture
def facility(facility: Facility) -> Facility:
    facility.digest = "sha256"
    return facility


def grow(facility: Facility, *, second: DigestAlgorithm = "sha256") -> tuple[str, str]:
    """Archive two versions of one run."""
    facility.write("run", RUN)
    first = facility.detect("run").version_id
    facility.ingest(first)
    facility.digest = second
    facility.write("run", SECOND)
    last = facility.detect("run", number=2).version_id
    facility.ingest(last)
    return first, last


def inventory(facility: Facility, version: str) -> dict[str, Any]:
    found = json.loads(facility.keys(version)["inventory.json"])
    assert isinstance(found, dict)
    return found


def check(facility: Facility, version: str, subset: Subset | None = None) -> Any:
    dataset_id = facility.version(version).dataset_id
    return check_object(dataset_id, catalogue=facility.catalogue, store=facility.store, subset=subset)


@pytest.mark.timeout(180)
def test_on_a_real_store_its_objects_are_valid_and_name_every_file_by_both_digests(
    facility: Facility, object_store: S3Store, ocfl_validate: list[str], tmp_path: Path
) -> None:
    facility.store = object_store

    _, last = grow(facility)

    said, keys = inventory(facility, last), facility.keys(last)
    assert said["digestAlgorithm"] == "sha256"
    for name, digests in (("sha256", said["manifest"]), ("sha512", said["fixity"]["sha512"])):
        by_path = {path: digest for digest, paths in digests.items() for path in paths}
        assert by_path == {path: hashlib.new(name, keys[path]).hexdigest() for path in keys if "/content/" in path}
    assert keys["inventory.json.sha256"] == sidecar(sha256_of(keys["inventory.json"]))
    assert not any(key.endswith(".sha512") for key in keys)
    found = check(facility, last)
    assert (found.fixity, found.leftovers) == (Fixity.OK, ())
    said_by_ocfl_py = judge_all(facility, ocfl_validate, tmp_path / "root")
    assert said_by_ocfl_py.count("is VALID") == 1
    assert set(re.findall(r"\[W\d+\]", said_by_ocfl_py)) == {"[W004]"}, (
        "which advises SHA-512 and is what is chosen here"
    )


def test_its_receipts_and_manifests_are_as_ever(facility: Facility) -> None:
    _, last = grow(facility)

    version = facility.version(last)
    with facility.catalogue.begin() as tx:
        (receipt,) = tx.datasets.receipts(last)
    table = facility.tables.load(facility.keys(last)[version.staged[MANIFEST_PATH].content_path])

    assert receipt.inventory_sha512 == sha512_of(facility.keys(last)["inventory.json"])
    rows = {path: row for row, path in enumerate(table["path"])}
    assert rows.keys() == SECOND.keys()
    for path, body in SECOND.items():
        assert (table["sha512"][rows[path]], table["sha256"][rows[path]]) == (sha512_of(body), sha256_of(body)), path


@pytest.mark.parametrize(("first", "then"), [("sha256", "sha512"), ("sha512", "sha256")])
def test_an_object_stays_with_what_it_was_begun_with(
    facility: Facility, first: DigestAlgorithm, then: DigestAlgorithm
) -> None:
    facility.digest = first

    _, last = grow(facility, second=then)

    said = inventory(facility, last)
    assert (said["digestAlgorithm"], said["head"]) == (first, "v2")
    assert check(facility, last).fixity is Fixity.OK
    assert {key.rpartition(".")[2] for key in facility.keys(last) if "inventory.json." in key} == {first}


def test_the_default_is_as_it_was(facility: Facility) -> None:
    facility.digest = "sha512"

    _, last = grow(facility)

    assert inventory(facility, last).keys() >= {"digestAlgorithm", "manifest"}
    assert (inventory(facility, last)["digestAlgorithm"], "fixity" in inventory(facility, last)) == ("sha512", False)
    table = facility.tables.load(facility.keys(last)[facility.version(last).staged[MANIFEST_PATH].content_path])
    assert "sha256" not in table


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("earlier", [False, True], ids=["v1", "v2"])
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(
    facility: Facility, *, earlier: bool, after: bool
) -> None:
    reference(facility, earlier=earlier)

    step, was_killed = 0, True
    while was_killed:
        step += 1
        version = prepare(facility, f"run-{step}", earlier=earlier)
        store = memory(facility.store)
        fault = store.fail_on(WRITES, nth=step, after=after, error=Killed("at this step"))
        was_killed = run_until_killed(facility, version) or fault.fired > 0
        store.heal()
        facility.ingest(version)

        require_all(facility, version)
        assert inventory(facility, version)["digestAlgorithm"] == "sha256", f"step {step}"
    assert step > 20


def test_what_came_with_the_data_is_in_the_fixity_block_beside_it_and_said_once(facility: Facility) -> None:
    body = b"ACGT" * 100
    facility.profile = Folder()
    facility.write("run", {"a.fastq": body, "md5sum.txt": f"{hashlib.md5(body).hexdigest()}  a.fastq\n".encode()})  # noqa: S324 - what facilities deliver
    facility.write("run", {"SHA256SUMS": f"{sha256_of(body)}  a.fastq\n".encode()})
    version = facility.detect("run").version_id

    facility.ingest(version)

    said = inventory(facility, version)
    assert said["fixity"].keys() == {"md5", "sha512"}
    assert sha256_of(body) in said["manifest"]
    assert check(facility, version).fixity is Fixity.OK


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


def test_its_copy_is_a_valid_storage_root_and_has_receipts(
    vault: Vault, dataset: str, ocfl_validate: list[str], tmp_path: Path
) -> None:
    assert vault.content(dataset, vault.second) == vault.content(dataset, vault.first)
    assert [len(vault.receipts(dataset, vault.second, one)) for one in ("v1", "v2")] == [1, 1]
    vault.facility.store = vault.second
    assert judge_all(vault.facility, ocfl_validate, tmp_path / "root").count("is VALID") == 1


@pytest.mark.parametrize("how", ["gone", "changed"])
@pytest.mark.parametrize("where", ["archive", "mirror"])
@pytest.mark.parametrize("path", [*STRUCTURE, "content"])
def test_each_kind_of_file_is_named_and_repaired_from_the_other_store(
    vault: Vault, dataset: str, path: str, where: str, how: str
) -> None:
    store = memory(vault.first if where == "archive" else vault.second)
    whole = vault.content(dataset, store)
    key = vault.key_of(dataset, b"alpha") if path == "content" else f"{vault.root(dataset)}/{path}"
    if how == "gone":
        store.delete([key])
    else:
        store.flip_byte(key, position=1)

    kept = vault.keep(dataset, store)

    assert (kept.first.fixity, kept.check.fixity) == (Fixity.DAMAGED, Fixity.OK), kept
    assert key.removeprefix(f"{vault.root(dataset)}/") in {fault.path for fault in kept.first.damaged}
    assert vault.content(dataset, store) == whole


def lie(facility: Facility, version: str, *, of: bytes, name: str) -> None:
    """Let the inventory name other bytes by one of the two digests, with sidecars that agree."""
    right, wrong = hashlib.new(name, of).hexdigest(), hashlib.new(name, b"another").hexdigest()
    body = facility.keys(version)["inventory.json"].replace(right.encode(), wrong.encode())
    for folder in (facility.root_of(version), f"{facility.root_of(version)}/v1"):
        facility.store.put(f"{folder}/inventory.json", body)
        facility.store.put(f"{folder}/inventory.json.sha256", sidecar(sha256_of(body)))


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_an_inventory_that_is_wrong_by_either_digest_is_damage(facility: Facility, name: str) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    lie(facility, version, of=RUN["acquisition.yaml"], name=name)

    found = check(facility, version)

    assert found.fixity is Fixity.DAMAGED
    assert any(fault.files == ("data/acquisition.yaml",) for fault in found.damaged), found.damaged


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_nothing_is_verified_under_an_inventory_that_is_wrong_by_either_digest(facility: Facility, name: str) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    facility.measure(version, lease)
    facility.describe(version, lease)
    facility.archive(version, lease)
    lie(facility, version, of=RUN["acquisition.yaml"], name=name)

    with pytest.raises(ChecksumMismatch) as caught:
        facility.verify(version, lease)

    assert caught.value.facts["paths"] == ["data/acquisition.yaml"]


def test_parts_of_the_bytes_are_checked_by_both_digests(facility: Facility) -> None:
    _, last = grow(facility)
    lie(facility, last, of=RUN["acquisition.yaml"], name="sha256")

    found = [check(facility, last, Subset(part=part, parts=3)) for part in (1, 2, 3)]

    named = [fault.files for one in found for fault in one.damaged if "SHA-256" in fault.reason]
    assert named == [("data/acquisition.yaml",)]


def test_every_version_is_restored_and_the_archive_alone_is_enough(facility: Facility, tmp_path: Path) -> None:
    first, last = grow(facility)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(facility.version(last).dataset_id)

    restore_version(
        first, to=tmp_path / "v1", catalogue=facility.catalogue, store=facility.store, tables=facility.tables
    )
    restore_object(
        dataset.object_root,
        pid=dataset.pid,
        number=None,
        to=tmp_path / "v2",
        store=facility.store,
        tables=facility.tables,
        files=["0/late.avi"],
    )

    data = tmp_path / "v1" / "data"
    assert {str(file.relative_to(data)): file.read_bytes() for file in data.rglob("*") if file.is_file()} == RUN
    assert (tmp_path / "v2/data/0/late.avi").read_bytes() == SECOND["0/late.avi"]


def test_a_sidecar_that_does_not_agree_stops_a_restore(facility: Facility, tmp_path: Path) -> None:
    _, last = grow(facility)
    facility.store.put(f"{facility.root_of(last)}/inventory.json.sha256", sidecar("0" * 64))

    with pytest.raises(ObjectInvalid, match="sidecar"):
        restore_version(
            last, to=tmp_path / "v2", catalogue=facility.catalogue, store=facility.store, tables=facility.tables
        )


@pytest.mark.timeout(120)
def test_the_catalogue_is_rebuilt_equal_from_objects_of_it(told: Told, empty_catalogue: SqlCatalogue) -> None:
    told.hold_and_release(told.ingest("sharp"))
    told.record()

    found = rebuild_catalogue(catalogue=empty_catalogue, store=told.store, readers=3)

    assert (found.outcome, found.faults) == (RebuildOutcome.REBUILT, ())
    after = rows_of(empty_catalogue)
    assert {name: after[name] for name in ("datasets", "versions", "receipts", "releases")} == {
        name: rows
        for name, rows in rows_of(told.catalogue).items()
        if name in {"datasets", "versions", "receipts", "releases"}
    }


@pytest.mark.parametrize("is_lying", [False, True])
def test_a_source_is_released_on_proof_of_it_and_not_when_the_sidecar_disagrees(
    facility: Facility, *, is_lying: bool
) -> None:
    facility.store = MemoryStore(name="archive")
    world = ReleaseWorld(facility)
    world.prepare()
    if is_lying:
        facility.store.put(f"{world.root}/inventory.json.sha256", sidecar("0" * 64))
        with pytest.raises(ReleaseRefused):
            world.announce()
    else:
        assert world.execute(world.announce_and_wait()).state is ReleaseState.DONE

    assert world.folder.exists() is is_lying
