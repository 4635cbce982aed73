"""Deliveries of a version, on a page for those who may deliver it: who has it, what they took, another, and its end."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.delivery import LONGEST_REASON, may_deliver
from cisterna.domain.errors import DeliveryRefused, InvalidInput, NotFound
from cisterna.services.delivery import deliver_version, list_deliveries, revoke_delivery
from cisterna.services.detail import detail_of
from cisterna.web.parts import WebParts
from cisterna.web.signed import FormPerson, Parts, Person, Signed
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

_FLASHES = frozenset({"delivered", "revoked"})


@router.get("/datasets/{dataset_id}/deliveries")
def show_deliveries(
    *, request: Request, parts: Parts, person: Person, dataset_id: str, version: str, flash: str = ""
) -> Response:
    """List the deliveries of a version, and offer another."""
    return _page(request, parts, person, dataset_id, version, flash=flash if flash in _FLASHES else "")


@router.post("/datasets/{dataset_id}/deliveries")
def deliver(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version: Annotated[str, Form(max_length=40)],
    to: Annotated[str, Form(max_length=254)],
    way: Annotated[Literal["mail", "link"], Form()],
    days: Annotated[int | None, Form()] = None,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> Response:
    """Deliver a version; an address that was asked for is on the answer, and on no other page ever."""
    try:
        delivery, path = deliver_version(
            f"{dataset_id}:{version}",
            to=to.strip(),
            person=person.account.name,
            rules=parts.delivery_rules,
            days=days,
            reason=reason,
            with_link=way == "link",
            catalogue=parts.catalogue,
            clock=parts.clock,
            passwords=parts.passwords,
        )
    except (DeliveryRefused, InvalidInput, NotFound) as refusal:
        return _page(request, parts, person, dataset_id, version, to=to, fault=str(refusal), status=422)
    if path is None:
        return RedirectResponse(f"/datasets/{dataset_id}/deliveries?version={version}&flash=delivered", 303)
    address = f"{parts.base_url.rstrip('/')}{path}"
    return _page(request, parts, person, dataset_id, version, to=delivery.recipient, address=address)


@router.post("/deliveries/{delivery_id}/revocation")
def revoke(parts: Parts, person: FormPerson, delivery_id: str) -> Response:
    """End a delivery at once."""
    revoked = revoke_delivery(delivery_id, person=person.account.name, catalogue=parts.catalogue, clock=parts.clock)
    dataset_id, _, label = revoked.version_id.partition(":")
    return RedirectResponse(f"/datasets/{dataset_id}/deliveries?version={label}&flash=revoked", 303)


def _page(
    request: Request,
    parts: WebParts,
    person: Signed,
    dataset_id: str,
    label: str,
    *,
    to: str = "",
    address: str | None = None,
    fault: str | None = None,
    flash: str = "",
    status: int = 200,
) -> Response:
    found = detail_of(
        f"{dataset_id}:{label}", catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account
    )
    with parts.catalogue.begin() as tx:
        project = tx.projects.get(found.project) if found.project else None
    if found.version_id is None or found.dataset_id != dataset_id or not may_deliver(person.account, project):
        raise NotFound(say("problem.404.detail"))
    rows = list_deliveries(
        account=person.account,
        catalogue=parts.catalogue,
        clock=parts.clock,
        version_id=found.version_id,
        standing=False,
        with_uses=True,
    )
    context = {
        "d": found,
        "rows": rows,
        "rules": parts.delivery_rules,
        "to": to,
        "address": address,
        "fault": fault,
        "flash": flash,
    }
    return page(request, "deliveries.html", context, status=status)
