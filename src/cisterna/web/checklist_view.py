"""What the page of a version shows of the review checklist, and what comes back from its form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from cisterna.domain.account import Account
from cisterna.domain.checklist import Answer, Checklist, JudgedPoint
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.domain.review import Act
from cisterna.services.approve import Answers, shown_checklist
from cisterna.services.checklist_judge import ReviewDesk
from cisterna.services.detail import Detail
from cisterna.web.parts import WebParts
from cisterna.web.wording import say


class Refused(NamedTuple):
    """A decision that was not recorded, and all that was typed for it, so that nothing is typed twice."""

    why: str
    reason: str
    answers: Answers
    inside_only: bool


class ShownPoint(NamedTuple):
    """A point on the page.

    Attributes:
        state: `met`, `unmet` or `asked`.
        field: Of the description, where the page has a line for it.
    """

    judged: JudgedPoint
    state: str
    ticked: bool
    remark: str
    field: str | None

    @property
    def is_open(self) -> bool:
        """Whether it keeps the version from being accepted as the page stands."""
        return self.judged.point.required and self.state != "met" and not self.ticked


class ShownPart(NamedTuple):
    """The points under one heading."""

    heading: str
    points: Sequence[ShownPoint]


class ShownChecklist(NamedTuple):
    """The list on the page.

    Attributes:
        seen: What the form sends back, to tell what was shown.
    """

    checklist: Checklist
    seen: str
    parts: Sequence[ShownPart]

    @property
    def open_count(self) -> int:
        """How many points keep the version from being accepted as the page stands."""
        return sum(point.is_open for part in self.parts for point in part.points)


def review_desk(parts: WebParts) -> ReviewDesk:
    """Hold versions against the site's list, with the scores that pages keep."""
    return ReviewDesk(
        checklist=parts.checklist,
        catalogue=parts.catalogue,
        store=parts.store,
        tables=parts.tables,
        base_url=parts.base_url,
        score=parts.score_of,
    )


def checklist_context(
    parts: WebParts,
    found: Detail,
    account: Account,
    *,
    may: Mapping[str, object],
    fields: Collection[str],
    refused: Refused | None,
) -> dict[str, object]:
    """Give the list for the form, with what the person has said already.

    Args:
        parts: Of the web process.
        found: The version that is shown.
        account: Who looks.
        may: What they may do with it now.
        fields: Of the description that have a line on the page.
        refused: What they sent and what was not recorded.
    """
    context: dict[str, object] = {"checklist": None, "checklist_fault": None, "refused": refused}
    acts = may["acts"]
    is_asked = bool(may["can_decide"]) and isinstance(acts, list) and Act.ACCEPT.value in acts
    if not is_asked or found.version_id is None:
        return context
    try:
        shown = shown_checklist(
            found.version_id, person=account.name, desk=review_desk(parts), catalogue=parts.catalogue
        )
    except CisternaError as error:  # the evidence is shown all the same, and can be rejected or given to somebody
        return {**context, "checklist_fault": str(error)}
    said = {one.point: one for one in (refused.answers.given if refused else shown.before)}
    points = [_shown(one, said.get(one.point.id), fields) for one in shown.judged.points]
    by_heading = groupby(points, key=lambda one: one.judged.point.part)
    listed = tuple(ShownPart(heading, tuple(group)) for heading, group in by_heading)
    return {**context, "checklist": ShownChecklist(shown.judged.checklist, shown.judged.seen, listed)}


def _shown(judged: JudgedPoint, answer: Answer | None, fields: Collection[str]) -> ShownPoint:
    state = "asked" if judged.met is None else "met" if judged.met else "unmet"
    return ShownPoint(
        judged=judged,
        state=state,
        ticked=answer is not None and answer.ticked,
        remark=(answer.remark or "") if answer else "",
        field=judged.field if judged.field in fields else None,
    )


def answers_of(*, ticks: Sequence[str], points: Sequence[str], remarks: Sequence[str], seen: str | None) -> Answers:
    """Read what the form sent: which points were ticked, and a remark beside each. A page always tells what it showed.

    Raises:
        InvalidInput: It is not what the form sends.
    """
    if len(points) != len(remarks):
        raise InvalidInput(say("problem.422.detail", lines="remark"))
    remarked = {point: remark for point, remark in zip(points, remarks, strict=True) if remark.strip()}
    named = dict.fromkeys([*ticks, *remarked])
    ticked = set(ticks)
    given = [Answer(point=point, ticked=point in ticked, remark=remarked.get(point)) for point in named]
    return Answers(given, seen or "")
