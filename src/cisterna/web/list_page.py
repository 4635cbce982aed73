"""The list of everything a person may see, a page at a time, with a search."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from cisterna.domain.errors import InvalidInput
from cisterna.ports.roster import Group
from cisterna.services.overview import Choice, count_overviews, list_overviews, tally_instruments
from cisterna.services.project import list_projects
from cisterna.web.dashboard import as_row
from cisterna.web.signed import Parts, Person
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 50
_LAST_PAGE = 1_000_000


@router.get("/datasets")
def show_list(
    request: Request,
    parts: Parts,
    person: Person,
    *,
    words: Annotated[str, Query(max_length=200)] = "",
    group: str = "",
    project: str = "",
    instrument: str = "",
    number: Annotated[int, Query(alias="page", ge=1, le=_LAST_PAGE)] = 1,
) -> Response:
    """Show a page of what is asked for."""
    if group and group not in set(Group):
        raise InvalidInput(f"there is no group '{group[:50]}'; the form offers those that there are")
    asked = {"words": words, "group": group, "project": project, "instrument": instrument}
    choice = Choice.model_validate({name: value for name, value in asked.items() if value})
    total = count_overviews(choice, catalogue=parts.catalogue, account=person.account)
    first = (number - 1) * _ON_A_PAGE
    rows = list_overviews(
        choice,
        catalogue=parts.catalogue,
        bucket=parts.store.bucket,
        account=person.account,
        limit=_ON_A_PAGE,
        offset=first,
    )
    context = {
        "asked": asked,
        "groups": [one.value for one in Group],
        "projects": [one.slug for one in list_projects(account=person.account, catalogue=parts.catalogue)],
        "instruments": sorted(tally_instruments(catalogue=parts.catalogue, account=person.account)),
        "rows": [as_row(row) for row in rows],
        "first": first + 1,
        "last": first + len(rows),
        "total": total,
        "earlier": _address(asked, number - 1) if number > 1 else None,
        "later": _address(asked, number + 1) if first + len(rows) < total and rows else None,
    }
    return page(request, "datasets.html", context)


def _address(asked: dict[str, str], number: int) -> str:
    kept = {name: value for name, value in asked.items() if value}
    return f"/datasets?{urlencode({**kept, 'page': str(number)})}"
