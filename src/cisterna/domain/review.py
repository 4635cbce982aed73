"""What a steward decides, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.checklist import AnsweredList
from cisterna.domain.digest import Sha512

POLICY_PREFIX = "policy:"
"""What the name of a decision or a consent begins with that a rule gave and no person."""


class Act(StrEnum):
    """What a steward can do with a version under review."""

    ACCEPT = "accept"
    REJECT = "reject"
    REQUEST_CHANGES = "request-changes"
    ASSIGN = "assign"
    DISCARD = "discard"
    """Give the data up, for good: nothing opens the review again."""
    CONSENT = "consent"
    """Agree to publication, as the owner or by the project's policy; no steward's act."""
    REVOKE = "revoke-consent"
    """Take that back before anything is public."""


CONSENTING = frozenset({Act.CONSENT, Act.REVOKE})
"""What says whether a version may become public, and nothing of whether it is good."""


class Decision(Value):
    """A person's act with a reason, against the exact version and evidence it saw.

    Attributes:
        person: Account name, or `policy:<project>` when a rule accepted, or agreed, automatically.
        evidence_digest: Of the evidence shown to that person.
        assignee: For `assign`, the account name it went to.
        checklist: How the points of the review checklist stood, where they were asked; never public.
        inside_only: Of an `accept`: for use inside alone, so that nothing is published on this word.
    """

    decision_id: str
    version_id: str
    act: Act
    person: str
    reason: str = Field(min_length=1, max_length=10_000)
    evidence_digest: Sha512
    assignee: str | None = None
    checklist: AnsweredList | None = None
    inside_only: bool = False
    decided_at: Moment


def last_word(decisions: Sequence[Decision]) -> Decision | None:
    """Return the last decision that says yes or no to the data, or None.

    Giving a review to somebody says neither, and nor does consent to publication.

    Args:
        decisions: On one version, oldest first.
    """
    return next((one for one in reversed(decisions) if one.act not in {Act.ASSIGN, *CONSENTING}), None)


def inside_word(decisions: Sequence[Decision]) -> Decision | None:
    """Return the last word where it accepts for use inside alone, or None.

    Args:
        decisions: On one version, oldest first.
    """
    word = last_word(decisions)
    return word if word is not None and word.act is Act.ACCEPT and word.inside_only else None


def standing_consent(decisions: Sequence[Decision], *, evidence_digest: str | None) -> Decision | None:
    """Return the consent to publication that was given last, or None where it was taken back or was to other evidence.

    Args:
        decisions: On one version, oldest first.
        evidence_digest: Of the evidence there is now.
    """
    last = next((one for one in reversed(decisions) if one.act in CONSENTING), None)
    if last is None or last.act is not Act.CONSENT or last.evidence_digest != evidence_digest:
        return None
    return last
