"""Takes a steward's decision with the review checklist: what may become public is accepted point by point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cisterna.domain.checklist import Answer, AnsweredList, JudgedList, answer_list, words_of_open
from cisterna.domain.dataset import Version
from cisterna.domain.errors import DecisionRefused
from cisterna.domain.review import Act, Decision
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.checklist_judge import ReviewDesk
from cisterna.services.decision_record import require_reason
from cisterna.services.person import require_account, visible_version
from cisterna.services.review import decide, weigh


class Answers(NamedTuple):
    """What a person answered.

    Attributes:
        given: By point.
        seen: Digest of the list as it was judged and shown; None takes it as it is now.
    """

    given: Sequence[Answer] = ()
    seen: str | None = None

    @property
    def say_something(self) -> bool:
        """Whether anything was ticked or remarked."""
        return any(one.ticked or one.remark for one in self.given)


UNANSWERED = Answers()


class ShownList(NamedTuple):
    """A checklist as a person sees it.

    Attributes:
        version: That it is about.
        judged: What can be told of each point.
        before: What this person last answered on the same evidence and list, so that nothing has to be said twice.
    """

    version: Version
    judged: JudgedList
    before: Sequence[Answer]


def shown_checklist(version_id: str, *, person: str, desk: ReviewDesk, catalogue: Catalogue) -> ShownList:
    """Hold a version against the review checklist, for somebody who may see it.

    Args:
        version_id: The version.
        person: Account name of who looks.
        desk: Judges by the list.
        catalogue: Knows the version and the decisions on it.

    Raises:
        NotFound: There is no such version, or the person may not know of it.
        StoreUnavailable: What is judged could not be read.
    """
    with catalogue.begin() as tx:
        version, _dataset, _project = visible_version(tx, version_id, require_account(tx, person))
        decisions = tx.datasets.decisions(version_id)
    judged = desk.judge(version)
    return ShownList(version, judged, _before(decisions, version, judged, person=person))


def decide_by_checklist(
    version_id: str,
    act: Act,
    *,
    person: str,
    reason: str,
    evidence_digest: str,
    assignee: str | None = None,
    answers: Answers = UNANSWERED,
    inside_only: bool = False,
    desk: ReviewDesk,
    catalogue: Catalogue,
    clock: Clock,
) -> Version:
    """Record a steward's decision with what they answered on the review checklist.

    To accept a version, every required point has to be met, ticked, or overruled with a reason; or it is accepted for
    use inside alone, and never published on that word. With any other decision the answers are kept as they are.

    Args:
        version_id: The version.
        act: What is decided.
        person: Account name of the steward.
        reason: In words.
        evidence_digest: Of the evidence that was shown to them.
        assignee: For `assign`, the steward it goes to.
        answers: What they answered.
        inside_only: Whether they accept it for use inside alone.
        desk: Judges by the list.
        catalogue: Where it is recorded.
        clock: Dates it.

    Raises:
        DecisionRefused: A required point is open, or the list or what is judged is not what was shown; else as
            `services.review.decide` says, which is asked first.
        InvalidInput: A point is answered that is not on the list, or twice; else as said there.
        Forbidden, NotFound: As said there.
        StoreUnavailable: What is judged could not be read; nothing was decided.
    """
    require_reason(reason, version_id)
    with catalogue.begin() as tx:
        version, _dataset = weigh(tx, version_id, act, person=person, evidence_digest=evidence_digest)
    answered = None
    if (act is Act.ACCEPT and not inside_only) or answers.say_something:
        answered = _answered(version, desk.judge(version), answers)
    if answered is not None and act is Act.ACCEPT and not inside_only:
        _require_all(version_id, answered)
    return decide(
        version_id,
        act,
        person=person,
        reason=reason,
        evidence_digest=evidence_digest,
        assignee=assignee,
        checklist=answered,
        inside_only=inside_only,
        catalogue=catalogue,
        clock=clock,
    )


def _answered(version: Version, judged: JudgedList, answers: Answers) -> AnsweredList:
    if answers.seen is not None and answers.seen != judged.seen:
        msg = (
            f"the review checklist of {version.version_id} is not what was shown to you: the list or what is judged "
            "by it changed; look at it again and decide anew"
        )
        raise DecisionRefused(msg, version_id=version.version_id, expected=judged.seen, found=answers.seen[:128])
    return answer_list(judged, answers.given)


def _require_all(version_id: str, answered: AnsweredList) -> None:
    if not answered.open:
        return
    msg = (
        f"{version_id} cannot be accepted by the review checklist yet. {words_of_open(answered)}. Answer each, or "
        "overrule it with a reason; or accept it for use inside alone"
    )
    raise DecisionRefused(msg, version_id=version_id, points=[one.id for one in answered.open])


def _before(decisions: Sequence[Decision], version: Version, judged: JudgedList, *, person: str) -> Sequence[Answer]:
    for said in reversed(decisions):
        known = said.checklist
        if known is None or said.person != person or known.digest != judged.checklist.digest:
            continue
        if said.evidence_digest != version.evidence_digest:
            continue
        return [
            Answer(point=one.id, ticked=one.ticked, remark=one.remark)
            for one in known.points
            if one.ticked or one.remark
        ]
    return ()
