"""Where control software and stores tell that something happened: each message is a hint, looked at before believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from cisterna.adapters.cloud_event import read_cloud_event
from cisterna.domain.errors import InvalidInput, MessageRefused
from cisterna.services.hint import Taken, take_hints
from cisterna.services.hint_message import hints_of_data, hints_of_store, require_bounded
from cisterna.services.sender import Signed, require_signature, require_token
from cisterna.web.hint_count import HintCount
from cisterna.web.signed import Parts

router = APIRouter(tags=["hints"])

EVENTS, STORES = "events", "s3"
_HEADERS = {name: f"x-cisterna-{name}" for name in Signed.model_fields}


async def raw_body(request: Request) -> bytes:
    """Read the body as it was sent; the whole application bounds it."""
    return await request.body()


Body = Annotated[bytes, Depends(raw_body)]


@router.post("/api/v1/events", status_code=202)
def take_event(request: Request, parts: Parts, body: Body) -> Taken:
    """Take a CloudEvent 1.0 as a hint that a landing zone is worth a look. Signed by a sender, not by a person."""
    with _counted(parts.hint_count, EVENTS):
        signed = _signed(request)
        require_signature(signed, body, senders=parts.senders, now=parts.clock.now())
        require_bounded(body)
        hints = hints_of_data(read_cloud_event(dict(request.headers), body))
        taken = take_hints(hints, signed=signed, catalogue=parts.catalogue, now=parts.clock.now())
    return _count(taken, parts.hint_count, EVENTS)


@router.post("/hooks/s3", status_code=202, include_in_schema=False)
def take_store_event(request: Request, parts: Parts, body: Body) -> Taken:
    """Take S3 event records, or a filer notification of SeaweedFS, as hints."""
    with _counted(parts.hint_count, STORES):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        signed = None
        if scheme.lower() == "bearer":
            require_token(token.strip(), senders=parts.senders)
        else:
            signed = _signed(request)
            require_signature(signed, body, senders=parts.senders, now=parts.clock.now())
        hints = hints_of_store(body)
        taken = take_hints(hints, signed=signed, catalogue=parts.catalogue, now=parts.clock.now())
    return _count(taken, parts.hint_count, STORES)


def _signed(request: Request) -> Signed:
    return Signed.model_validate({name: request.headers.get(header, "") for name, header in _HEADERS.items()})


@contextmanager
def _counted(count: HintCount, source: str) -> Iterator[None]:
    try:
        yield
    except MessageRefused as refusal:
        count.add(source, str(refusal.facts["why"]))
        raise
    except InvalidInput:
        count.add(source, "malformed")
        raise


def _count(taken: Taken, count: HintCount, source: str) -> Taken:
    count.add(source, "taken", len(taken.instruments))
    count.add(source, "unknown", taken.unknown)
    return taken
