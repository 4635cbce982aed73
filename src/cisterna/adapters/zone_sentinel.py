"""The sentinel of a landing zone: a small file by which the zone is known again, whatever the system calls its device.

It is read at every look and written at most once, when an administrator asks for it: everything else that Cisterna does
in a landing zone is reading.
"""

from __future__ import annotations

import errno
import os
import re
import stat

from cisterna.domain.errors import AlreadyExists, Forbidden, SourceUnavailable
from cisterna.domain.instrument import SENTINEL_NAME

_MOST_BYTES = 4096
_SAID = re.compile(rb"\bcisterna-zone ([0-9a-f]{32})\b")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NONE_THERE = frozenset({errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.EACCES, errno.EPERM, errno.ENXIO})


def read_sentinel(zone: int) -> str | None:
    """Read what the sentinel in an open zone says; None when there is none, or none that can be read and understood.

    Raises:
        OSError: The zone stopped answering.
    """
    try:
        descriptor = os.open(SENTINEL_NAME, _READ, dir_fd=zone)
    except OSError as error:
        if error.errno in _NONE_THERE:
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        said = _SAID.search(os.read(descriptor, _MOST_BYTES))
    finally:
        os.close(descriptor)
    return said[1].decode() if said else None


def write_sentinel(path: str, text: str) -> None:
    """Implement `ports.source.SentinelWriter`: make the file, unless something has its name.

    Raises:
        AlreadyExists: Something has its name; it is left as it is.
        Forbidden: The zone may not be written to, as it should be: the file is put there by hand then.
        SourceUnavailable: The zone cannot be looked at, or is full.
    """
    where = f"{path.rstrip('/')}/{SENTINEL_NAME}"
    try:
        zone = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            descriptor = os.open(SENTINEL_NAME, _MAKE, 0o644, dir_fd=zone)
        finally:
            os.close(zone)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as there:
        msg = f"{where} is there already and is not a sentinel that can be read; look at it, and move it away"
        raise AlreadyExists(msg, path=where) from there
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            msg = (
                f"{where} may not be written, which is as it should be: put it there by hand; "
                "`cisterna instrument sentinel` prints it"
            )
            raise Forbidden(msg, path=where) from error
        msg = f"{where} cannot be written: {error.strerror}; see that the share is mounted and has room"
        raise SourceUnavailable(msg, path=where) from error
