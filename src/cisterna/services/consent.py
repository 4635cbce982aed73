"""Keeps who agreed that a version becomes public: on the record, for that version and evidence, until it is revoked."""

from __future__ import annotations

from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import Forbidden, PublicationRefused
from cisterna.domain.permission import may_consent, may_withdraw
from cisterna.domain.project import Project
from cisterna.domain.review import CONSENTING, POLICY_PREFIX, Act, Decision, standing_consent
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.decision_record import record_decision, require_reason
from cisterna.services.disclosure import project_of
from cisterna.services.person import require_account, visible_version

BY_REQUEST = "Asked for its publication."


def consenting(tx: Transaction, version: Version, dataset: Dataset) -> str | None:
    """Name who agreed on the record to this version with the evidence it has, if their word still counts."""
    project = project_of(tx, dataset)
    given = standing_consent(tx.datasets.decisions(version.version_id), evidence_digest=version.evidence_digest)
    if given is None or project is None:
        return None
    if given.person.startswith(POLICY_PREFIX):
        return given.person
    return given.person if counts(tx, given.person, project) else None


def counts(tx: Transaction, person: str, project: Project) -> bool:
    """Tell whether a person's word is enough for the project's data now."""
    account = tx.accounts.find(person)
    return account is not None and may_consent(account, project)


def record_consent(
    tx: Transaction, version: Version, project: Project, *, person: str, reason: str, clock: Clock
) -> Decision | None:
    """Write down that somebody agrees; who agreed already has. None for what has no evidence to agree to.

    Args:
        tx: In which it is asked whether the person may.
        version: To this one, with the evidence it has now.
        project: That claims it.
        person: Account name, or `policy:<project>`.
        reason: In words.
        clock: Dates it.
    """
    digest = version.evidence_digest
    if digest is None:
        return None
    present = standing_consent(tx.datasets.decisions(version.version_id), evidence_digest=digest)
    if present is not None and present.person == person:
        return present
    given = _decision(version, digest, Act.CONSENT, person=person, reason=reason, clock=clock)
    record_decision(tx, given, version, project=project.slug, clock=clock)
    return given


def is_taken_back(tx: Transaction, version: Version) -> bool:
    """Tell whether the last word on any version of the dataset took consent back: no policy overrules that."""
    for one in reversed(tx.datasets.versions(version.dataset_id)):
        said = [given.act for given in tx.datasets.decisions(one.version_id) if given.act in CONSENTING]
        if said:
            return said[-1] is Act.REVOKE
    return False


def revoke_consent(version_id: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock) -> Decision:
    """Take back the consent to a version that is not public yet; the project's policy does not speak for it any more.

    Whoever makes it public at this moment is waited for, and then this is refused: what is public is withdrawn instead.
    A second run finds the consent taken back, and is refused.

    Args:
        version_id: The version.
        person: Account name of the project's owner or of a steward.
        reason: In words.
        catalogue: Where it is recorded.
        clock: Dates it.

    Raises:
        Forbidden: The person may not.
        InvalidInput: There is no reason.
        NotFound: There is no such version, or the person may not know of it.
        PublicationRefused: It is public, or nobody has agreed to it.
    """
    words = require_reason(reason, version_id)
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        _, dataset, project = visible_version(tx, version_id, account)
        if project is None or not may_withdraw(account, project):
            msg = f"{person} may not take back the consent to {version_id}; the project's owner or a steward may"
            raise Forbidden(msg, person=person, version_id=version_id)
        tx.datasets.lock(dataset.dataset_id)
        version = tx.datasets.get_version(version_id)
        if version.stage in {Stage.PUBLISHED, Stage.WITHDRAWN}:
            msg = f"{version_id} is {version.stage.value}: what is public is not revoked; withdraw it"
            raise PublicationRefused(msg, version_id=version_id)
        given = standing_consent(tx.datasets.decisions(version_id), evidence_digest=version.evidence_digest)
        if given is None:
            msg = f"nobody has agreed to {version_id} being public, so there is nothing to take back"
            raise PublicationRefused(msg, version_id=version_id)
        taken = _decision(version, given.evidence_digest, Act.REVOKE, person=person, reason=words, clock=clock)
        record_decision(tx, taken, version, project=project.slug, clock=clock)
        return taken


def _decision(version: Version, digest: str, act: Act, *, person: str, reason: str, clock: Clock) -> Decision:
    return Decision(
        decision_id=clock.new_id(),
        version_id=version.version_id,
        act=act,
        person=person,
        reason=reason,
        evidence_digest=digest,
        decided_at=clock.now(),
    )
