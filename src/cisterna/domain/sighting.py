"""What shadow mode keeps of a run: a few looks at it, each a statement that stands for itself.

Nothing here is ever changed. Whatever is said about a run follows from the set of its sightings, in whatever order they
are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import AcquisitionId
from cisterna.domain.listing import Listing, SeenFile

OURS = "cisterna"
"""Stands among the rules that fired for our own judgement that the run is complete."""
EXAMPLES = 5
_LONGEST_NAME = 200


class Amount(Value):
    """So many files and bytes at least, and the names of some.

    It is a lower bound: what cannot be told from two listings is not counted.
    """

    files: int = Field(default=0, ge=0)
    size_bytes: int = Field(default=0, ge=0)
    names: tuple[str, ...] = ()

    @property
    def is_some(self) -> bool:
        """Whether it is more than nothing."""
        return self.files > 0 or self.size_bytes > 0


class Later(Value):
    """How much of a listing is newer than every file of an earlier one: none of that was there then as it is now.

    Attributes:
        mark_ns: The newest modification time of the earlier listing. Both times are the instrument's, so that its clock
            may be wrong.
    """

    mark_ns: int
    amount: Amount


class Coverage(Value):
    """How a run stood in the archive when a rule would have deleted it.

    Attributes:
        unarchived: What a version that was read back after it was written does not hold.
        is_damaged: Whether a copy was known to be damaged.
        holds: How many people's holds stood.
        held: Whether it was held, not on its way to the archive.
    """

    unarchived: Amount
    is_damaged: bool = False
    holds: int = Field(default=0, ge=0)
    held: bool = False


class Sighting(Value):
    """One look at a run in shadow mode.

    Attributes:
        shadow_id: Of the time in which it was made.
        number: Among those of its run, from 1; the clock may jump, this does not.
        before_at: When the run was looked at before; what this look saw first happened since then. None: nobody knows.
        changed_at: The first look that saw the listing as it is.
        left_after, left_at: The looks between which the listing of the sighting before became another one; None where
            it is the same.
        state: As we judged it.
        newest_ns: The newest modification time of any file; 0 where there is none.
        fired: Rules that would have acted at this look and at none before, by their ids; of ours, for each listing.
        later: What is newer than each earlier listing at which a rule fired.
        coverage: In the archive, when a rule would have deleted it at this look.
    """

    acquisition_id: AcquisitionId
    shadow_id: str
    number: int = Field(ge=1)
    seen_at: Moment
    before_at: Moment | None = None
    changed_at: Moment
    left_after: Moment | None = None
    left_at: Moment | None = None
    state: AcquisitionState
    fingerprint: str
    file_count: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    newest_ns: int = 0
    fired: tuple[str, ...] = ()
    later: tuple[Later, ...] = ()
    coverage: Coverage | None = None


def newest_of(files: Iterable[SeenFile]) -> int:
    """Give the newest modification time, or 0."""
    return max((file.mtime_ns for file in files), default=0)


def later_than(listing: Listing, marks: Iterable[int]) -> tuple[Later, ...]:
    """Tell how much of a listing is newer than each mark, the oldest mark first; nothing is told where nothing is."""
    wanted = sorted(set(marks))
    if not wanted:
        return ()
    newer: Sequence[SeenFile] = listing.files
    found = []
    for mark in wanted:
        newer = [file for file in newer if file.mtime_ns > mark]
        if not newer:
            break
        found.append(Later(mark_ns=mark, amount=amount_of(newer)))
    return tuple(found)


def amount_of(files: Sequence[SeenFile]) -> Amount:
    """Count files, and name the first of them."""
    return Amount(
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        names=tuple(file.path[:_LONGEST_NAME] for file in files[:EXAMPLES]),
    )


def missed(earlier: Sighting, later: Sighting) -> Amount:
    """Tell how much of what a later look saw was not there, as it is, at an earlier one: at least so much.

    Two things are certain. A file that is newer than all files were then was another one or none; and where there are
    more files, or bytes, at least the difference is new.
    """
    if earlier.fingerprint == later.fingerprint:
        return Amount()
    told = next((one.amount for one in later.later if one.mark_ns == earlier.newest_ns), Amount())
    return Amount(
        files=max(told.files, later.file_count - earlier.file_count, 0),
        size_bytes=max(told.size_bytes, later.size_bytes - earlier.size_bytes, 0),
        names=told.names,
    )
