"""The lists that people work on at OMERO's machine, run by a real shell against a program that notes its words."""

from __future__ import annotations

import csv
import fcntl
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cisterna.adapters.omero_image import ListedImage, has_name_for_omero, name_in_omero
from cisterna.adapters.omero_list import OmeroLists
from cisterna.adapters.target_place import FolderPlace

LABEL = "ds-1-v1"
HOSTILE = [
    "data/-rf --force.ome.zarr/0",
    "data/it's; $(touch pwned) `touch pwned`.ome.zarr/0",
    'data/"quoted" \\ back\\\\slash %s %n.ome.zarr/0',
    "data/*?[a] {b,c} ~ ! # & | < > $HOME.ome.zarr/0",
    "data/ Åsa 細胞 é.ome.zarr/0",
    "data/a\\tb\\0.ome.zarr/0",
]


class Machine:
    """OMERO's machine: a folder of lists and a program `omero` that notes what it is told, and fails when told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lists"
        self.folder.mkdir()
        self.calls = folder / "calls"
        self.fails = folder / "fails"
        program = folder / "bin" / "omero"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\0" "$@" >> {self.calls}\nprintf "\\n\\0" >> {self.calls}\n[ ! -e {self.fails} ]\n'
        )
        program.chmod(0o755)
        self._path = f"{program.parent}:{os.environ['PATH']}"
        self.lists = OmeroLists(FolderPlace(self.folder, target="omero"))

    def write(self, paths: list[str], *, base: str = "https://d.example.org/f") -> None:
        images = [ListedImage(one, is_zarr=".zarr" in one) for one in paths]
        noted = self.lists.noted(LABEL, dataset=1)
        self.lists.write(LABEL, images, dataset=1, base=base, noted=noted)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        script = f"{LABEL}/{name}"
        environ = {"PATH": self._path, "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            ["/bin/sh", script], cwd=self.folder, env=environ, check=False, timeout=30, capture_output=True, text=True
        )

    def called(self) -> list[list[str]]:
        """Give the words of each call so far, and forget them."""
        said = self.calls.read_text("utf-8") if self.calls.exists() else ""
        self.calls.unlink(missing_ok=True)
        return [one.split("\0")[:-1] for one in said.split("\n\0") if one]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_every_word_of_a_hostile_name_reaches_omero_as_it_is_and_none_is_run(machine: Machine, tmp_path: Path) -> None:
    base = str(tmp_path / "it's $(touch pwned)")
    Path(base).mkdir()
    machine.write(HOSTILE, base=base)

    done = machine.run("import.sh")

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.called() == [
        ["zarr", "import", f"{base}/{one}", "--target", "Dataset:1", f"--name={name_in_omero(one, label=LABEL)}"]
        for one in HOSTILE
    ]
    assert machine.run("import.sh").returncode == 0
    assert machine.called() == []
    assert list(tmp_path.rglob("pwned")) == []


def test_a_table_is_read_by_a_reader_of_tables_as_it_was_meant(machine: Machine) -> None:
    files = [one.replace(".ome.zarr/0", ".tif") for one in HOSTILE]

    machine.write(files, base="/srv/d")

    with (machine.folder / LABEL / "images.tsv").open() as table:
        read = list(csv.reader(table, delimiter="\t"))
    assert read == [[name_in_omero(one, label=LABEL), f"/srv/d/{one}"] for one in files]


@pytest.mark.parametrize(
    "path", ["data/a\nb.tif", "data/a\rb.tif", "data/a\tb.tif", "data/a\x00.tif", "data/a\u202eb.tif"]
)
def test_a_name_that_breaks_a_line_is_no_name(path: str) -> None:
    assert not has_name_for_omero(ListedImage(path, is_zarr=False), label=LABEL)


def test_a_name_that_says_whose_it_is_already_is_no_name() -> None:
    assert not has_name_for_omero(ListedImage(f"data/a ({LABEL}).tif", is_zarr=False), label=LABEL)


def test_ten_thousand_images_make_lists_that_a_shell_takes(machine: Machine) -> None:
    paths = [f"data/plate {number}'s.ome.zarr/0" for number in range(10_000)]
    machine.write(paths)
    machine.lists.write_removal(LABEL, {path: [number] for number, path in enumerate(paths, start=1)})

    imports = (machine.folder / LABEL / "import.sh").read_text("utf-8")
    checked = subprocess.run(["/bin/sh", "-n", machine.folder / LABEL / "import.sh"], check=False, timeout=30)
    removed = machine.run("remove.sh")

    assert checked.returncode == removed.returncode == 0
    shows = [shlex.split(line) for line in imports.splitlines() if line.startswith("show ")]
    assert [one[2] for one in shows] == [name_in_omero(path, label=LABEL) for path in paths]
    calls = machine.called()
    assert {(*words[:2], words[2].partition(":")[0]) for words in calls} == {("delete", "--force", "Image")}
    numbers = [int(one) for words in calls for one in words[2].removeprefix("Image:").split(",")]
    assert numbers == list(range(1, 10_001))
    assert max(len(words[2]) for words in calls) < 100_000


def test_a_removal_goes_on_past_a_failure_and_says_so(machine: Machine) -> None:
    machine.lists.write_removal(
        LABEL, {f"data/{number}.czi": range(number * 400, number * 400 + 400) for number in (1, 2)}
    )
    machine.fails.touch()

    failed = machine.run("remove.sh")

    assert failed.returncode == 1
    assert len(machine.called()) == 2


def test_what_was_imported_and_is_gone_again_is_imported_again_and_once(machine: Machine) -> None:
    path = "data/a.ome.zarr/0"
    machine.write([path])
    machine.run("import.sh")
    machine.write([path])  # OMERO does not show it: somebody deleted it there

    codes = [machine.run("import.sh").returncode for _ in range(2)]

    assert codes == [0, 0]
    assert len(machine.called()) == 2


def test_what_was_imported_while_omero_was_asked_is_not_imported_again(machine: Machine) -> None:
    images = [ListedImage("data/a.ome.zarr/0", is_zarr=True)]
    machine.write([images[0].path])
    before: Mapping[str, int] = machine.lists.noted(LABEL, dataset=1)
    machine.run("import.sh")
    machine.lists.write(LABEL, images, dataset=1, base="https://d.example.org/f", noted=before)

    machine.run("import.sh")

    assert len(machine.called()) == 1


def test_nothing_is_imported_that_cannot_be_noted(machine: Machine) -> None:
    machine.write(["data/a.ome.zarr/0"])
    (machine.folder / LABEL / "done-1.txt").mkdir()

    refused = machine.run("import.sh")

    assert refused.returncode == 1
    assert "nothing may be written there" in refused.stderr
    assert machine.called() == []


def test_two_who_run_a_list_at_once_import_nothing_twice(machine: Machine) -> None:
    machine.write(["data/a.ome.zarr/0"])
    with (machine.folder / LABEL / "done-1.txt").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused = machine.run("import.sh")

    assert refused.returncode == 1
    assert "is being worked on already" in refused.stderr
    assert machine.called() == []
    assert machine.run("import.sh").returncode == 0
    assert len(machine.called()) == 1


def test_nothing_is_imported_where_the_files_are_not_mounted(machine: Machine, tmp_path: Path) -> None:
    base = tmp_path / "not here"
    machine.write(["data/a.ome.zarr/0", "data/b.tif"], base=str(base))

    refused = machine.run("import.sh")
    base.mkdir()
    done = machine.run("import.sh")

    assert refused.returncode == 1
    assert f"{base} is not here" in refused.stderr
    assert done.returncode == 0
    assert [words[:2] for words in machine.called()] == [["zarr", "import"], ["import", "--bulk"]]


def test_only_lists_are_removed_from_a_folder_of_lists(machine: Machine) -> None:
    machine.write(["data/a.ome.zarr/0", "data/b.tif"], base=str(machine.folder))
    machine.lists.write_removal(LABEL, {"data/a.ome.zarr/0": [1]})
    machine.run("import.sh")
    folder = machine.folder / LABEL
    (folder / ".x.part").touch()
    for theirs in ("import.log", "data/a.tif", "data/import.sh"):
        (folder / theirs).parent.mkdir(exist_ok=True)
        (folder / theirs).touch()

    machine.lists.remove(LABEL)

    left = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
    assert left == {"import.log", "data/a.tif", "data/import.sh"}


def test_a_file_with_more_images_than_one_word_of_a_command_holds_is_deleted_whole(machine: Machine) -> None:
    machine.lists.write_removal(LABEL, {"data/a.lif": range(10_001, 40_001)})

    removed = machine.run("remove.sh")

    (words,) = machine.called()
    assert removed.returncode == 0
    assert [int(one) for word in words[2:] for one in word.removeprefix("Image:").split(",")] == list(
        range(10_001, 40_001)
    )
