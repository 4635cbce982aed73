"""What there is, one entry an acquisition or a dataset that stands by itself: how lists and pages read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.erasure import Erasure
from cisterna.domain.fixity import Fixity
from cisterna.domain.publication import Publication
from cisterna.domain.recovery import ObjectState
from cisterna.domain.stored_copy import StoredCopy
from cisterna.domain.work import WorkState


class Group(StrEnum):
    """What may be done about an entry now; the first page has a table for each.

    Attributes:
        UNSOUND: The last look at one of its copies did not find it good.
        REVIEW: Its newest version waits for a steward.
        ACTIVE: An instrument writes it, or a stage is ahead of it that needs no person.
        HELD: It waits outside the archive for somebody to do something about it.
        SETTLED: Its newest version was accepted, rejected, published or withdrawn.
    """

    UNSOUND = "fixity"
    REVIEW = "review"
    ACTIVE = "active"
    HELD = "held"
    SETTLED = "recent"


class Wanted(Value):
    """Which entries are asked for; what is None leaves none out.

    Attributes:
        projects: Slugs of the projects whose entries may be told.
        unclaimed: Whether those that belong to no project may be told.
        words: Found in the title, the folder's name or the PID, in whatever case.
    """

    group: Group | None = None
    projects: frozenset[str] | None = None
    unclaimed: bool = True
    instrument: str | None = None
    words: str | None = Field(default=None, max_length=200)


class Key(Value):
    """Names one entry: the ids of its acquisition and of its dataset, one of which may not be there."""

    acquisition_id: str | None = None
    dataset_id: str | None = None


class Entry(Value):
    """All that the catalogue says of an entry in a list.

    Attributes:
        versions: By number and revision, oldest first.
        derived: Ids of the datasets made from it, oldest first.
        publications: Of its published versions, oldest first for each.
        erasure: The one that names the dataset, when no version is left.
        copies: Of its object and of its parts' objects, in the registered stores.
        proven: The registered stores that gave a receipt, by version, its parts' included.
    """

    acquisition: Acquisition | None = None
    dataset: Dataset | None = None
    versions: tuple[Version, ...] = ()
    derived: tuple[str, ...] = ()
    publications: tuple[Publication, ...] = ()
    erasure: Erasure | None = None
    copies: tuple[StoredCopy, ...] = ()
    proven: Mapping[str, frozenset[str]] = Field(default_factory=dict)


class Tally(Value):
    """How many acquisitions of an instrument there are, and when the latest of them changed."""

    acquisitions: int
    changed_at: datetime


class StoreCensus(Value):
    """What is known of the objects in one registered store.

    Attributes:
        found: How many objects the last look found so.
        missing: Archived versions that it gave no receipt for.
        repaired: Objects that were repaired there.
    """

    found: Mapping[Fixity, int]
    missing: int
    repaired: int


class Census(Value):
    """Counts over everything. A part counts as an object and not as a dataset that people see.

    Attributes:
        verdicts: Versions by verdict, or `none`.
        work: What is not done.
        stores: By name, in their order.
        objects: Those that recovery found not whole, by how it left them.
        recoveries: Commits that were rolled forward or back.
    """

    acquisitions: Mapping[AcquisitionState, int]
    held: int
    stages: Mapping[Stage, int]
    verdicts: Mapping[str, int]
    archived_bytes: int
    work: Mapping[WorkState, int]
    stores: Mapping[str, StoreCensus]
    objects: Mapping[ObjectState, int]
    recoveries: int


class Roster(Protocol):
    """Reads lists a page at a time: the cost is that of the page, however much has been archived."""

    def keys(self, wanted: Wanted, *, limit: int | None = None, offset: int = 0) -> Sequence[Key]:
        """Name the entries: the latest change first.

        Of those in review, the gravest verdict and then the longest wait come first; of unsound ones, what is damaged.
        """
        ...

    def count(self, wanted: Wanted) -> int:
        """How many there are."""
        ...

    def entries(self, keys: Sequence[Key]) -> Sequence[Entry]:
        """Read them, in this order, with a number of statements that does not depend on how many they are."""
        ...

    def tallies(self, wanted: Wanted) -> Mapping[str, Tally]:
        """Count acquisitions by instrument."""
        ...

    def census(self) -> Census:
        """Count everything."""
        ...
