"""The form and the address by which a version is sent to a place outside."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.deposit import DepositWish
from cisterna.services.deposit_wish import request_deposit
from cisterna.web.dataset_page import require_own_version
from cisterna.web.signed import ApiPerson, FormPerson, Parts

router = APIRouter()


class DepositBody(BaseModel):
    """Where a version is to go."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(max_length=63)


@router.post("/api/v1/versions/{version_id}/deposits", status_code=202, tags=["v1"])
def ask_for_deposit(parts: Parts, person: ApiPerson, version_id: str, body: DepositBody) -> DepositWish:
    """Ask for a public version to go to a target, or to go on with what was given up there."""
    return request_deposit(
        version_id,
        body.target,
        targets=parts.targets,
        person=person.account.name,
        catalogue=parts.catalogue,
        clock=parts.clock,
    )


@router.post("/datasets/{dataset_id}/deposits", include_in_schema=False)
def send(
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version_id: Annotated[str, Form(max_length=200)],
    target: Annotated[str, Form(max_length=63)],
) -> Response:
    """Do the same from the dataset's page."""
    require_own_version(dataset_id, version_id)
    request_deposit(
        version_id,
        target,
        targets=parts.targets,
        person=person.account.name,
        catalogue=parts.catalogue,
        clock=parts.clock,
    )
    query = urlencode({"version": version_id.partition(":")[2], "flash": "depositing"})
    return RedirectResponse(f"/datasets/{quote(dataset_id)}?{query}", 303)
