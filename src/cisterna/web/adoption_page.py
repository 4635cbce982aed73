"""Shares that are taken in, on pages for those who run the site: how far each is, and what was found with which guess.

Folders of a share name people and studies before anybody has said whose they are, so nobody else sees them.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from cisterna.domain.adoption import FindKind, Standing, Sureness
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.ports.adoption import FindsWanted
from cisterna.services.adopt_status import adoption_status
from cisterna.web.signed import Parts, Person, Signed
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 50
_LAST_PAGE = 1_000_000
_CHOICES = {"sure": Sureness, "kind": FindKind, "standing": Standing}

Word = Annotated[str, Query(max_length=40)]


@router.get("/shares")
def show_shares(request: Request, parts: Parts, person: Person) -> Response:
    """List the shares."""
    _require_operator(person)
    with parts.catalogue.begin() as tx:
        shares = tx.adoptions.list()
    return page(request, "shares.html", {"shares": shares})


@router.get("/shares/{name}")
def show_share(
    request: Request,
    parts: Parts,
    person: Person,
    name: str,
    *,
    sure: Word = "",
    kind: Word = "",
    standing: Word = "",
    under: Annotated[str, Query(max_length=4096)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=_LAST_PAGE)] = 1,
) -> Response:
    """Show how far a share is, and a page of what was found."""
    _require_operator(person)
    asked = {"sure": sure, "kind": kind, "standing": standing, "under": under}
    wanted = _wanted(asked)
    status = adoption_status(name, catalogue=parts.catalogue, clock=parts.clock)
    first = (number - 1) * _ON_A_PAGE
    with parts.catalogue.begin() as tx:
        rows = tx.adoptions.finds(name, wanted, limit=_ON_A_PAGE, offset=first)
        total = tx.adoptions.count(name, wanted)
    context = {
        "status": status,
        "asked": asked,
        "choices": {field: [one.value for one in options] for field, options in _CHOICES.items()},
        "rows": rows,
        "first": first + 1,
        "last": first + len(rows),
        "total": total,
        "earlier": _address(name, asked, number - 1) if number > 1 else None,
        "later": _address(name, asked, number + 1) if rows and first + len(rows) < total else None,
    }
    return page(request, "share.html", context)


def _require_operator(person: Signed) -> None:
    if not person.is_operator:
        raise NotFound(say("problem.404.detail"))


def _wanted(asked: dict[str, str]) -> FindsWanted:
    for field, options in _CHOICES.items():
        if asked[field] and asked[field] not in set(options):
            raise InvalidInput(f"'{asked[field]}' is no choice; the form offers those that there are", field=field)
    return FindsWanted.model_validate({field: value for field, value in asked.items() if value})


def _address(name: str, asked: dict[str, str], number: int) -> str:
    kept = {field: value for field, value in asked.items() if value}
    return f"/shares/{name}?{urlencode({**kept, 'page': str(number)})}"
