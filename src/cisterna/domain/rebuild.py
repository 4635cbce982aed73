"""What a rebuild of the catalogue found in the archive, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from cisterna.domain.base import Value


class Source(IntEnum):
    """Where a row was read; of two the higher one holds."""

    LOGS = 0
    """The `logs/` of an object."""
    RECORD = 1
    """The record of the catalogue."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One row as the archive tells it.

    Attributes:
        sequence: Of two of one source the higher holds.
        value: None when the row was removed.
        origin: Key of the file that tells it.
        is_counted: Whether two with one sequence must be equal, because the sequence counts the row's changes.
    """

    source: Source
    kind: str
    key: str | None
    sequence: int
    value: Value | None
    origin: str
    is_counted: bool


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An OCFL object as it lies in the archive.

    Attributes:
        head: Its newest version; None when its inventory cannot be used.
    """

    object_root: str
    pid: str | None
    head: int | None


class RebuildFault(Value):
    """Something in the archive that was not believed, or that is not there: which, and why.

    Attributes:
        where: The key, or the row.
    """

    where: str
    reason: str


class TableDifference(Value):
    """How a table differs from what the archive tells of it.

    Attributes:
        missing: Rows that only the archive has.
        unrecorded: Rows that only the catalogue has.
        other: Rows that are not the same in both.
        example: The key of one of them.
    """

    table: str
    missing: int
    unrecorded: int
    other: int
    example: str


class RebuildOutcome(StrEnum):
    """What came of it."""

    REBUILT = "rebuilt"
    EQUAL = "equal"
    """The catalogue was there already, and is what the archive tells."""


class Rebuilt(Value):
    """What a rebuild did.

    Attributes:
        rows: How many each table has from the archive.
        objects: OCFL objects that were looked at.
        segments: Segments of the record that were read.
        faults: What was not believed or is missing, at most `FAULTS_SHOWN`.
        fault_count: How many there are.
    """

    outcome: RebuildOutcome
    rows: Mapping[str, int]
    objects: int
    segments: int
    faults: tuple[RebuildFault, ...] = ()
    fault_count: int = 0


FAULTS_SHOWN = 1000
"""A damaged archive may have a fault for every object; the count tells of them all."""
