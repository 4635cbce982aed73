"""Reading ahead: what was read of an acquisition, and brought into staging, while its instrument still wrote."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import Sha512
from cisterna.domain.identifier import AcquisitionId, Ark
from cisterna.domain.listing import SeenFile
from cisterna.domain.path import RelativePath


class AheadState(StrEnum):
    """Who may write to what was read ahead."""

    OPEN = "open"
    """More is read ahead."""
    TAKEN = "taken"
    """The ingest has taken it over: nothing is added any more."""
    DROPPING = "dropping"
    """It is being removed; whoever comes next goes on with that."""


class Ahead(Value):
    """What was read ahead of one acquisition; its bytes lie in the folder that will be its version's staging.

    Attributes:
        pid: That the dataset will have.
        object_root: That its object will have.
        staging: Relative to the object's root.
        is_reading: A round began and did not end in peace: what it brought is looked for, and not sent again.
        batches: How many there are.
        files, bytes: Read ahead and still as they were read.
        again: Times that a file was read again, since it changed after it had counted as settled.
        is_told: The ingest has told which files it had to read again.
        touched_at: When the last batch was written.
    """

    acquisition_id: AcquisitionId
    pid: Ark
    object_root: str
    staging: RelativePath
    state: AheadState = AheadState.OPEN
    is_reading: bool = False
    batches: int = Field(default=0, ge=0)
    files: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)
    again: int = Field(default=0, ge=0)
    is_told: bool = False
    touched_at: Moment


class AheadBatch(Value):
    """Files that were read ahead together.

    Attributes:
        number: From 1; where two batches have a file, the later one counts.
        content_path: Of the table of what was found, relative to the object's root; no version ever has it.
        sha512: Of that table.
        seen: The files as they were when they were read.
    """

    acquisition_id: AcquisitionId
    number: int = Field(ge=1)
    content_path: RelativePath
    sha512: Sha512
    seen: tuple[SeenFile, ...] = ()
