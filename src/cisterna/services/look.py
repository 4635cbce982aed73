"""What a profile is given to look at: a folder's listing, and its small files on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cisterna.domain.listing import Listing
from cisterna.ports.source import LandingZone, OutsideReader


@dataclass(frozen=True)
class FolderLook:
    """Implements `ports.profile.Look` on a landing zone.

    Attributes:
        place: Of the folder in the zone: its name, or in a share the way to it.
        outside: Reads the files that settings name; None when nobody needs them, as when a run is described.
    """

    place: str
    listing: Listing
    zone: LandingZone
    settings: Mapping[str, str] = field(default_factory=dict)
    outside: OutsideReader | None = None

    @property
    def folder(self) -> str:
        """Name of the folder, wherever it lies."""
        return self.place.rpartition("/")[2]

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        """Read a small file of the folder. Raises `NotFound`, `HostileInput`."""
        return self.zone.read_small(self.place, path, limit_bytes=limit_bytes)

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the beginning of a file, however large it is. Raises `NotFound`, `HostileInput`."""
        beginning = bytearray(limit_bytes)
        with self.zone.open(self.place, path) as file:
            count = file.readinto(memoryview(beginning))
        return bytes(beginning[:count])

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the end of a file, however large it is. Raises `NotFound`, `HostileInput`."""
        return self.zone.read_tail(self.place, path, limit_bytes=limit_bytes)

    def read_setting(self, name: str, *, limit_bytes: int = 1024 * 1024) -> bytes | None:
        """Read the file outside the folder that a setting names; None when none is named or it is not there."""
        path = self.settings.get(name)
        if path is None or self.outside is None:
            return None
        return self.outside(path, limit_bytes=limit_bytes)
