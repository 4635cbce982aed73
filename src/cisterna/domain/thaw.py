"""Storage classes that give nothing at once, and asking for an object back from them. Pure values."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput

LONGEST_DAYS = 365


class ThawSpeed(StrEnum):
    """How fast an object is asked for; the faster, the dearer."""

    EXPEDITED = "expedited"
    STANDARD = "standard"
    BULK = "bulk"


_TAKES = {
    ("GLACIER", ThawSpeed.EXPEDITED): "1 to 5 minutes",
    ("GLACIER", ThawSpeed.STANDARD): "3 to 5 hours",
    ("GLACIER", ThawSpeed.BULK): "5 to 12 hours",
    ("DEEP_ARCHIVE", ThawSpeed.STANDARD): "up to 12 hours",
    ("DEEP_ARCHIVE", ThawSpeed.BULK): "up to 48 hours",
}
"""As Amazon documents them (S3 User Guide, "Archive retrieval options"); other stores have times of their own."""


class Reach(Value):
    """How an object can be reached now.

    Attributes:
        is_readable: Whether a byte of it was read just now.
        is_coming: Whether the store was asked for it and has not brought it yet.
        storage_class: Where it lies, as the store calls it; None where it does not say.
        readable_until: Until when a copy that was brought back stays; None for what needs none.
    """

    is_readable: bool
    is_coming: bool = False
    storage_class: str | None = None
    readable_until: Moment | None = None


class Thawing(Value):
    """What became of asking for the files of a version.

    Attributes:
        readable: Files that can be read now.
        asked: Files that the store was asked for just now.
        coming: Files that it was asked for before and has not brought yet.
        far: Files that are far and were not asked for: a rehearsal.
        storage_classes: Where those that cannot be read lie.
    """

    store: str
    days: int = Field(ge=1, le=LONGEST_DAYS)
    speed: ThawSpeed
    readable: int = 0
    asked: int = 0
    coming: int = 0
    far: int = 0
    storage_classes: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether all of it can be read."""
        return not (self.asked or self.coming or self.far)

    @property
    def words(self) -> str:
        """Say what is to be waited for, and how long."""
        if self.is_ready:
            return f"all {self.readable} files can be read in {self.store}"
        waiting = self.asked + self.coming + self.far
        where = f" ({', '.join(self.storage_classes)})" if self.storage_classes else ""
        if self.far:
            return f"{self.far} files lie far in {self.store}{where}; it would be asked for them"
        return (
            f"{self.store} brings {waiting} files back{where}, {self.asked} of them asked for now, for {self.days} "
            f"days; {takes(self.storage_classes, self.speed)}"
        )


def takes(storage_classes: Iterable[str], speed: ThawSpeed) -> str:
    """Say how long a store takes, as far as that is documented; of several classes the slowest decides."""
    known = {one: _TAKES.get((one, speed)) for one in storage_classes}
    if not known or None in known.values():
        return "the store does not say how long that takes"
    slowest = known.get("DEEP_ARCHIVE") or known.get("GLACIER")
    return f"Amazon says that takes {slowest}"


def require_days(days: int) -> int:
    """Refuse a time that no store keeps a copy for. Raises `InvalidInput`."""
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"a copy is kept for 1 to {LONGEST_DAYS} days, not {days}", days=days)
    return days
