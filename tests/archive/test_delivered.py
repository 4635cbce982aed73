"""Digests that came with the data: compared in the one read, kept in the fixity block, and checked ever after."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import ChecksumMismatch
from cisterna.domain.fixity import Fixity, ObjectCheck
from cisterna.domain.ocfl import sidecar
from cisterna.profiles.folder import Folder
from cisterna.services.check import check_object
from cisterna.services.data_manifest import MANIFEST_PATH
from tests.archive.facility import Facility
from tests.archive.ocfl_judge import judge_all

FILES = {
    "small.fastq": b"ACGT" * 100,
    "same.fastq": b"ACGT" * 100,
    "sub/large.bin": b"\0\1" * 5000,  # above the facility's limit for images, so that it is streamed
    "empty": b"",
}


def sums(name: str, files: dict[str, bytes]) -> bytes:
    return "".join(f"{hashlib.new(name, body).hexdigest()}  {path}\n" for path, body in files.items()).encode()


@pytest.fixture
def delivered(facility: Facility) -> Facility:
    facility.profile = Folder()
    crcs = "".join(f"{path} {zlib.crc32(body):08X}\n" for path, body in FILES.items()).encode()
    facility.write("run", {**FILES, "md5sum.txt": sums("md5", FILES), "run.sfv": crcs, "notes.txt": b"unlisted"})
    facility.write("run", {"SHA256SUMS": sums("sha256", {"sub/large.bin": FILES["sub/large.bin"]})})
    return facility


def check(facility: Facility, version: str) -> ObjectCheck:
    dataset_id = facility.version(version).dataset_id
    return check_object(dataset_id, catalogue=facility.catalogue, store=facility.store)


def inventory(facility: Facility, version: str) -> dict[str, dict[str, dict[str, list[str]]]]:
    found = json.loads(facility.keys(version)["inventory.json"])
    assert isinstance(found, dict)
    return found


@pytest.mark.timeout(120)
def test_what_came_with_the_data_is_in_the_fixity_block_of_a_valid_object(
    delivered: Facility,
    object_store: S3Store,
    ocfl_validate: list[str],
    tmp_path: Path,
) -> None:
    delivered.store = object_store
    version = delivered.detect("run").version_id

    delivered.ingest(version)

    said = inventory(delivered, version)
    by_path = {path: digest for digest, paths in said["fixity"]["md5"].items() for path in paths}
    contents = delivered.keys(version)
    assert len(by_path) == 3, "equal files are stored, and named, once"
    assert all(hashlib.md5(contents[path], usedforsecurity=False).hexdigest() == by_path[path] for path in by_path)
    assert list(said["fixity"]["sha256"]) == [hashlib.sha256(FILES["sub/large.bin"]).hexdigest()]
    assert said["fixity"].keys() == {"md5", "sha256"}, "OCFL has no name for a CRC"
    assert check(delivered, version).fixity is Fixity.OK
    assert judge_all(delivered, ocfl_validate, tmp_path / "root").count("is VALID") == 1


def test_the_manifest_keeps_every_digest_that_came(delivered: Facility) -> None:
    version = delivered.detect("run").version_id
    delivered.ingest(version)
    staged = delivered.version(version).staged[MANIFEST_PATH]

    table = delivered.tables.load(delivered.keys(version)[staged.content_path])

    rows = {path: row for row, path in enumerate(table["path"])}
    for path, body in FILES.items():
        assert table["delivered_md5"][rows[path]] == hashlib.md5(body, usedforsecurity=False).hexdigest()
        assert table["delivered_crc32"][rows[path]] == f"{zlib.crc32(body):08x}"
    assert table["delivered_md5"][rows["notes.txt"]] is None


@pytest.mark.parametrize(("path", "name"), [("small.fastq", "md5"), ("sub/large.bin", "sha256")])
def test_files_that_are_not_what_came_with_them_says_are_all_named_with_both_values(
    delivered: Facility, path: str, name: str
) -> None:
    spoiled = b"!" + FILES[path][1:]
    delivered.write("run", {path: spoiled, "empty": b"x"})
    version = delivered.detect("run").version_id
    lease = delivered.lease(version)

    with pytest.raises(ChecksumMismatch, match="2 files of run") as caught:
        delivered.measure(version, lease)

    assert caught.value.facts["paths"] == sorted([path, "empty"])
    for body in (spoiled, FILES[path]):
        assert hashlib.new(name, body).hexdigest() in str(caught.value)
    assert not caught.value.retryable, "it is held for a person"
    assert delivered.keys(version) == {}


def test_a_run_that_was_mended_is_archived(delivered: Facility) -> None:
    delivered.write("run", {"small.fastq": b"spoiled"})
    version = delivered.detect("run").version_id
    with pytest.raises(ChecksumMismatch):
        delivered.measure(version, delivered.lease(version))

    delivered.write("run", {"small.fastq": FILES["small.fastq"]})
    second = delivered.detect("run", number=2).version_id

    assert delivered.ingest(second) is not None


def test_a_later_version_keeps_what_an_earlier_one_was_told(delivered: Facility) -> None:
    first = delivered.detect("run").version_id
    delivered.ingest(first)
    before = inventory(delivered, first)["fixity"]
    files = {**FILES, "small.fastq": b"new reads"}
    delivered.write("run", {"small.fastq": b"new reads", "md5sum.txt": sums("md5", files)})
    (delivered.landing / "run" / "run.sfv").unlink()
    second = delivered.detect("run", number=2).version_id

    delivered.ingest(second)

    after = inventory(delivered, second)["fixity"]
    new = hashlib.md5(b"new reads", usedforsecurity=False).hexdigest()
    assert {**after["md5"], new: None} == {**before["md5"], new: None}
    assert after["md5"][new][0].startswith("v2/content/")
    assert after["sha256"] == before["sha256"]


def test_a_fixity_block_that_lies_is_damage(delivered: Facility) -> None:
    version = delivered.detect("run").version_id
    delivered.ingest(version)
    root = delivered.root_of(version)
    said = inventory(delivered, version)
    right = hashlib.sha256(FILES["sub/large.bin"]).hexdigest()
    said["fixity"]["sha256"] = {"00" * 32: said["fixity"]["sha256"][right]}
    body = json.dumps(said).encode()
    for folder in (root, f"{root}/v1"):
        delivered.store.put(f"{folder}/inventory.json", body)
        delivered.store.put(f"{folder}/inventory.json.sha512", sidecar(hashlib.sha512(body).hexdigest()))

    found = check(delivered, version)

    assert found.fixity is Fixity.DAMAGED
    (block,) = (fault for fault in found.damaged if "fixity block" in fault.reason)
    assert block.files == ("data/sub/large.bin",)
