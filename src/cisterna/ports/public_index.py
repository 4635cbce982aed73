"""The index of what is public, as part of a transaction of the catalogue: found, counted and harvested by anybody.

It holds what public records say and nothing else; it is no part of the archive's record, since it is made anew from
the public bucket. Of a version that was withdrawn it keeps the identifier, the time and the data type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Ark
from cisterna.domain.public_entry import Facet, HarvestForm, PublicContent, PublicEntry
from cisterna.ports.clock import Clock


class Sort(StrEnum):
    """In which order what was found is shown; relevance without words is by date."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    OLDEST = "oldest"
    TITLE = "title"
    LARGEST = "largest"


class Wanted(Value):
    """What is searched for.

    Attributes:
        words: All of these, as people type them; nothing in them is an operator.
        chosen: Datasets that have all of these values.
    """

    words: str = ""
    chosen: Mapping[Facet, tuple[str, ...]] = Field(default_factory=dict)


class FoundDataset(Value):
    """A dataset, by its newest version that stands."""

    pid: Ark
    version: str
    published_at: Moment
    data_type: str | None
    content: PublicContent


class Found(NamedTuple):
    """A page of what was found.

    Attributes:
        total: How many there are, at most `COUNTED_EXACTLY` where something is searched for.
        rows: Those of the page; their content comes without documents.
        is_more: Whether there are more than `total`.
        meant: What stood in for a word that nothing has: words that hold it, or are spelt much like it.
    """

    total: int
    rows: Sequence[FoundDataset]
    is_more: bool = False
    meant: Mapping[str, Sequence[str]] = MappingProxyType({})


class Count(NamedTuple):
    """How many datasets have a value."""

    value: str
    datasets: int


class Counts(NamedTuple):
    """Values of what was found, the most frequent first.

    Attributes:
        of: How many datasets were counted: all that were found, or the newest `COUNTED` of them.
    """

    of: int
    values: Mapping[Facet, Sequence[Count]]


class Sum(NamedTuple):
    """What is public by one value of a facet: datasets by their newest version, and what that holds."""

    facet: Facet
    value: str
    datasets: int
    file_count: int
    total_bytes: int


class Sums(NamedTuple):
    """What is public by the values of some facets, of each the most datasets first.

    Attributes:
        left_out: Of each facet that has more values than are told, how many more. What they sum up to is not told: a
            dataset may have several of them.
    """

    told: Sequence[Sum]
    left_out: Mapping[Facet, int]


class HarvestWanted(Value):
    """Which part of all versions a harvester asks for.

    Attributes:
        form: Those that have this form, and those that were withdrawn.
        since, until: Changed in this time; both ends belong to it.
        data_type: Of this one, and withdrawn ones of which none is known.
        after: Behind this place in the order.
    """

    form: HarvestForm
    since: Moment | None = None
    until: Moment | None = None
    data_type: str | None = None
    after: int = Field(default=0, ge=0)


class Harvested(NamedTuple):
    """One version for a harvester.

    Attributes:
        place: In the order in which versions changed last.
        changed_at: To the second; no later place has an earlier one.
        document: None for one that was withdrawn.
    """

    pid: str
    version: str
    place: int
    changed_at: datetime
    data_type: str | None
    document: str | None


class Listed(NamedTuple):
    """A dataset that is public, for lists of addresses."""

    pid: str
    changed_at: datetime


class Known(NamedTuple):
    """What a version was made from, and whether it is shown.

    Attributes:
        mark: Of the state of the public record; None when that is not known.
    """

    mark: str | None
    stands: bool


COUNTED = 5_000
"""Most datasets whose values are counted for one search; of more the newest are."""
SUMMED = 100
"""Most values of a facet that statistics tell; of years they tell all, since those sum up to everything."""
COUNTED_EXACTLY = 10_000
"""Beyond that it is only said that there are more."""


class PublicIndex(Protocol):
    """Writers take turns, so that places are given in the order of the commits and none is passed over."""

    def put(self, entries: Sequence[PublicEntry], *, clock: Clock) -> int:
        """Insert or replace; tell how many changed. What is as it was keeps its place and its time.

        One without content takes everything out that the index knew of the version, beside its data type.

        Args:
            entries: Each version once.
            clock: Read when it is this writer's turn; time does not run backwards for harvesters.
        """
        ...

    def withdraw(self, pid: str, version: str | None = None, *, clock: Clock) -> int:
        """Take out what is known of a version, or of every version under a PID; tell how many that were."""
        ...

    def take_turn(self) -> None:
        """Wait until nobody else writes, and keep others waiting until the transaction ends; writing does so itself."""
        ...

    def known(self, *, after: str | None, upto: str | None) -> Mapping[tuple[str, str], Known]:
        """Give every version, by PID and label, behind one PID and up to another; None is no limit."""
        ...

    def places(self, pids: Sequence[str]) -> Mapping[tuple[str, str], int]:
        """Give the place of every version under these PIDs, by PID and label: another one whenever it is changed."""
        ...

    def search(self, wanted: Wanted, *, sort: Sort = Sort.RELEVANCE, limit: int, offset: int = 0) -> Found:
        """Find datasets by their newest version that stands."""
        ...

    def facets(self, wanted: Wanted, *, most: int = 10) -> Counts:
        """Count the values of what is found, at most so many a facet."""
        ...

    def statistics(self, *, most: int = SUMMED) -> Sums:
        """Sum up by data type, instrument, year, licence and affiliation: so many values of each, and every year."""
        ...

    def harvest(self, wanted: HarvestWanted, *, limit: int) -> Sequence[Harvested]:
        """Give versions in their order. Whoever writes is waited for: what is changed later has a later place."""
        ...

    def harvestable(self, wanted: HarvestWanted) -> int:
        """Count what `harvest` would give."""
        ...

    def versions(self, pid: str, version: str) -> Mapping[HarvestForm, Harvested]:
        """Give one version in each form that it has; for a withdrawn one in every form. Empty when it is not there."""
        ...

    def data_types(self) -> Sequence[str]:
        """All that a version has or had, in order."""
        ...

    def earliest(self) -> datetime | None:
        """When what was not changed for the longest time was changed; None when there is nothing."""
        ...

    def listed(self, *, limit: int, offset: int) -> Sequence[Listed]:
        """Give datasets that are public, in the order of their PIDs."""
        ...

    def count(self) -> int:
        """How many datasets are public."""
        ...
