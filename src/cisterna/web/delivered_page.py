"""What a recipient sees of a delivery: one page, the files of one version, and lists by which they are checked.

Whoever has the address has the data, so it is told to nobody: no cache, no other page, no log of ours learns it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from cisterna.domain.delivery import Delivery
from cisterna.domain.errors import CisternaError, NotFound
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.readme import checksum_lines
from cisterna.ports.publisher import PublicFile
from cisterna.services.delivery import ADDRESS
from cisterna.services.delivery_use import OpenDelivery, acknowledge_delivery, note_use, open_delivery
from cisterna.services.tar_stream import Member, tar_stream
from cisterna.web.byte_range import answer_file
from cisterna.web.conditional import head_of_stream
from cisterna.web.counted import CountedResponse
from cisterna.web.dataset_content import Content
from cisterna.web.parts import WebParts
from cisterna.web.public_door import Door
from cisterna.web.public_route import DeliveredRoute
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import FORM_COOKIE, Guest, Parts, keep_cookie
from cisterna.web.view import page as render
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False, route_class=DeliveredRoute)

LIST, TAR, ARIA2 = "sha512sum.txt", "all.tar", "aria2.txt"
_FILES_SHOWN = 1000
_LINES_AT_ONCE = 10_000
_METHODS = ["GET", "HEAD"]
_UNTOLD: Mapping[str, str] = {
    "cache-control": "private, no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}
_LOG = logging.getLogger(__name__)

Secret = Annotated[str, Path(max_length=200)]
FilePage = Annotated[int, Query(ge=1, le=1_000_000)]


class _Shelf(NamedTuple):
    """A delivery that is good now, and what its version holds."""

    parts: WebParts
    found: OpenDelivery
    content: Content

    @property
    def delivery(self) -> Delivery:
        return self.found.delivery

    @property
    def folder(self) -> str:
        """What a recipient's folder of it is called."""
        return f"{self.found.dataset.pid.rpartition('/')[2]}-{self.found.version.label}"

    @property
    def file_count(self) -> int:
        return len(self.content.files) + sum(one.file_count for one in self.content.lists)

    @property
    def total_bytes(self) -> int:
        named = sum(one.size_bytes for one in self.content.files)
        return named + sum(one.total_bytes for one in self.content.lists)

    def runs(self) -> Iterator[Sequence[PublicFile]]:
        """Give all files, a run at a time."""
        for start in range(0, self.file_count, _LINES_AT_ONCE):
            yield self.parts.run_of_files(self.content, start, start + _LINES_AT_ONCE)

    def note(self, path: str, bytes_sent: int) -> None:
        """Put a use on record; where that fails the log has it, and what was sent is sent."""
        try:
            note_use(self.delivery, path, bytes_sent=bytes_sent, catalogue=self.parts.catalogue, clock=self.parts.clock)
        except CisternaError as error:
            _LOG.error(
                "%d bytes of the delivery %s were sent and could not be noted: %s",
                bytes_sent,
                self.delivery.delivery_id,
                error,
            )


@router.api_route(ADDRESS + "{secret}", methods=_METHODS)
def show_delivery(*, request: Request, parts: Parts, secret: Secret, page: FilePage = 1, flash: str = "") -> Response:
    """Show what was delivered, until when, and how it is fetched and checked."""
    shelf = _shelf(parts, secret)
    start, last = (page - 1) * _FILES_SHOWN, max(1, -(-shelf.file_count // _FILES_SHOWN))
    if page > last:
        raise NotFound(say("problem.404.detail"))
    here = ADDRESS + quote(secret, safe="")
    address = f"{parts.base_url.rstrip('/')}{here}"
    csrf = request.cookies.get(FORM_COOKIE) or parts.passwords.new_secret()
    run = parts.run_of_files(shelf.content, start, start + _FILES_SHOWN)
    context = {
        "d": shelf.delivery,
        "title": shelf.found.dataset.title,
        "version": shelf.found.version,
        "pid": shelf.found.dataset.pid,
        "here": here,
        "commands": _commands(address, shelf.folder),
        "file_count": shelf.file_count,
        "total_bytes": shelf.total_bytes,
        "files": [{**dict(file), "url": f"{here}/files/{quote(file.path)}"} for file in run],
        "pages": {"number": page, "last": last},
        "flash": flash if flash == "acknowledged_delivery" else "",
        "csrf": csrf,
    }
    response = render(request, "delivered.html", context, headers=_UNTOLD)
    keep_cookie(response, FORM_COOKIE, csrf, parts)
    if request.method == "GET":
        shelf.note("", 0)
    return response


@router.post(ADDRESS + "{secret}/acknowledgement")
def acknowledge(parts: Parts, _own: Guest, secret: Secret) -> Response:
    """Record that the recipient has checked what they got."""
    acknowledge_delivery(secret, catalogue=parts.catalogue, clock=parts.clock)
    return RedirectResponse(f"{ADDRESS}{quote(secret, safe='')}?flash=acknowledged_delivery", 303, dict(_UNTOLD))


@router.api_route(ADDRESS + "{secret}/" + LIST, methods=_METHODS)
def send_list(request: Request, parts: Parts, secret: Secret) -> Response:
    """Send the digest of every file, as `sha512sum -c` takes it."""
    shelf = _shelf(parts, secret)
    lines = map(_digest_lines, shelf.runs())
    return _stream(
        request, lines, "text/plain; charset=utf-8", LIST, partial(shelf.note, ""), door=parts.delivered_door
    )


@router.api_route(ADDRESS + "{secret}/" + ARIA2, methods=_METHODS)
def send_aria2(request: Request, parts: Parts, secret: Secret) -> Response:
    """Send the address, name and digest of every file, as `aria2c -i` takes them."""
    shelf = _shelf(parts, secret)
    base = f"{parts.base_url.rstrip('/')}{ADDRESS}{quote(secret, safe='')}/files"
    lines = (
        f"{base}/{quote(file.path)}\n out={file.path}\n checksum=sha-512={file.sha512}\n".encode()
        for run in shelf.runs()
        for file in run
    )
    return _stream(
        request, lines, "text/plain; charset=utf-8", ARIA2, partial(shelf.note, ""), door=parts.delivered_door
    )


@router.api_route(ADDRESS + "{secret}/" + TAR, methods=_METHODS)
def send_all(request: Request, parts: Parts, secret: Secret) -> Response:
    """Send every file, and the list of digests before them, as one tar archive that is made as it is sent."""
    shelf = _shelf(parts, secret)
    size = sum(len(_digest_lines(run)) for run in shelf.runs())
    chunks = tar_stream(_members(shelf, list_bytes=size))
    name, sent = f"{shelf.folder}.tar", partial(shelf.note, TAR)
    return _stream(request, chunks, "application/x-tar", name, sent, door=parts.delivered_door)


@router.api_route(ADDRESS + "{secret}/files/{path:path}", methods=_METHODS)
def send_file(request: Request, parts: Parts, secret: Secret, path: str) -> Response:
    """Send one file, or a part of it."""
    shelf = _shelf(parts, secret)
    file = parts.find_file(shelf.content, path)
    if file is None:
        raise NotFound(say("problem.404.detail"))
    answer = answer_file(
        request, file, store=parts.store, door=parts.delivered_door, caching=_UNTOLD["cache-control"], more=_UNTOLD
    )
    return CountedResponse(answer, partial(shelf.note, file.path), door=parts.delivered_door)


def _shelf(parts: WebParts, secret: str) -> _Shelf:
    found = open_delivery(secret, catalogue=parts.catalogue, clock=parts.clock)
    return _Shelf(parts, found, parts.content_of(found.version))


def _members(shelf: _Shelf, *, list_bytes: int) -> Iterator[Member]:
    yield Member(f"{shelf.folder}/{LIST}", list_bytes, map(_digest_lines, shelf.runs()))
    for run in shelf.runs():
        for file in run:
            chunks = shelf.parts.store.stream(file.content_key, start=0, end=file.size_bytes) if file.size_bytes else ()
            yield Member(f"{shelf.folder}/{file.path}", file.size_bytes, chunks)


def _stream(
    request: Request,
    chunks: Iterator[bytes],
    media_type: str,
    name: str,
    sent: Callable[[int], None],
    *,
    door: Door,
) -> Response:
    headers = {
        **_UNTOLD,
        "content-disposition": f'attachment; filename="{name}"',
        "content-security-policy": FILE_POLICY,
    }
    if request.method == "HEAD":
        return head_of_stream(headers, media_type=media_type)
    answer = StreamingResponse(door.send(chunks), headers=headers, media_type=media_type)
    return CountedResponse(answer, sent, door=door)


def _digest_lines(run: Sequence[PublicFile]) -> bytes:
    return checksum_lines(
        ListedFile.model_construct(path=one.path, size_bytes=one.size_bytes, sha512=one.sha512) for one in run
    )


def _commands(address: str, folder: str) -> list[tuple[str, str]]:
    """Write commands to be copied: the address is made of signs that no shell takes for its own."""
    check = f"cd {folder} && sha512sum -c --quiet {LIST}"
    fetch = f"mkdir -p {folder} && curl -fsS {address}/{LIST} -o {folder}/{LIST}"
    return [
        (say("delivered.by_tar"), f"curl -fS {address}/{TAR} | tar -x && {check}"),
        (
            say("delivered.by_aria2"),
            f"{fetch} && curl -fsS {address}/{ARIA2} | aria2c -c -d {folder} -i - && {check}",
        ),
    ]
