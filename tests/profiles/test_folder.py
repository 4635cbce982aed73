"""The profile `folder`: a checksum file is plan, marker and proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import InvalidInput
from cisterna.profiles.folder import Folder
from cisterna.services.inspection import inspect_folder
from cisterna.services.look import FolderLook

FILES = {"a.txt": b"alpha", "sub/b.bin": b"beta"}


def digest(name: str, body: bytes) -> str:
    return hashlib.new(name, body).hexdigest()


def sums(name: str, files: Mapping[str, bytes] = FILES) -> bytes:
    return "".join(f"{digest(name, body)}  {path}\n" for path, body in files.items()).encode()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "zone" / "run"
    write(folder, FILES)
    return folder


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)


def look(run: Path) -> FolderLook:
    zone = LandingFolder(str(run.parent))
    return FolderLook(run.name, zone.listing(run.name), zone)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("manifest.sha256", "sha256"),
        ("manifest-sha512.txt", "sha512"),
        ("checksums.md5", "md5"),
        ("md5sum.txt", "md5"),
        ("MD5SUMS", "md5"),
        ("SHA256SUMS", "sha256"),
        ("sha1sums.txt", "sha1"),
    ],
)
def test_every_usual_name_of_a_list_closes_a_folder(run: Path, name: str, algorithm: str) -> None:
    write(run, {name: sums(algorithm)})
    profile = Folder()

    assert profile.claims(look(run))
    evidence = profile.inspect(look(run))
    assert (evidence.expected_files, evidence.missing_files, evidence.plan_fault, evidence.notes) == (2, 0, None, ())
    assert profile.delivered(look(run)) == {path: {algorithm: digest(algorithm, body)} for path, body in FILES.items()}


def test_an_open_folder_is_not_claimed(run: Path) -> None:
    write(run, {"sub/md5sum.txt": sums("md5"), "manifest.txt": b"hello", "notes.md5.txt": b""})

    assert not Folder().claims(look(run))


def test_a_file_that_is_listed_and_not_there_is_missing(run: Path) -> None:
    write(run, {"md5sum.txt": sums("md5", FILES | {"late.bin": b"late"})})

    found = inspect_folder(look(run), profile=Folder(), quiet_for=120.0)

    assert found.evidence.missing == ("late.bin",)
    assert found.assessment.state is AcquisitionState.PARTIAL
    assert "1 of 3 planned files are missing (late.bin)" in found.assessment.reason


def test_a_whole_folder_is_complete_after_a_while_and_unlisted_files_are_named(run: Path) -> None:
    write(run, {"md5sum.txt": sums("md5"), "extra.log": b"x"})

    fresh = inspect_folder(look(run), profile=Folder(), quiet_for=0.0)
    quiet = inspect_folder(look(run), profile=Folder(), quiet_for=61.0)

    assert fresh.assessment.state is AcquisitionState.WRITING
    assert quiet.assessment.state is AcquisitionState.COMPLETE
    assert "1 files are in no checksum file and are archived too (extra.log)" in quiet.assessment.reason


def test_a_list_that_lists_itself_is_believed_about_the_others(run: Path) -> None:
    write(run, {"md5sum.txt": sums("md5", FILES | {"md5sum.txt": b""})})

    assert Folder().delivered(look(run)).keys() == FILES.keys()


def test_a_windows_path_is_taken_for_what_it_means(run: Path) -> None:
    write(run, {"md5sum.txt": sums("md5").replace(b"sub/", b"sub\\")})

    assert Folder().inspect(look(run)).missing_files == 0


def test_a_bag_is_closed_by_its_manifests(tmp_path: Path) -> None:
    run = tmp_path / "zone" / "bag"
    payload = {f"data/{path}": body for path, body in FILES.items()}
    tags = {"bagit.txt": b"BagIt-Version: 1.0\n", "bag-info.txt": b"Contact-Name: Ada\n"}
    write(
        run, payload | tags | {"manifest-sha256.txt": sums("sha256", payload), "manifest-md5.txt": sums("md5", payload)}
    )
    write(run, {"tagmanifest-md5.txt": sums("md5", tags), "data/unlisted": b"x"})

    evidence = Folder().inspect(look(run))
    delivered = Folder().delivered(look(run))

    assert (evidence.expected_files, evidence.missing_files, evidence.plan_fault) == (4, 0, None)
    assert "data/unlisted" in evidence.notes[0]
    assert delivered["data/a.txt"] == {name: digest(name, b"alpha") for name in ("md5", "sha256")}
    assert delivered["bag-info.txt"].keys() == {"md5"}


def test_a_bag_with_files_yet_to_be_fetched_says_so(tmp_path: Path) -> None:
    run = tmp_path / "zone" / "bag"
    write(run, {"bagit.txt": b"", "fetch.txt": b"https://example.org/a 1 data/a\n"})
    write(run, {"manifest-md5.txt": sums("md5", {"data/a": b"a"})})

    evidence = Folder().inspect(look(run))

    assert evidence.missing == ("data/a",)
    assert "fetch.txt" in evidence.notes[0]


def test_sidecars_tell_of_the_files_beside_them(run: Path) -> None:
    write(run, {f"{path}.md5": digest("md5", body).encode() for path, body in FILES.items()})

    assert Folder().claims(look(run))
    assert Folder().inspect(look(run)).expected_files == 2
    assert Folder().delivered(look(run))["sub/b.bin"] == {"md5": digest("md5", b"beta")}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("md5sum.txt", b"not a list"),
        ("md5sum.txt", b""),
        ("md5sum.txt", b"ab" * 16 + b"  ../../etc/passwd\n"),
        ("md5sum.txt", b"\xff\xfe" * 1000),
        ("a.txt.md5", b"no digest"),
        ("run.sfv", b"nothing"),
    ],
)
def test_a_list_that_cannot_be_read_is_evidence_and_no_exception(run: Path, name: str, body: bytes) -> None:
    write(run, {name: body})

    found = inspect_folder(look(run), profile=Folder(), quiet_for=1e6)

    assert found.evidence.plan_fault
    assert found.assessment.state is AcquisitionState.PARTIAL
    with pytest.raises(InvalidInput):
        Folder().delivered(look(run))


def test_lists_that_disagree_are_a_fault(run: Path) -> None:
    write(run, {"md5sum.txt": sums("md5"), "checksums.md5": sums("md5", FILES | {"a.txt": b"other"})})

    assert "disagree about the md5 of a.txt" in (Folder().inspect(look(run)).plan_fault or "")


def test_a_list_behind_a_link_is_not_read(run: Path) -> None:
    (run / "md5sum.txt").symlink_to("/etc/passwd")

    assert not Folder().claims(look(run))


@pytest.mark.parametrize("change", [lambda run: (run / "md5sum.txt").unlink(), lambda run: (run / "a.txt").unlink()])
def test_it_stands_files_that_vanish_while_it_looks(run: Path, change: Callable[[Path], None]) -> None:
    write(run, {"md5sum.txt": sums("md5")})
    seen = look(run)
    change(run)

    evidence = Folder().inspect(seen)

    assert evidence.plan_fault is not None or evidence.missing_files == 0


def test_it_describes_the_folder_and_measures_nothing(run: Path) -> None:
    write(run, {"md5sum.txt": sums("md5")})

    described = Folder().describe(look(run))

    assert (described.title, described.data_type) == ("run", "folder")
    assert not Folder().is_image("a.tiff")
    assert Folder().plane("a.tiff") is None
