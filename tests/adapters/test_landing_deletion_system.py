"""Deleting at a source, whatever the system answers: what it does not grant is not taken, and no name is trusted."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters import landing_deletion
from cisterna.domain.errors import CisternaError, HostileInput, ReleaseRefused, SourceChanged, SourceUnavailable
from tests.adapters.test_landing_deletion import at, between, go_on, proven, run, without_leases, zone

__all__ = ["run"]  # a fixture


def failing(number: int) -> Callable[..., Any]:
    def fail(*_given: object, **_more: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def leases_end_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the system answer to who asks for a lease as one does that gives none; all else is as it is."""
    real = fcntl.fcntl

    def asked(descriptor: int, command: int, *given: int) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(number, os.strerror(number))
        return int(real(descriptor, command, *given))

    monkeypatch.setattr(landing_deletion.fcntl, "fcntl", asked)


@pytest.mark.parametrize("name", ["EACCES", "EPERM", "EINVAL", "ENOLCK", "ENOTSUP", "ENOSYS"])
def test_where_there_are_no_leases_it_goes_on_without(run: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    leases_end_with(monkeypatch, getattr(errno, name))

    assert zone(run).delete("run", proven(run), keep_on=go_on) == 3


@pytest.mark.parametrize(("number", "error"), [(errno.EAGAIN, SourceChanged), (errno.EIO, SourceUnavailable)])
def test_a_lease_that_is_refused_for_another_reason_ends_it(
    run: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[CisternaError]
) -> None:
    leases_end_with(monkeypatch, number)

    with pytest.raises(error):
        zone(run).delete("run", proven(run), keep_on=go_on)

    assert len(list(run.rglob("*.*"))) == 3


@pytest.mark.parametrize(
    ("call", "name", "error"),
    [
        *(("unlink", name, ReleaseRefused) for name in ("EACCES", "EPERM", "EROFS")),
        *(("open", name, HostileInput) for name in ("ELOOP", "EMLINK", "ENOTDIR")),
        *(("rmdir", name, SourceChanged) for name in ("ENOTEMPTY", "EEXIST", "EBUSY")),
        *((call, "EIO", SourceUnavailable) for call in ("open", "unlink", "rmdir")),
    ],
)
def test_what_the_system_refuses_ends_it_under_its_name(
    run: Path, monkeypatch: pytest.MonkeyPatch, call: str, name: str, error: type[CisternaError]
) -> None:
    """Nothing is passed over: what did not go is told, and nothing after it goes."""
    files, folder, real = proven(run), zone(run), getattr(os, call)
    fail = failing(getattr(errno, name))

    def called(path: str | bytes, *given: int, **more: int) -> object:
        return fail() if "dir_fd" in more and os.fsencode(path) in {b"0", b"b.tiff"} else real(path, *given, **more)

    monkeypatch.setattr(landing_deletion.os, call, called)

    with pytest.raises(error) as told:
        folder.delete("run", files, keep_on=go_on)

    assert type(told.value) is error
    left = {"open": {"a.tiff", "b.tiff", "log.txt"}, "unlink": {"b.tiff", "log.txt"}, "rmdir": set()}
    assert {one.name for one in run.rglob("*.*")} == left[call]


def folder_fifo(run: Path) -> None:
    (run / "0").rename(run.parent / "moved")
    os.mkfifo(run / "0")


def dangling(run: Path) -> None:
    (run / "0" / "b.tiff").rename(run.parent / "moved")
    (run / "0" / "b.tiff").symlink_to("nowhere")


@pytest.mark.parametrize("happens", [folder_fifo, dangling])
def test_what_stands_where_a_name_was_is_never_passed_over(run: Path, happens: Callable[[Path], None]) -> None:
    files, folder = proven(run), zone(run)

    with pytest.raises(HostileInput):
        folder.delete("run", files, keep_on=at(1, lambda: happens(run)))

    assert (run / "log.txt").exists()


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_a_link_to_a_folder_is_a_thing_that_was_not_archived(run: Path, where: str) -> None:
    target = run.parent / "other" if where == "outside" else run / "0"
    target.mkdir(exist_ok=True)
    (run / "link").symlink_to(target, target_is_directory=True)

    with pytest.raises(SourceChanged, match="something that was not archived"):
        zone(run).delete("run", proven(run), keep_on=go_on)

    assert (run / "link").is_symlink()


@pytest.mark.parametrize("becomes", ["link", "fifo"])
@pytest.mark.timeout(10)
def test_what_a_file_becomes_between_the_look_and_the_opening_is_not_opened(
    run: Path, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    files, target, real = proven(run), run / "0" / "a.tiff", os.open

    def opened(path: str | bytes, flags: int, **more: int) -> int:
        if path == b"a.tiff":
            target.rename(run / "moved")
            target.symlink_to(run / "moved") if becomes == "link" else os.mkfifo(target)
        return real(path, flags, **more)

    monkeypatch.setattr(landing_deletion.os, "open", opened)

    with pytest.raises(HostileInput):
        zone(run).delete("run", files, keep_on=go_on)

    assert target.is_symlink() or target.is_fifo()
    assert (run / "moved").read_bytes() == b"pixels a"


@pytest.mark.parametrize("how", ["replaced", "linked"])
def test_a_share_that_does_not_date_a_renaming_lets_no_other_name_go(
    run: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """There the open file looks as before; only the name leads to something else."""
    files, target, real = proven(run), run / "0" / "a.tiff", landing_deletion._moment
    monkeypatch.setattr(landing_deletion, "_moment", lambda status: real(status)[:-1])
    without_leases(monkeypatch)

    def act() -> None:
        if how == "linked":
            target.rename(run / "0" / "moved.tiff")
            target.symlink_to("moved.tiff")
        else:
            (run / "new").write_bytes(b"pixels a")
            (run / "new").rename(target)

    between(monkeypatch, act)

    with pytest.raises(SourceChanged, match="changed or replaced"):
        zone(run).delete("run", files, keep_on=go_on)

    assert os.path.lexists(target)


@pytest.mark.parametrize("field", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_a_file_is_untouched_only_if_nothing_of_it_is_another(field: str) -> None:
    same = {"st_dev": 1, "st_ino": 2, "st_size": 3, "st_mtime_ns": 4, "st_ctime_ns": 5}

    def moment(**fields: int) -> tuple[int, ...]:
        return landing_deletion._moment(SimpleNamespace(**fields))  # type: ignore[arg-type]

    assert moment(**same) == moment(**same)
    assert moment(**same) != moment(**{**same, field: 6})


def test_a_folder_that_is_gone_is_looked_for_nowhere_else(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the process happens to be, and the very file lies there under the very name."""
    files, elsewhere = proven(run), run.parent.parent / "elsewhere"
    elsewhere.mkdir()
    for name in ("a.tiff", "b.tiff"):
        os.link(run / "0" / name, elsewhere / name)
    shutil.rmtree(run / "0")
    monkeypatch.chdir(elsewhere)

    assert zone(run).delete("run", files, keep_on=go_on) == 1
    assert sorted(one.name for one in elsewhere.iterdir()) == ["a.tiff", "b.tiff"]


def test_a_file_on_another_file_system_than_its_zone_stays(run: Path) -> None:
    (file, *_) = proven(run)
    parent, other = os.open(run / "0", os.O_RDONLY), os.open("/proc", os.O_RDONLY)
    try:
        with pytest.raises(SourceChanged, match="another file has its name"):
            landing_deletion._delete_file(parent, file, zone=other)
    finally:
        os.close(parent)
        os.close(other)
    assert (run / "0" / "a.tiff").exists()


def test_it_leaves_nothing_open(run: Path) -> None:
    files = proven(run)
    (run / "empty" / "below").mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))

    zone(run).delete("run", files, keep_on=go_on)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
