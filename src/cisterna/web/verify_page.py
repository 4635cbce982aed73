"""The page that tells people which of their own files are safe; the browser sends digests and nothing else."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.web.signed import Person
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)

_WORDS = ("reading", "asking", "finished", "failed", "nothing", "safe", "few", "absent", "unread", "more")


@router.get("/verify")
def show_verify(request: Request, person: Person) -> Response:
    """Show the page; its script asks `POST /api/v1/digests` in the person's name."""
    return page(request, "verify.html", {"csrf": person.csrf, "words": _WORDS})
