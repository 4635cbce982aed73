"""Brings the index of what is public to what the public bucket says: by looking, whatever was missed before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from cisterna.domain.base import Value
from cisterna.domain.errors import CouldNotCheck
from cisterna.domain.public_entry import PublicEntry
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.public_index import Known
from cisterna.ports.publisher import PublicShelf, ShelfMark
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import standing

_LOOKED_AT_ONCE = 500
_WRITTEN_AT_ONCE = 50
"""Records that are put in one transaction: others who write wait for it."""
_FEW = 10
_UNKNOWN = Known(None, stands=False)


class Levelled(Value):
    """What a look at the public bucket found.

    Attributes:
        records: That it holds.
        changed: Entries that were written or emptied.
        unrecorded: Versions whose records stand there and of which the catalogue does not know that they are published:
            they are not shown.
    """

    records: int = 0
    changed: int = 0
    unrecorded: tuple[str, ...] = ()


def level_public_index(*, catalogue: Catalogue, shelf: PublicShelf, clock: Clock, base_url: str) -> Levelled:
    """Write what is missing or other than its record, and empty what has none; a second look finds nothing to do.

    Only what both the bucket and the catalogue say is published is shown. Records are read one by one only where their
    state is another one than what the entry was made from.

    Args:
        catalogue: The index is in it, and which publications stand.
        shelf: The public bucket.
        clock: Dates what harvesters are told.
        base_url: Address of the site.

    Raises:
        CouldNotCheck: More records are gone than are there: this is not the bucket that it was; nothing was emptied.
        StoreUnavailable: The bucket could not be read to its end; what was done stays.
    """
    found = _look(catalogue=catalogue, shelf=shelf, clock=clock, base_url=base_url)
    if not found.changed or not base_url:
        return found
    # An act that was killed may have taken back what had been read and was not in the index yet.
    again = _look(catalogue=catalogue, shelf=shelf, clock=clock, base_url=base_url)
    return again.model_copy(update={"changed": found.changed + again.changed})


def unrecorded_pages(*, catalogue: Catalogue, shelf: PublicShelf) -> Sequence[str]:
    """Name the versions whose pages stand and of which the catalogue does not know that they are published.

    Raises:
        StoreUnavailable: The bucket could not be read to its end.
    """
    found: list[str] = []
    for run in _compared(catalogue, shelf):
        records = [record for one in run.other if (record := shelf.find(one.pid, version=one.version)) is not None]
        with catalogue.begin() as tx:
            found += [
                f"{one.dataset_id}:{one.version}"
                for one in records
                if one.tombstone is None and not _is_recorded(tx, one.dataset_id, one.version)
            ]
    return found


def _look(*, catalogue: Catalogue, shelf: PublicShelf, clock: Clock, base_url: str) -> Levelled:
    records, changed = 0, 0
    unrecorded: list[str] = []
    gone: list[tuple[str, str]] = []
    for run in _compared(catalogue, shelf):
        gone += run.gone
        for start in range(0, len(run.other), _WRITTEN_AT_ONCE):
            some = run.other[start : start + _WRITTEN_AT_ONCE]
            found = _write(some, catalogue, shelf, clock=clock, base_url=base_url)
            changed, unrecorded = changed + found.changed, [*unrecorded, *found.unrecorded]
        records += run.records
    changed += _empty(gone, catalogue, shelf, clock=clock, records=records)
    return Levelled(records=records, changed=changed, unrecorded=tuple(unrecorded))


class _Compared(NamedTuple):
    """Some records beside what the index has of them.

    Attributes:
        records: How many there are.
        other: Those that the index does not have, or has in another state.
        gone: Versions that the index shows and that have no record, by PID and label.
    """

    records: int
    other: Sequence[ShelfMark]
    gone: Sequence[tuple[str, str]]


def _compared(catalogue: Catalogue, shelf: PublicShelf) -> Iterator[_Compared]:
    after = None
    for run in _runs(shelf.marks()):
        upto = run[-1].pid
        known = _known(catalogue, after=after, upto=upto)
        other = [one for one in run if known.pop((one.pid, one.version), _UNKNOWN).mark != one.mark]
        yield _Compared(len(run), other, [key for key, one in known.items() if one.stands])
        after = upto
    left = _known(catalogue, after=after, upto=None)
    yield _Compared(0, [], [key for key, one in left.items() if one.stands])


def _runs(marks: Iterator[ShelfMark]) -> Iterator[list[ShelfMark]]:
    """Give some records at a time, and all versions of a PID in one."""
    run: list[ShelfMark] = []
    for _pid, versions in groupby(marks, key=lambda one: one.pid):
        run += versions
        if len(run) >= _LOOKED_AT_ONCE:
            yield run
            run = []
    if run:
        yield run


def _known(catalogue: Catalogue, *, after: str | None, upto: str | None) -> dict[tuple[str, str], Known]:
    with catalogue.begin() as tx:
        return dict(tx.public_index.known(after=after, upto=upto))


def _write(
    marks: Sequence[ShelfMark], catalogue: Catalogue, shelf: PublicShelf, *, clock: Clock, base_url: str
) -> Levelled:
    """Read records while others write, and put them when it is our turn: who wrote one meanwhile, knew it better."""
    before = _places(catalogue, [one.pid for one in marks])
    made = [one for one in map(partial(_made, shelf=shelf, base_url=base_url), marks) if one is not None]
    entries, unrecorded = [], []
    with catalogue.begin() as tx:
        tx.public_index.take_turn()
        now = tx.public_index.places([one.pid for one in marks])
        for entry, dataset_id in made:
            key = (entry.pid, entry.version)
            if now.get(key) != before.get(key):
                continue
            if entry.content is not None and not _is_recorded(tx, dataset_id, entry.version):
                unrecorded.append(f"{dataset_id}:{entry.version}")
                tx.public_index.withdraw(*key, clock=clock)
                continue
            entries.append(entry)
        changed = tx.public_index.put(entries, clock=clock)
    return Levelled(changed=changed, unrecorded=tuple(unrecorded))


def _made(one: ShelfMark, *, shelf: PublicShelf, base_url: str) -> tuple[PublicEntry, str] | None:
    """Make the entry of a record, and name its dataset; None when it went meanwhile, which the next look sees."""
    record = shelf.find(one.pid, version=one.version)
    if record is None:
        return None
    # Where nobody knows the site's address, as when it is rebuilt at rest, the next look reads it once more.
    return entry_of(record, base_url=base_url, mark=one.mark if base_url else None), record.dataset_id


def _places(catalogue: Catalogue, pids: Sequence[str]) -> Mapping[tuple[str, str], int]:
    with catalogue.begin() as tx:
        return tx.public_index.places(pids)


def _is_recorded(tx: Transaction, dataset_id: str, version: str) -> bool:
    return standing(tx.datasets.publications(f"{dataset_id}:{version}")) is not None


def _empty(
    gone: Sequence[tuple[str, str]], catalogue: Catalogue, shelf: PublicShelf, *, clock: Clock, records: int
) -> int:
    """Take out what the bucket lacks; harvesters believe us, so not what came while the bucket was listed."""
    if len(gone) > max(_FEW, records):
        msg = (
            f"the public bucket has {records} records and lacks {len(gone)} that the index of what is public has; "
            "is it the right bucket? nothing was taken out of the index"
        )
        raise CouldNotCheck(msg, records=records, gone=len(gone))
    emptied = 0
    for pid, version in gone:
        before = _places(catalogue, [pid]).get((pid, version))
        if shelf.find(pid, version=version) is not None:
            continue
        with catalogue.begin() as tx:
            tx.public_index.take_turn()
            if tx.public_index.places([pid]).get((pid, version)) == before:
                emptied += tx.public_index.withdraw(pid, version, clock=clock)
    return emptied
