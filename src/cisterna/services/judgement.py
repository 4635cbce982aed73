"""Judges whether a run is all there: evidence in, state and words out, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cisterna.domain.acquisition import AcquisitionState, Assessment, EndReason, Evidence
from cisterna.domain.listing import Obstacle

_STOPPED = {
    EndReason.USER_ABORT: "somebody stopped the run at the instrument (end reason 'user_abort')",
    EndReason.ERROR: "the instrument ended the run because of an error (end reason 'error')",
}


@dataclass(frozen=True)
class Patience:
    """How long silence must last.

    Attributes:
        quiet_seconds: Before a run counts as complete without an end reason and a plan that say so, and before
            something missing counts as missing for good.
        stalled_seconds: Before a run without its end marker counts as stalled.
    """

    quiet_seconds: float
    stalled_seconds: float

    def stalled_after(self, evidence: Evidence) -> float:
        """Allow twice the longest silence that the run itself plans, such as between two time points."""
        return max(self.stalled_seconds, self.quiet_seconds, 2 * (evidence.cadence_seconds or 0.0))


def assess(
    evidence: Evidence,
    *,
    patience: Patience,
    quiet_for: float,
    file_count: int,
    obstacles: Sequence[Obstacle] = (),
    claims_finished: bool = False,
    is_reopened: bool = False,
) -> Assessment:
    """Judge a run from what is known of it; the same evidence always gives the same state and the same words.

    Args:
        evidence: What the profile found.
        patience: How long silence must last.
        quiet_for: Seconds since the listing last changed, by our own clock.
        file_count: How many files the listing has.
        obstacles: Entries that cannot be kept as they are.
        claims_finished: Somebody brought the folder by hand and says that it is finished: no silence is waited for and
            no marker needed, but nothing planned may be missing.
        is_reopened: It was complete before and has changed since: its marker has been wrong once, so silence is needed.
    """
    case = _Case(evidence, patience, quiet_for, file_count, tuple(obstacles), claims_finished, is_reopened)
    if evidence.end_reason in _STOPPED:
        return case.say(AcquisitionState.ABORTED, _STOPPED[evidence.end_reason], case.counts(), case.obstructed())
    lacking = None if claims_finished else lacking_end(evidence, file_count=file_count)
    if lacking is not None:
        return case.unended(lacking)
    trouble = case.trouble()
    return case.whole() if trouble is None else case.troubled(trouble)


def lacking_end(evidence: Evidence, *, file_count: int) -> str | None:
    """Say which sign of a run's end is not there yet, or None when it has ended as far as can be told."""
    if file_count == 0:
        return "the folder is still empty"
    if evidence.markers_missing:
        return f"its end marker is not there ({', '.join(evidence.markers_missing[:3])})"
    if evidence.needs_end_reason and evidence.end_reason is None:
        return "the instrument has not said how the run ended"
    return None


def seconds_to_next_change(evidence: Evidence, *, patience: Patience, quiet_for: float) -> float | None:
    """Tell when silence alone will change the assessment next, at the soonest; None if it will not."""
    thresholds = (patience.quiet_seconds, evidence.settle_seconds, patience.stalled_after(evidence))
    ahead = [threshold - quiet_for for threshold in thresholds if threshold > quiet_for]
    return min(ahead) if ahead else None


@dataclass(frozen=True)
class _Case:
    """One run under judgement: each method gives a judgement, or the words for one."""

    evidence: Evidence
    patience: Patience
    quiet_for: float
    file_count: int
    obstacles: tuple[Obstacle, ...]
    claims_finished: bool
    is_reopened: bool

    def unended(self, lacking: str) -> Assessment:
        """Judge a run that has not shown its end."""
        limit = self.patience.stalled_after(self.evidence)
        trouble = self.trouble()
        if self.quiet_for >= limit:
            words = f"nothing has changed for {_duration(limit)} and {lacking}"
            return self.say(AcquisitionState.STALLED, words, trouble or self.counts())
        return self.say(AcquisitionState.WRITING, f"being written: {lacking}", self.counts(), self.obstructed())

    def troubled(self, trouble: str) -> Assessment:
        """Judge a run that has ended and is not whole."""
        if self.claims_finished or self.quiet_for >= self.patience.quiet_seconds:
            return self.say(AcquisitionState.PARTIAL, trouble, self.ended())
        wait = f"waiting {_duration(self.patience.quiet_seconds)} without a change, in case it is still on its way"
        return self.say(AcquisitionState.WRITING, trouble, wait)

    def whole(self) -> Assessment:
        """Judge a run that has ended and lacks nothing that is known of."""
        evidence = self.evidence
        agrees = evidence.expects and evidence.end_reason is not None and not self.is_reopened
        needed = evidence.settle_seconds if agrees else max(self.patience.quiet_seconds, evidence.settle_seconds)
        if evidence.expects and evidence.expected_files is not None:
            there = f"all {evidence.expected_files} planned files are there"
        else:
            there = f"{self.file_count} files are there"
        if self.claims_finished or self.quiet_for >= needed:
            return self.say(AcquisitionState.COMPLETE, there, self.ended())
        wait = f"waiting until nothing has changed for {_duration(needed)}, since {self.doubt(agrees=agrees)}"
        return self.say(AcquisitionState.WRITING, there, wait)

    def trouble(self) -> str | None:
        """Say what keeps the run from being whole, or None when nothing does."""
        evidence, missing = self.evidence, self.missing
        absent = f"{missing} files are" if evidence.expected_files is None else f"{missing} of {self.planned()} are"
        found = [
            self.obstructed(),
            f"its plan cannot be read, so nobody knows what belongs to it: {evidence.plan_fault}"
            if evidence.plan_fault is not None
            else None,
            f"{absent} missing ({_some(evidence.missing, missing)})" if missing else None,
            f"{len(evidence.faults)} files cannot be whole ({_some(evidence.faults, len(evidence.faults))})"
            if evidence.faults
            else None,
            "the folder is empty" if self.file_count == 0 else None,
        ]
        return "; ".join(part for part in found if part is not None) or None

    @property
    def missing(self) -> int:
        """How many planned files are not there."""
        return max(self.evidence.missing_files, len(self.evidence.missing))

    def planned(self) -> str:
        """Say how many files the plan asks for."""
        return f"{self.evidence.expected_files} planned files"

    def obstructed(self) -> str | None:
        """Say which entries cannot be kept."""
        if not self.obstacles:
            return None
        reasons = [obstacle.reason for obstacle in self.obstacles]
        return f"{len(reasons)} entries cannot be kept as they are: {_some(reasons, len(reasons))}"

    def counts(self) -> str:
        """Say how far the run has come."""
        if self.evidence.expected_files is None:
            return f"{self.file_count} files are there"
        return f"{max(0, self.evidence.expected_files - self.missing)} of {self.planned()} are there"

    def ended(self) -> str:
        """Say how the run ended, as far as anything tells."""
        match self.evidence.end_reason:
            case None if self.evidence.markers_missing:
                return f"its end marker is not there ({', '.join(self.evidence.markers_missing[:3])})"
            case None:
                return "the instrument left no end reason for it"
            case EndReason.COMPLETED_WITH_ERRORS:
                return "the instrument reported errors during the run (end reason 'completed_with_errors')"
            case reason:
                return f"its end reason is '{reason.value}'"

    def doubt(self, *, agrees: bool) -> str:
        """Say why silence is waited for although nothing is missing."""
        if self.is_reopened:
            return "it changed after it was complete"
        if agrees:
            return "the instrument still writes its log after the end"
        return "no end reason is known" if self.evidence.expects else "no plan tells all that must be there"

    def say(self, state: AcquisitionState, *parts: str | None) -> Assessment:
        """Put state and reason together."""
        words = "; ".join(part for part in (*parts, *self.evidence.notes) if part)
        return Assessment(state=state, reason=words[:4000])


def _some(names: Sequence[str], total: int, *, most: int = 3) -> str:
    shown = "; ".join(names[:most])
    return shown if total <= most else f"{shown}; and {total - most} more"


def _duration(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 120 else f"{seconds:g} s"
