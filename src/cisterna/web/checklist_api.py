"""The review checklist for programs: the same that the page of a version shows."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.checklist import MOST_POINTS, Answer, Checklist, JudgedPoint
from cisterna.services.approve import shown_checklist
from cisterna.web.checklist_view import review_desk
from cisterna.web.signed import ApiPerson, Parts

router = APIRouter(prefix="/api/v1", tags=["v1"])


class ChecklistBody(BaseModel):
    """Answers. `seen` is the one that the checklist came with: it tells what was judged when it was looked at."""

    model_config = ConfigDict(extra="forbid")

    answers: tuple[Answer, ...] = Field((), max_length=MOST_POINTS)
    seen: str | None = Field(None, max_length=128)


class ChecklistAnswer(BaseModel):
    """A version held against the review checklist.

    Attributes:
        seen: To be sent back with the answers.
        evidence_digest: What a decision is made on, to be sent back as well.
        digest: Of the list.
        before: What you last answered on the same evidence and list.
    """

    version_id: str
    evidence_digest: str | None
    seen: str
    digest: str
    checklist: Checklist
    points: tuple[JudgedPoint, ...]
    before: tuple[Answer, ...]


@router.get("/versions/{version_id}/checklist")
def read_checklist(parts: Parts, person: ApiPerson, version_id: str) -> ChecklistAnswer:
    """Hold a version, such as `ds-...:v1`, against the review checklist: what is judged, and what a person answers."""
    shown = shown_checklist(version_id, person=person.account.name, desk=review_desk(parts), catalogue=parts.catalogue)
    return ChecklistAnswer(
        version_id=version_id,
        evidence_digest=shown.version.evidence_digest,
        seen=shown.judged.seen,
        digest=shown.judged.checklist.digest,
        checklist=shown.judged.checklist,
        points=shown.judged.points,
        before=tuple(shown.before),
    )
