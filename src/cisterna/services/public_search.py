"""What anybody may ask of what is public; of the catalogue nothing is read here but the index of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cisterna.domain.public_entry import Facet
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.public_index import Counts, Found, FoundDataset, Listed, Sort, Sum, Wanted


class Browsed(NamedTuple):
    """A page of what was found, and by what it can be narrowed down."""

    found: Found
    counts: Counts


class Statistics(NamedTuple):
    """What is public, in numbers.

    Attributes:
        sums: By facet and value.
        left_out: How many more values a facet has than are told.
    """

    datasets: int
    file_count: int
    total_bytes: int
    sums: Sequence[Sum]
    left_out: Mapping[Facet, int]


class Addresses(NamedTuple):
    """Some of the datasets that are public, and how many there are."""

    total: int
    listed: Sequence[Listed]


def browse_public(
    wanted: Wanted, *, sort: Sort, limit: int, offset: int, catalogue: Catalogue, most: int = 10
) -> Browsed:
    """Find datasets and count their values.

    Args:
        wanted: What is searched for.
        sort: In which order.
        limit: Datasets on the page.
        offset: How many come before it.
        catalogue: That the index is in.
        most: Values to be counted of each facet.
    """
    with catalogue.begin() as tx:
        index = tx.public_index
        return Browsed(
            index.search(wanted, sort=sort, limit=limit, offset=offset),
            index.facets(wanted, most=most),
        )


def newest_public(*, limit: int, catalogue: Catalogue) -> Sequence[FoundDataset]:
    """Give the datasets that were published last, the newest first."""
    with catalogue.begin() as tx:
        return tx.public_index.search(Wanted(), sort=Sort.NEWEST, limit=limit).rows


def public_statistics(*, catalogue: Catalogue) -> Statistics:
    """Sum up what is public."""
    with catalogue.begin() as tx:
        sums, left_out = tx.public_index.statistics()
    years = [one for one in sums if one.facet is Facet.YEAR]  # each dataset has exactly one
    return Statistics(
        datasets=sum(one.datasets for one in years),
        file_count=sum(one.file_count for one in years),
        total_bytes=sum(one.total_bytes for one in years),
        sums=sums,
        left_out=left_out,
    )


def public_addresses(*, limit: int, offset: int, catalogue: Catalogue) -> Addresses:
    """Give some of the datasets that are public, in the order of their PIDs."""
    with catalogue.begin() as tx:
        return Addresses(tx.public_index.count(), tx.public_index.listed(limit=limit, offset=offset))
