"""What recovery had to do with an object of the archive."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value


class ObjectState(StrEnum):
    """How recovery left an object that was not whole when it came."""

    RECOVERED = "recovered"
    """A commit was cut short; it was rolled forward or back, and the object is at rest."""
    REFUSED = "refused"
    """It is damaged, so nothing was touched; a person has to look."""
    UNCHECKED = "unchecked"
    """The store did not give what had to be looked at, or somebody was writing it; never the same as at rest."""
    STRANGE = "strange"
    """It holds keys that nothing of ours can have written, or no dataset has it; they were left alone."""


class ObjectNote(Value):
    """One object, by its key prefix; objects that always were whole have none.

    Attributes:
        dataset_id: None for an object that the catalogue does not know.
        reason: In words: what was done, what is damaged, or which keys are strange.
        recoveries: How often its commits were rolled forward or back so far.
    """

    object_root: str
    dataset_id: str | None
    state: ObjectState
    reason: str
    recoveries: int = Field(ge=0)
    noted_at: Moment
