"""Alerts on pages: with the picture beside the number and its limit, and a person's word that they know of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.account import Account, Role
from cisterna.domain.alert import Alert
from cisterna.services.alert import acknowledge_alert, alerts_of, list_alerts, picture_of, unjudged_of
from cisterna.services.overview import Overview
from cisterna.web.parts import WebParts
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import FormPerson, Parts, Person
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)

_FIRST_SHOWN = 6
"""On the first page, which is asked for anew whenever something changes."""
_SHOWN = 200


@router.get("/alerts")
def show_alerts(request: Request, parts: Parts, person: Person) -> Response:
    """List the alerts on what the person may see: those that stand, then the latest that do not."""
    found = list_alerts(account=person.account, catalogue=parts.catalogue, closed=True, limit=_SHOWN)
    standing = list_alerts(account=person.account, catalogue=parts.catalogue, limit=_SHOWN)
    context = {
        "standing": waiting_first(standing),
        "closed": [one for one in found if not one.is_open],
        "runs": _runs(parts, [*standing, *found]),
    }
    return page(request, "alerts.html", context)


@router.get("/alerts/{alert_id}/picture")
def show_picture(parts: Parts, person: Person, alert_id: str) -> Response:
    """Show the picture of an alert to who may see the run's data."""
    return picture_answer(picture_of(alert_id, account=person.account, catalogue=parts.catalogue))


@router.post("/alerts/{alert_id}/acknowledgement")
def acknowledge(
    parts: Parts, person: FormPerson, alert_id: str, reason: Annotated[str, Form(max_length=10_000)]
) -> Response:
    """Record that the person knows of it."""
    alert = acknowledge_alert(
        alert_id, person=person.account.name, reason=reason, catalogue=parts.catalogue, clock=parts.clock
    )
    return RedirectResponse(f"/acquisitions/{alert.acquisition_id}?flash=acknowledged", 303)


def picture_answer(png: bytes) -> Response:
    """Answer with a picture that nobody but who asked keeps."""
    headers = {"cache-control": "private, max-age=3600", "content-security-policy": FILE_POLICY}
    return Response(png, media_type="image/png", headers=headers)


def alert_context(parts: WebParts, row: Overview, account: Account) -> dict[str, object]:
    """Give the alerts of a run, what none could be made of, and whether this person may acknowledge them."""
    run = row.acquisition_id or ""
    return {
        "alerts": waiting_first(alerts_of(run, catalogue=parts.catalogue)),
        "unjudged": unjudged_of(run, catalogue=parts.catalogue),
        "can_acknowledge": account.has_role(Role.STEWARD, project=row.project),
    }


def first_alerts(parts: WebParts, account: Account) -> dict[str, object]:
    """Give the first page the alerts that wait for somebody."""
    waiting = [one for one in list_alerts(account=account, catalogue=parts.catalogue) if one.waits]
    first = waiting[:_FIRST_SHOWN]
    return {"alerts": first, "more_alerts": len(waiting) - len(first), "runs": _runs(parts, first)}


def by_instrument(parts: WebParts, account: Account) -> dict[str, list[Alert]]:
    """Give the alerts that wait for somebody, by instrument."""
    found: dict[str, list[Alert]] = {}
    for one in list_alerts(account=account, catalogue=parts.catalogue):
        if one.waits:
            found.setdefault(one.instrument, []).append(one)
    return found


def waiting_first(alerts: Iterable[Alert]) -> Sequence[Alert]:
    """Order alerts so that those that wait for somebody come first; equals keep their order."""
    return sorted(alerts, key=lambda one: (not one.waits, not one.is_open))


def _runs(parts: WebParts, alerts: Iterable[Alert]) -> dict[str, str]:
    """Name the runs of alerts that the person may see."""
    with parts.catalogue.begin() as tx:
        return {run: tx.acquisitions.get(run).name for run in {one.acquisition_id for one in alerts}}
