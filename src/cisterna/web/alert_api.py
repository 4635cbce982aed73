"""The API of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.alert import Alert
from cisterna.services.alert import acknowledge_alert, list_alerts, picture_of
from cisterna.web.alert_page import picture_answer
from cisterna.web.signed import ApiPerson, Parts

router = APIRouter(prefix="/api/v1", tags=["v1"])


class AcknowledgementBody(BaseModel):
    """A person's word that they know of an alert."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=10_000)


@router.get("/alerts")
def show_alerts(
    parts: Parts,
    person: ApiPerson,
    *,
    closed: bool = False,
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> Sequence[Alert]:
    """List the alerts that stand on runs the person may see, newest first; with `closed` also those that did."""
    return list_alerts(account=person.account, catalogue=parts.catalogue, closed=closed, limit=limit)


@router.get("/alerts/{alert_id}/picture", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def show_alert_picture(parts: Parts, person: ApiPerson, alert_id: str) -> Response:
    """Give the picture of an alert, a PNG, to who may see the run's data."""
    return picture_answer(picture_of(alert_id, account=person.account, catalogue=parts.catalogue))


@router.post("/alerts/{alert_id}/acknowledgement", status_code=201)
def acknowledge(parts: Parts, person: ApiPerson, alert_id: str, body: AcknowledgementBody) -> Alert:
    """Record that the person knows of an alert, as a steward of the run's project or an operator."""
    return acknowledge_alert(
        alert_id, person=person.account.name, reason=body.reason, catalogue=parts.catalogue, clock=parts.clock
    )
