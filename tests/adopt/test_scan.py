"""The inventory of a share: everything counted once, nothing touched, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cisterna.adapters import share_folder
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.adoption import AdoptionState, FindKind, Scanning, Sureness
from cisterna.domain.hours import Hours
from cisterna.domain.listing import SeenFile
from cisterna.domain.source_name import source_path
from cisterna.services import adopt_walk
from cisterna.services.adopt_recognise import Glimpse
from cisterna.services.adopt_scan import Halted, scan_slice
from cisterna.services.adoption import set_state
from cisterna.testing.clock import SettableClock
from tests.adopt.share import NAME, Taken, lay, squid_run


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    (quick_path / "share").mkdir()
    return Taken(quick_path / "share", catalogue, clock)


def stop_after(looks: int) -> Callable[[], None]:
    """Make something that ends a slice at a look, as a kill would."""
    left = iter(range(looks))

    def keep_on() -> None:
        if next(left, None) is None:
            raise Halted

    return keep_on


def state_of(top: Path) -> Mapping[str, tuple[int, ...]]:
    """Tell all that a reader could leave behind: contents are known by size and times."""
    found = {}
    for one in sorted(top.rglob("*")):
        status = one.lstat()
        found[str(one)] = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def test_runs_are_found_at_any_depth_and_counted_with_all_below_them(taken: Taken) -> None:
    run = squid_run(taken.top / "rosa/2021")
    lay(taken.top, "README.txt", "rosa/2021/notes.txt", "odd/a.bin", "odd/b.bin")
    taken.begin()

    walk = taken.scan()

    found, path = taken.finds, f"rosa/2021/{run.name}"
    everything = [one for one in run.rglob("*") if one.is_file()]
    assert walk.ended_at is not None
    assert walk.files == len(everything) + 4
    assert (found[path].profile.value, found[path].profile.sure) == ("squid", Sureness.CERTAIN)
    assert found[path].file_count == len(everything)
    assert found[path].total_bytes == sum(one.stat().st_size for one in everything)
    kinds = {one: find.kind for one, find in found.items()}
    assert kinds == {
        path: FindKind.RUN,
        "": FindKind.LOOSE,
        "rosa/2021": FindKind.LOOSE,
        "odd": FindKind.UNIT,
    }


def test_nothing_is_written_and_nothing_is_opened_but_what_a_profile_needs(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = squid_run(taken.top / "rosa")
    lay(taken.top, "odd/a.bin", "odd/b.bin")
    before, opened, flags = state_of(taken.top), set(), set()
    real = os.open

    def counting(path: str | bytes, flag: int, *rest: int, **named: int) -> int:
        flags.add(flag & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
        if not flag & os.O_DIRECTORY:
            opened.add(os.fsdecode(path))
        return real(path, flag, *rest, **named)

    taken.begin()
    monkeypatch.setattr(os, "open", counting)
    taken.scan()
    monkeypatch.undo()

    assert flags == {0}
    images = {one.name for one in run.rglob("*.tiff")}
    assert opened
    assert not opened & (images | {"a.bin", "b.bin"})
    assert state_of(taken.top) == before


@pytest.mark.parametrize("seed", range(6))
def test_a_slice_that_is_killed_anywhere_is_taken_up_and_counts_nothing_twice(taken: Taken, seed: int) -> None:
    chance = random.Random(seed)
    for hour in range(3):
        squid_run(taken.top / f"group-{hour}", hour=hour)
    lay(taken.top, *(f"deep/{a}/{b}/{c}.bin" for a in range(4) for b in range(4) for c in range(3)))
    taken.begin()

    for _ in range(12):
        taken.keep_on = stop_after(chance.randrange(1, 40))
        scan_slice(NAME, site=taken.site, seconds=0.0)
    taken.keep_on = lambda: None
    walk = taken.scan()

    everything = [one for one in taken.top.rglob("*") if one.is_file()]
    folders = [one for one in taken.top.rglob("*") if one.is_dir()]
    assert (walk.files, walk.folders) == (len(everything), len(folders) + 1)
    assert walk.total_bytes == sum(one.stat().st_size for one in everything)
    assert sum(find.file_count for find in taken.finds.values()) == len(everything)


def test_what_is_done_is_not_walked_again(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(taken.top, *(f"{a}/{b}/file.bin" for a in range(3) for b in range(3)))
    taken.begin()
    walked: list[str] = []
    real = share_folder.ShareFolder.walked

    def counting(self: share_folder.ShareFolder, folder: str) -> object:
        walked.append(folder)
        return real(self, folder)

    monkeypatch.setattr(adopt_walk, "glimpse_of", _only_itself)
    monkeypatch.setattr(share_folder.ShareFolder, "walked", counting)
    while scan_slice(NAME, site=taken.site, seconds=0.0):
        pass

    assert sorted(walked) == sorted({*walked})


def _only_itself(path: str, files: list[SeenFile], _folders: object, **_: object) -> Glimpse:
    return Glimpse(name=path.rpartition("/")[2], files=tuple(files))


def test_a_folder_with_very_many_folders_is_taken_up_after_a_kill_in_its_middle(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt_walk, "STAGED_AT", 7)
    for number in range(50):
        (taken.top / f"d{number:02}").mkdir()
    lay(taken.top, "d07/one.bin", "d49/two.bin")
    monkeypatch.setattr(adopt_walk, "_AT_A_TIME", 5)
    taken.scanning = Scanning(files_per_second=10)
    taken.begin()
    taken.keep_on = stop_after(6)
    scan_slice(NAME, site=taken.site)
    assert taken.walk.folders == 0
    (taken.top / "d50").mkdir()
    taken.keep_on = lambda: None

    walk = taken.scan()

    assert (walk.folders, walk.files) == (52, 2)


def test_a_share_that_vanishes_is_unavailable_and_never_empty(taken: Taken) -> None:
    squid_run(taken.top / "rosa")
    lay(taken.top, *(f"{number}/file.bin" for number in range(5)))
    taken.begin()
    scan_slice(NAME, site=taken.site, seconds=0.0)
    before = taken.walk
    taken.top.rename(taken.top.with_name("away"))
    taken.top.mkdir()

    walk = taken.scan()

    assert walk.ended_at is None
    assert walk.problem is not None
    assert "is not the folder that was declared" in walk.problem
    assert (walk.folders, walk.files) == (before.folders, before.files)
    taken.top.rmdir()
    taken.top.with_name("away").rename(taken.top)
    assert taken.scan().ended_at is not None
    assert taken.walk.problem is None


def test_a_share_that_vanishes_while_a_batch_is_walked_counts_nothing_of_it(taken: Taken) -> None:
    lay(taken.top, *(f"{number}/file.bin" for number in range(5)))
    taken.begin()
    looks = iter(range(3))

    def keep_on() -> None:
        if next(looks, None) is None and taken.top.exists() and not taken.top.with_name("away").exists():
            taken.top.rename(taken.top.with_name("away"))
            taken.top.mkdir()

    taken.keep_on, taken.scanning = keep_on, Scanning(files_per_second=1)
    taken.begin()
    walk = taken.scan()

    assert walk.ended_at is None
    assert (walk.folders, walk.files) == (0, 0)
    assert walk.problem is not None


def test_a_folder_that_may_not_be_entered_is_named_and_stops_no_other(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(taken.top, "open/file.bin", "shut/file.bin")
    taken.begin()
    real = os.open

    def refusing(path: str | bytes, flag: int, *rest: int, **named: int) -> int:
        if path == b"shut":
            raise PermissionError(13, "Permission denied")
        return real(path, flag, *rest, **named)

    monkeypatch.setattr(os, "open", refusing)
    walk = taken.scan()

    assert walk.ended_at is not None
    assert (walk.files, walk.refused) == (1, 1)
    assert "shut" in walk.examples[0]


def test_links_and_pipes_are_told_and_never_followed(taken: Taken, quick_path: Path) -> None:
    lay(quick_path, "elsewhere/secret.bin")
    lay(taken.top, "run/file.bin")
    (taken.top / "run/link").symlink_to(quick_path / "elsewhere")
    (taken.top / "link").symlink_to(quick_path / "elsewhere/secret.bin")
    os.mkfifo(taken.top / "run/pipe")
    taken.begin()

    walk = taken.scan()

    assert (walk.files, walk.folders, walk.others) == (1, 2, 3)


def test_a_share_that_is_mounted_into_itself_is_named_and_walked_once(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(taken.top, "data/file.bin")
    (taken.top / "data/loop").mkdir()
    numbers = (taken.top / "data").stat().st_dev, (taken.top / "data").stat().st_ino
    loop = (taken.top / "data/loop").stat().st_ino
    real = share_folder._own

    def bound(descriptor: int) -> tuple[int, int]:
        return numbers if os.fstat(descriptor).st_ino == loop else real(descriptor)

    monkeypatch.setattr(share_folder, "_own", bound)
    taken.begin()

    walk = taken.scan()

    assert (walk.files, walk.refused) == (1, 1)
    assert "mounted into itself" in walk.examples[0]


HOSTILE = [b"caf\xe9", b"tab\there", b"line\nend", b"100%41", b"\xe2\x80\xaegnp.exe", b"-rf", b"a" * 255]


def test_hostile_names_are_kept_as_bytes_with_their_declared_encoding(taken: Taken) -> None:
    for number, name in enumerate(HOSTILE):
        folder = os.path.join(os.fsencode(taken.top), name)  # noqa: PTH118 - bytes that are no text
        os.mkdir(folder)  # noqa: PTH102
        (taken.top / f"plain-{number}.txt").touch()
        with open(os.path.join(folder, b"data.czi"), "wb") as file:  # noqa: PTH118, PTH123
            file.write(b"x")
    taken.begin()

    taken.scan()

    runs = {path for path, find in taken.finds.items() if find.kind is FindKind.RUN}
    assert {source_path(path) for path in runs} == {*HOSTILE}


def test_a_folder_that_changes_while_it_is_walked_is_counted_as_it_was_seen(taken: Taken) -> None:
    lay(taken.top, *(f"day-{number}/file.bin" for number in range(6)))
    taken.begin()
    scan_slice(NAME, site=taken.site, seconds=0.0)
    for number in range(6):
        (taken.top / f"day-{number}/file.bin").unlink()
        (taken.top / f"day-{number}").rmdir()
    lay(taken.top, "later/file.bin")

    walk = taken.scan()

    assert walk.ended_at is not None
    assert walk.refused == 0


def test_names_are_looked_at_no_faster_than_allowed(taken: Taken, clock: SettableClock) -> None:
    lay(taken.top, *(f"{number // 50}/{number}.bin" for number in range(1000)))
    taken.scanning = Scanning(files_per_second=100)
    taken.begin()
    began = clock.monotonic()

    walk = taken.scan()

    assert walk.files == 1000
    assert clock.monotonic() - began >= 9.5
    assert walk.entries_per_second <= 130


def test_nothing_is_looked_at_outside_the_hours(taken: Taken, clock: SettableClock) -> None:
    lay(taken.top, "a/file.bin")
    local = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).astimezone()
    clock.set(local)
    hour = local.hour
    taken.scanning = Scanning(hours=Hours(begin_minute=((hour + 2) % 24) * 60, end_minute=((hour + 3) % 24) * 60))
    taken.begin()

    assert not scan_slice(NAME, site=taken.site)
    assert taken.walk.folders == 0
    clock.set(local + timedelta(hours=2))
    assert taken.scan().ended_at is not None


def test_a_pause_ends_a_slice_in_the_middle_and_the_next_goes_on(taken: Taken) -> None:
    lay(taken.top, *(f"{number}/file.bin" for number in range(20)))
    taken.scanning = Scanning(files_per_second=1)
    taken.begin()
    looks = iter(range(10))

    def pausing() -> None:
        if next(looks, None) is None:
            set_state(NAME, AdoptionState.PAUSED, person="olga", catalogue=taken.catalogue, clock=taken.clock)

    taken.keep_on = pausing
    assert not scan_slice(NAME, site=taken.site)
    assert taken.walk.ended_at is None
    taken.keep_on = lambda: None
    set_state(NAME, AdoptionState.ACTIVE, person="olga", catalogue=taken.catalogue, clock=taken.clock)

    walk = taken.scan()

    assert (walk.ended_at is not None, walk.files) == (True, 20)


def test_another_inventory_counts_anew_and_tells_what_is_gone(taken: Taken) -> None:
    run = squid_run(taken.top / "rosa")
    lay(taken.top, "odd/a.bin")
    taken.begin()
    first = taken.scan()
    (taken.top / "odd/a.bin").unlink()
    (taken.top / "odd").rmdir()

    taken.begin(again=True)
    second = taken.scan()

    assert (second.round, second.files) == (2, first.files - 1)
    assert taken.standings == {f"rosa/{run.name}": "found", "odd": "gone"}


def test_a_share_of_20000_files_is_counted_in_bounded_slices(taken: Taken) -> None:
    for number in range(100):
        (taken.top / f"{number:03}").mkdir()
        for file in range(200):
            os.close(os.open(taken.top / f"{number:03}" / f"{file}.dat", os.O_CREAT))
    taken.begin()

    walk = taken.scan()

    assert (walk.files, walk.folders) == (20_000, 101)
    assert len(taken.finds) == 100


def test_a_process_that_is_killed_again_and_again_loses_and_doubles_nothing(taken: Taken, dsn: str) -> None:
    lay(taken.top, *(f"{a}/{b}/{c}.bin" for a in range(12) for b in range(12) for c in range(4)))
    taken.scanning = Scanning(files_per_second=500)
    taken.begin()
    ends = []

    for seconds in (0.02, 0.1, 0.3):
        command = [sys.executable, "-m", "tests.adopt.scan_child", dsn, str(taken.top)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=seconds)
            child.kill()
        ends.append(child.returncode)
    walk = taken.scan()

    assert ends[0] == -signal.SIGKILL
    assert (walk.files, walk.folders) == (12 * 12 * 4, 12 * 12 + 12 + 1)
    assert sum(find.file_count for find in taken.finds.values()) == 12 * 12 * 4
