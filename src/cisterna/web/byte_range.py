"""Answers requests for files: whole, in part, or only their headers (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicFile
from cisterna.web.conditional import Validators, repr_digest
from cisterna.web.public_door import Door
from cisterna.web.security import FILE_POLICY

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Span:
    """Bytes `start` to before `end`."""

    start: int
    end: int


class UnsatisfiableRange(Exception):
    """The part that was asked for lies outside the file."""


def parse_range(header: str | None, size_bytes: int) -> Span | None:
    """Read a Range header; None is the whole file, which is also the answer to what is malformed or has many parts.

    Raises:
        UnsatisfiableRange: It lies outside the file.
    """
    matched = _RANGE.fullmatch(header.strip()) if header else None
    if matched is None or not (matched[1] or matched[2]):
        return None
    if not matched[1]:
        length = min(int(matched[2]), size_bytes)
        if length == 0:
            raise UnsatisfiableRange
        return Span(size_bytes - length, size_bytes)
    start = int(matched[1])
    end = min(int(matched[2]) + 1, size_bytes) if matched[2] else size_bytes
    if matched[2] and int(matched[2]) < start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRange
    return Span(start, end)


def answer_file(
    request: Request,
    file: PublicFile,
    *,
    store: ObjectStore,
    door: Door | None = None,
    caching: str = "private, no-cache",
    modified: datetime | None = None,
    more: Mapping[str, str] = _NONE,
) -> Response:
    """Stream a file, or the part of it that was asked for.

    The ETag is the file's digest, so it holds across servers and restarts. A browser is told to save it and to run
    nothing in it.

    Args:
        request: A GET or HEAD.
        file: What is served; its key must come from a record and never from the request.
        store: That holds the bytes.
        door: By which somebody gets it who did not sign in; None for who did.
        caching: What caches may do with it.
        modified: Since when it is there, where that may be told.
        more: Headers that it has beside its own.
    """
    validators = Validators(etag=f'"{file.sha512}"', modified=modified)
    name = file.path.rsplit("/", 1)[-1]
    headers = {
        **more,
        **validators.headers(),
        "accept-ranges": "bytes",
        "content-type": file.media_type,
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": FILE_POLICY,
        "cache-control": caching,
        "repr-digest": repr_digest(file.sha512),
    }
    short = validators.judged(request, headers)
    if short is not None:
        return short
    asked = (
        request.headers.get("range") if request.headers.get("if-range", validators.etag) == validators.etag else None
    )
    try:
        span = parse_range(asked, file.size_bytes)
    except UnsatisfiableRange:
        # A cache that kept it would give it to whoever asks for the whole: no header tells them apart.
        refused = {"content-range": f"bytes */{file.size_bytes}", "cache-control": "no-store"}
        return Response(status_code=416, headers=headers | refused)
    status = 200
    if span is not None:
        status = 206
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{file.size_bytes}"
    whole = span or Span(0, file.size_bytes)
    headers["content-length"] = str(whole.end - whole.start)
    if request.method == "HEAD" or whole.start == whole.end:
        return Response(status_code=status, headers=headers)
    chunks = _begun(store, file, whole)
    return StreamingResponse(door.send(chunks) if door else chunks, status, headers)


def _begun(store: ObjectStore, file: PublicFile, span: Span) -> Iterator[bytes]:
    """Open the stream before the answer begins, so that a store that does not answer is an error and no short file."""
    chunks = store.stream(file.content_key, start=span.start, end=span.end)
    first = next(chunks, b"")
    return chain((first,), chunks)
