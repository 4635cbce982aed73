"""The page on which people find terms, to write them into a project or a `metadata.yaml`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from cisterna.web.signed import Parts, Person
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)

_SHOWN = 30


@router.get("/vocabulary")
def show_terms(
    request: Request,
    parts: Parts,
    person: Person,
    words: Annotated[str, Query(max_length=200)] = "",
    prefix: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Show a search, what it found, and which vocabularies there are."""
    sources = parts.vocabulary.sources()
    context = {
        "words": words,
        "prefix": prefix,
        "prefixes": sorted({one for facts in sources for one in facts.prefixes}, key=str.casefold),
        "found": parts.vocabulary.search(words, prefix=prefix or None, limit=_SHOWN) if words.strip() else (),
        "sources": sources,
        "faults": parts.vocabulary.faults() if person.is_operator else (),
    }
    return page(request, "vocabulary.html", context)
