"""Gives data up, in a steward's name: they stay archived until retention lets them go, and nothing is made of them."""

from __future__ import annotations

from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import Conflict, DecisionRefused
from cisterna.domain.review import Act, Decision
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import Publisher
from cisterna.services.decision_record import record_decision, require_reason
from cisterna.services.public_record import standing
from cisterna.services.publish import take_back
from cisterna.services.review import lost_race, weigh
from cisterna.services.transition import advance


def discard_version(
    version_id: str,
    *,
    person: str,
    reason: str,
    evidence_digest: str,
    catalogue: Catalogue,
    publisher: Publisher | None,
    clock: Clock,
) -> Version:
    """Record that the data of a version are given up; what is public is withdrawn with the same words.

    The version is `rejected`, or `withdrawn` where it was public, for good: nothing opens the review again, and none of
    its revisions is published, derived from or processed again. Nothing is deleted. A second run finds the decision and
    is refused; one that was killed before its commit leaves a tombstone that the next run completes.

    Args:
        version_id: The version.
        person: Account name of a steward of the project.
        reason: In words, never empty; where the version is public, for the public to read.
        evidence_digest: Of the evidence that was shown to the person.
        catalogue: Where it is recorded.
        publisher: The target that a public version is taken from; None for a rehearsal, which touches nothing public.
        clock: Dates it.

    Raises:
        DecisionRefused: The evidence shown is no longer current, somebody else decided first, or another revision of
            the same data is public.
        Forbidden: The person is no steward of the project.
        InvalidInput: There is no reason.
        NotFound: There is no such version, or the person may not know of it.
    """
    words = require_reason(reason, version_id)
    try:
        with catalogue.begin() as tx:
            version, dataset = weigh(tx, version_id, Act.DISCARD, person=person, evidence_digest=evidence_digest)
            _require_no_other_public(tx, version)
            tx.public_index.withdraw(dataset.pid, version.label, clock=clock)  # first: a kill leaves none of it found
        with catalogue.begin() as tx:
            version, dataset = weigh(tx, version_id, Act.DISCARD, person=person, evidence_digest=evidence_digest)
            tx.datasets.lock(dataset.dataset_id)  # who makes another revision of the same data public waits, or is seen
            _require_no_other_public(tx, version)
            decision = Decision(
                decision_id=clock.new_id(),
                version_id=version_id,
                act=Act.DISCARD,
                person=person,
                reason=words,
                evidence_digest=evidence_digest,
                decided_at=clock.now(),
            )
            saved = _give_up(tx, version, dataset, decision, publisher=publisher, clock=clock)
            record_decision(tx, decision, saved, project=dataset.project, clock=clock)
            return saved
    except Conflict as lost:
        with catalogue.begin() as tx:
            raise lost_race(tx, version_id) from lost


def _give_up(
    tx: Transaction,
    version: Version,
    dataset: Dataset,
    decision: Decision,
    *,
    publisher: Publisher | None,
    clock: Clock,
) -> Version:
    publication = standing(tx.datasets.publications(version.version_id))
    if publication is not None:
        saved, _ = take_back(
            tx,
            version,
            dataset,
            publication,
            person=decision.person,
            words=decision.reason,
            publisher=publisher,
            clock=clock,
        )
        return saved
    if version.stage in {Stage.REJECTED, Stage.WITHDRAWN}:
        return tx.datasets.save_version(version)  # a new record: of two acts at once, one is told
    return advance(tx, version, Stage.REJECTED, clock=clock, decided_by=decision.person, decision=decision.reason)


def _require_no_other_public(tx: Transaction, version: Version) -> None:
    public = [
        one.version_id
        for one in tx.datasets.versions(version.dataset_id)
        if one.number == version.number and one.version_id != version.version_id and one.stage is Stage.PUBLISHED
    ]
    if public:
        msg = f"{public[0]} holds the same data as {version.version_id} and is public; discard that one"
        raise DecisionRefused(msg, version_id=version.version_id, public=public[0])
