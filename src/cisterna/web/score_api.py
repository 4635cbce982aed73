"""The FAIR score for programs: the same that the page of a version shows."""

from __future__ import annotations

from fastapi import APIRouter

from cisterna.domain.errors import InvalidInput
from cisterna.metadata.fair import FairScore
from cisterna.services.detail import detail_of
from cisterna.web.signed import ApiPerson, Parts

router = APIRouter(prefix="/api/v1", tags=["v1"])


@router.get("/versions/{version_id}/fair-score")
def read_fair_score(parts: Parts, person: ApiPerson, version_id: str) -> FairScore:
    """Score a described version, such as `ds-...:v1`, as it would be public: what counts, what is missing, and why."""
    found = detail_of(version_id, catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account)
    if found.shown is None:
        msg = f"{found.identifier} has no version yet: {found.reason}"
        raise InvalidInput(msg, identifier=found.identifier)
    return parts.score_of(found.shown)
