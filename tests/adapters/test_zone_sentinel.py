"""The sentinel: a zone is known by it after a remount, and nothing without it, or with another, passes for the zone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.zone_sentinel import read_sentinel, write_sentinel
from cisterna.domain.errors import AlreadyExists, SourceUnavailable
from cisterna.domain.instrument import SENTINEL_NAME, ZoneIdentity, sentinel_text, sentinel_token
from cisterna.testing.factory import make_instrument

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    made = tmp_path / "zone"
    (made / "run").mkdir(parents=True)
    (made / "run" / "a.csv").write_text("a,b\n")
    write_sentinel(str(made), sentinel_text(TOKEN, instrument="squid-1"))
    return made


def remount(zone: Path) -> None:
    """Let another folder stand at the path, with the same files in it, as a share does that is mounted again."""
    elsewhere = zone.with_name("elsewhere")
    shutil.copytree(zone, elsewhere)
    zone.rename(zone.with_name("before"))
    elsewhere.rename(zone)


def test_a_zone_that_is_mounted_again_is_known_by_its_sentinel_whatever_its_device(zone: Path) -> None:
    declared = LandingFolder(str(zone)).identity()
    folder = LandingFolder(str(zone), declared=declared)
    folder.folders()

    remount(zone)

    assert LandingFolder(str(zone)).identity().inode != declared.inode
    assert folder.folders() == ["run"]
    folder.require_identity(declared)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text(sentinel_text("f" * 32, instrument="squid-2")),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\xff\xfe cisterna-zone nothing"),
        lambda file: (file.unlink(), file.mkdir()),
        lambda file: (file.unlink(), os.mkfifo(file)),
        lambda file: (file.rename(file.with_name("aside")), file.symlink_to("aside")),
    ],
    ids=["missing", "another", "empty", "garbled", "a folder", "a FIFO", "a link to a right one"],
)
def test_a_zone_whose_sentinel_is_missing_or_wrong_is_unavailable_even_with_the_same_numbers(
    zone: Path, spoil: object
) -> None:
    declared = LandingFolder(str(zone)).identity()

    spoil(zone / SENTINEL_NAME)  # type: ignore[operator]

    for look in (
        lambda: LandingFolder(str(zone), declared=declared).folders(),
        lambda: LandingFolder(str(zone), declared=declared).listing("run"),
        lambda: LandingFolder(str(zone)).require_identity(declared),
    ):
        with pytest.raises(SourceUnavailable, match="put the sentinel back"):
            look()


def test_a_zone_declared_without_a_sentinel_is_still_known_by_device_and_inode_alone(zone: Path) -> None:
    status = zone.stat()
    declared = ZoneIdentity(device=status.st_dev, inode=status.st_ino)

    LandingFolder(str(zone)).require_identity(declared)
    remount(zone)

    with pytest.raises(SourceUnavailable, match="a sentinel outlives that"):
        LandingFolder(str(zone)).require_identity(declared)


def test_the_sentinel_is_no_stray_but_a_link_of_its_name_is(zone: Path) -> None:
    (zone / "note.txt").write_text("x")

    before = [stray.shown for stray in LandingFolder(str(zone)).strays()]
    (zone / SENTINEL_NAME).unlink()
    (zone / SENTINEL_NAME).symlink_to("note.txt")

    assert before == ["note.txt"]
    assert [stray.shown for stray in LandingFolder(str(zone)).strays()] == [SENTINEL_NAME, "note.txt"]


def test_what_has_the_sentinels_name_is_never_overwritten(zone: Path) -> None:
    kept = (zone / SENTINEL_NAME).read_bytes()

    with pytest.raises(AlreadyExists, match="is there already"):
        write_sentinel(str(zone), sentinel_text("f" * 32, instrument="squid-2"))

    assert (zone / SENTINEL_NAME).read_bytes() == kept


def test_a_sentinel_that_a_windows_editor_saved_is_understood(zone: Path) -> None:
    text = (zone / SENTINEL_NAME).read_text().replace("\n", "\r\n")
    (zone / SENTINEL_NAME).write_bytes(b"\xef\xbb\xbf" + text.encode())

    descriptor = os.open(zone, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert read_sentinel(descriptor) == TOKEN
    finally:
        os.close(descriptor)


def test_the_token_of_a_declaration_is_always_the_same_until_another_lies_in_the_zone() -> None:
    bare = make_instrument(identity=ZoneIdentity(device=1, inode=2))
    relied = make_instrument(identity=ZoneIdentity(device=1, inode=2, sentinel=TOKEN))

    assert sentinel_token(bare) == sentinel_token(make_instrument()) != sentinel_token(make_instrument("squid-2"))
    assert sentinel_token(relied) == TOKEN
