"""Names of any bytes, the whole way on the real store: measured, archived, verified, checked, restored to the byte."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, ObjectInvalid
from cisterna.domain.fixity import Fixity
from cisterna.metadata import readme
from cisterna.ports.object_store import ObjectStore
from cisterna.services.check import check_object
from cisterna.services.restore import Restored, restore_version
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.ocfl_judge import judge_all
from tests.domain.test_source_name import names

ODD = [
    b"caf\xe9.tiff",
    b"caf\xc3\xa9.tiff",
    b"cafe\xcc\x81.tiff",
    b"CAF\xc3\xa9.tiff",
    b"two\nlines.tiff",
    b"tab\there",
    b"\x1b[31mred\x1b[0m",
    b"\x9b31m",
    b"%41",
    b"A",
    b"%2541",
    b"100%",
    b"100%25",
    b" leading and trailing ",
    b".hidden",
    b"...",
    b"CON",
    b"nul.txt",
    b"a:b*c?d<e>f|g\"h'i",
    b"back\\slash",
    b"-rf",
    b"~",
    b"$(reboot)",
    "gpj.\u202eexe".encode(),
    "line\u2028separator".encode(),
    b"x" * 255,
    b"\xff" * 255,
    b"\n" * 255,
    "日".encode() * 85,
    b"fold\xe9r\n/deep\xff/file",
    b"fold\xe9r\n/%0A",
]


def write(facility: Facility, run: str, sources: list[bytes]) -> dict[bytes, bytes]:
    """Write a file under each name that there can be, each with bytes of its own, and give what was written."""
    root, written = facility.landing / run, {}
    root.mkdir()
    for number, source in enumerate(sources):
        file = root / os.fsdecode(source)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened:
            opened.write(b"content %d" % number)
        written[source] = b"content %d" % number
    return written


def tree(folder: Path) -> dict[bytes, bytes]:
    """Give each file below a folder by the bytes of its path."""
    return {os.fsencode(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if not file.is_dir()}


def restore(facility: Facility, version: str, to: Path, *, readable_names: bool = False) -> Restored:
    return restore_version(
        version,
        to=to,
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        readable_names=readable_names,
    )


def ingested(facility: Facility, run: str) -> str:
    version = facility.detect(run).version_id
    assert facility.ingest(version) is not None
    return version


def check(facility: Facility, version: str) -> Fixity:
    dataset_id = facility.version(version).dataset_id
    return check_object(dataset_id, catalogue=facility.catalogue, store=facility.store).fixity


@pytest.mark.timeout(120)
def test_odd_names_go_the_whole_way_on_a_real_store_and_ocfl_py_calls_the_object_valid(
    facility: Facility,
    object_store: S3Store,
    ocfl_validate: list[str],
    tmp_path: Path,
) -> None:
    facility.store = object_store
    written = write(facility, "run", ODD)

    version = ingested(facility, "run")

    assert check(facility, version) is Fixity.OK
    restored = restore(facility, version, tmp_path / "out")
    assert tree(tmp_path / "out" / "data") == written
    assert restored.files_renamed == 14
    assert judge_all(facility, ocfl_validate, tmp_path / "root").count("is VALID") == 1


_runs = itertools.count(1)


@pytest.mark.timeout(300)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=st.lists(names(), min_size=1, max_size=12, unique=True))
def test_names_of_random_bytes_go_the_whole_way(
    facility: Facility, object_store: S3Store, tmp_path: Path, sources: list[bytes]
) -> None:
    run = f"run-{next(_runs)}"
    facility.store = object_store
    written = write(facility, run, sources)

    version = ingested(facility, run)

    assert check(facility, version) is Fixity.OK
    restore(facility, version, tmp_path / run)
    assert tree(tmp_path / run / "data") == written


def test_a_run_whose_own_name_is_of_odd_bytes_is_archived(facility: Facility, tmp_path: Path) -> None:
    odd = facility.landing / os.fsdecode(b"run\xff\n")
    odd.mkdir()
    (odd / "a.txt").write_bytes(b"x")

    version = ingested(facility, "run%FF%0A")

    restore(facility, version, tmp_path / "out")
    assert tree(tmp_path / "out" / "data") == {b"a.txt": b"x"}


@pytest.fixture
def odd(facility: Facility) -> str:
    write(facility, "run", [b"caf\xe9", b"%41", b"A", b"fold\xe9r\n/%0A", b"plain 50%"])
    return ingested(facility, "run")


READABLE = {b"caf%E9", b"%2541", b"A", b"fold%E9r%0A/%250A", b"plain 50%"}


def test_the_readable_form_is_given_on_request(facility: Facility, odd: str, tmp_path: Path) -> None:
    restored = restore(facility, odd, tmp_path / "out", readable_names=True)

    assert tree(tmp_path / "out" / "data").keys() == READABLE
    assert restored.files_renamed == 0


def test_the_readme_tells_how_to_give_the_names_back_with_python_alone(
    facility: Facility, odd: str, tmp_path: Path
) -> None:
    restore(facility, odd, tmp_path / "acquired")
    restore(facility, odd, tmp_path / "readable", readable_names=True)
    told = readme._NAMES.format(count=4, encoding="")
    script = "\n".join(line.removeprefix("    ") for line in told.splitlines() if line.startswith("    "))

    python = script.replace("python3", sys.executable)
    subprocess.run(["sh", "-c", python], cwd=tmp_path / "readable", check=True, timeout=30)

    assert tree(tmp_path / "readable" / "data") == tree(tmp_path / "acquired" / "data")


def test_a_restore_is_not_taken_up_with_the_other_form_of_names(facility: Facility, odd: str, tmp_path: Path) -> None:
    assert isinstance(facility.store, MemoryStore)
    facility.store.fail_on("stream", nth=3, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        restore(facility, odd, tmp_path / "out")
    facility.store.heal()

    with pytest.raises(AlreadyExists):
        restore(facility, odd, tmp_path / "out", readable_names=True)
    restore(facility, odd, tmp_path / "out")

    assert len(tree(tmp_path / "out" / "data")) == len(READABLE)


def test_a_file_that_really_has_such_a_name_as_we_write_is_another_one(facility: Facility, odd: str) -> None:
    before = facility.version(odd).manifest_digest
    write(facility, "other", [b"caf%E9", b"%41", b"A", b"fold\xe9r\n/%0A", b"plain 50%"])

    other = facility.version(ingested(facility, "other"))

    assert other.manifest_digest != before


def test_a_manifest_that_came_back_with_other_bytes_renames_nothing(
    facility: Facility, odd: str, tmp_path: Path
) -> None:
    staged = facility.version(odd).staged["provenance/manifest.parquet"]
    key = f"{facility.root_of(odd)}/{staged.content_path}"
    store: ObjectStore = facility.store
    store.put(key, b"PAR1 something else PAR1")

    with pytest.raises((ChecksumMismatch, ObjectInvalid), match="manifest"):
        restore(facility, odd, tmp_path / "out")
    assert not (tmp_path / "out").exists()
