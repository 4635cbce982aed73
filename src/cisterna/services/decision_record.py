"""Puts a decision on record, with its event, whoever made it."""

from __future__ import annotations

from pydantic import JsonValue

from cisterna.domain.dataset import Version
from cisterna.domain.errors import InvalidInput
from cisterna.domain.review import Decision
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.services.transition import announce


def require_reason(reason: str, version_id: str) -> str:
    """Return the reason in words. Raises `InvalidInput` when there is none, or it cannot be kept."""
    words = reason.strip()
    if not words or len(words) > 10_000 or any(one == "\0" or "\ud800" <= one <= "\udfff" for one in words):
        msg = f"a decision on {version_id[:200]} needs a reason in words, of at most 10,000 characters"
        raise InvalidInput(msg, version_id=version_id[:200])
    return words


def record_decision(
    tx: Transaction, decision: Decision, version: Version, *, project: str | None, clock: Clock
) -> None:
    """Put a decision on record, and tell it; of the checklist only which one it was, since events go to many places."""
    tx.datasets.add_decision(decision)
    announce(
        tx,
        "decision.made",
        decision.version_id,
        project=project,
        clock=clock,
        data=_told(decision),
        restricted=version.is_restricted,
    )


def _told(decision: Decision) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = decision.model_dump(mode="json", exclude={"checklist", "inside_only"})
    if decision.inside_only:
        data["inside_only"] = True
    if decision.checklist is not None:
        data["checklist"] = decision.checklist.model_dump(mode="json", include={"id", "version", "digest"})
    return data
