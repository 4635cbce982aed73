"""The form that takes a plate map or sample sheet, and the same for programs."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from cisterna.metadata.record import SampleFacts, SheetFacts
from cisterna.ports.sample_sheet import SIZE_LIMIT_BYTES
from cisterna.services.give_samples import SheetGiven, give_samples, look_at_samples
from cisterna.services.reprocess import Reprocessing
from cisterna.web.dataset_page import Identifier, Reason, require_own_version
from cisterna.web.signed import ApiPerson, FormPerson, Parts

router = APIRouter()

Sheet = Annotated[UploadFile, File(description="CSV, TSV, XLSX, a MIHCSME workbook, or an ISA-Tab as a ZIP archive")]


class SamplesSeen(BaseModel):
    """What a sheet says of a version; nothing has been written."""

    sheet: SheetFacts
    samples: SampleFacts
    problems: tuple[str, ...]


@router.post("/datasets/{dataset_id}/samples", include_in_schema=False)
def take_samples(
    *,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version_id: Identifier,
    sheet: Sheet,
    reason: Reason,
) -> Response:
    """Take a sheet: a revision is described by it."""
    require_own_version(dataset_id, version_id)
    asked = give_samples(
        version_id,
        _given(sheet),
        person=person.account.name,
        reason=reason,
        catalogue=parts.catalogue,
        store=parts.store,
        tables=parts.tables,
        sheets=parts.sheets,
        clock=parts.clock,
    )
    query = urlencode({"version": asked.version.label, "flash": "reprocessing"})
    return RedirectResponse(f"/datasets/{quote(dataset_id)}?{query}", 303)


@router.post("/api/v1/versions/{version_id}/samples", status_code=202, tags=["v1"])
def give(
    *,
    parts: Parts,
    person: ApiPerson,
    version_id: str,
    sheet: Sheet,
    reason: Annotated[str, Form(min_length=1, max_length=10_000)],
) -> Reprocessing:
    """Give a plate map or sample sheet: a revision holds it byte for byte and is described by it."""
    return give_samples(
        version_id,
        _given(sheet),
        person=person.account.name,
        reason=reason,
        catalogue=parts.catalogue,
        store=parts.store,
        tables=parts.tables,
        sheets=parts.sheets,
        clock=parts.clock,
    )


@router.post("/api/v1/versions/{version_id}/samples/look", tags=["v1"])
def look(*, parts: Parts, person: ApiPerson, version_id: str, sheet: Sheet) -> SamplesSeen:
    """Show what a plate map or sample sheet would say of a version, and which of its wells were imaged."""
    known = look_at_samples(
        version_id,
        _given(sheet),
        person=person.account.name,
        catalogue=parts.catalogue,
        store=parts.store,
        tables=parts.tables,
        sheets=parts.sheets,
    )
    return SamplesSeen(sheet=known.sheet, samples=known.facts, problems=known.problems)


def _given(sheet: UploadFile) -> SheetGiven:
    """Take what was uploaded; of more than a sheet may have one byte more, so that its reader refuses it."""
    return SheetGiven(sheet.filename or "", sheet.file.read(SIZE_LIMIT_BYTES + 1))
