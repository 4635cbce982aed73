"""Packages for the BioImage Archive: whole or not there, with every file as it was archived."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.target_bia import FILE_LIST, SUBMISSION, WHOLE, BiaTarget
from cisterna.adapters.target_place import BucketPlace, FolderPlace, Place
from cisterna.domain.access import Extent
from cisterna.domain.errors import ChecksumMismatch, TargetRefused
from cisterna.ports.target import DepositRequest
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import READS, WRITES, MemoryStore
from cisterna.testing.memory_store import Fault as StoreFault
from cisterna.testing.outside_server import Fault
from cisterna.testing.target_contract import TargetContract
from cisterna.testing.target_contract import deposit_request as made
from cisterna.testing.target_request import BODIES, FILES, MemoryBytes


class BiaStage:
    secret = "bucket-secret-0123"
    faults = frozenset({Fault.BROKEN, Fault.LOST})

    def __init__(self, place: Place, store: MemoryStore | None = None) -> None:
        self.place = place
        self.store = store or MemoryStore()
        self.target = BiaTarget(place, name="bia", title="BioImage Archive", clock=SettableClock())

    def strike(self, fault: Fault, *, skip: int) -> StoreFault:
        return self.store.fail_on(READS | WRITES, nth=skip + 1, after=fault is Fault.LOST)

    def heal(self) -> None:
        self.store.heal()

    def standing(self, key: str) -> Sequence[str]:
        folder = _folder(key)
        return [folder] if self.place.size_of(f"{folder}{WHOLE}") is not None else []

    def made(self, key: str) -> Sequence[str]:
        return [_folder(key)] if list(self.place.below(_folder(key))) else []

    def told(self, key: str) -> str:
        """Give everything: pages of the whole site name versions too."""
        del key
        bodies = {path: self.place.read(path) or b"" for path in self.place.below("")}
        return "".join(f"{path} {body.decode(errors='replace')}" for path, body in bodies.items())

    def writes(self) -> int:
        return sum(self.store.calls[name] for name in ("put", "delete", "begin_upload"))

    def strayed(self) -> Sequence[object]:
        return []


def _folder(key: str) -> str:
    dataset, _, version = key.partition("@")[0].partition(":")
    return f"12345/{dataset.removeprefix('ds-')}/{version}/"


def request_for(name: str = "a plate with many nuclei") -> DepositRequest:
    return made("bia", name=name)


class TestBia(TargetContract):
    """Every promise, in a bucket."""

    @pytest.fixture
    def stage(self, monkeypatch: pytest.MonkeyPatch) -> BiaStage:
        monkeypatch.setattr("cisterna.adapters.target_bia._LEAST_TITLE", 5)  # the kit's titles are short
        store = MemoryStore()
        return BiaStage(BucketPlace(store, prefix="bia/"), store)


@pytest.mark.torture
class TestBiaInARealBucket(TargetContract):
    """The same, but for faults, in a bucket of SeaweedFS."""

    struck_by = "TestBia"

    @pytest.fixture
    def stage(self, monkeypatch: pytest.MonkeyPatch, new_store: Callable[..., S3Store]) -> BiaStage:
        monkeypatch.setattr("cisterna.adapters.target_bia._LEAST_TITLE", 5)
        stage = BiaStage(BucketPlace(new_store(), prefix="bia/"))
        stage.faults = frozenset()
        return stage


def test_a_package_holds_submission_file_list_and_the_data_as_archived(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))

    done = stage.target.deposit(request_for(), known=None, files=FILES)

    folder = tmp_path / done.outside_id
    submission = json.loads((folder / SUBMISSION).read_text())
    (component,) = [one for one in submission["section"]["subsections"] if one["type"] == "Study Component"]
    assert {"name": "File List", "value": FILE_LIST} in component["attributes"]
    assert "files" not in component
    with (folder / FILE_LIST).open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    data = {path: body for path, body in BODIES.items() if path.startswith("data/")}
    assert {row["Files"]: (row["Bytes"], row["SHA-512"]) for row in rows} == {
        path: (str(len(body)), hashlib.sha512(body).hexdigest()) for path, body in data.items()
    }
    for path, body in data.items():
        assert (folder / path).read_bytes() == body


def test_a_submission_that_the_archive_would_send_back_is_refused_with_all_it_lacks(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    request = request_for("x")
    form = next(name for name in request.record.documents if "page-tab" in name)
    document = json.loads(request.record.documents[form])
    section = document["section"]
    section["attributes"] = [one for one in section["attributes"] if one["name"] != "License"]
    record = request.record.model_copy(update={"documents": {**request.record.documents, form: json.dumps(document)}})

    with pytest.raises(TargetRefused, match="a title of at least 25 characters, a licence"):
        stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_come_back_as_it_was_archived_is_in_no_package(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    spoiled = MemoryBytes({**BODIES, "data/0/A1 0.tiff": b"II*\x00 other!"})

    with pytest.raises(ChecksumMismatch):
        stage.target.deposit(request_for(), known=None, files=spoiled)

    assert stage.standing(request_for().key) == []
    assert not list(tmp_path.rglob("*.tiff"))


def test_what_has_only_its_description_public_waits_for_its_files(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    request = request_for()
    record = request.record.model_copy(update={"extent": Extent.METADATA, "files": ()})

    with pytest.raises(TargetRefused, match="made by itself once they are"):
        stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert list(tmp_path.iterdir()) == []


def test_a_package_says_what_the_record_says_by_now_and_its_files_are_not_brought_again(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    done = stage.target.deposit(request_for(), known=None, files=FILES)
    changed = made("bia", name="a plate with many nuclei", doi="10.1234/abc")

    again = stage.target.deposit(changed, known=done, files=MemoryBytes({}))

    assert again.outside_id == done.outside_id
    assert "https://doi.org/10.1234/abc" in (tmp_path / done.outside_id / SUBMISSION).read_text()


def test_a_version_without_a_data_file_is_no_package(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    request = made("bia", name="a plate with many nuclei", bodies={"README.md": b"#"})

    with pytest.raises(TargetRefused, match="no data file"):
        stage.target.deposit(request, known=None, files=FILES)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a\tb.tif", "a\nb.tif", "a\rb.tif", "a\u2028b.tif"])
def test_a_name_that_breaks_a_line_of_the_file_list_is_refused_before_anything_is_begun(
    tmp_path: Path, name: str
) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    request = made("bia", name="a plate with many nuclei")
    files = tuple(one.model_copy(update={"path": f"data/{name}"}) for one in request.record.files[:1])
    record = request.record.model_copy(update={"files": files})

    with pytest.raises(TargetRefused, match="no place in a file list"):
        stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert list(tmp_path.iterdir()) == []


def test_what_people_put_into_a_package_is_not_taken_from_them(tmp_path: Path) -> None:
    stage = BiaStage(FolderPlace(tmp_path, target="bia"))
    done = stage.target.deposit(request_for(), known=None, files=FILES)
    folder = tmp_path / done.outside_id
    (folder / "accession.txt").write_text("S-BIAD0")
    (folder / ".left.part").touch()
    (folder / WHOLE).unlink()

    again = stage.target.deposit(request_for(), known=done, files=FILES)
    gone = stage.target.withdraw(request_for(), known=again, reason="The plate was mixed up.")

    assert gone is not None
    assert gone.remark is not None
    assert "1 files that others put there stay" in gone.remark
    assert [one.name for one in folder.rglob("*") if one.is_file()] == ["accession.txt"]
