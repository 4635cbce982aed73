"""How an instrument does: the page, and the same for programs."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.domain.finding import Verdict
from cisterna.domain.instrument_health import Week
from cisterna.services.instrument_health import InstrumentHealth, instrument_health
from cisterna.web.alert_page import waiting_first
from cisterna.web.dashboard import as_row
from cisterna.web.parts import WebParts
from cisterna.web.signed import ApiPerson, Parts, Person, Signed
from cisterna.web.view import page

router = APIRouter()

_BAR_HEIGHT = 100
_BAR_STEP = 24
_STACKED = (Verdict.PASSED, Verdict.REVIEW, Verdict.NOT_ASSESSED, Verdict.QUARANTINED)
"""From the foot of a bar to its top."""


class Piece(NamedTuple):
    """One verdict's piece of a week's bar, in the units of the drawing."""

    verdict: Verdict
    y: float
    height: float


class Bar(NamedTuple):
    """A week as it is drawn: the highest week fills the drawing."""

    week: Week
    x: int
    total: int
    pieces: tuple[Piece, ...]


@router.get("/instruments/{name}", include_in_schema=False)
def show(request: Request, parts: Parts, person: Person, name: str) -> Response:
    """Show how it does, to who may see any of its data."""
    health = _health(parts, person, name)
    with parts.catalogue.begin() as tx:
        runs = {one: tx.acquisitions.get(one).name for one in {alert.acquisition_id for alert in health.alerts}}
    context = {
        "h": health,
        "bars": bars_of(health.weeks),
        "width": _BAR_STEP * len(health.weeks),
        "verdicts": list(_STACKED),
        "alerts": waiting_first(health.alerts),
        "runs": runs,
        "held": [as_row(one) for one in health.held],
    }
    return page(request, "instrument.html", context)


@router.get("/api/v1/instruments/{name}/health", tags=["v1"])
def read_health(parts: Parts, person: ApiPerson, name: str) -> InstrumentHealth:
    """Give the share that passed, silence, alerts, drift, held runs and failing checks, of what the person may see."""
    return _health(parts, person, name)


def bars_of(weeks: tuple[Week, ...]) -> list[Bar]:
    """Stack the verdicts of each week."""
    most = max((sum(week.counts.values()) for week in weeks), default=0) or 1
    bars = []
    for place, week in enumerate(weeks):
        top, pieces = float(_BAR_HEIGHT), []
        for verdict in _STACKED:
            height = _BAR_HEIGHT * week.counts[verdict] / most
            top -= height
            if height:
                pieces.append(Piece(verdict, round(top, 2), round(height, 2)))
        bars.append(Bar(week, place * _BAR_STEP, sum(week.counts.values()), tuple(pieces)))
    return bars


def _health(parts: WebParts, person: Signed, name: str) -> InstrumentHealth:
    return instrument_health(
        name, account=person.account, catalogue=parts.catalogue, clock=parts.clock, bucket=parts.store.bucket
    )
