"""A folder on a local or mounted file system that an instrument writes to.

Every path is walked one component at a time from an open folder, and no component may be a link: what lies in a landing
zone was put there by others, and a link could make us read anything on this machine. Files are read with plain reads; a
mapped file that shrinks kills its reader.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Self

from cisterna.adapters.folder_listing import Walk, listed_name
from cisterna.adapters.landing_deletion import delete_proven
from cisterna.adapters.zone_sentinel import read_sentinel
from cisterna.domain.errors import CisternaError, HostileInput, NotFound, ReleaseRefused, SourceUnavailable
from cisterna.domain.instrument import SENTINEL_NAME, Identity, ZoneIdentity
from cisterna.domain.listing import Listing, Obstacle, ObstacleKind, SeenFile
from cisterna.domain.release import ProvenFile
from cisterna.domain.source_name import source_path
from cisterna.ports.source import EnteredFolder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_PIECE_BYTES = 256 * 1024
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
_LINK = frozenset({errno.ELOOP, errno.EMLINK})


class OpenFile:
    """Implements `ports.source.SourceFile` on a file descriptor, which it closes at the end of its `with`.

    Attributes:
        opened: The file as it was when it was opened.
        stored: None; it is no object.
    """

    stored = None

    def __init__(self, descriptor: int, path: str, *, opened: SeenFile) -> None:
        self.opened = opened
        self._descriptor = descriptor
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from where the last read ended; fewer bytes only at the end of the file."""
        filled = 0
        while filled < len(buffer):
            try:
                count = os.readv(self._descriptor, [buffer[filled:]])
            except OSError as error:
                msg = f"reading {self._path} failed: {error.strerror}; look at the share it lies on"
                raise SourceUnavailable(msg, path=self._path) from error
            if count == 0:
                break
            filled += count
        return filled

    def still(self) -> SeenFile:
        """Stat the open file again."""
        return _seen(self._path, os.fstat(self._descriptor))


class OpenFolder:
    """Implements `ports.source.EnteredFolder`: keeps open the folder that its last file lay in.

    A listing goes folder by folder, so nearly every file is opened with three calls to the system; the walk from the
    zone takes six more, and each of them lets another thread have the interpreter. What was walked to without a link
    stays what it is, whatever stands at its path since. A file that cannot be opened there is tried once more by the
    whole walk: that tells a file that is gone from a zone that is, and a share may forget a folder which it still has.

    Args:
        walk: Opens the folder of a file, for its names and what to call the file in an error.
        folder: Of the zone.
        names: Of the folders on the way to it and its own, in bytes.
        refusal: Makes an error of ours.
    """

    def __init__(
        self,
        walk: Callable[[Sequence[bytes], str], int],
        *,
        folder: str,
        names: Sequence[bytes],
        refusal: Callable[[OSError, str], CisternaError],
    ) -> None:
        self._walk = walk
        self._folder = folder
        self._names = names
        self._refusal = refusal
        self._parents = b""
        self._held: int | None = None

    def open(self, path: str) -> OpenFile:
        """Open a file of the folder."""
        parents, _, name = source_path(path).rpartition(b"/")
        where = f"{self._folder}/{path}"
        if self._held is not None and parents == self._parents:
            with suppress(OSError):
                return _open_file(name, path, where, within=self._held)
        self.close()
        self._held = self._walk([*self._names, *parents.split(b"/")] if parents else self._names, where)
        self._parents = parents
        try:
            return _open_file(name, path, where, within=self._held)
        except OSError as error:
            raise self._refusal(error, where) from error

    def close(self) -> None:
        """Close the folder that is kept open."""
        if self._held is not None:
            os.close(self._held)
        self._held = None


class LandingFolder:
    """Implements `ports.source.LandingZone`.

    Args:
        path: Of the zone. It may be a link or a mount point itself: `declared` tells whether it is still the same.
        declared: The zone's identity when it was declared; every call refuses another one. None accepts any.
    """

    def __init__(self, path: str | os.PathLike[str], *, declared: Identity | None = None) -> None:
        self.path = os.fspath(path)
        self._declared = declared
        self._proven: tuple[int, int] | None = None

    def identity(self) -> ZoneIdentity:
        """Return device and inode of the folder that stands at the path now, and what its sentinel says."""
        with self._root(check=False) as root, self._speaking_of_the_zone():
            return _identity(root)

    def require_identity(self, declared: Identity | None) -> None:
        """Raises `SourceUnavailable` when another folder (or an empty mount point) stands in the zone's place."""
        found = self.identity()
        if declared is not None and not declared.is_shown_by(found):
            raise self._swapped(found, declared)

    def witness(self) -> None:
        """Give none: no store copies from a folder."""

    def folders(self) -> Sequence[str]:
        """Name the folders directly in the zone, in byte order."""
        with self._root() as root, self._speaking_of_the_zone(), os.scandir(root) as entries:
            return sorted(listed_name(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False))

    def strays(self) -> Sequence[Obstacle]:
        """Name what lies directly in the zone and is no folder."""
        with self._root() as root, self._speaking_of_the_zone(), os.scandir(root) as entries:
            names = [(entry.name, entry.is_symlink()) for entry in entries if not entry.is_dir(follow_symlinks=False)]
        strays = [(name, is_link) for name, is_link in sorted(names) if is_link or name != SENTINEL_NAME]
        return tuple(_stray(name, is_link=is_link) for name, is_link in strays)

    def listing(self, folder: str) -> Listing:
        """List everything below a folder of the zone, without opening one file."""
        with self._root() as root, self._speaking_of_the_zone():
            walk, names = Walk(), self._source_names(folder)
            try:
                descriptor = _descend(root, names)
            except PermissionError:
                walk.refuse(ObstacleKind.UNREADABLE, folder, "may not be entered; give Cisterna's user the right")
                return walk.listing()
            except OSError as error:
                raise self._cannot_open(error, folder) from error
            try:
                walk.enter(descriptor)
                return walk.listing()
            finally:
                os.close(descriptor)

    def read_small(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read a small file whole."""
        with self.open(folder, path) as file:
            return read_whole(file.fileno(), f"{folder}/{path}", limit_bytes=limit_bytes)

    def read_tail(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read the last bytes that a file has now."""
        with self.open(folder, path) as file:
            return read_end(file.fileno(), f"{folder}/{path}", limit_bytes=limit_bytes)

    @contextmanager
    def open(self, folder: str, path: str) -> Iterator[OpenFile]:
        """Open a file for its one read."""
        with closing(self._entered(folder)) as entered, entered.open(path) as file:
            yield file

    def entered(self, folder: str) -> AbstractContextManager[EnteredFolder]:
        """Let one thread open many files of a folder."""
        return closing(self._entered(folder))

    def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
        """Delete proven files and the folders left empty; a zone whose identity was not declared is never touched."""
        if self._declared is None:
            msg = f"nobody declared which folder {self.path} is, so nothing in it is deleted; declare the instrument"
            raise ReleaseRefused(msg, path=self.path)
        self.require_identity(self._declared)
        (name,) = self._source_names(folder)
        return delete_proven(self._root, name, files, keep_on=keep_on)

    def _entered(self, folder: str) -> OpenFolder:
        return OpenFolder(self._walk, folder=folder, names=self._source_names(folder), refusal=self._cannot_open)

    def _walk(self, names: Sequence[bytes], where: str) -> int:
        """Open a folder by the names on the way from the zone, none of which may be a link."""
        with self._root() as root:
            try:
                return _descend(root, names)
            except OSError as error:
                raise self._cannot_open(error, where) from error

    def _source_names(self, folder: str) -> Sequence[bytes]:
        """Give the names on the way from the zone to a folder of it: of a landing zone, one."""
        if "/" in folder:
            msg = f"{folder!r} is not the name of a folder directly in {self.path}"
            raise HostileInput(msg, path=folder)
        return [source_path(folder)]

    @contextmanager
    def _root(self, *, check: bool = True) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            msg = f"the landing zone {self.path} cannot be looked at: {error.strerror}; {_remedy(error)}"
            raise SourceUnavailable(msg, path=self.path) from error
        try:
            if check and self._declared is not None:
                self._prove(descriptor, self._declared)
            yield descriptor
        finally:
            os.close(descriptor)

    def _prove(self, root: int, declared: Identity) -> None:
        """Refuse another folder; the sentinel is read once for each folder that stands in the zone's place."""
        status = os.fstat(root)
        if (status.st_dev, status.st_ino) == self._proven:
            return
        with self._speaking_of_the_zone():
            found = _identity(root)
        if not declared.is_shown_by(found):
            raise self._swapped(found, declared)
        self._proven = (status.st_dev, status.st_ino)

    @contextmanager
    def _speaking_of_the_zone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"the landing zone {self.path} stopped answering: {error.strerror}; {_remedy(error)}"
            raise SourceUnavailable(msg, path=self.path) from error

    def _swapped(self, found: ZoneIdentity, declared: Identity) -> SourceUnavailable:
        if not isinstance(declared, ZoneIdentity):
            shown, remedy = "it was declared as a bucket", "declare the instrument again, if it is the zone"
        elif declared.sentinel is not None:
            says = "there is none that can be read" if found.sentinel is None else f"it says {found.sentinel}"
            shown = f"its sentinel {SENTINEL_NAME} must say {declared.sentinel} and {says}"
            remedy = "put the sentinel back, which `cisterna instrument sentinel NAME` prints, if it is the zone"
        else:
            shown = (
                f"device {found.device} inode {found.inode}, declared {declared.device} and {declared.inode}; "
                "the number of a device may change when a share is mounted again: a sentinel outlives that"
            )
            remedy = "declare the instrument again, if it is the zone"
        msg = f"{self.path} is not the folder that was declared ({shown}); mount the share again, or {remedy}"
        return SourceUnavailable(msg, path=self.path, found=found.model_dump(), declared=declared.model_dump())

    def _cannot_open(self, error: OSError, where: str) -> NotFound | HostileInput | SourceUnavailable:
        if error.errno in _LINK:
            msg = f"{where} in {self.path} is a link; links are never followed: put the file itself there"
            return HostileInput(msg, path=where)
        if error.errno in _GONE:
            return NotFound(f"{where} is not in {self.path}, or a link or file stands in its way", path=where)
        if error.errno in {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}:
            msg = f"{where} in {self.path} cannot be read: {error.strerror}; let Cisterna's user read it"
            return HostileInput(msg, path=where)
        msg = f"{where} in {self.path} cannot be opened: {error.strerror}; {_remedy(error)}"
        return SourceUnavailable(msg, path=where)


def _descend(root: int, names: Sequence[bytes]) -> int:
    """Open the last of some folders, each in the one before and none of them a link. Raises `OSError`."""
    at = root
    for name in names:
        try:
            below = os.open(name, _FOLDER, dir_fd=at)
        finally:
            if at != root:
                os.close(at)
        at = below
    return at


def _remedy(error: OSError) -> str:
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "give Cisterna a higher limit of open files (`ulimit -n`)"
    return "see that the share is mounted and that Cisterna may read it"


def open_regular(name: str | bytes, where: str, *, within: int | None = None) -> tuple[int, os.stat_result]:
    """Open and stat a regular file and nothing else; a FIFO never makes us wait, a device is never opened.

    Raises:
        HostileInput: It is a link, a FIFO, a socket, a device or a folder.
        OSError: It cannot be opened.
    """
    if not stat.S_ISREG(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode):
        msg = f"{where} is not a regular file (a link, FIFO, socket, device or folder); put the file itself there"
        raise HostileInput(msg, path=where)
    descriptor = os.open(name, _FILE, dir_fd=within)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # it was swapped between the two calls
        os.close(descriptor)
        msg = f"{where} was replaced by something that is not a regular file while it was looked at"
        raise HostileInput(msg, path=where)
    return descriptor, status


def read_whole(descriptor: int, where: str, *, limit_bytes: int) -> bytes:
    """Read at most `limit_bytes`, and refuse a file that holds more, whatever its size was said to be."""
    pieces: list[bytes] = []
    left = limit_bytes + 1
    while left > 0:
        try:
            piece = os.read(descriptor, min(left, _PIECE_BYTES))
        except OSError as error:
            msg = f"reading {where} failed: {error.strerror}; look at the share it lies on"
            raise SourceUnavailable(msg, path=where) from error
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
    msg = f"{where} is larger than {limit_bytes} bytes; a file of this kind never is"
    raise HostileInput(msg, path=where, limit_bytes=limit_bytes)


def read_end(descriptor: int, where: str, *, limit_bytes: int) -> bytes:
    """Read at most the last `limit_bytes` of what an open file holds now; a file that shrinks meanwhile gives fewer."""
    try:
        at = max(0, os.fstat(descriptor).st_size - limit_bytes)
        pieces: list[bytes] = []
        left = limit_bytes
        while left > 0 and (piece := os.pread(descriptor, min(left, _PIECE_BYTES), at)):
            pieces.append(piece)
            at, left = at + len(piece), left - len(piece)
    except OSError as error:
        msg = f"reading {where} failed: {error.strerror}; look at the share it lies on"
        raise SourceUnavailable(msg, path=where) from error
    return b"".join(pieces)


def read_outside(path: str, *, limit_bytes: int) -> bytes | None:
    """Implement `ports.source.OutsideReader`: read a file named by an administrator's setting."""
    try:
        descriptor, _ = open_regular(path, path)
    except OSError as error:
        if error.errno in _GONE:
            return None
        msg = f"{path} cannot be read: {error.strerror}; see the instrument's settings"
        raise HostileInput(msg, path=path) from error
    try:
        return read_whole(descriptor, path, limit_bytes=limit_bytes)
    finally:
        os.close(descriptor)


def _open_file(name: bytes, path: str, where: str, *, within: int) -> OpenFile:
    descriptor, status = open_regular(name, where, within=within)
    return OpenFile(descriptor, path, opened=_seen(path, status))


def _identity(zone: int) -> ZoneIdentity:
    status = os.fstat(zone)
    return ZoneIdentity(device=status.st_dev, inode=status.st_ino, sentinel=read_sentinel(zone))


def _seen(path: str, status: os.stat_result) -> SeenFile:
    return SeenFile(path=path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def _stray(name: str, *, is_link: bool) -> Obstacle:
    what = "is a link, and links are never followed" if is_link else "lies beside the runs' folders and belongs to none"
    kind, shown = ObstacleKind.SYMLINK if is_link else ObstacleKind.SPECIAL, listed_name(name)
    return Obstacle(kind=kind, shown=shown, reason=f"'{shown}' {what}; move it into a run's folder or away")
