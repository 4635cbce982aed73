"""What recovery and rebuild need of the catalogue: which rows are not recorded yet, and how to put rows back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cisterna.domain.rebuild import FoundObject, Gathered, RebuildFault, TableDifference
from cisterna.domain.record import Waiting
from cisterna.domain.recovery import ObjectNote, ObjectState


class Records(Protocol):
    """Rows that changed and are not in the archive's record yet. The database notes them, whoever changes a row."""

    def take_turn(self) -> None:
        """Be the only one who writes, copies or rewrites the record until this transaction ends; waits for others.

        Raises:
            CatalogueUnavailable: Somebody else took too long; the same call may succeed later.
        """
        ...

    def waiting(self, *, limit: int) -> Waiting:
        """Give the rows as they are now, of at most so many changes, oldest change first. Nothing is locked."""
        ...

    def recorded(self, waiting: Waiting, *, digest: str, written_at: datetime) -> None:
        """The archive has these; a row that has changed again since stays noted."""
        ...

    def unrecorded(self) -> int:
        """Count the changes that wait."""
        ...

    def unrecorded_since(self) -> datetime | None:
        """Tell when the oldest of them was made; None when nothing waits."""
        ...


class Rebuilding(Protocol):
    """Gathers what the archive tells, holds it together, and makes it the catalogue: all in one transaction."""

    def begin(self) -> None:
        """Make room for what is gathered; it goes with the transaction."""
        ...

    def gather(self, rows: Sequence[Gathered]) -> Sequence[RebuildFault]:
        """Take rows; the newest of each key holds. Returns those that no table can hold."""
        ...

    def find(self, objects: Sequence[FoundObject]) -> None:
        """Take objects as they lie in the archive."""
        ...

    def settle(self) -> Sequence[RebuildFault]:
        """Leave out what contradicts itself and what refers to what is not there, and name each.

        Also named, and not left out: objects that no dataset has, and datasets whose object is missing or too old.
        """
        ...

    def is_empty(self) -> bool:
        """Whether no table that is kept has a row."""
        ...

    def counts(self) -> dict[str, int]:
        """Count the rows that were gathered, per table."""
        ...

    def differences(self) -> Sequence[TableDifference]:
        """Hold every table against what was gathered; none means equal."""
        ...

    def insert(self, *, end: tuple[int, str] | None) -> Sequence[RebuildFault]:
        """Write what was gathered into the empty tables, and let numbers go on where the record ends.

        Args:
            end: Number and digest of the record's last segment.
        """


class Recoveries(Protocol):
    """What recovery had to do with objects of the archive; one that always was whole has no row."""

    def put(self, note: ObjectNote) -> None:
        """Insert, or replace the one of that object."""
        ...

    def find(self, object_root: str) -> ObjectNote | None:
        """None for an object that nothing is noted of."""
        ...

    def forget(self, object_root: str) -> None:
        """Remove it; harmless when there is none."""
        ...

    def list(self, *, state: ObjectState | None = None) -> Sequence[ObjectNote]:
        """By object root."""
        ...
