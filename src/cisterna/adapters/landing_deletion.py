"""Deletes proven files from a landing zone: the only code of the product that removes anything at a source.

Each file is opened without following a link anywhere on its way, read in full and digested once more, and its name is
removed only if the name still leads to the very file that was read, unchanged. Where the file system grants leases
(local ones do, to the file's owner), nobody has the file open for writing, and nobody can open it so until its name is
gone. What is left is the moment between the last look at the name and its removal: another file that is renamed onto
the name in just that moment would go unread; and on shares without leases, a writer that had the file open all along.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from cisterna.domain.errors import HostileInput, ReleaseRefused, SourceChanged, SourceUnavailable
from cisterna.domain.release import ProvenFile
from cisterna.domain.source_name import logical_path, source_path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CHUNK_BYTES = 1024 * 1024
_NO_LEASES = frozenset({errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_LINK = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR})
_FULL = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})

OpenZone = Callable[[], AbstractContextManager[int]]
"""Opens the landing zone's own folder, and refuses one that is not the one declared."""


def delete_proven(
    open_zone: OpenZone, folder: bytes, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]
) -> int:
    """Delete the files one by one, then the folders that are empty, and tell how many files went.

    A second run passes over what is gone already. The zone is opened anew for each file, so that a share that went
    away or was replaced ends it.

    Args:
        open_zone: Opens the landing zone.
        folder: Of the acquisition, a single name as the file system has it.
        files: As they were read for the deletion record.
        keep_on: Called before each file and before the folders go; raises when the deletion must stop.

    Raises:
        SourceChanged: A file is not as it was read, or something else is in the folder; it stays, and all after it.
        HostileInput: A link or another thing stands where a folder or file was.
        ReleaseRefused: The system does not allow it.
        SourceUnavailable: The zone does not answer, or is not the one that was declared.
    """
    gone = 0
    for file in files:
        keep_on()
        with open_zone() as zone, _named(file.path), _parent(zone, folder, file.path) as parent:
            if parent is not None and _delete_file(parent, file, zone=zone):
                gone += 1
    keep_on()
    with open_zone() as zone, _named(logical_path(folder)):
        _remove_empty(zone, folder, device=os.fstat(zone).st_dev)
    return gone


def _delete_file(parent: int, file: ProvenFile, *, zone: int) -> bool:
    """Delete one file whose name leads, now, to the bytes that were proven; False when it is gone already."""
    name = source_path(file.path).rpartition(b"/")[2]
    try:
        _require_proven(os.stat(name, dir_fd=parent, follow_symlinks=False), file, zone=zone)
    except FileNotFoundError:
        return False
    descriptor = os.open(name, _FILE, dir_fd=parent)
    try:
        is_leased = _lease(descriptor, file)
        before = os.fstat(descriptor)
        _require_proven(before, file, zone=zone)
        if _digest(descriptor) != (file.sha512, file.size_bytes):
            raise _changed(file, "its bytes are not those that were read for the release")
        after = os.fstat(descriptor)
        named = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if _moment(before) != _moment(after) or _moment(after) != _moment(named):
            raise _changed(file, "it was changed or replaced while it was read")
        if is_leased and fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            raise _changed(file, "somebody is opening it to write")
        os.unlink(name, dir_fd=parent)
    finally:
        os.close(descriptor)
    return True


def _require_proven(found: os.stat_result, file: ProvenFile, *, zone: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise HostileInput(f"{file.path} was a file and is something else now; look at it", path=file.path)
    if (found.st_dev, found.st_ino) != (file.device, file.inode) or found.st_dev != os.fstat(zone).st_dev:
        raise _changed(file, "another file has its name")
    if (found.st_size, found.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
        raise _changed(file, "its size or time changed since it was read for the release")


def _moment(status: os.stat_result) -> tuple[int, ...]:
    """Everything that shows that a file is another one, or was touched: a change time cannot be set back."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _lease(descriptor: int, file: ProvenFile) -> bool:
    """Ask that nobody writes while we read; False where the file system or our rights give no leases.

    Raises:
        SourceChanged: Somebody has it open for writing.
    """
    try:
        # Whoever opens the file to write waits for us, and we are told by a signal that does nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise _changed(file, "somebody has it open for writing") from error
        if error.errno in _NO_LEASES:
            return False
        raise
    return True


def _digest(descriptor: int) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha512(), 0
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


@contextmanager
def _parent(zone: int, folder: bytes, path: str) -> Iterator[int | None]:
    """Open the folder that a file lies in, component by component; None when it is gone."""
    descriptor = os.dup(zone)
    try:
        for part in [folder, *source_path(path).split(b"/")[:-1]]:
            try:
                below = os.open(part, _FOLDER, dir_fd=descriptor)
            except FileNotFoundError:
                yield None
                return
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_empty(parent: int, name: bytes, *, device: int) -> None:
    """Remove a folder and those below it, all of which must be empty: the kernel refuses any that is not."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return
    try:
        if os.fstat(descriptor).st_dev != device:
            shown = logical_path(name)
            raise HostileInput(f"another file system is mounted on {shown}; look at the landing zone", path=shown)
        with os.scandir(descriptor) as entries:
            below = [os.fsencode(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
        for one in sorted(below):
            _remove_empty(descriptor, one, device=device)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Give the system's errors our names."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            msg = f"something that was not archived is in {where}; it stays: move it to a folder of its own"
            raise SourceChanged(msg, path=where) from error
        if error.errno in _DENIED:
            msg = f"{where} may not be deleted ({error.strerror}); let Cisterna's user delete in the landing zone"
            raise ReleaseRefused(msg, path=where) from error
        if error.errno in _LINK:
            msg = f"a link or a file stands where a folder of {where} was; links are never followed: look at it"
            raise HostileInput(msg, path=where) from error
        msg = f"{where} could not be deleted: {error.strerror}; look at the share it lies on"
        raise SourceUnavailable(msg, path=where) from error


def _changed(file: ProvenFile, why: str) -> SourceChanged:
    msg = f"{file.path} stays where it is, and all after it: {why}"
    return SourceChanged(msg, path=file.path)
