"""What a store can be asked to do itself for single objects: hold them, lock them, move them to a tier and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cisterna.domain.base import Moment, Value
from cisterna.domain.retention import LockMode
from cisterna.domain.thaw import Reach, ThawSpeed


class Enforcement(StrEnum):
    """What trying to delete a held object of ours showed."""

    REFUSED = "refused"
    """The store refused, and gave way once the hold was lifted."""
    NONE = "none"
    """It was deleted all the same."""
    UNTRIED = "untried"
    """These keys may delete no version whatever, so a refusal says nothing."""


class KeptObject(Value):
    """One version of one key; a store without versioning calls it `null`."""

    key: str
    version: str


class Kept(Value):
    """What a store says it keeps on one object."""

    legal_hold: bool = False
    lock: LockMode | None = None
    lock_until: Moment | None = None


class ObjectKeeper(Protocol):
    """One bucket, asked to keep objects.

    Every method raises `StoreLacks` when the store has no such function, `StoreForbids` when these keys may not and
    `StoreUnavailable` when it does not answer. Every change may be made twice.
    """

    store: str
    """What receipts call the store."""

    def can_keep(self) -> bool:
        """Tell whether single objects of the bucket can be held and locked."""
        ...

    def enforcement(self) -> Enforcement:
        """Find out on an object of our own whether a hold keeps anything; asked once a process."""
        ...

    def objects(self, prefix: str) -> Iterator[KeptObject]:
        """Give every version of every key below a prefix, also replaced and hidden ones."""
        ...

    def kept(self, one: KeptObject) -> Kept:
        """Ask what it keeps. Raises `ObjectNotFound`."""
        ...

    def set_legal_hold(self, one: KeptObject, *, on: bool) -> None:
        """Place or lift the hold. Raises `ObjectNotFound`."""
        ...

    def lock(self, one: KeptObject, *, mode: LockMode, until: datetime) -> None:
        """Lock it until a date that is later than the one it has. Raises `ObjectNotFound`."""
        ...

    def moves_to(self, storage_class: str) -> bool:
        """Tell whether a rule of ours moves what is marked for the class."""
        ...

    def mark_for(self, key: str, storage_class: str) -> None:
        """Mark the present version of a key for a class; other tags stay. Raises `ObjectNotFound`."""
        ...

    def unmark(self, key: str) -> None:
        """Take the mark off the present version of a key; other tags stay. Raises `ObjectNotFound`."""
        ...

    def marked_for(self, key: str) -> str | None:
        """Tell the class that it is marked for. Raises `ObjectNotFound`."""
        ...

    def reach(self, key: str) -> Reach:
        """Read a byte of the present version of a key; where that cannot be, ask why. Raises `ObjectNotFound`."""
        ...

    def thaw(self, key: str, *, days: int, speed: ThawSpeed) -> None:
        """Ask for a copy of it that can be read for so many days; of what is coming or near, nothing is asked.

        Raises `ObjectNotFound`.
        """
        ...
