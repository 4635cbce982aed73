"""The report on a version's quality for programs: the same that its page is drawn from."""

from __future__ import annotations

from fastapi import APIRouter

from cisterna.domain.quality_report import QualityReport
from cisterna.web.quality_page import report_on
from cisterna.web.signed import ApiPerson, Parts

router = APIRouter(prefix="/api/v1/quality", tags=["v1"])


@router.get("/reports/{version_id}")
def read_quality_report(parts: Parts, person: ApiPerson, version_id: str) -> QualityReport:
    """Give what the gate saw and said of a version, such as `ds-...:v1`: findings, maps, histograms, curves, trends."""
    dataset_id, _, label = version_id.partition(":")
    return report_on(parts, person, dataset_id, label)
