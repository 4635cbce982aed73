"""What Cisterna wrote, judged by OCFL's own validator, which shares no code with us, on a real store and on none.

`CISTERNA_OCFL_PY` names the Python of an environment that holds `ocfl-py`; without it `.venv-ocfl` of the checkout is
looked at. It is not one of our dependencies: it brings packages that ours exclude.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.fixity import Fixity
from cisterna.ports.object_store import ObjectStore
from cisterna.services.check import check_object
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN, Facility
from tests.archive.ocfl_judge import judge_all
from tests.archive.vault import Vault

SECOND = {
    "0/A1_0_BF.tiff": b"new pixels" * 30,
    "0/ångström µ.tiff": b"\xce\xb1",
    "empty.txt": b"",
    "0/late.avi": b"F" * 9_000,
}


def grow(facility: Facility, versions: int) -> str:
    """Archive that many versions of one run, and return the last."""
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    last = ""
    for number in range(2, versions + 1):
        facility.write("run", {**SECOND, f"{number}.txt": b"more"})
        last = facility.detect("run", number=number).version_id
        facility.ingest(last)
    return last


def test_objects_of_one_and_of_several_versions_are_valid(
    facility: Facility, ocfl_validate: list[str], tmp_path: Path
) -> None:
    facility.write("single", {"only.txt": b""})
    facility.ingest(facility.detect("single").version_id)
    last = grow(facility, 3)
    facility.store.put(f"{facility.root_of(last)}/logs/receipt.json", b"{}")

    said = judge_all(facility, ocfl_validate, tmp_path / "root")

    assert said.count("is VALID") == 2
    assert "[W" not in said, said


@pytest.mark.timeout(180)
def test_on_a_real_store_a_version_is_archived_verified_checked_and_valid(
    facility: Facility, object_store: S3Store, ocfl_validate: list[str], tmp_path: Path
) -> None:
    facility.store = object_store

    last = grow(facility, 2)

    check = check_object(facility.version(last).dataset_id, catalogue=facility.catalogue, store=object_store)
    assert (check.fixity, check.leftovers) == (Fixity.OK, ())
    assert not list(object_store.unfinished_uploads(""))
    assert judge_all(facility, ocfl_validate, tmp_path / "root").count("is VALID") == 1


class Killed(BaseException):
    """Stands for SIGKILL."""


class DyingStore:
    """A real store whose worker dies at the nth write, before it is sent or before its answer is read."""

    def __init__(self, store: ObjectStore, *, nth: int, after: bool) -> None:
        self.name, self.bucket = store.name, store.bucket
        self._store = store
        self._left = nth
        self._after = after

    def __getattr__(self, name: str) -> object:
        call = getattr(self._store, name)
        if name not in {"put", "delete", "begin_upload", "abort_unfinished"}:
            return call

        def dying(*values: object, **options: object) -> object:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            result = call(*values, **options)
            if self._left == 0:
                raise Killed
            return result

        return dying


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", [2, 7, 12, 15, 17, 18, 19])
def test_on_a_real_store_a_second_worker_finishes_what_a_killed_one_began(
    facility: Facility, object_store: S3Store, ocfl_validate: list[str], tmp_path: Path, nth: int, *, after: bool
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.readers = 1
    facility.store = DyingStore(object_store, nth=nth, after=after)  # type: ignore[assignment]
    with pytest.raises(Killed):
        facility.ingest(version)
    facility.store = object_store

    facility.ingest(version)

    check = check_object(facility.version(version).dataset_id, catalogue=facility.catalogue, store=object_store)
    assert (check.fixity, check.damaged, check.leftovers) == (Fixity.OK, (), ())
    assert not list(object_store.unfinished_uploads(""))
    assert judge_all(facility, ocfl_validate, tmp_path / "root").count("is VALID") == 1


def test_a_copy_in_another_store_is_a_valid_storage_root(
    facility: Facility, ocfl_validate: list[str], tmp_path: Path
) -> None:
    vault = Vault(facility, MemoryStore(name="archive"), MemoryStore(name="mirror"))
    dataset = facility.version(grow(facility, 3)).dataset_id
    vault.copy(dataset)
    facility.store = vault.second

    said = judge_all(facility, ocfl_validate, tmp_path / "root")

    assert said.count("is VALID") == 1
    assert "[W" not in said, said
