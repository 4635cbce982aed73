"""The first page: what happens now, what waits for a person, what is held and what is settled."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import ORDER, Stage
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.services.overview import Overview, list_overviews
from cisterna.web.live import LiveFeed
from cisterna.web.signed import Parts, Person, still_signed_in
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)

_SETTLED = frozenset({Stage.ACCEPTED, Stage.REJECTED, Stage.PUBLISHED, Stage.WITHDRAWN})
_GRAVEST_FIRST = {Verdict.QUARANTINED: 0, Verdict.NOT_ASSESSED: 1, Verdict.REVIEW: 2, Verdict.PASSED: 3}
_SHOWN_RECENT = 25


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


def review_order(rows: Sequence[Row]) -> list[Row]:
    """What failed first, then what waits longest."""
    return sorted(rows, key=lambda row: (_GRAVEST_FIRST[row.verdict] if row.verdict else 1, row.changed_at))


def is_under_way(row: Overview) -> bool:
    """Tell whether an instrument writes it or a stage is ahead of it that needs no person."""
    if row.stage is None:
        return row.state in {AcquisitionState.WRITING, AcquisitionState.COMPLETE}
    return ORDER.index(row.stage) <= ORDER.index(Stage.VERIFIED)


@router.get("/")
def show_dashboard(request: Request, parts: Parts, person: Person) -> Response:
    """Show what the person may see."""
    rows = [
        as_row(row)
        for row in list_overviews(catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account)
    ]
    held = [row for row in rows if is_held(row)]
    review = review_order([row for row in rows if row.stage is Stage.IN_REVIEW])
    active = [row for row in rows if row not in held and is_under_way(row)]
    recent = [row for row in rows if row.stage in _SETTLED]
    unsound = sorted((row for row in rows if is_unsound(row)), key=lambda row: row.fixity is not Fixity.DAMAGED)
    context = {
        "counts": [
            *([("fixity", len(unsound))] if unsound else []),
            ("review", len(review)),
            ("active", len(active)),
            ("held", len(held)),
            ("recent", len(recent)),
        ],
        "unsound": unsound,
        "review": review,
        "active": active,
        "held": held,
        "recent": recent[:_SHOWN_RECENT],
        "more": max(0, len(recent) - _SHOWN_RECENT),
        "is_empty": not rows,
    }
    return page(request, "dashboard.html", context)


def is_unsound(row: Overview) -> bool:
    """Tell whether the last look at any of its copies did not find it good."""
    return row.fixity is not None and row.fixity is not Fixity.OK


def is_held(row: Overview) -> bool:
    """Tell whether it waits outside the archive for somebody to do something about it."""
    ended_badly = {
        AcquisitionState.ABORTED,
        AcquisitionState.PARTIAL,
        AcquisitionState.STALLED,
        AcquisitionState.UNAVAILABLE,
    }
    return row.held is not None or (row.stage is None and row.state in ended_badly)


@router.get("/events/stream")
def stream(request: Request, parts: Parts, person: Person) -> Response:
    """Tell an open page when to look again."""
    feed: LiveFeed = request.app.state.feed
    return StreamingResponse(
        feed.stream(lambda: still_signed_in(person, parts)),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
