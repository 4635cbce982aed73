"""A share with years of data on a local or mounted file system: runs lie at any depth, and nothing is ever changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from cisterna.adapters.folder_listing import listed_name
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.errors import NotFound, ReleaseRefused, SourceUnavailable
from cisterna.domain.release import ProvenFile
from cisterna.domain.source_name import source_path
from cisterna.ports.share import Entry, EntryKind

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER}


class OpenShareFolder:
    """Implements `ports.share.WalkedFolder`."""

    def __init__(self, descriptor: int, *, on_the_way: Sequence[tuple[int, int]], where: str) -> None:
        own = on_the_way[-1]
        self.folder = f"{own[0]}:{own[1]}"
        self.is_own_ancestor = own in on_the_way[:-1]
        self._descriptor = descriptor
        self._where = where

    def entries(self) -> Iterator[Entry]:
        """Give its entries, each looked at once."""
        try:
            with os.scandir(self._descriptor) as found:
                for one in found:
                    entry = _entry(one)
                    if entry is not None:
                        yield entry
        except OSError as error:
            msg = f"{self._where} stopped answering: {error.strerror}; see that the share is mounted"
            raise SourceUnavailable(msg, path=self._where) from error


class ShareFolder(LandingFolder):
    """Implements `ports.share.Share`."""

    @contextmanager
    def walked(self, folder: str) -> Iterator[OpenShareFolder]:
        """Open a folder by its path, and see which folders lie on the way."""
        where = f"{self.path}/{folder}" if folder else self.path
        with self._root() as root:
            at, on_the_way = os.dup(root), [_own(root)]
            try:
                for name in self._source_names(folder) if folder else ():
                    try:
                        below = os.open(name, _FOLDER, dir_fd=at)
                    except OSError as error:
                        raise self._cannot_open(error, folder) from error
                    os.close(at)
                    at = below
                    on_the_way.append(_own(at))
                yield OpenShareFolder(at, on_the_way=on_the_way, where=where)
            finally:
                os.close(at)

    def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
        """Delete nothing, whoever asks."""
        del files, keep_on
        msg = f"{folder} lies in the share {self.path}, which was taken in where it lies; nothing in it is ever deleted"
        raise ReleaseRefused(msg, path=self.path)

    def _source_names(self, folder: str) -> Sequence[bytes]:
        """Give the names on the way, of which there may be many."""
        if not folder:
            raise NotFound(f"the share {self.path} itself is no run; name a folder in it", path=self.path)
        return source_path(folder).split(b"/")


def _own(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino)


def _entry(found: os.DirEntry[str]) -> Entry | None:
    """Look at an entry; None for one that went away, and for one that may not be looked at a thing of no kind."""
    name = listed_name(found.name)
    try:
        status = found.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except PermissionError:
        return Entry(name, EntryKind.OTHER, 0, 0, 0)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), EntryKind.OTHER)
    is_file = kind is EntryKind.FILE
    return Entry(name, kind, status.st_size if is_file else 0, status.st_mtime_ns if is_file else 0, status.st_ino)
