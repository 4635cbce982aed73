"""A real file system of a chosen size in a file, to be filled up or to lose its blocks; it takes the right to mount."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1024 * 1024


@dataclass
class SmallDisk:
    """An ext4 file system on a loop device.

    Attributes:
        folder: Where it is mounted.
        image: The file that it lies in; sparse, so that it costs what is written.
    """

    folder: Path
    image: Path

    @property
    def free_bytes(self) -> int:
        """Room that is left."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, *, but_bytes: int) -> None:
        """Take all room but so much, without writing anything."""
        take = self.free_bytes - but_bytes
        descriptor = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
        try:
            os.posix_fallocate(descriptor, 0, take)
        except OSError as error:  # what takes the room takes a little itself
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(descriptor)

    def make_room(self) -> None:
        """Give the room back."""
        (self.folder / "ballast").unlink()

    @contextmanager
    def without_blocks_from(self, start: int) -> Iterator[None]:
        """Let every read of what lies beyond a place in the image fail with EIO, for as long as the block lasts."""
        self._remount()  # what was written is on the disk now, and no longer in memory
        with self.image.open("rb") as file:
            file.seek(start)
            lost = file.read()
        size_bytes = start + len(lost)
        os.truncate(self.image, start)
        try:
            yield
        finally:
            with self.image.open("r+b") as file:
                file.seek(start)
                file.write(lost)
                file.truncate(size_bytes)

    def _remount(self) -> None:
        _run("umount", str(self.folder))
        _run("mount", "-o", "loop", str(self.image), str(self.folder))


@contextmanager
def small_disk(place: Path, *, size_bytes: int) -> Iterator[SmallDisk]:
    """Make one below a folder, mount it, and take it away at the end; skip the test where that is not allowed."""
    place.mkdir()
    disk = SmallDisk(place / "disk", place / "image")
    disk.folder.mkdir()
    disk.image.touch()
    os.truncate(disk.image, size_bytes)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(disk.image))
        _run("mount", "-o", "loop", str(disk.image), str(disk.folder))
    except (OSError, subprocess.CalledProcessError) as refusal:
        pytest.skip(f"NOT TESTED HERE: a disk of its own cannot be mounted ({refusal})")
    try:
        yield disk
    finally:
        _run("umount", "--lazy", str(disk.folder))


def _run(*command: str) -> None:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={**os.environ, "PATH": path})
