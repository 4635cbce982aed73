"""What is kept from the public and from models: archived as everything is, and waiting for a person's word."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.dataset import Version
from cisterna.domain.finding import Verdict
from cisterna.domain.review import POLICY_PREFIX, Act, Decision, last_word

KEPT_BACK = frozenset({Verdict.QUARANTINED, Verdict.NOT_ASSESSED, None})
"""The verdicts with which a version is in quarantine. What nobody judged is not better than what failed."""


def is_accepted(version: Version, decisions: Sequence[Decision]) -> bool:
    """Tell whether the last word was yes, on the evidence there is now; anything but `passed` takes a person's yes.

    Args:
        version: As it is now.
        decisions: On this version, oldest first.
    """
    word = last_word(decisions)
    if word is None or word.act is not Act.ACCEPT or word.evidence_digest != version.evidence_digest:
        return False
    return version.verdict is Verdict.PASSED or not word.person.startswith(POLICY_PREFIX)


def is_quarantined(version: Version, decisions: Sequence[Decision]) -> bool:
    """Tell whether the gate keeps a version back and no person has accepted it although it does."""
    return version.verdict in KEPT_BACK and not is_accepted(version, decisions)


def is_discarded(decisions: Sequence[Decision]) -> bool:
    """Tell whether a version was given up. No word follows that one."""
    return any(one.act is Act.DISCARD for one in decisions)
