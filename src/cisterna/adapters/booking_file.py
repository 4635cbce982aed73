"""Booking tables in files of this machine."""

from __future__ import annotations

import os
import stat

from cisterna.domain.errors import HostileInput, NotFound


class BookingFiles:
    """Implements `ports.booking.BookingTables`."""

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Return the whole file; what the file says of its own size is not trusted."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            msg = f"the booking table {path!r:.300} cannot be read: {reason}; mend it or bind another"
            raise NotFound(msg, path=path) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise HostileInput(f"the booking table {path!r:.300} is no regular file; bind a CSV file", path=path)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(limit_bytes + 1)
        finally:
            os.close(descriptor)
        if len(content) > limit_bytes:
            msg = f"the booking table {path!r:.300} has more than {limit_bytes} bytes; keep past years elsewhere"
            raise HostileInput(msg, path=path, limit_bytes=limit_bytes)
        return content
