"""Packages are read as the bytes of strangers: what reaches outside, expands, or is code is refused by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cisterna.adapters import model_package
from cisterna.adapters.model_package import (
    admit_package,
    collect_incoming,
    find_package,
    list_packages,
    read_package,
)
from cisterna.domain.errors import AlreadyExists, HostileInput, InvalidInput, NotFound

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def package(tmp_path: Path, shipped: Path) -> Path:
    """A copy of the shipped package, to be spoiled."""
    return Path(shutil.copytree(shipped, tmp_path / "package"))


def change(package: Path, edit: Change) -> None:
    said = yaml.safe_load((package / "rdf.yaml").read_text("utf-8"))
    edit(said)
    (package / "rdf.yaml").write_text(yaml.safe_dump(said), "utf-8")


def test_the_shipped_package_says_what_it_is_and_was_trained_on(shipped: Path) -> None:
    read = read_package(shipped, name="nuclei-unet")

    assert "synthetic images only" in read.card.trained_on
    assert (read.card.version, read.card.licence) == ("1.0.0", "Apache-2.0")
    assert (read.foreground, read.interior) == (0, 1)
    assert str(shipped.parent) not in (shipped / "rdf.yaml").read_text("utf-8")


REFUSED: dict[str, tuple[type[InvalidInput], Change]] = {
    "weights outside": (HostileInput, lambda said: said["weights"]["onnx"].update(source="../weights.onnx")),
    "weights at an absolute path": (HostileInput, lambda said: said["weights"]["onnx"].update(source="/etc/passwd")),
    "weights to be downloaded": (InvalidInput, lambda said: said["weights"]["onnx"].update(source="https://x.org/w")),
    "a test tensor outside": (HostileInput, lambda said: said["inputs"][0]["test_tensor"].update(source="a/../../b")),
    "documentation outside": (HostileInput, lambda said: said.update(documentation="../README.md")),
    "a cover to be downloaded": (InvalidInput, lambda said: said.update(covers=["http://127.0.0.1/cover.png"])),
    "an attachment outside": (HostileInput, lambda said: said.update(attachments=[{"source": "/etc/hostname"}])),
    "another model's output": (HostileInput, lambda said: said["inputs"][0].update(output_of={"id": "other"})),
    "weights that are code": (
        InvalidInput,
        lambda said: said.update(weights={"torchscript": {"source": "weights.onnx", "pytorch_version": "2.0"}}),
    ),
    "another thing than a model": (InvalidInput, lambda said: said.update(type="application")),
    "a format of the past": (InvalidInput, lambda said: said.update(format_version="0.4.10")),
    "no name": (InvalidInput, lambda said: said.pop("name")),
    "a version of nested lists": (InvalidInput, lambda said: said.update(version=[["1"]])),
    "a description that is a number": (InvalidInput, lambda said: said.update(description=7)),
    "a licence that is a mapping": (InvalidInput, lambda said: said.update(license={"a": "b"})),
    "outputs that are a text": (InvalidInput, lambda said: said.update(outputs="probability")),
    "two inputs": (InvalidInput, lambda said: said["inputs"].append(said["inputs"][0])),
    "an image of three axes": (InvalidInput, lambda said: said["inputs"][0]["axes"].insert(2, {"type": "time"})),
    "an unknown channel": (InvalidInput, lambda said: said["config"]["cisterna"].update(foreground="moon")),
    "config that is a list": (InvalidInput, lambda said: said.update(config=[1])),
    "a pattern without end": (InvalidInput, lambda said: said["config"]["cisterna"].update(channels="(a+)+$")),
    "a pattern that repeats": (InvalidInput, lambda said: said["config"]["cisterna"].update(channels="(.*a){20}")),
    "a pattern that is too long": (InvalidInput, lambda said: said["config"]["cisterna"].update(channels="a|" * 200)),
    "a pattern that is a list": (InvalidInput, lambda said: said["config"]["cisterna"].update(channels=["dapi"])),
}


@pytest.mark.parametrize(("kind", "edit"), REFUSED.values(), ids=list(REFUSED))
def test_a_description_that_cannot_be_trusted_or_used_is_refused(
    package: Path, kind: type[InvalidInput], edit: Change
) -> None:
    change(package, edit)

    with pytest.raises(kind, match=r"rdf\.yaml"):
        read_package(package, name="nuclei")


BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(97 + n)}: &{chr(97 + n)} [*{chr(96 + n)}, *{chr(96 + n)}]" for n in range(1, 26)
)
BYTES = {
    "a bomb of aliases": BOMB.encode() + b"\nversion: *z\n",
    "a Python object": b"!!python/object/apply:os.system ['true']\n",
    "not UTF-8": b"name: \xff\xfe\n",
    "deep": b"[" * 100_000,
    "too large": b"name: " + b"x" * 300_000,
    "no YAML": b"a: [b\n",
    "a list": b"- a\n",
    "empty": b"",
    "a number of 10,000 digits": b"name: " + b"9" * 10_000,
}


@pytest.mark.parametrize("body", BYTES.values(), ids=list(BYTES))
def test_bytes_that_are_no_description_are_refused_at_once(package: Path, body: bytes) -> None:
    (package / "rdf.yaml").write_bytes(body)

    with pytest.raises(InvalidInput, match=r"rdf\.yaml"):
        read_package(package, name="nuclei")


def link_weights(package: Path) -> None:
    (package / "weights.onnx").rename(package.parent / "elsewhere.onnx")
    (package / "weights.onnx").symlink_to(package.parent / "elsewhere.onnx")


ODD: dict[str, Callable[[Path], object]] = {
    "a linked file": link_weights,
    "a linked folder": lambda package: (package / "more").symlink_to("/etc"),
    "a linked description": lambda package: (
        (package / "rdf.yaml").rename(package.parent / "rdf.yaml"),
        (package / "rdf.yaml").symlink_to(package.parent / "rdf.yaml"),
    ),
    "a FIFO": lambda package: os.mkfifo(package / "pipe"),
}


@pytest.mark.parametrize("spoil", ODD.values(), ids=list(ODD))
def test_what_is_no_plain_file_is_refused(package: Path, tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(package)

    with pytest.raises(HostileInput):
        admit_package(package, tmp_path / "models", name="nuclei")
    assert list_packages(tmp_path / "models") == []


def test_a_linked_package_is_none(package: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "nuclei").symlink_to(package)

    assert list_packages(tmp_path / "models") == []
    with pytest.raises(NotFound):
        find_package(tmp_path / "models", "nuclei")


@pytest.mark.parametrize("name", ["", "../nuclei", "a/b", ".hidden", "Nuclei", "a b", "x" * 65, "nuclei\n"])
def test_a_name_that_is_no_plain_word_is_refused(package: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a model's name"):
        admit_package(package, tmp_path / "models", name=name)
    assert not (tmp_path / "models").exists()
    with pytest.raises(NotFound):
        find_package(tmp_path, name)


def test_admitting_the_same_package_again_changes_nothing(package: Path, tmp_path: Path) -> None:
    first = admit_package(package, tmp_path / "models", name="nuclei")
    again = admit_package(package, tmp_path / "models", name="nuclei")

    assert first == again
    assert [one.name for one in (tmp_path / "models").iterdir()] == ["nuclei"]


def test_another_package_does_not_take_a_name_that_is_taken(package: Path, tmp_path: Path) -> None:
    first = admit_package(package, tmp_path / "models", name="nuclei")
    change(package, lambda said: said.update(version="2.0.0"))

    with pytest.raises(AlreadyExists, match="a name of its own"):
        admit_package(package, tmp_path / "models", name="nuclei")

    assert find_package(tmp_path / "models", "nuclei") == first


def test_a_folder_in_the_way_is_left_alone(package: Path, tmp_path: Path) -> None:
    mine = tmp_path / "models" / "nuclei" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    with pytest.raises(AlreadyExists, match="in the way"):
        admit_package(package, tmp_path / "models", name="nuclei")

    assert mine.read_text() == "mine"


def test_the_digest_is_of_every_byte_and_every_name(package: Path) -> None:
    digests = {read_package(package, name="nuclei").sha256}

    weights = package / "weights.onnx"
    body = bytearray(weights.read_bytes())
    body[1000] ^= 1
    weights.write_bytes(body)
    digests.add(read_package(package, name="nuclei").sha256)
    (package / "note.txt").write_text("")
    digests.add(read_package(package, name="nuclei").sha256)
    (package / "note.txt").rename(package / "other.txt")
    digests.add(read_package(package, name="nuclei").sha256)

    assert len(digests) == 4


def test_a_package_that_rests_is_digested_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digested = []
    plain = model_package._digest
    monkeypatch.setattr(model_package, "_digest", lambda *given: (digested.append(given), plain(*given))[1])

    first = read_package(package, name="nuclei")
    for _ in range(5):
        assert read_package(package, name="nuclei") == first
    os.utime(package / "weights.onnx")
    assert read_package(package, name="nuclei") == first

    assert len(digested) == 2


def test_a_half_copy_of_a_killed_admission_is_collected_and_that_of_a_living_one_is_not(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    (models / ".incoming-dead" / "nuclei").mkdir(parents=True)
    (models / ".incoming-dead" / "nuclei" / "weights.onnx").write_bytes(b"half")
    plain_copy, seen = shutil.copytree, []

    def copy(*places: Path, symlinks: bool) -> Path:
        seen.append(collect_incoming(models))  # while this admission holds its own
        return plain_copy(*places, symlinks=symlinks)

    monkeypatch.setattr(model_package.shutil, "copytree", copy)
    admit_package(package, models, name="nuclei")

    assert seen == [[".incoming-dead"]]
    assert list_packages(models) == ["nuclei"]
    assert [one.name for one in models.iterdir()] == ["nuclei"]
    assert collect_incoming(models) == []
    assert collect_incoming(tmp_path / "absent") == []


def test_an_admission_whose_folder_was_collected_before_it_was_held_begins_another(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, plain_make, made = tmp_path / "models", model_package.tempfile.mkdtemp, []

    def make(**where: Any) -> str:
        made.append(plain_make(**where))
        if len(made) == 1:
            assert collect_incoming(models) == [Path(made[0]).name]
        return str(made[-1])

    monkeypatch.setattr(model_package.tempfile, "mkdtemp", make)

    assert admit_package(package, models, name="nuclei").name == "nuclei"
    assert len(made) == 2
