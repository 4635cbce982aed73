"""Brings the index of what is public to what the public bucket says: by looking, whatever was missed before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from cisterna.domain.base import Value
from cisterna.domain.errors import CouldNotCheck
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.public_index import Known
from cisterna.ports.publisher import PublicRecord, PublicShelf, ShelfMark
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import standing

_LOOKED_AT_ONCE = 500
_WRITTEN_AT_ONCE = 50
"""Records that are read in one transaction: others who write wait for it."""
_FEW = 10
_UNKNOWN = Known(None, stands=False)


class Levelled(Value):
    """What a look at the public bucket found.

    Attributes:
        records: That it holds.
        changed: Entries that were written or emptied.
        unrecorded: Records that stand there and that the catalogue does not know to be published: they are not shown.
    """

    records: int = 0
    changed: int = 0
    unrecorded: int = 0


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
    records, changed, unrecorded, after = 0, 0, 0, None
    gone: list[tuple[str, str]] = []
    for run in _runs(shelf.marks()):
        upto = run[-1].pid
        known = _known(catalogue, after=after, upto=upto)
        other = [one for one in run if known.pop((one.pid, one.version), _UNKNOWN).mark != one.mark]
        gone += [key for key, one in known.items() if one.stands]
        for start in range(0, len(other), _WRITTEN_AT_ONCE):
            found = _write(other[start : start + _WRITTEN_AT_ONCE], catalogue, shelf, clock=clock, base_url=base_url)
            changed, unrecorded = changed + found.changed, unrecorded + found.unrecorded
        records, after = records + len(run), upto
    gone += [key for key, one in _known(catalogue, after=after, upto=None).items() if one.stands]
    changed += _empty(gone, catalogue, shelf, clock=clock, records=records)
    return Levelled(records=records, changed=changed, unrecorded=unrecorded)


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
    """Read records when it is our turn to write: a withdrawal that came before is seen, one that comes later waits."""
    entries, unrecorded = [], 0
    with catalogue.begin() as tx:
        tx.public_index.take_turn()
        for one in marks:
            record = shelf.find(one.pid, version=one.version)
            if record is None:
                continue  # it went meanwhile; the next look sees that
            # Where nobody knows the site's address, as when it is rebuilt at rest, the next look reads it once more.
            entry = entry_of(record, base_url=base_url, mark=one.mark if base_url else None)
            if entry.content is not None and not _is_recorded(tx, record):
                unrecorded += 1
                tx.public_index.withdraw(record.pid, record.version, clock=clock)
                continue
            entries.append(entry)
        changed = tx.public_index.put(entries, clock=clock)
    return Levelled(changed=changed, unrecorded=unrecorded)


def _is_recorded(tx: Transaction, record: PublicRecord) -> bool:
    return standing(tx.datasets.publications(f"{record.dataset_id}:{record.version}")) is not None


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
        with catalogue.begin() as tx:
            tx.public_index.take_turn()
            if shelf.find(pid, version=version) is None:
                emptied += tx.public_index.withdraw(pid, version, clock=clock)
    return emptied
