"""One run as the instrument writes it, and the judgement whether it is all there."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import AcquisitionId, DatasetId, Slug


class AcquisitionState(StrEnum):
    """Where a run stands, seen from outside the instrument."""

    WRITING = "writing"
    COMPLETE = "complete"
    ABORTED = "aborted"
    PARTIAL = "partial"
    STALLED = "stalled"
    UNAVAILABLE = "unavailable"


INCOMPLETE = frozenset({AcquisitionState.ABORTED, AcquisitionState.PARTIAL, AcquisitionState.STALLED})
"""States of a run that ended, or was given up, without being whole."""


class SourceState(StrEnum):
    """What has become of the instrument's own copy since it was archived."""

    PRESENT = "present"
    CHANGED = "changed"
    MISSING = "missing"
    RELEASABLE = "releasable"
    RELEASED = "released"


class EndReason(StrEnum):
    """How the instrument says that the run ended (Squid's `run.json` words)."""

    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    USER_ABORT = "user_abort"
    ERROR = "error"


class Evidence(Value):
    """What a profile found in a folder that speaks for or against completeness. Data only: the judgement is not here.

    Attributes:
        markers_missing: Names of end markers that the profile requires and that are not there.
        expects: Whether the acquisition's own plan (or a manifest) tells what must be there.
        expected_files: How many files the plan asks for, when it does.
        missing: Paths that the plan asks for and that are not there, at most 20; `missing_files` counts all.
        faults: Files that are there and cannot be whole (an image shorter than its own header says), with the reason.
        needs_end_reason: Whether this kind of run is expected to leave an end reason.
        end_reason: What the instrument said of its end, if it said anything.
        plan_fault: Why the plan could not be read, if it could not.
        settle_seconds: How long nothing must have changed even when everything agrees: some instruments still write a
            log after their end marker.
        cadence_seconds: The longest silence that the run's own plan foresees, such as the interval of a time lapse.
        notes: What else belongs into the reason, in words.
    """

    markers_missing: tuple[str, ...] = ()
    expects: bool = False
    expected_files: int | None = Field(default=None, ge=0)
    missing: tuple[str, ...] = ()
    missing_files: int = Field(default=0, ge=0)
    faults: tuple[str, ...] = ()
    needs_end_reason: bool = False
    end_reason: EndReason | None = None
    plan_fault: str | None = None
    settle_seconds: float = Field(default=0.0, ge=0)
    cadence_seconds: float | None = Field(default=None, ge=0)
    notes: tuple[str, ...] = ()

    @property
    def progress(self) -> float | None:
        """Share of the expected files that are there, 0 to 1; None when nothing tells what to expect."""
        if not self.expected_files:
            return None
        return max(0.0, 1.0 - self.missing_files / self.expected_files)


class Assessment(Value):
    """The state of a run and the reason in words that a technician understands; the reason is never empty."""

    state: AcquisitionState
    reason: str = Field(min_length=1)


class Acquisition(Value):
    """One folder of a landing zone, as last looked at.

    Attributes:
        folder: Relative to the landing zone.
        project: Slug of the project it is bound to; None is *unclaimed*.
        held: Why it is not on its way to the archive, or None.
        fingerprint: Of the listing last seen.
        settled_since: When that listing was first seen unchanged, by our clock.
        started_at: When the run began, as the instrument says, where it says it.
        end_reason: What the instrument once said of this run's end; kept, since some overwrite it at the next run.
        ingested_fingerprint: Of the listing whose bytes the newest version holds.
        submitter: The instrument's name for an ingested folder, or the person who brought it by hand.
        release: Id of the release that is deleting its files; while it is set nobody judges what is left of the folder.
        record: Counts the writes to this row; a writer names the one it read.
    """

    acquisition_id: AcquisitionId
    instrument: Slug
    profile: str
    folder: str
    name: str
    project: Slug | None = None
    state: AcquisitionState = AcquisitionState.WRITING
    reason: str = "first seen"
    held: str | None = None
    file_count: int = Field(default=0, ge=0)
    total_bytes: int = Field(default=0, ge=0)
    progress: float | None = None
    fingerprint: str = ""
    settled_since: Moment
    first_seen: Moment
    last_seen: Moment
    completed_at: Moment | None = None
    started_at: Moment | None = None
    end_reason: EndReason | None = None
    ingested_fingerprint: str | None = None
    dataset_id: DatasetId | None = None
    source_state: SourceState = SourceState.PRESENT
    submitter: str
    release: str | None = None
    record: int = 0
