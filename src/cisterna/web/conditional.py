"""Answers that caches and clients need not be sent again (RFC 9110), with the digest of what is sent (RFC 9530)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from itertools import chain

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from cisterna.domain.digest import sha512_of
from cisterna.web.public_door import Door


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What tells whether somebody has this already.

    Attributes:
        etag: Of what would be sent, in quotes.
        modified: When it changed last.
    """

    etag: str
    modified: datetime | None = None

    def are_known(self, request: Request) -> bool:
        """Tell whether the asker of a GET or HEAD has it; where entity tags are named, they alone decide."""
        tags = header_of(request, "if-none-match")
        if tags is not None:
            return tags.strip() == "*" or self.etag in {one.strip().removeprefix("W/") for one in tags.split(",")}
        since = _read_date(request.headers.get("if-modified-since"))
        return since is not None and self.modified is not None and self.modified.replace(microsecond=0) <= since

    def have_changed(self, request: Request) -> bool:
        """Tell whether the asker goes on with another state than this one; where entity tags are named, they decide.

        A program that fetches a file in parts at once asks so, and would else put parts of two states together.
        """
        tags = header_of(request, "if-match")
        if tags is not None:
            return tags.strip() != "*" and self.etag not in {one.strip() for one in tags.split(",")}
        since = _read_date(request.headers.get("if-unmodified-since"))
        return since is not None and self.modified is not None and self.modified.replace(microsecond=0) > since

    def judged(self, request: Request, headers: Mapping[str, str]) -> Response | None:
        """Answer without a body where the asker has it already, or has something else; None where it is to be sent."""
        if self.have_changed(request):
            return Response(status_code=412, headers={**self.headers(), "cache-control": "no-store"})
        return Response(status_code=304, headers=dict(headers)) if self.are_known(request) else None

    def headers(self) -> dict[str, str]:
        """Write them."""
        headers = {"etag": self.etag}
        if self.modified is not None:
            headers["last-modified"] = format_datetime(self.modified.astimezone(UTC), usegmt=True)
        return headers


def answer_body(
    request: Request, body: bytes, *, media_type: str, modified: datetime | None, headers: Mapping[str, str]
) -> Response:
    """Send a body, or word that the asker has it already.

    Args:
        request: A GET or HEAD.
        body: What is sent.
        media_type: Of the body.
        modified: When it changed last.
        headers: More of them, which hold for both answers.
    """
    sha512 = sha512_of(body)
    validators = Validators(etag=f'"{sha512[:32]}"', modified=modified)
    told = {**headers, **validators.headers()}
    short = validators.judged(request, told)
    if short is not None:
        return short
    told["repr-digest"] = repr_digest(sha512)
    return Response(body, headers=told, media_type=media_type)


def answer_stream(
    request: Request,
    chunks: Iterator[bytes],
    *,
    media_type: str,
    door: Door,
    validators: Validators,
    headers: Mapping[str, str],
) -> Response:
    """Send what is written as it is sent, or word that the asker has it already.

    The first chunk is made before the answer begins: what cannot be read is an error, and no short document.
    """
    told = {**headers, **validators.headers()}
    short = validators.judged(request, told)
    if short is not None:
        return short
    if request.method == "HEAD":
        return head_of_stream(told, media_type=media_type)
    first = next(chunks, b"")
    return StreamingResponse(door.send(chain((first,), chunks)), headers=told, media_type=media_type)


def head_of_stream(headers: Mapping[str, str], *, media_type: str) -> Response:
    """Answer a HEAD for what is made as it is sent: it has no size to tell beforehand, and its size is not 0."""
    head = Response(headers=dict(headers), media_type=media_type)
    del head.headers["content-length"]
    return head


def header_of(request: Request, name: str) -> str | None:
    """Give a header that lists something, also where it comes in several lines; None where it does not come."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None


def repr_digest(sha512: str) -> str:
    """Write a digest as RFC 9530 has it."""
    return f"sha-512=:{b64encode(bytes.fromhex(sha512)).decode()}:"


def _read_date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError, TypeError):
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
