"""What the quality checks say of a version."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field, JsonValue

from cisterna.domain.base import Value


class Verdict(StrEnum):
    """What the gate says. It labels; it never decides whether bytes are archived."""

    PASSED = "passed"
    REVIEW = "review"
    QUARANTINED = "quarantined"
    NOT_ASSESSED = "not-assessed"


GRAVEST_FIRST = (Verdict.QUARANTINED, Verdict.NOT_ASSESSED, Verdict.REVIEW, Verdict.PASSED)
"""In which order a steward looks at them."""


class Outcome(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    NOT_ASSESSED = "not-assessed"
    NOT_APPLIED = "not-applied"
    """The rule asks what was usual, and too few datasets are known yet. It says so, and counts for nothing."""


class Finding(Value):
    """One quality result.

    Attributes:
        check: Stable name of the check, such as `focus-min`.
        message: The result in words, with numbers and units.
        files: Paths of the files it is about, worst first, at most 100.
        observed: The value that was looked at, if there is one.
        expected: The limit it was held against.
    """

    check: str
    outcome: Outcome
    message: str = Field(min_length=1)
    files: tuple[str, ...] = ()
    observed: JsonValue = None
    expected: JsonValue = None


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """Sum findings up: the gravest wins, and no findings at all is `not-assessed`.

    A rule that is not applied yet neither passes nor fails a dataset; where no other rule looked, nobody did.
    A failed check outweighs one that was not assessed: that something is known to be wrong is more than not knowing.
    """
    outcomes = {finding.outcome for finding in findings} - {Outcome.NOT_APPLIED}
    if Outcome.FAILED in outcomes:
        return Verdict.QUARANTINED
    if not outcomes or Outcome.NOT_ASSESSED in outcomes:
        return Verdict.NOT_ASSESSED
    if Outcome.WARNING in outcomes:
        return Verdict.REVIEW
    return Verdict.PASSED
