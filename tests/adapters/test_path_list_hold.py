"""Lists of paths in use: what holds a folder, and what makes a list unbelievable."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.path_list_hold import PathListHold
from cisterna.adapters.plugged_hold import PluggedHold
from cisterna.domain.errors import CouldNotCheck
from cisterna.ports.hold import SourceHold
from cisterna.testing.clock import SettableClock
from cisterna.testing.source_hold_contract import SourceHoldContract, make_question


@pytest.fixture
def list_path(tmp_path: Path) -> Path:
    return tmp_path / "in-use.txt"


def hold(path: Path, clock: SettableClock) -> PathListHold:
    return PathListHold(path, longest_age=timedelta(hours=48), clock=clock)


def write(path: Path, body: bytes, clock: SettableClock, *, age_hours: float = 1.0) -> None:
    path.write_bytes(body)
    written = clock.now().timestamp() - 3600 * age_hours
    os.utime(path, (written, written))


class TestPathList(SourceHoldContract):
    @pytest.fixture(autouse=True)
    def _lists(self, tmp_path: Path, clock: SettableClock) -> None:
        self.clock, self.folder = clock, tmp_path
        write(tmp_path / "used", f"# exported\n{self.used}/0/A1.tiff\n".encode(), clock)

    def system(self) -> SourceHold:
        return hold(self.folder / "used", self.clock)

    def broken(self) -> SourceHold:
        return hold(self.folder / "nowhere", self.clock)


@pytest.mark.parametrize(
    ("listed", "is_held"),
    [
        (b"/landing/run-1", True),
        (b"/landing/run-1/0/A1.tiff", True),
        (b"/landing", True),
        (b"/mnt/omero/squid/run-1/0/A1.tiff", True),
        (b"/landing/run-10/0/A1.tiff", False),
        (b"/landing/run-2", False),
        (b"/landing/odd\xff/A1.tiff", False),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_a_listed_path_holds_its_folder_under_whatever_mount(
    listed: bytes, is_held: bool, end: bytes, list_path: Path, clock: SettableClock
) -> None:
    write(list_path, b"# exported by cron" + end + listed + end, clock)

    said = hold(list_path, clock).ask(make_question("/landing/run-1"))

    assert (said is not None) == is_held


def test_a_folder_whose_name_is_no_text_is_held_by_its_bytes(list_path: Path, clock: SettableClock) -> None:
    write(list_path, b"/mnt/omero/run\xff/A1.tiff\n", clock)

    assert hold(list_path, clock).ask(make_question("/landing/run%FF")) is not None
    assert hold(list_path, clock).ask(make_question("/landing/run%FE")) is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty or was cut off"),
        (b"/landing/run-2\n/landing/ru", "cut off"),
        (b"ERROR: connection refused\n", "no absolute path"),
        (b"landing/run-1\n", "no absolute path"),
    ],
)
def test_a_list_that_is_not_whole_says_nothing(body: bytes, says: str, list_path: Path, clock: SettableClock) -> None:
    write(list_path, body, clock)

    with pytest.raises(CouldNotCheck, match=says):
        hold(list_path, clock).ask(make_question("/landing/run-1"))


def test_a_list_that_says_that_nothing_is_in_use_is_believed(list_path: Path, clock: SettableClock) -> None:
    write(list_path, b"# exported, 0 paths\n", clock)

    assert hold(list_path, clock).ask(make_question("/landing/run-1")) is None


def test_an_old_list_is_not_believed(list_path: Path, clock: SettableClock) -> None:
    write(list_path, b"# exported, 0 paths\n", clock, age_hours=49)

    with pytest.raises(CouldNotCheck, match="49 hours ago"):
        hold(list_path, clock).ask(make_question("/landing/run-1"))


def test_every_list_of_a_folder_is_asked_and_an_empty_folder_says_nothing(tmp_path: Path, clock: SettableClock) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    with pytest.raises(CouldNotCheck, match="holds no list"):
        hold(lists, clock).ask(make_question("/landing/run-1"))

    write(lists / "a", b"/landing/run-2\n", clock)
    assert hold(lists, clock).ask(make_question("/landing/run-1")) is None
    write(lists / "b", b"/landing/run-1\n", clock)
    assert hold(lists, clock).ask(make_question("/landing/run-1")) is not None
    os.mkfifo(lists / "c")
    with pytest.raises(CouldNotCheck, match="no regular file"):
        hold(lists, clock).ask(make_question("/landing/run-3"))


def test_a_plug_in_that_cannot_be_loaded_cannot_be_asked() -> None:
    def load() -> type[SourceHold]:
        raise ImportError("no module named omero")

    with pytest.raises(CouldNotCheck, match="no module named omero"):
        PluggedHold("omero", load).ask(make_question("/landing/run-1"))
