"""What a landing folder shows, and what it refuses to touch."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cisterna.adapters import landing_folder
from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.domain.errors import HostileInput, NotFound, SourceUnavailable
from cisterna.domain.listing import ObstacleKind
from cisterna.ports.source import EnteredFolder


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    run = tmp_path / "zone" / "run"
    (run / "0").mkdir(parents=True)
    (run / "0" / "A1.tiff").write_bytes(b"pixels")
    (run / "b.csv").write_text("a,b")
    (run / "a.csv").write_text("a")
    return tmp_path / "zone"


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def first_bytes(run: EnteredFolder, path: str) -> bytes:
    buffer = bytearray(64)
    with run.open(path) as file:
        return bytes(buffer[: file.readinto(memoryview(buffer))])


def test_a_listing_names_every_file_in_byte_order(zone: Path) -> None:
    (zone / "run" / "0" / "Z.tiff").write_bytes(b"")
    (zone / "run" / "0" / "µ.tiff").write_bytes(b"")

    listing = LandingFolder(str(zone)).listing("run")

    assert [file.path for file in listing.files] == ["0/A1.tiff", "0/Z.tiff", "0/µ.tiff", "a.csv", "b.csv"]
    assert listing.obstacles == ()
    assert listing.total_bytes == 10
    status = (zone / "run" / "a.csv").stat()
    seen = next(file for file in listing.files if file.path == "a.csv")
    assert (seen.size_bytes, seen.mtime_ns, seen.inode) == (1, status.st_mtime_ns, status.st_ino)


def test_a_fingerprint_stays_until_something_changes(zone: Path) -> None:
    folder = LandingFolder(str(zone))
    first = folder.listing("run").fingerprint

    again = folder.listing("run").fingerprint
    with (zone / "run" / "0" / "A1.tiff").open("ab") as file:
        file.write(b"!")

    assert again == first
    assert folder.listing("run").fingerprint != first


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("link", ObstacleKind.SYMLINK, "links are never followed"),
        ("folder-link", ObstacleKind.SYMLINK, "links are never followed"),
        ("pipe", ObstacleKind.SPECIAL, "a FIFO"),
        ("socket", ObstacleKind.SPECIAL, "a socket"),
        ("odd%0Apipe%FF", ObstacleKind.SPECIAL, "a FIFO"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_reason(zone: Path, name: str, kind: ObstacleKind, says: str) -> None:
    run = zone / "run"
    (run / "link").symlink_to("/etc/passwd")
    (run / "folder-link").symlink_to("/etc", target_is_directory=True)
    os.mkfifo(run / "pipe")
    _bind_socket(run / "socket")
    os.mkfifo(os.fsencode(run) + b"/odd\npipe\xff")

    listing = LandingFolder(str(zone)).listing("run")

    found = {obstacle.shown: obstacle for obstacle in listing.obstacles}
    assert found[name].kind is kind
    assert says in found[name].reason
    assert len(found) == 5
    assert [file.path for file in listing.files] == ["0/A1.tiff", "a.csv", "b.csv"]


def test_a_folder_that_nests_without_end_is_an_obstacle(zone: Path) -> None:
    deepest = os.open(zone / "run", os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=deepest)
        below = os.open("d", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    os.close(deepest)

    listing = LandingFolder(str(zone)).listing("run")

    assert [obstacle.kind for obstacle in listing.obstacles] == [ObstacleKind.UNREADABLE]
    assert "64 folders deep" in listing.obstacles[0].reason
    assert len(listing.files) == 3


def test_names_of_any_bytes_are_listed_as_text_and_opened_by_it(zone: Path) -> None:
    odd = {b"caf\xe9.tiff": b"1", b"line\nbreak": b"2", b"%41": b"3", b"A": b"4", b"50%": b"5", b"\x1b[31m": b"6"}
    (zone / "run" / "0" / "A1.tiff").unlink()
    for name, body in odd.items():
        Path(os.fsdecode(os.fsencode(zone / "run" / "0") + b"/" + name)).write_bytes(body)
    folder = LandingFolder(str(zone))

    listing = folder.listing("run")

    written = {path: folder.read_small("run", path, limit_bytes=9) for path in listing.paths if path.startswith("0/")}
    assert listing.obstacles == ()
    assert written == {
        "0/%1B[31m": b"6",
        "0/%2541": b"3",
        "0/50%": b"5",
        "0/A": b"4",
        "0/caf%E9.tiff": b"1",
        "0/line%0Abreak": b"2",
    }
    assert [file.path for file in listing.files] == sorted(listing.paths)


def test_a_name_that_only_decodes_to_a_file_opens_nothing(zone: Path) -> None:
    folder = LandingFolder(str(zone))

    for path in ("%61.csv", "0%2FA1.tiff", "%2E%2E/run/a.csv", "a.csv%00"):
        with pytest.raises(HostileInput):
            folder.read_small("run", path, limit_bytes=100)


def test_a_folder_whose_name_is_not_utf8_is_a_run_like_any_other(zone: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(zone) + b"/run\xff\n"))
    odd.mkdir()
    (odd / "a.txt").write_text("x")
    folder = LandingFolder(str(zone))

    assert folder.folders() == ["run", "run%FF%0A"]
    listing = folder.listing("run%FF%0A")

    assert listing.obstacles == ()
    assert folder.read_small("run%FF%0A", "a.txt", limit_bytes=1) == b"x"


def test_what_lies_beside_the_folders_is_a_stray(zone: Path) -> None:
    (zone / "note.txt").write_text("x")
    (zone / "away").symlink_to("/etc", target_is_directory=True)
    folder = LandingFolder(str(zone))

    assert folder.folders() == ["run"]
    assert [stray.shown for stray in folder.strays()] == ["away", "note.txt"]


@pytest.mark.parametrize("path", ["../zone/run/a.csv", "/etc/passwd", "0/../a.csv", "", "a\0b", "./a.csv"])
def test_a_path_that_climbs_out_is_refused(zone: Path, path: str) -> None:
    with pytest.raises(HostileInput):
        LandingFolder(str(zone)).read_small("run", path, limit_bytes=100)


@pytest.mark.parametrize("folder", ["..", ".", "", "run/0", "/etc"])
def test_a_folder_outside_the_zone_is_refused(zone: Path, folder: str) -> None:
    with pytest.raises(HostileInput):
        LandingFolder(str(zone)).read_small(folder, "a.csv", limit_bytes=100)
    with pytest.raises(HostileInput):
        LandingFolder(str(zone)).listing(folder)


def test_no_link_is_followed_wherever_it_stands_in_a_path(zone: Path) -> None:
    (zone / "run" / "final").symlink_to("/etc/passwd")
    (zone / "run" / "middle").symlink_to("/etc", target_is_directory=True)
    (zone / "first").symlink_to("/etc", target_is_directory=True)
    folder = LandingFolder(str(zone))

    for where, path in (("run", "final"), ("run", "middle/passwd"), ("first", "passwd")):
        with pytest.raises((HostileInput, NotFound)):
            folder.read_small(where, path, limit_bytes=10_000)
    with pytest.raises((HostileInput, NotFound)):
        folder.listing("first")


@pytest.mark.timeout(10)
def test_a_fifo_never_makes_a_reader_wait(zone: Path) -> None:
    os.mkfifo(zone / "run" / "pipe")
    folder = LandingFolder(str(zone))

    with pytest.raises(HostileInput, match="not a regular file"):
        folder.read_small("run", "pipe", limit_bytes=100)
    with pytest.raises(HostileInput, match="not a regular file"), folder.open("run", "pipe"):
        pass
    with pytest.raises(HostileInput, match="not a regular file"):
        read_outside(str(zone / "run" / "pipe"), limit_bytes=100)


def test_a_small_file_that_is_not_small_is_refused(zone: Path) -> None:
    (zone / "run" / "big").write_bytes(b"x" * 101)
    folder = LandingFolder(str(zone))

    assert folder.read_small("run", "b.csv", limit_bytes=3) == b"a,b"
    with pytest.raises(HostileInput, match="larger than 100 bytes"):
        folder.read_small("run", "big", limit_bytes=100)


def test_an_open_file_is_read_once_from_the_front_and_can_be_looked_at_again(zone: Path) -> None:
    body = os.urandom(100_000)
    (zone / "run" / "big").write_bytes(body)
    buffer = bytearray(64 * 1024)

    with LandingFolder(str(zone)).open("run", "big") as file:
        pieces, opened = [], file.opened
        while count := file.readinto(memoryview(buffer)):
            pieces.append(bytes(buffer[:count]))
        with (zone / "run" / "big").open("ab") as writer:
            writer.write(b"late")
        still = file.still()

    assert b"".join(pieces) == body
    assert (opened.size_bytes, still.size_bytes) == (100_000, 100_004)
    assert opened.inode == still.inode


def test_files_of_one_folder_are_opened_after_one_walk_and_no_folder_stays_open(
    zone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (zone / "run" / "0" / f"B{number:02}.tiff").write_bytes(b"%d" % number)
    before, real, walked = open_descriptors(), os.open, list[object]()

    def opened(path: str | bytes, flags: int, *args: int, dir_fd: int | None = None) -> int:
        if flags & os.O_DIRECTORY:
            walked.append(path)
        return real(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr(landing_folder.os, "open", opened)
    with LandingFolder(str(zone)).entered("run") as run:
        bodies = [first_bytes(run, f"0/B{number:02}.tiff") for number in range(20)]
        assert first_bytes(run, "a.csv") == b"a"

    assert bodies == [b"%d" % number for number in range(20)]
    assert walked == [str(zone), b"run", b"0", str(zone), b"run"]
    assert open_descriptors() == before


def test_a_link_put_in_place_of_an_entered_folder_is_not_followed(zone: Path, tmp_path: Path) -> None:
    (zone / "run" / "0" / "A2.tiff").write_bytes(b"more")
    (tmp_path / "elsewhere").mkdir()
    for name in ("A2.tiff", "A3.tiff"):
        (tmp_path / "elsewhere" / name).write_bytes(b"secret")

    with LandingFolder(str(zone)).entered("run") as run:
        assert first_bytes(run, "0/A1.tiff") == b"pixels"
        (zone / "run" / "0").rename(zone / "run" / "moved")
        (zone / "run" / "0").symlink_to(tmp_path / "elsewhere", target_is_directory=True)

        assert first_bytes(run, "0/A2.tiff") == b"more"  # of the folder that was listed
        with pytest.raises((HostileInput, NotFound)):
            first_bytes(run, "0/A3.tiff")


def test_no_link_and_no_fifo_is_opened_in_an_entered_folder(zone: Path) -> None:
    os.mkfifo(zone / "run" / "0" / "pipe")
    (zone / "run" / "0" / "link").symlink_to("A1.tiff")

    with LandingFolder(str(zone)).entered("run") as run:
        for _ in range(2):
            assert first_bytes(run, "0/A1.tiff") == b"pixels"
            for name in ("0/pipe", "0/link"):
                with pytest.raises(HostileInput, match="not a regular file"):
                    first_bytes(run, name)


@pytest.mark.parametrize("path", ["../out.csv", "0/../a.csv", "/etc/passwd", "", "0//A1.tiff", "0/"])
def test_no_path_climbs_out_of_an_entered_folder(zone: Path, path: str) -> None:
    (zone / "out.csv").write_text("secret")

    with LandingFolder(str(zone)).entered("run") as run:
        assert first_bytes(run, "0/A1.tiff") == b"pixels"
        with pytest.raises(HostileInput):
            first_bytes(run, path)


def test_a_folder_made_anew_under_a_reader_is_walked_to_anew(zone: Path) -> None:
    with LandingFolder(str(zone)).entered("run") as run:
        assert first_bytes(run, "0/A1.tiff") == b"pixels"
        shutil.rmtree(zone / "run" / "0")
        (zone / "run" / "0").mkdir()
        (zone / "run" / "0" / "A1.tiff").write_bytes(b"others")

        assert first_bytes(run, "0/A1.tiff") == b"others"
        with pytest.raises(NotFound):
            first_bytes(run, "0/A2.tiff")


@pytest.mark.parametrize("replaced", [False, True], ids=["gone", "replaced"])
def test_a_zone_that_goes_away_under_a_reader_is_unavailable_and_its_files_not_absent(
    zone: Path, replaced: bool
) -> None:
    declared = LandingFolder(str(zone)).identity()

    with LandingFolder(str(zone), declared=declared).entered("run") as run:
        assert first_bytes(run, "0/A1.tiff") == b"pixels"
        zone.rename(zone.with_name("unmounted"))
        (zone.with_name("unmounted") / "run" / "0" / "A1.tiff").unlink()
        if replaced:
            (zone / "run" / "0").mkdir(parents=True)

        with pytest.raises(SourceUnavailable):
            first_bytes(run, "0/A1.tiff")


def test_a_zone_that_is_gone_is_never_empty(zone: Path) -> None:
    folder = LandingFolder(str(zone))
    shutil.rmtree(zone)

    for look in (folder.folders, folder.strays, folder.identity, lambda: folder.listing("run")):
        with pytest.raises(SourceUnavailable, match="cannot be looked at"):
            look()


def test_another_folder_in_the_zones_place_is_refused_by_every_method(zone: Path) -> None:
    declared = LandingFolder(str(zone)).identity()
    folder = LandingFolder(str(zone), declared=declared)
    zone.rename(zone.with_name("unmounted"))
    (zone / "run").mkdir(parents=True)
    (zone / "run" / "a.csv").write_text("not the one")

    for look in (
        folder.folders,
        folder.strays,
        lambda: folder.listing("run"),
        lambda: folder.read_small("run", "a.csv", limit_bytes=100),
        lambda: LandingFolder(str(zone)).require_identity(declared),
    ):
        with pytest.raises(SourceUnavailable, match="not the folder that was declared"):
            look()


def test_a_folder_or_file_that_is_not_there_is_not_found(zone: Path) -> None:
    folder = LandingFolder(str(zone))

    with pytest.raises(NotFound):
        folder.listing("no-such-run")
    with pytest.raises(NotFound):
        folder.read_small("run", "no-such-file", limit_bytes=1)


def test_a_file_outside_is_read_by_its_full_path_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "run.json")

    assert read_outside(str(tmp_path / "run.json"), limit_bytes=10) == b"{}"
    assert read_outside(str(tmp_path / "none.json"), limit_bytes=10) is None
    with pytest.raises(HostileInput):
        read_outside(str(tmp_path / "link.json"), limit_bytes=10)
    with pytest.raises(HostileInput):
        read_outside(str(tmp_path / "run.json"), limit_bytes=1)


def test_what_may_not_be_read_is_an_obstacle(zone: Path) -> None:
    (zone / "run" / "a.csv").chmod(0)
    (zone / "run" / "closed").mkdir(mode=0o700)
    (zone / "run" / "closed").chmod(0)

    with _not_root(zone):
        listing = LandingFolder(str(zone)).listing("run")

    assert [(one.kind.value, one.shown) for one in listing.obstacles] == [
        ("unreadable", "a.csv"),
        ("unreadable", "closed"),
    ]
    assert listing.paths == {"0/A1.tiff", "b.csv"}


@contextmanager
def _not_root(zone: Path) -> Iterator[None]:
    """Be nobody for a while: root may read everything."""
    user = os.geteuid()
    if user != 0:
        yield
        return
    for folder in (zone, zone / "run", zone / "run" / "0"):
        folder.chmod(0o755)
    (zone / "run" / "b.csv").chmod(0o644)
    (zone / "run" / "0" / "A1.tiff").chmod(0o644)
    for folder in zone.parents:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & stat.S_IXGRP:
            folder.chmod(folder.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def _bind_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path.name)
        listener.close()
    finally:
        os.chdir(here)


_LIST = """
import json, resource, sys
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.part import slices

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
listing = LandingFolder(sys.argv[1]).listing("run")
cut = [len(one.listing.files) for one in slices(listing, most_files=100_000)]
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
names = [file.path for file in listing.files]
print(json.dumps({"files": len(names), "sorted": names == sorted(names), "slices": cut, "grown_mib": grown // 1024}))
"""


@pytest.mark.large
@pytest.mark.timeout(3_600)
def test_a_million_names_in_one_folder_are_listed_in_order_and_in_bounded_memory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for number in range(1_000_000):
        os.close(os.open(run / f"A1_{number:07d}_0_Fluorescence_488_nm_Ex.tiff", os.O_CREAT | os.O_WRONLY))

    child = subprocess.run([sys.executable, "-c", _LIST, str(tmp_path)], capture_output=True, check=True, timeout=1_800)

    told = json.loads(child.stdout)
    print(told)  # noqa: T201 - `make large` shows it
    assert (told["files"], told["sorted"], told["slices"]) == (1_000_000, True, [100_000] * 10)
    assert told["grown_mib"] < 700


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 700_001])
def test_the_end_of_a_file_is_read_without_the_rest(zone: Path, size: int) -> None:
    body = (b"0123456789" * (size // 10 + 1))[:size]
    (zone / "run" / "big.bin").write_bytes(body)
    folder = LandingFolder(str(zone))

    assert folder.read_tail("run", "big.bin", limit_bytes=10) == body[-10:]
    assert folder.read_tail("run", "big.bin", limit_bytes=600_000) == body[-600_000:]
    assert folder.read_tail("run", "big.bin", limit_bytes=0) == b""


@pytest.mark.timeout(10)
def test_the_end_of_a_link_or_fifo_is_not_read(zone: Path) -> None:
    (zone / "run" / "link").symlink_to("/etc/passwd")
    os.mkfifo(zone / "run" / "pipe")
    folder = LandingFolder(str(zone))

    for name in ("link", "pipe"):
        with pytest.raises(HostileInput):
            folder.read_tail("run", name, limit_bytes=10)
    with pytest.raises(NotFound):
        folder.read_tail("run", "nothing", limit_bytes=10)
