"""Settles what the project's policy settles, and records what a steward decides."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.access import AccessNow, Extent
from cisterna.domain.account import Role
from cisterna.domain.checklist import AnsweredList, answer_by_policy, words_of_open
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import Conflict, DecisionRefused, InvalidInput
from cisterna.domain.finding import Verdict
from cisterna.domain.permission import require_decider
from cisterna.domain.project import HumanData, Project, PublishPolicy, ViewFormat
from cisterna.domain.quarantine import is_discarded
from cisterna.domain.review import CONSENTING, POLICY_PREFIX, Act, Decision, last_word
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.checklist_judge import ReviewDesk
from cisterna.services.consent import is_taken_back, record_consent
from cisterna.services.decision_record import record_decision, require_reason
from cisterna.services.disclosure import access_now
from cisterna.services.person import require_account, visible_version
from cisterna.services.shadow import shadows_over
from cisterna.services.transition import advance
from cisterna.services.work_request import request_work

OPEN_FOR: dict[Act, frozenset[Stage]] = {
    Act.ACCEPT: frozenset({Stage.IN_REVIEW}),
    Act.REJECT: frozenset({Stage.IN_REVIEW}),
    Act.REQUEST_CHANGES: frozenset({Stage.IN_REVIEW, Stage.ACCEPTED, Stage.REJECTED}),
    Act.ASSIGN: frozenset({Stage.IN_REVIEW}),
    Act.DISCARD: frozenset(
        {Stage.IN_REVIEW, Stage.ACCEPTED, Stage.REJECTED, Stage.PUBLISHED, Stage.WITHDRAWN},
    ),
}
"""In which stages each act is possible; changes can be asked for afterwards, which opens the review again."""

_BECOMES = {Act.ACCEPT: Stage.ACCEPTED, Act.REJECT: Stage.REJECTED}


def settle_version(version_id: str, *, lease: Attempt, desk: ReviewDesk, catalogue: Catalogue, clock: Clock) -> Version:
    """Accept a verified version by its project's policy, or lay it before a steward.

    What the review checklist judges has to be met for that; for what only a person can tick the policy answers, and the
    decision says so. What is not met goes to a steward where the policy would publish it, and otherwise is accepted for
    use inside alone.

    A second run finds the version past `verified` and returns it unchanged: stage, decision and requested work were
    written together.

    Args:
        version_id: A version that is `verified`, or beyond.
        lease: Of the attempt that does this.
        desk: Judges by the review checklist.
        catalogue: Where it is recorded.
        clock: Dates it.

    Raises:
        StoreUnavailable: What is judged could not be read; nothing was settled.
    """
    answered = _answered_by_policy(version_id, desk=desk, catalogue=catalogue)
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        version = tx.datasets.get_version(version_id)
        if version.stage is not Stage.VERIFIED:
            return version
        dataset = tx.datasets.get(version.dataset_id)
        project = tx.projects.get(dataset.project) if dataset.project else None
        refusal = _why_not_automatic(tx, version, dataset, project)
        if refusal is None and project is not None:
            refusal = _what_the_list_lacks(tx, version, project, answered, clock=clock)
        if refusal is None and project is not None and answered is not None:
            settled = _accept_by_policy(tx, version, project, answered, clock=clock)
        else:
            settled = advance(tx, version, Stage.IN_REVIEW, clock=clock, review=refusal)
        _request_derived(tx, settled, dataset, project, clock=clock)
        return settled


def _answered_by_policy(version_id: str, *, desk: ReviewDesk, catalogue: Catalogue) -> AnsweredList | None:
    """Judge, outside of any transaction, what a policy may accept; None of what it may not accept anyway."""
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        project = tx.projects.get(dataset.project) if dataset.project else None
        if version.stage is not Stage.VERIFIED or _why_not_automatic(tx, version, dataset, project) is not None:
            return None
    return answer_by_policy(desk.judge(version), project=dataset.project or "")


def _what_the_list_lacks(
    tx: Transaction, version: Version, project: Project, answered: AnsweredList | None, *, clock: Clock
) -> str | None:
    """Say why a steward has to look although everything else is well, or None."""
    if answered is None:
        return "what the project's policy accepts changed at this moment"
    if not answered.open or _publishable_by_policy(tx, version, project, clock=clock) is None:
        return None
    return f"the review checklist: {words_of_open(answered)}"


def _why_not_automatic(tx: Transaction, version: Version, dataset: Dataset, project: Project | None) -> str | None:
    """Say in words why a person has to look, or None when the policy may accept."""
    if project is None:
        return "no project claims it"
    reasons = {
        "derived data are always reviewed": _is_judgement(tx, dataset),
        f"the verdict is {version.verdict.value if version.verdict else 'missing'}": (
            version.verdict is not Verdict.PASSED or version.evidence_digest is None
        ),
        f"metadata are missing: {', '.join(version.metadata_missing) or 'all'}": (
            version.metadata is None or bool(version.metadata_missing)
        ),
        "the project's policy accepts nothing automatically": not project.policy.accept_passed,
    }
    stands = next((reason for reason, holds in reasons.items() if holds), None)
    if stands is None and _was_objected(tx, version):
        return "a steward objected to an earlier version"
    return stands


def _is_judgement(tx: Transaction, dataset: Dataset) -> bool:
    """Tell whether somebody has to look at what was derived: all but another form of what was accepted as it is."""
    if dataset.acquisition_id is not None and not dataset.relations:
        return False
    sources = [
        version
        for relation in dataset.relations
        for version in tx.datasets.versions(relation.dataset_id)
        if version.label == relation.version
    ]
    is_accepted = bool(sources) and all(source.stage in {Stage.ACCEPTED, Stage.PUBLISHED} for source in sources)
    return dataset.data_type != ViewFormat.OME_ZARR or not is_accepted


def _was_objected(tx: Transaction, version: Version) -> bool:
    """Tell whether a steward's last word on an earlier version of the dataset was no: a rule does not overrule it."""
    for earlier in reversed(tx.datasets.versions(version.dataset_id)):
        if earlier.version_id == version.version_id:
            continue
        word = last_word(tx.datasets.decisions(earlier.version_id))
        if word is not None:
            return word.act is not Act.ACCEPT
    return False


def _accept_by_policy(
    tx: Transaction, version: Version, project: Project, answered: AnsweredList, *, clock: Clock
) -> Version:
    if version.evidence_digest is None:  # asked before, and told to the type checker here
        raise DecisionRefused("nothing was shown to decide on", version_id=version.version_id)
    decision = Decision(
        decision_id=clock.new_id(),
        version_id=version.version_id,
        act=Act.ACCEPT,
        person=f"{POLICY_PREFIX}{project.slug}",
        reason=f"Passed every check and its metadata are complete; project {project.slug} accepts that.",
        evidence_digest=version.evidence_digest,
        checklist=answered,
        inside_only=bool(answered.open),
        decided_at=clock.now(),
    )
    saved = advance(tx, version, Stage.ACCEPTED, clock=clock, decided_by=decision.person)
    record_decision(tx, decision, saved, project=project.slug, clock=clock)
    _request_publication(tx, saved, project, because=decision, clock=clock)
    return saved


def decide(
    version_id: str,
    act: Act,
    *,
    person: str,
    reason: str,
    evidence_digest: str,
    assignee: str | None = None,
    checklist: AnsweredList | None = None,
    inside_only: bool = False,
    catalogue: Catalogue,
    clock: Clock,
) -> Version:
    """Record a steward's decision; the decision, the stage and their events are written together.

    Of two who decide at once one is told that the other was first. Asking for changes of what was accepted or rejected
    opens the review again; what is published has to be withdrawn instead.

    Who accepts by page, API or command line comes here by `services/approve.py`, which asks for the checklist.

    Args:
        version_id: The version.
        act: What is decided.
        person: Account name of who decides, a steward of the project and for `accept` not the submitter.
        reason: In words, never empty.
        evidence_digest: Of the evidence that was shown to the person.
        assignee: For `assign`, the steward it goes to.
        checklist: How the points of the review checklist stood.
        inside_only: Whether it is accepted for use inside alone.
        catalogue: Where it is recorded.
        clock: Dates it.

    Raises:
        DecisionRefused: The evidence shown is no longer current, somebody else decided first, or the person would
            approve what they submitted.
        Forbidden: The person is no steward of the project.
        InvalidInput: There is no reason, or the assignee is no steward.
        NotFound: There is no such version, or the person may not know of it.
    """
    words = require_reason(reason, version_id)
    if act is Act.DISCARD:
        raise InvalidInput("discarding takes back what is public too; it is asked for by itself", version_id=version_id)
    if act in CONSENTING:
        msg = f"to agree to {version_id} being public is no steward's decision; ask for its publication, or revoke that"
        raise InvalidInput(msg, version_id=version_id)
    try:
        with catalogue.begin() as tx:
            version, dataset = weigh(tx, version_id, act, person=person, evidence_digest=evidence_digest)
            if act is Act.ASSIGN:
                _require_assignee(tx, assignee, dataset, version_id)
            decision = Decision(
                decision_id=clock.new_id(),
                version_id=version_id,
                act=act,
                person=person,
                reason=words,
                evidence_digest=evidence_digest,
                assignee=assignee if act is Act.ASSIGN else None,
                checklist=checklist,
                inside_only=inside_only and act is Act.ACCEPT,
                decided_at=clock.now(),
            )
            return _apply(tx, version, dataset, decision, clock=clock)
    except Conflict as lost:
        with catalogue.begin() as tx:
            raise lost_race(tx, version_id) from lost


def weigh(tx: Transaction, version_id: str, act: Act, *, person: str, evidence_digest: str) -> tuple[Version, Dataset]:
    """Return what is decided on, if this person may decide so on it now; raises as `decide` does."""
    account = require_account(tx, person)
    version, dataset, _project = visible_version(tx, version_id, account)
    require_decider(account, act, version, project=dataset.project)
    if act not in open_acts(version.stage, tx.datasets.decisions(version_id)):
        raise lost_race(tx, version_id)
    if version.evidence_digest is None or version.evidence_digest != evidence_digest:
        msg = f"the evidence on {version_id} is not what was shown to you; look at it again and decide anew"
        raise DecisionRefused(msg, version_id=version_id, expected=version.evidence_digest, found=evidence_digest)
    return version, dataset


def open_acts(stage: Stage, decisions: Sequence[Decision]) -> frozenset[Act]:
    """Tell which acts a version in that stage is open for; what was discarded is open for none.

    Args:
        stage: Of the version.
        decisions: On it.
    """
    return frozenset() if is_discarded(decisions) else frozenset(act for act in OPEN_FOR if stage in OPEN_FOR[act])


def _apply(tx: Transaction, version: Version, dataset: Dataset, decision: Decision, *, clock: Clock) -> Version:
    wanted = _BECOMES.get(decision.act, Stage.IN_REVIEW)
    if decision.assignee is not None:
        version = version.model_copy(update={"assignee": decision.assignee})
    if wanted is version.stage:
        saved = tx.datasets.save_version(version)  # a new record: of two acts at once, one is told
    else:
        saved = advance(tx, version, wanted, clock=clock, decided_by=decision.person, decision=decision.reason)
    record_decision(tx, decision, saved, project=dataset.project, clock=clock)
    if saved.stage is Stage.ACCEPTED and dataset.project is not None:
        project = tx.projects.get(dataset.project)
        _request_publication(tx, saved, project, because=decision, clock=clock)
        if saved.verdict is not Verdict.PASSED:  # of what passed it was asked for when it was settled
            _request_derived(tx, saved, dataset, project, clock=clock)
    return saved


def _require_assignee(tx: Transaction, assignee: str | None, dataset: Dataset, version_id: str) -> None:
    account = tx.accounts.find(assignee) if assignee else None
    if account is None or not account.has_role(Role.STEWARD, project=dataset.project):
        msg = f"'{assignee or ''}' is no steward who can look at {version_id}; name one of the project's stewards"
        raise InvalidInput(msg, version_id=version_id, assignee=assignee)


def lost_race(tx: Transaction, version_id: str) -> DecisionRefused:
    """Say who was first and what they decided."""
    version = tx.datasets.get_version(version_id)
    decisions = tx.datasets.decisions(version_id)
    facts = {"version_id": version_id, "stage": version.stage.value}
    if not decisions:
        msg = f"{version_id} is {version.stage.value} and not open for this decision"
        return DecisionRefused(msg, **facts)
    last = last_word(decisions) or decisions[-1]
    msg = (
        f"{last.person} decided on {version_id} first ({last.act.value}: {last.reason}); it is {version.stage.value} "
        "now. Look at it again"
    )
    return DecisionRefused(msg, **facts, person=last.person, act=last.act.value)


def _request_derived(
    tx: Transaction, version: Version, dataset: Dataset, project: Project | None, *, clock: Clock
) -> None:
    """Ask for what the project's policy makes of data: of what passed, and of what a person accepted nevertheless."""
    is_free = version.verdict is Verdict.PASSED or version.stage is Stage.ACCEPTED
    if project is None or not is_free or dataset.relations or _was_free(tx, version):
        return
    model, form = project.policy.model, project.policy.convert
    wanted = [(WorkKind.INFER, "model", model)] if model is not None else []
    wanted += [(WorkKind.CONVERT, "format", form.value)] if form is not None else []
    for kind, name, value in wanted:
        request_work(
            tx,
            kind,
            version.version_id,
            key=f"{kind.value}:{version.version_id}:{value}",
            parameters={name: value},
            fairness=dataset.instrument or "",
            clock=clock,
        )


def _was_free(tx: Transaction, version: Version) -> bool:
    """Tell whether an earlier revision of the same bytes was derived from by policy, so that it is done already."""
    return any(
        one.verdict is Verdict.PASSED or any(said.act is Act.ACCEPT for said in tx.datasets.decisions(one.version_id))
        for one in tx.datasets.versions(version.dataset_id)
        if one.number == version.number and one.revision < version.revision
    )


def _request_publication(
    tx: Transaction, version: Version, project: Project, *, because: Decision, clock: Clock
) -> None:
    """Let the project's policy agree, if it does, and ask for publication where nothing keeps it back but time.

    What is under an embargo with an end is agreed to now: a round asks for it when that day has come. To what nobody
    knows an end of the policy agrees only when it is accepted anew.
    """
    now = _publishable_by_policy(tx, version, project, clock=clock)
    if now is None or because.inside_only or is_taken_back(tx, version):
        return
    dataset = tx.datasets.get(version.dataset_id)
    person, until = f"{POLICY_PREFIX}{project.slug}", f" from {now.embargo_until} on" if now.embargo_until else ""
    reason = f"Passed and accepted; project {project.slug} makes that public{until}."
    record_consent(tx, version, project, person=person, reason=reason, clock=clock)
    if now.extent is Extent.NOTHING or shadows_over(tx, dataset):
        return  # refused as long as the mode lasts; afterwards a person asks for it
    # a review that was opened again and ended in another yes is another request
    key = f"publish:{version.version_id}:{because.decision_id}"
    request_work(tx, WorkKind.PUBLISH, version.version_id, key=key, clock=clock)


def _publishable_by_policy(tx: Transaction, version: Version, project: Project, *, clock: Clock) -> AccessNow | None:
    """Give the access of what the policy makes public by itself, now or when an embargo has ended; None of the rest."""
    if project.policy.publish is not PublishPolicy.PASSED or version.verdict is not Verdict.PASSED:
        return None
    now = access_now(tx, version, tx.datasets.get(version.dataset_id), clock=clock)
    waits = now.human_data is HumanData.NO and now.embargo_until is not None
    return now if now.extent is not Extent.NOTHING or waits else None
