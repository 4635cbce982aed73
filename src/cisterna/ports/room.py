"""Room for what will be written."""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """The place where the archive's content lands."""

    @property
    def reserve_bytes(self) -> int:
        """What has to stay free there, for what else is written to it."""
        ...

    def free_bytes(self) -> int | None:
        """Tell how much is free now; None when that cannot be told."""
        ...
