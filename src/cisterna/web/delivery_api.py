"""The API of deliveries, and of what projects use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.delivery import LONGEST_REASON, Delivery
from cisterna.services.delivery import DeliveryRow, deliver_version, list_deliveries, revoke_delivery
from cisterna.services.usage import Usage
from cisterna.web.signed import ApiPerson, Parts
from cisterna.web.usage_page import csv_answer, usage_for

router = APIRouter(prefix="/api/v1", tags=["v1"])


class DeliveryBody(BaseModel):
    """To whom a version is delivered, how long, and why where that is needed."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=254)
    days: int | None = Field(None, ge=1)
    reason: str | None = Field(None, max_length=LONGEST_REASON)
    with_link: bool = False


class Delivered(BaseModel):
    """A delivery; its address is told this once, and only to who asked for it instead of a mail."""

    delivery: Delivery
    address: str | None = None


@router.get("/deliveries")
def show_deliveries(
    parts: Parts, person: ApiPerson, *, version_id: str | None = None, ended: bool = False, uses: bool = False
) -> Sequence[DeliveryRow]:
    """List the deliveries of data that the person may deliver, newest first; with `uses` what was taken of each."""
    return list_deliveries(
        account=person.account,
        catalogue=parts.catalogue,
        clock=parts.clock,
        version_id=version_id,
        standing=not ended,
        with_uses=uses,
    )


@router.post("/versions/{version_id}/deliveries", status_code=201)
def deliver(parts: Parts, person: ApiPerson, version_id: str, body: DeliveryBody) -> Delivered:
    """Deliver a version to a person or a guest, as the project's owner or a steward of it."""
    delivery, path = deliver_version(
        version_id,
        to=body.to,
        person=person.account.name,
        rules=parts.delivery_rules,
        days=body.days,
        reason=body.reason,
        with_link=body.with_link,
        catalogue=parts.catalogue,
        clock=parts.clock,
        passwords=parts.passwords,
    )
    return Delivered(delivery=delivery, address=f"{parts.base_url.rstrip('/')}{path}" if path else None)


@router.post("/deliveries/{delivery_id}/revocation", status_code=201)
def revoke(parts: Parts, person: ApiPerson, delivery_id: str) -> Delivery:
    """End a delivery at once."""
    return revoke_delivery(delivery_id, person=person.account.name, catalogue=parts.catalogue, clock=parts.clock)


@router.get("/usage")
def show_usage(
    parts: Parts,
    person: ApiPerson,
    *,
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    project: str | None = None,
) -> Usage:
    """Sum up what projects used from one month (such as `2026-11`) to another, as an administrator; else this month."""
    return usage_for(parts, person.account, first=first, last=last, project=project)


@router.get("/usage.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def send_usage(
    parts: Parts,
    person: ApiPerson,
    *,
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    project: str | None = None,
) -> Response:
    """The same as CSV (RFC 4180)."""
    return csv_answer(usage_for(parts, person.account, first=first, last=last, project=project))
