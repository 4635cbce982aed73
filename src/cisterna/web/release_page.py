"""The announced deletion of an instrument's copy, on the page of its run: who asked, when, and the way back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.account import Account, Role
from cisterna.domain.release import ReleaseState
from cisterna.services.overview import Overview
from cisterna.services.release_plan import cancel_release
from cisterna.web.parts import WebParts
from cisterna.web.signed import FormPerson, Parts

router = APIRouter(include_in_schema=False)


@router.post("/acquisitions/{acquisition_id}/release/cancel")
def cancel(
    parts: Parts, person: FormPerson, acquisition_id: str, reason: Annotated[str, Form(max_length=10_000)]
) -> Response:
    """Take an announced release back."""
    cancel_release(
        acquisition_id, person=person.account.name, reason=reason, catalogue=parts.catalogue, clock=parts.clock
    )
    return RedirectResponse(f"/acquisitions/{acquisition_id}?flash=cancelled", 303)


def release_context(parts: WebParts, row: Overview, account: Account) -> dict[str, object]:
    """Give the open release of a run, if there is one, and whether this person may cancel it."""
    with parts.catalogue.begin() as tx:
        releases = tx.releases.of(row.acquisition_id or "")
        owner = tx.projects.get(row.project).owner if row.project else None
    found = next((one for one in releases if one.state.is_open), None)
    may = account.has_role(Role.STEWARD, project=row.project) or account.name == owner
    return {"release": found, "can_cancel": may and found is not None and found.state is ReleaseState.ANNOUNCED}
