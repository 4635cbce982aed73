"""Versions of an object on the real store: each stores what is new and nothing else, where OCFL's layout says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.ocfl import Inventory
from cisterna.services.held_object import read_held
from tests.archive.facility import RUN, Facility


def inventory_of(facility: Facility, version: str) -> Inventory:
    held = read_held(facility.root_of(version), pid=pid_of(facility, version), store=facility.store)
    assert held is not None
    return held.inventory


def pid_of(facility: Facility, version: str) -> str:
    with facility.catalogue.begin() as tx:
        return tx.datasets.get(tx.datasets.get_version(version).dataset_id).pid


def ingest(facility: Facility, number: int) -> str:
    version = facility.detect("run", number=number).version_id
    assert facility.ingest(version) is not None
    return version


def stored_by(facility: Facility, version: str, number: int) -> set[str]:
    """Name the data files whose bytes lie in a version's own folder; each key there is of some file."""
    inventory = inventory_of(facility, version)
    names = {path: name for name, digest in inventory.files(number).items() for path in inventory.manifest[digest]}
    keys = {key for key in facility.keys(version) if key.startswith(f"v{number}/content/")}
    assert keys <= names.keys()
    return {names[key].removeprefix("data/") for key in keys if names[key].startswith("data/")}


@pytest.mark.timeout(120)
def test_a_version_stores_the_one_file_that_changed_and_going_back_stores_none(
    facility: Facility, object_store: S3Store
) -> None:
    facility.store = object_store
    facility.write("run", RUN)
    ingest(facility, 1)
    facility.write("run", {"0/A1_0_BF.tiff": b"changed"})
    ingest(facility, 2)
    facility.write("run", {"0/A1_0_BF.tiff": RUN["0/A1_0_BF.tiff"]})

    third = ingest(facility, 3)

    assert stored_by(facility, third, 2) == {"0/A1_0_BF.tiff"}
    assert stored_by(facility, third, 3) == set()
    inventory = inventory_of(facility, third)
    data = [{p: d for p, d in inventory.files(n).items() if p.startswith("data/")} for n in (1, 2, 3)]
    assert data[0] == data[2] != data[1]


def test_a_file_that_was_only_renamed_is_not_stored_again(facility: Facility) -> None:
    facility.write("run", RUN)
    ingest(facility, 1)
    (facility.landing / "run" / "acquisition.yaml").rename(facility.landing / "run" / "renamed.yaml")

    second = ingest(facility, 2)

    assert stored_by(facility, second, 2) == set()
    assert "data/renamed.yaml" in inventory_of(facility, second).files(2)


_LAYOUT = """
import json, sys
from ocfl.storage_root import StorageRoot

root = StorageRoot(root=sys.argv[1])
root.open_root_fs()
path = root.object_path(sys.argv[2])
print(json.dumps([root.layout_name, list(root.object_paths()), path]))
"""


def test_ocfl_py_finds_the_object_where_the_declared_layout_puts_it(
    facility: Facility,
    ocfl_validate: list[str],
    tmp_path: Path,
) -> None:
    facility.write("run", RUN)
    version = ingest(facility, 1)
    for found in facility.store.list(""):
        file = tmp_path / "root" / found.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(facility.store.get(found.key)[0])

    command = [ocfl_validate[0], "-c", _LAYOUT, str(tmp_path / "root"), pid_of(facility, version)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert told.returncode == 0, told.stderr
    layout, objects, path = json.loads(told.stdout)
    assert layout == "0003-hash-and-id-n-tuple-storage-layout"
    assert objects == [path] == [facility.root_of(version)]
