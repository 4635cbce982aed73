"""Deleting at a source: what is not the very file that was proven stays, and so does all after it."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cisterna.adapters import landing_deletion
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import CisternaError, HostileInput, ReleaseRefused, SourceChanged, SourceUnavailable
from cisterna.domain.release import ProvenFile

FILES = {"0/a.tiff": b"pixels a", "0/b.tiff": b"pixels b", "log.txt": b"log"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "zone" / "run"
    for path, body in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def proven(run: Path) -> list[ProvenFile]:
    made = []
    for path in sorted(FILES):
        status = (run / path).stat()
        made.append(
            ProvenFile(
                path=path,
                size_bytes=status.st_size,
                sha512=sha512_of((run / path).read_bytes()),
                mtime_ns=status.st_mtime_ns,
                inode=status.st_ino,
                device=status.st_dev,
            )
        )
    return made


def zone(run: Path) -> LandingFolder:
    return LandingFolder(str(run.parent), declared=LandingFolder(str(run.parent)).identity())


def go_on() -> None:
    return None


def at(step: int, act: Callable[[], object]) -> Callable[[], None]:
    """Let something happen before the given file is deleted, counted from 0."""
    steps = iter(range(step))

    def keep_on() -> None:
        nonlocal act
        if next(steps, None) is None:
            act()
            act = lambda: None  # noqa: E731 - it happens once

    return keep_on


def test_proven_files_and_their_empty_folders_go_and_nothing_else(run: Path) -> None:
    (run / "empty" / "below").mkdir(parents=True)
    (run.parent / "other").mkdir()
    (run.parent / "run.json").write_text("of the instrument")
    files = proven(run)

    assert zone(run).delete("run", files, keep_on=go_on) == 3

    assert sorted(one.name for one in run.parent.iterdir()) == ["other", "run.json"]
    assert zone(run).delete("run", files, keep_on=go_on) == 0  # again: there is nothing left to do


def test_names_that_are_no_text_go_by_their_very_bytes(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/zone/run\xff"
    Path(os.fsdecode(folder + b"/\xfe")).mkdir(parents=True)
    for name in (b"\xfe/a\n.tiff", b"\xfe/%41.tiff"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"pixels")
    where = LandingFolder(str(tmp_path / "zone"), declared=LandingFolder(str(tmp_path / "zone")).identity())
    seen = where.listing("run%FF").files
    device = (tmp_path / "zone").stat().st_dev
    files = [
        ProvenFile(
            path=one.path,
            size_bytes=6,
            sha512=sha512_of(b"pixels"),
            mtime_ns=one.mtime_ns,
            inode=one.inode,
            device=device,
        )
        for one in seen
    ]

    assert where.delete("run%FF", files, keep_on=go_on) == 2
    assert list((tmp_path / "zone").iterdir()) == []


def test_a_zone_that_nobody_declared_is_never_touched(run: Path) -> None:
    with pytest.raises(ReleaseRefused, match="nobody declared"):
        LandingFolder(str(run.parent)).delete("run", proven(run), keep_on=go_on)
    assert len(list(run.rglob("*.*"))) == 3


@pytest.mark.parametrize("folder", ["", ".", "..", "run/0", "/etc", "../zone/run"])
def test_only_a_folder_directly_in_the_zone_is_deleted(run: Path, folder: str) -> None:
    with pytest.raises(HostileInput):
        zone(run).delete(folder, proven(run), keep_on=go_on)
    assert len(list(run.rglob("*.*"))) == 3


def rewritten(run: Path) -> None:
    (run / "0" / "b.tiff").write_bytes(b"pixels c")


def rewritten_in_secret(run: Path) -> None:
    target = run / "0" / "b.tiff"
    status = target.stat()
    target.write_bytes(b"pixels c")
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def touched(run: Path) -> None:
    os.utime(run / "0" / "b.tiff", ns=(1, 1))


def grown(run: Path) -> None:
    with (run / "0" / "b.tiff").open("ab") as file:
        file.write(b"more")


def replaced(run: Path) -> None:
    (run / "new").write_bytes(b"pixels b")
    (run / "new").rename(run / "0" / "b.tiff")


def linked(run: Path) -> None:
    (run / "0" / "b.tiff").rename(run.parent / "elsewhere")
    (run / "0" / "b.tiff").symlink_to(run.parent / "elsewhere")


def fifo(run: Path) -> None:
    (run / "0" / "b.tiff").unlink()
    os.mkfifo(run / "0" / "b.tiff")


def folder_linked(run: Path) -> None:
    (run / "0").rename(run.parent / "moved")
    (run / "0").symlink_to(run.parent / "moved", target_is_directory=True)


def run_linked(run: Path) -> None:
    run.rename(run.parent.parent / "moved")
    run.symlink_to(run.parent.parent / "moved", target_is_directory=True)


def unmounted(run: Path) -> None:
    run.parent.rename(run.parent.with_name("unmounted"))
    run.mkdir(parents=True)


def late(run: Path) -> None:
    (run / "late.tiff").write_bytes(b"late")


@pytest.mark.parametrize(
    ("happens", "error"),
    [
        (rewritten, SourceChanged),
        (rewritten_in_secret, SourceChanged),
        (grown, SourceChanged),
        (touched, SourceChanged),
        (replaced, SourceChanged),
        (linked, HostileInput),
        (fifo, HostileInput),
        (folder_linked, HostileInput),
        (run_linked, HostileInput),
        (unmounted, SourceUnavailable),
        (late, SourceChanged),
    ],
)
def test_what_happens_during_the_deletion_ends_it(
    run: Path, happens: Callable[[Path], None], error: type[CisternaError]
) -> None:
    files, folder = proven(run), zone(run)

    with pytest.raises(error):
        folder.delete("run", files, keep_on=at(1, lambda: happens(run)))

    left = {one.name for one in run.parent.parent.rglob("*") if one.is_file() or one.is_fifo()}
    expected = {"late.tiff"} if happens is late else {"log.txt", "elsewhere" if happens is linked else "b.tiff"}
    assert expected <= left
    assert "a.tiff" not in left


def test_a_stop_after_the_last_file_leaves_the_folders(run: Path) -> None:
    def stop() -> None:
        raise ReleaseRefused("held")

    with pytest.raises(ReleaseRefused, match="held"):
        zone(run).delete("run", proven(run), keep_on=at(3, stop))

    assert [one.name for one in run.rglob("*")] == ["0"]


def test_files_that_are_gone_already_are_passed_over(run: Path) -> None:
    files = proven(run)
    (run / "0" / "a.tiff").unlink()

    assert zone(run).delete("run", files, keep_on=go_on) == 2
    assert not run.exists()


def test_a_file_that_is_replaced_between_the_look_and_the_opening_stays(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, target, real = proven(run), run / "0" / "a.tiff", os.open

    def opened(path: str | bytes, flags: int, **more: int) -> int:
        if path == b"a.tiff":
            (run / "new").write_bytes(b"pixels a")
            (run / "new").rename(target)
        return real(path, flags, **more)

    monkeypatch.setattr(landing_deletion.os, "open", opened)

    with pytest.raises(SourceChanged, match="another file has its name"):
        zone(run).delete("run", files, keep_on=go_on)

    assert target.read_bytes() == b"pixels a"


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen after a file was digested and before its name goes: the race that matters."""
    real, done = landing_deletion._digest, threading.Event()

    def digest(descriptor: int) -> tuple[str, int]:
        found = real(descriptor)
        if not done.is_set():
            done.set()
            act()
        return found

    monkeypatch.setattr(landing_deletion, "_digest", digest)


def without_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_deletion, "_lease", lambda _descriptor, _file: False)


@pytest.mark.parametrize("has_leases", [True, False])
@pytest.mark.parametrize("how", ["touched", "replaced", "renamed-away", "linked"])
def test_a_file_changed_between_digest_and_removal_stays(
    run: Path, monkeypatch: pytest.MonkeyPatch, how: str, has_leases: bool
) -> None:
    files, target = proven(run), run / "0" / "a.tiff"

    def act() -> None:
        if how == "touched":
            os.utime(target, ns=(1, 1))
        elif how == "replaced":
            (run / "new").write_bytes(b"pixels a")
            (run / "new").rename(target)
        elif how == "renamed-away":
            target.rename(run / "0" / "moved.tiff")
            target.write_bytes(b"new bytes")
        else:
            target.rename(run / "0" / "moved.tiff")
            target.symlink_to("moved.tiff")

    between(monkeypatch, act)
    if not has_leases:
        without_leases(monkeypatch)

    with pytest.raises(SourceChanged, match="changed or replaced"):
        zone(run).delete("run", files, keep_on=go_on)

    assert target.is_symlink() or target.exists()
    assert (run / "0" / "b.tiff").exists()


def test_without_leases_a_write_between_digest_and_removal_is_seen_by_its_time(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = proven(run)
    without_leases(monkeypatch)
    between(monkeypatch, lambda: (run / "0" / "a.tiff").write_bytes(b"pixels z"))

    with pytest.raises(SourceChanged, match="changed or replaced"):
        zone(run).delete("run", files, keep_on=go_on)

    assert (run / "0" / "a.tiff").read_bytes() == b"pixels z"


def gives_leases(folder: Path) -> bool:
    """Ask the system itself: the code that is tested must not decide whether it is."""
    probe = folder / "probe"
    probe.write_bytes(b"")
    with probe.open("rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError:
            return False
        finally:
            probe.unlink()
    return True


def test_a_file_that_somebody_has_open_for_writing_stays(run: Path) -> None:
    files = proven(run)
    if not gives_leases(run.parent):
        pytest.skip("NO LEASES: this file system gives none, so a writer that is idle is not seen")

    with (run / "0" / "a.tiff").open("r+b"), pytest.raises(SourceChanged, match="open for writing"):
        zone(run).delete("run", files, keep_on=go_on)

    assert (run / "0" / "a.tiff").exists()


def test_who_opens_a_file_to_write_after_it_was_digested_wins(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = proven(run)
    if not gives_leases(run.parent):
        pytest.skip("NO LEASES: this file system gives none")
    opened = threading.Event()

    def write() -> None:
        with (run / "0" / "a.tiff").open("r+b") as file:  # waits until the lease is given back
            opened.set()
            file.write(b"PIXELS A")

    writer = threading.Thread(target=write)

    def begin() -> None:
        descriptor = next(
            int(one.name) for one in Path("/proc/self/fd").iterdir() if os.path.realpath(one).endswith("a.tiff")
        )
        writer.start()
        while landing_deletion.fcntl.fcntl(descriptor, landing_deletion.fcntl.F_GETLEASE) == 0:
            os.sched_yield()

    between(monkeypatch, begin)

    with pytest.raises(SourceChanged, match="somebody is opening it to write"):
        zone(run).delete("run", files, keep_on=go_on)

    writer.join(30)
    assert opened.is_set()
    assert (run / "0" / "a.tiff").read_bytes() == b"PIXELS A"


def test_another_file_system_below_the_zone_is_not_entered(run: Path) -> None:
    files = proven(run)
    elsewhere = [one.model_copy(update={"device": one.device + 1}) for one in files]

    with pytest.raises(SourceChanged, match="another file has its name"):
        zone(run).delete("run", elsewhere, keep_on=go_on)

    assert len(list(run.rglob("*.*"))) == 3


def test_no_folder_of_another_file_system_is_removed(run: Path) -> None:
    descriptor = os.open(run.parent, os.O_RDONLY)
    shutil.rmtree(run)
    run.mkdir()
    try:
        with pytest.raises(HostileInput, match="another file system"):
            landing_deletion._remove_empty(descriptor, b"run", device=run.stat().st_dev + 1)
    finally:
        os.close(descriptor)
    assert run.is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="AS ROOT: nothing is denied")
def test_a_zone_where_we_may_not_delete_says_so(run: Path) -> None:
    files = proven(run)
    (run / "0").chmod(0o500)
    try:
        with pytest.raises(ReleaseRefused, match="let Cisterna's user delete"):
            zone(run).delete("run", files, keep_on=go_on)
    finally:
        (run / "0").chmod(0o700)
    assert len(list(run.rglob("*.*"))) == 3


def test_a_run_that_is_gone_is_nothing_to_do_and_a_zone_that_is_gone_is_an_error(run: Path) -> None:
    files, folder = proven(run), zone(run)
    shutil.rmtree(run)
    assert folder.delete("run", files, keep_on=go_on) == 0

    run.parent.rmdir()
    with pytest.raises(SourceUnavailable):
        folder.delete("run", files, keep_on=go_on)
