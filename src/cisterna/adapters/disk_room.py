"""Room on the disk that a folder lies on."""

from __future__ import annotations

import shutil
from pathlib import Path


class DiskRoom:
    """Asks the file system; a folder that cannot be asked about has an unknown room.

    Args:
        folder: Any folder on that disk.
        reserve_bytes: What has to stay free.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int) -> None:
        self._folder = folder
        self.reserve_bytes = reserve_bytes

    def free_bytes(self) -> int | None:
        """Tell what is free for this user."""
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None
