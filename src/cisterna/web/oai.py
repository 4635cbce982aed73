"""Where harvesters ask, by OAI-PMH 2.0."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cisterna.metadata.oai import Repository
from cisterna.services.harvest import answer_harvester
from cisterna.web.parts import WebParts
from cisterna.web.public_route import IndexRoute
from cisterna.web.signed import Parts

router = APIRouter(include_in_schema=False, route_class=IndexRoute)


async def read_pairs(request: Request) -> list[tuple[str, str]]:
    """Read the arguments, from the address or from a form."""
    if request.method != "POST":
        return list(request.query_params.multi_items())
    form = await request.form(max_files=0)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


Pairs = Annotated[list[tuple[str, str]], Depends(read_pairs)]


@router.api_route("/oai", methods=["GET", "HEAD", "POST"])
def answer(parts: Parts, pairs: Pairs) -> Response:
    """Answer a harvester; what is wrong with a request is said as the protocol says it."""
    content = answer_harvester(
        pairs, repository=repository_of(parts), catalogue=parts.public_catalogue, clock=parts.clock
    )
    return Response(content, media_type="text/xml; charset=utf-8", headers={"cache-control": "no-cache"})


def repository_of(parts: WebParts) -> Repository:
    """Say who answers harvesters."""
    return Repository(name=parts.site_name, address=f"{parts.base_url.rstrip('/')}/oai", contact=parts.contact)
