"""The first page: what happens now, what waits for a person, what is held and what is settled."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cisterna.domain.dataset import ORDER
from cisterna.domain.fixity import Fixity
from cisterna.ports.roster import Group
from cisterna.services.overview import Choice, Overview, count_overviews, list_overviews
from cisterna.web.alert_page import first_alerts
from cisterna.web.decision import chances
from cisterna.web.live import LiveFeed
from cisterna.web.parts import WebParts
from cisterna.web.signed import Parts, Person, Signed, still_signed_in
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)

_SHOWN = 25
"""Rows of each table of the first page, which is asked for anew whenever something changes."""


class Row(Overview):
    """A row of a table on a page.

    Attributes:
        link: Address of the row's own page.
        step: How many of the six steps into the archive are done.
    """

    link: str
    step: int


def as_row(overview: Overview) -> Row:
    """Add what a page needs."""
    has_dataset = overview.dataset_id is not None
    link = f"/datasets/{overview.dataset_id}" if has_dataset else f"/acquisitions/{overview.acquisition_id}"
    step = min(6, ORDER.index(overview.stage) + 1) if overview.stage else 0
    return Row.model_validate({**dict(overview), "link": link, "step": step})


@router.get("/")
def show_dashboard(request: Request, parts: Parts, person: Person) -> Response:
    """Show what the person may see: of each group how many there are, and the first of them."""
    totals = {
        group: count_overviews(Choice(group=group), catalogue=parts.catalogue, account=person.account)
        for group in Group
    }
    tables = {group.value: _first_of(group, parts, person) if count else [] for group, count in totals.items()}
    context = {
        **first_alerts(parts, person.account),
        "chances": chances(parts, tables[Group.REVIEW.value], person.account),
        "counts": [(group.value, count) for group, count in totals.items() if count or group is not Group.UNSOUND],
        "totals": {group.value: count for group, count in totals.items()},
        "tables": tables,
        "is_empty": not any(totals.values()) and not count_overviews(catalogue=parts.catalogue, account=person.account),
    }
    return page(request, "dashboard.html", context)


def _first_of(group: Group, parts: WebParts, person: Signed) -> list[Row]:
    rows = list_overviews(
        Choice(group=group),
        catalogue=parts.catalogue,
        bucket=parts.store.bucket,
        account=person.account,
        limit=_SHOWN,
    )
    return [as_row(row) for row in rows if group is not Group.UNSOUND or is_unsound(row)]


def is_unsound(row: Overview) -> bool:
    """Tell whether the last look at any of its copies did not find it good."""
    return row.fixity is not None and row.fixity is not Fixity.OK


@router.get("/events/stream")
def stream(request: Request, parts: Parts, person: Person) -> Response:
    """Tell an open page when to look again."""
    feed: LiveFeed = request.app.state.feed
    return StreamingResponse(
        feed.stream(lambda: still_signed_in(person, parts)),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
