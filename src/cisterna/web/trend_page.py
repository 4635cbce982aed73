"""What was measured of an instrument's datasets over time, as a page; others include what it shows."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.domain.account import Account
from cisterna.services.instrument_health import visible_instrument
from cisterna.services.report_trend import instrument_trends
from cisterna.web.parts import WebParts
from cisterna.web.signed import Parts, Person
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)


@router.get("/instruments/{name}/trend")
def show_trend(request: Request, parts: Parts, person: Person, name: str) -> Response:
    """Show the charts, with the datasets that the person may see, to who may see any of them."""
    with parts.catalogue.begin() as tx:
        instrument, _ = visible_instrument(tx, name, person.account)
    return page(request, "trend.html", {"instrument": instrument, **trend_context(parts, name, person.account)})


def trend_context(parts: WebParts, instrument: str, account: Account) -> dict[str, object]:
    """Give what `_trends.html` draws of an instrument; the page links `/static/report.css`."""
    trends = instrument_trends(
        instrument, now=parts.clock.now(), baselines=parts.baselines, catalogue=parts.catalogue, account=account
    )
    return {"r": {"trends": trends, "version": None}, "dataset_address": lambda other: f"/datasets/{quote(other)}"}
