"""What is known of one object in one store: whether it is there, when it was read back last, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.fixity import Fault, Fixity, ObjectCheck
from cisterna.domain.identifier import DatasetId

ARCHIVE = "archive"
"""What receipts call the first store, the one that ingest writes to."""

FAULTS_KEPT = 100
"""Faults that are kept by name; the reason says how many there are."""

_LASTING_LOOKS, _LASTING = 5, timedelta(hours=1)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)


class StoredCopy(Value):
    """One object in one store.

    Attributes:
        fixity: How the last look ended; None while the object was never copied there whole.
        reason: In words; never empty.
        faults: What is wrong, or could not be read, at most 100.
        since: When `fixity` became what it is.
        checked_at: When the whole object was last read to its end there, whatever was found.
        good_at: When that last found nothing wrong.
        looked_at: When somebody last tried anything with it.
        failures: Tries in a row that came to no result.
        next_at: Nothing is tried again before.
        repaired_at: When files of it were last replaced by those of another copy.
    """

    dataset_id: DatasetId
    store: str
    fixity: Fixity | None = None
    reason: str = Field(min_length=1)
    faults: tuple[Fault, ...] = ()
    since: Moment
    checked_at: Moment | None = None
    good_at: Moment | None = None
    looked_at: Moment
    failures: int = 0
    next_at: Moment
    repaired_at: Moment | None = None


def after_check(before: StoredCopy | None, check: ObjectCheck, *, now: datetime) -> StoredCopy:
    """Tell what is known after a check.

    Of a part of the bytes only damage counts: that the rest of an object is good was not seen. What could not be
    checked is looked at again soon, and later and later; it does not take back that damage was found before.
    """
    known = before or StoredCopy(
        dataset_id=check.dataset_id, store=check.store, reason=check.reason, since=now, looked_at=now, next_at=now
    )
    found = check.fixity
    if found is Fixity.OK and check.subset is not None:
        return known.model_copy(update={"looked_at": now}) if before else known
    if found is Fixity.COULD_NOT_CHECK and known.fixity is Fixity.DAMAGED:
        return after_failure(known, check.reason, now=now)
    failures = known.failures + 1 if found is not Fixity.OK else 0
    faults = (*check.damaged, *check.unchecked)[:FAULTS_KEPT]
    changed: dict[str, object] = {
        "fixity": found,
        "reason": check.reason,
        "faults": faults,
        "since": known.since if known.fixity is found else now,
        "looked_at": now,
        "failures": failures,
        "next_at": now + pause_after(failures) if failures else now,
    }
    if check.subset is None and found is not Fixity.COULD_NOT_CHECK:
        changed["checked_at"] = now
    if check.subset is None and found is Fixity.OK:
        changed["good_at"] = now
    return known.model_copy(update=changed)


def after_failure(known: StoredCopy, reason: str, *, now: datetime) -> StoredCopy:
    """Tell what is known after a try that came to no result: what was known before, and when to try again."""
    failures = known.failures + 1
    kept = known.reason if known.fixity is Fixity.DAMAGED else reason
    return known.model_copy(
        update={"reason": kept, "looked_at": now, "failures": failures, "next_at": now + pause_after(failures)}
    )


def is_lasting(copy: StoredCopy | None, *, now: datetime) -> bool:
    """Tell whether the object could not be read for so long and so often that it is no passing trouble of the store."""
    if copy is None or copy.fixity is not Fixity.COULD_NOT_CHECK:
        return False
    return copy.failures >= _LASTING_LOOKS and now - copy.since >= _LASTING


def pause_after(failures: int) -> timedelta:
    """Say how long to wait after so many tries in a row without a good end: 1, 2, 4 ... minutes, at most 6 hours."""
    doubled: int = 2 ** max(0, min(failures - 1, 16))
    return min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)


def worst_of(copies: Iterable[StoredCopy]) -> Fixity | None:
    """Sum up an object's copies: damage anywhere shows, then what could not be checked; None when none is known."""
    found = {one.fixity for one in copies if one.fixity is not None}
    return next((one for one in (Fixity.DAMAGED, Fixity.COULD_NOT_CHECK, Fixity.OK) if one in found), None)


def share_per_hour(objects: int, *, cycle: timedelta) -> int:
    """Say how many objects of a store are to be read each hour so that all are within the cycle, a tenth more."""
    hours = max(1, cycle // timedelta(hours=1))
    return -(-objects * 11 // (hours * 10))
