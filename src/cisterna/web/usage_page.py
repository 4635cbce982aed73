"""What projects use of the facility, month by month, for administrators."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from cisterna.domain.account import Account
from cisterna.domain.errors import NotFound
from cisterna.domain.month import month_of, read_month
from cisterna.services.usage import UNCLAIMED, Usage, usage_csv, usage_of
from cisterna.web.parts import WebParts
from cisterna.web.signed import Parts, Person
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

Written = Annotated[str, Query(max_length=20)]


@router.get("/usage")
def show_usage(
    *,
    request: Request,
    parts: Parts,
    person: Person,
    first: Annotated[str, Query(alias="from", max_length=20)] = "",
    last: Annotated[str, Query(alias="to", max_length=20)] = "",
    format: Written = "",  # noqa: A002 - its name in addresses
) -> Response:
    """Show what each project used."""
    if not person.is_admin:
        raise NotFound(say("problem.404.detail"))
    usage = usage_for(parts, person.account, first=first, last=last)
    if format == "csv":
        return csv_answer(usage)
    now = str(month_of(parts.clock.now()))
    asked = {"from": first or now, "to": last or now}
    context = {
        "usage": usage,
        "asked": asked,
        "csv_url": f"/usage?{urlencode({**asked, 'format': 'csv'})}",
        "unclaimed": UNCLAIMED,
    }
    return page(request, "usage.html", context)


def usage_for(parts: WebParts, account: Account, *, first: str, last: str, project: str | None = None) -> Usage:
    """Sum up from one month to another; where one is not given it is this month."""
    now = month_of(parts.clock.now())
    return usage_of(
        first=read_month(first) if first else now,
        last=read_month(last) if last else now,
        account=account,
        project=project,
        catalogue=parts.catalogue,
    )


def csv_answer(usage: Usage) -> Response:
    """Send the rows as a file for table programs."""
    headers = {"content-disposition": 'attachment; filename="usage.csv"', "cache-control": "private, no-store"}
    return Response(usage_csv(usage).encode(), headers=headers, media_type="text/csv; charset=utf-8; header=present")
