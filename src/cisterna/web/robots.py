"""Tells programs that look at pages for search engines where there is something for everybody."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

router = APIRouter(include_in_schema=False)

PUBLIC = ("/ark:", "/static/")
"""What addresses for everybody begin with."""


@router.api_route("/robots.txt", methods=["GET", "HEAD"])
def tell_robots() -> Response:
    """Open what is public, and ask to leave the rest: it asks for a name and a password."""
    lines = ["User-agent: *", *(f"Allow: {path}" for path in PUBLIC), "Disallow: /"]
    return PlainTextResponse("\n".join(lines) + "\n", headers={"cache-control": "public, max-age=3600"})
