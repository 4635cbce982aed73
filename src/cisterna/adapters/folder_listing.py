"""Walks a folder by open descriptors and says what is in it, opening no file."""

from __future__ import annotations

import errno
import os
import stat

from cisterna.domain.listing import Listing, Obstacle, ObstacleKind, SeenFile
from cisterna.domain.source_name import logical_path

DEEPEST = 64
"""Folders within folders that are walked; each level costs an open descriptor."""
MOST_FILES = 2_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GROUPS = frozenset({*os.getgroups(), os.getegid()})
_SEEN = set(SeenFile.model_fields)
"""Which fields are set, once for all files: a set of its own would be a third of what each takes in memory."""
_SPECIAL = {
    stat.S_IFIFO: "a FIFO (a named pipe)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def listed_name(name: str) -> str:
    """Write a name that the system gave as the archive writes it."""
    if name.isascii() and name.isprintable() and "%" not in name:
        return name  # nearly every name: told at once
    return logical_path(os.fsencode(name))


class Walk:
    """One walk through a folder; `enter` may be called once, `listing` afterwards."""

    def __init__(self) -> None:
        self._files: list[SeenFile] = []
        self._obstacles: list[Obstacle] = []
        self._is_full = False

    def listing(self) -> Listing:
        """Return what was seen, in the order of the paths' bytes."""
        self._files.sort(key=lambda file: file.path)  # code points and their UTF-8 bytes sort alike
        self._obstacles.sort(key=lambda obstacle: obstacle.shown)
        return Listing.model_construct(files=tuple(self._files), obstacles=tuple(self._obstacles))

    def refuse(self, kind: ObstacleKind, path: str, reason: str) -> None:
        """Note an entry that holds the acquisition."""
        self._obstacles.append(Obstacle(kind=kind, shown=path, reason=f"'{path}': {reason}"))

    def enter(self, folder: int, prefix: str = "", depth: int = 0) -> None:
        """List an open folder and those below it. Raises `OSError` when the file system stops answering."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(self._files) >= MOST_FILES:
                    self._stop()
                    return
                self._meet(entry, folder, prefix, depth)

    def _meet(self, entry: os.DirEntry[str], folder: int, prefix: str, depth: int) -> None:
        path = prefix + listed_name(entry.name)
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # it went away while we looked, and the next look knows
        except PermissionError:
            self.refuse(ObstacleKind.UNREADABLE, path, "cannot be looked at; let Cisterna's user read the folder")
            return
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFREG:
            self._note(path, status)
        elif kind == stat.S_IFDIR:
            self._descend(entry.name, folder, path, depth)
        elif kind == stat.S_IFLNK:
            self.refuse(
                ObstacleKind.SYMLINK, path, "is a link, and links are never followed; put the file itself there"
            )
        else:
            what = _SPECIAL.get(kind, "not a regular file")
            self.refuse(ObstacleKind.SPECIAL, path, f"is {what}, which cannot be archived; remove it")

    def _note(self, path: str, status: os.stat_result) -> None:
        if not _seems_readable(status):
            self.refuse(ObstacleKind.UNREADABLE, path, "may not be read; give Cisterna's user the right to read it")
            return
        # The name is as a path must be, and validating 100,000 times what `stat` returned is most of a look's time.
        self._files.append(
            SeenFile.model_construct(
                _SEEN, path=path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino
            )
        )

    def _descend(self, name: str, folder: int, path: str, depth: int) -> None:
        if depth >= DEEPEST:
            self.refuse(
                ObstacleKind.UNREADABLE, path[:200], f"lies more than {DEEPEST} folders deep; no instrument does this"
            )
            return
        try:
            below = os.open(name, _FOLDER, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            if error.errno in {errno.EACCES, errno.EPERM}:
                self.refuse(ObstacleKind.UNREADABLE, path, "may not be entered; give Cisterna's user the right")
                return
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                self.refuse(ObstacleKind.SYMLINK, path, "was replaced by a link while it was looked at")
                return
            raise
        try:
            self.enter(below, path + "/", depth + 1)
        finally:
            os.close(below)

    def _stop(self) -> None:
        if not self._is_full:
            self._is_full = True
            self.refuse(ObstacleKind.UNREADABLE, "(the rest)", f"more than {MOST_FILES} files lie in one folder")


def _seems_readable(status: os.stat_result) -> bool:
    """Tell from owner and mode whether we may read; an access list that says otherwise shows when the file is read."""
    user = os.geteuid()
    if user == 0:
        return True
    if status.st_uid == user:
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid in _GROUPS:
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)
