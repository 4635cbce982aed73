"""Judges archived versions anew by the suites that are in force: from their kept tables, as new revisions."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.account import Account
from cisterna.domain.base import Value
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import CisternaError
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.reprocess import request_reprocess
from cisterna.services.suite_trial import SuiteTrial


class Regated(Value):
    """What was asked for one version.

    Attributes:
        version_id: That is judged anew.
        revision: Its new revision; None when it was refused.
        work_id: The work that does it.
        reason: Why it was refused.
    """

    version_id: str
    revision: str | None = None
    work_id: str | None = None
    reason: str = ""


def differing(trial: SuiteTrial) -> tuple[str, ...]:
    """Name the versions on which the suite would decide otherwise, newest data first."""
    return tuple(one.version_id for one in trial.datasets if one.differs)


def regate(
    versions: Sequence[str], *, account: Account, reason: str, catalogue: Catalogue, clock: Clock
) -> tuple[Regated, ...]:
    """Ask for versions to be judged anew; one that is refused says why and stops no other.

    Nothing is read again from an instrument, and what was decided stays with the version that it was decided on. The
    same request again while the first is under way is refused, version by version.

    Args:
        versions: Ids of archived versions.
        account: Who asks, and is the submitter of the revisions.
        reason: In words.
        catalogue: Where it is recorded.
        clock: Dates it.
    """
    return tuple(_asked(one, account=account, reason=reason, catalogue=catalogue, clock=clock) for one in versions)


def _asked(version_id: str, *, account: Account, reason: str, catalogue: Catalogue, clock: Clock) -> Regated:
    try:
        asked = request_reprocess(
            version_id,
            from_stage=Stage.GATED,
            person=account.name,
            reason=reason,
            catalogue=catalogue,
            clock=clock,
        )
    except CisternaError as refusal:
        if refusal.retryable:
            raise
        return Regated(version_id=version_id, reason=str(refusal))
    return Regated(version_id=version_id, revision=asked.version.version_id, work_id=asked.work.work_id)
