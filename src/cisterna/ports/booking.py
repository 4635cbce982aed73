"""Booking tables: files of the facility that say who had an instrument when."""

from __future__ import annotations

from typing import Protocol


class BookingTables(Protocol):
    """Reads booking tables."""

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Return the whole file.

        Raises:
            NotFound: It cannot be read; the message says why.
            HostileInput: It is no regular file, or larger than the limit.
        """
        ...
