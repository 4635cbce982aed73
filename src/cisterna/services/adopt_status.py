"""Tells how far a share is: what was found, registered, archived and held, how fast, and when it may be done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from cisterna.domain.adoption import Adoption, FindKind, Standing, Sureness, Walk
from cisterna.domain.base import Moment, Value
from cisterna.ports.adoption import Archived, FindsWanted, FoundRow, Sum
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.adopt_archive import lanes_of

NIGHTS = 7
_MOST_HELD = 20
_NOON = timedelta(hours=12)
_LEFT = frozenset({Standing.REGISTERED, Standing.ARCHIVING})


class Extent(Value):
    """How many, and how much."""

    finds: int = 0
    file_count: int = 0
    total_bytes: int = 0


class Night(Value):
    """What came into the archive from one noon to the next.

    Attributes:
        night: The day on which it began.
    """

    night: date
    runs: int
    total_bytes: int


class AdoptionStatus(Value):
    """How far a share is.

    Attributes:
        walk: The inventory; None before it was begun.
        pending: Folders that are known and not walked; there may be more in them.
        standings: Of runs, by how far they have come.
        sures: Of what was found, by how sure it is.
        unknown: Folders that look like something and that no profile knows.
        loose: Files beside runs.
        held: The first of those that are held, each with its reason.
        nights: The last seven.
        expected_end: When all that is registered may be in the archive, at the rate of those nights.
        expectation: The same in words, or why nothing can be said.
    """

    adoption: Adoption
    walk: Walk | None
    pending: int
    standings: dict[Standing, Extent]
    sures: dict[Sureness, Extent]
    unknown: Extent
    loose: Extent
    held: tuple[FoundRow, ...]
    nights: tuple[Night, ...]
    expected_end: Moment | None
    expectation: str


def adoption_status(name: str, *, catalogue: Catalogue, clock: Clock) -> AdoptionStatus:
    """Sum up. Raises `NotFound`."""
    now = clock.now()
    with catalogue.begin() as tx:
        adoption = tx.adoptions.get(name)
        walk, pending = tx.adoptions.walk(name), tx.adoptions.pending(name)
        sums = tx.adoptions.sums(name)
        held = tx.adoptions.finds(name, FindsWanted(standing=Standing.HELD), limit=_MOST_HELD)
        since = now - timedelta(days=NIGHTS)
        hours = tx.adoptions.archived_since(lanes_of(tx, name), since=since)
    runs = [one for one in sums if one.kind is FindKind.RUN]
    nights = nights_of(hours)
    left = sum(one.total_bytes for one in runs if one.standing in _LEFT)
    count = sum(one.finds for one in runs if one.standing in _LEFT)
    end, words = expect(left, runs=count, nights=nights, is_asked=adoption.archiving is not None, now=now)
    return AdoptionStatus(
        adoption=adoption,
        walk=walk,
        pending=pending,
        standings={one: _extent(each for each in runs if each.standing is one) for one in Standing},
        sures={one: _extent(each for each in runs if each.sure is one) for one in Sureness},
        unknown=_extent(one for one in sums if one.kind is FindKind.UNIT),
        loose=_extent(one for one in sums if one.kind is FindKind.LOOSE),
        held=tuple(held),
        nights=nights,
        expected_end=end,
        expectation=words,
    )


def nights_of(hours: Sequence[Archived]) -> tuple[Night, ...]:
    """Add hours up to nights, each from noon to noon on the clock of this machine, the first one first."""
    found: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for one in hours:
        night = found[(one.hour.astimezone() - _NOON).date()]
        night[0] += one.runs
        night[1] += one.total_bytes
    return tuple(Night(night=day, runs=runs, total_bytes=size) for day, (runs, size) in sorted(found.items()))


def expect(
    left_bytes: int, *, runs: int, nights: Sequence[Night], is_asked: bool, now: datetime
) -> tuple[datetime | None, str]:
    """Say when what is left may be in the archive: by what the last nights did, those that did nothing included.

    Args:
        left_bytes: Of what is registered and not in the archive.
        runs: How many those are.
        nights: In which something came into the archive.
        is_asked: Whether anybody asked for it.
        now: The moment.
    """
    if not runs:
        return None, "nothing that is registered waits"
    if not is_asked:
        return None, "nobody has asked for it: `cisterna adopt archive` does"
    today = (now.astimezone() - _NOON).date()
    over = [one for one in nights if one.night < today]
    done = sum(one.total_bytes for one in over)
    if not over or not done:
        return None, "no night is over in which anything came into the archive, so nothing can be said yet"
    count = min(NIGHTS, (today - over[0].night).days)
    nights_left = left_bytes / (done / count)
    if nights_left > 36_500:
        return None, f"at the rate of the last {count} nights it would take more than a hundred years"
    end = now + timedelta(days=nights_left)
    return end, f"about {max(1, round(nights_left))} more nights like the last {count}, if nothing else changes"


def _extent(sums: Iterable[Sum]) -> Extent:
    ones = list(sums)
    return Extent(
        finds=sum(one.finds for one in ones),
        file_count=sum(one.file_count for one in ones),
        total_bytes=sum(one.total_bytes for one in ones),
    )
