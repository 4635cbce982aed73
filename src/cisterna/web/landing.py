"""What the public sees: made from public records alone, by way of `parts.shelf`; nothing here opens the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import NotFound
from cisterna.metadata.forms import Form
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.readme import checksum_lines
from cisterna.ports.publisher import PublicFile, PublicRecord, PublicVersion
from cisterna.web.byte_range import answer_file
from cisterna.web.conditional import Validators, answer_body, answer_stream, header_of
from cisterna.web.landing_page import page_context, page_of, tombstone_context
from cisterna.web.parts import WebParts
from cisterna.web.public_forms import PAGE, choose_form, choose_linkset, doi_address, offered_forms, signposts
from cisterna.web.public_route import ShelfRoute
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import Parts
from cisterna.web.signposting import LINKSET, LINKSETS, Link, link_header, linkset_json, linkset_text
from cisterna.web.view import PAGES_CHANGED_AT
from cisterna.web.view import page as render
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False, route_class=ShelfRoute)

_LINES_AT_ONCE = 10_000
_TOLD = "accept-ranges, content-disposition, content-length, content-location, content-range, etag, link, repr-digest"
_ANYWHERE = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": _TOLD,
    "cross-origin-resource-policy": "cross-origin",
}
"""For programs in pages of other sites, such as viewers: what is here anybody may read, and nothing knows who asks."""
_SHORTLY = {"cache-control": "public, max-age=60, must-revalidate", "vary": "accept", **_ANYWHERE}
_LONGER = {
    "cache-control": "public, max-age=300, must-revalidate",
    "content-security-policy": FILE_POLICY,
    **_ANYWHERE,
}

Naan = Annotated[str, Path(pattern=r"^[0-9]{5}$")]
Name = Annotated[str, Path(pattern=r"^[0-9a-z]{1,64}$")]
Label = Annotated[str, Path(pattern=r"^v[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5})?$")]

FilePage = Annotated[int, Query(ge=1, le=1_000_000)]
PartNumber = Annotated[str, Path(pattern=r"^[0-9]{4}$")]

_METHODS = ["GET", "HEAD"]


class Wanted(NamedTuple):
    """What of a version is asked for: a form by its name, or a page of its files."""

    form: str = ""
    page: int = 1


@router.api_route("/ark:{naan}/{name}", methods=_METHODS)
@router.api_route("/ark:{naan}/{name}/{rest:path}", methods=_METHODS)
async def show_other_form(request: Request, naan: Naan, name: Name, rest: str = "") -> Response:
    """Lead the newer form of an ARK, without the slash, to the one we use, with what is asked for below it."""
    below = f"/{quote(rest)}" if rest else ""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/ark:/{naan}/{name}{below}{query}", 301)


@router.api_route("/ark:/{naan}/{name}", methods=_METHODS)
def show_newest(
    *,
    request: Request,
    parts: Parts,
    naan: Naan,
    name: Name,
    format: str = "",  # noqa: A002 - its name in addresses
    page: FilePage = 1,
) -> Response:
    """Show the newest version, or its tombstone."""
    return _answer(request, parts, f"ark:/{naan}/{name}", None, Wanted(format, page))


@router.api_route("/ark:/{naan}/{name}/part-{number}", methods=_METHODS)
def show_part(parts: Parts, naan: Naan, name: Name, number: PartNumber) -> Response:
    """Lead the identifier of a part to its files on the page of its whole: by itself it has none."""
    pid = f"ark:/{naan}/{name}"
    record = _require(parts, pid, None)
    if record.tombstone is not None:
        return RedirectResponse(f"/{pid}", 303)
    place = len(record.files)
    for one in record.lists:
        if one.pid == f"{pid}/part-{number}":
            return RedirectResponse(f"/{pid}/{record.version}?page={page_of(place)}#h-files", 303)
        place += one.file_count
    raise NotFound(say("problem.404.detail"), pid=pid)


@router.api_route("/ark:/{naan}/{name}/linkset", methods=_METHODS)
def send_newest_links(
    *,
    request: Request,
    parts: Parts,
    naan: Naan,
    name: Name,
    format: str = "",  # noqa: A002 - its name in addresses
) -> Response:
    """Send every link of the newest version."""
    return _links(request, parts, f"ark:/{naan}/{name}", None, format)


@router.api_route("/ark:/{naan}/{name}/files/{path:path}", methods=_METHODS)
def send_newest_file(request: Request, parts: Parts, naan: Naan, name: Name, path: str) -> Response:
    """Send a file of the newest version."""
    return _send(request, parts, f"ark:/{naan}/{name}", None, path)


@router.api_route("/ark:/{naan}/{name}/{label}", methods=_METHODS)
def show_version(
    *,
    request: Request,
    parts: Parts,
    naan: Naan,
    name: Name,
    label: Label,
    format: str = "",  # noqa: A002 - its name in addresses
    page: FilePage = 1,
) -> Response:
    """Show one version, or its tombstone."""
    return _answer(request, parts, f"ark:/{naan}/{name}", label, Wanted(format, page))


@router.api_route("/ark:/{naan}/{name}/{label}/linkset", methods=_METHODS)
def send_links(
    *,
    request: Request,
    parts: Parts,
    naan: Naan,
    name: Name,
    label: Label,
    format: str = "",  # noqa: A002 - its name in addresses
) -> Response:
    """Send every link of one version."""
    return _links(request, parts, f"ark:/{naan}/{name}", label, format)


@router.api_route("/ark:/{naan}/{name}/{label}/manifest-sha512.txt", methods=_METHODS)
def send_digests(request: Request, parts: Parts, naan: Naan, name: Name, label: Label) -> Response:
    """Send the digests of every file, as `sha512sum` writes them, a run of lines at a time."""
    record = _require(parts, f"ark:/{naan}/{name}", label)
    if record.tombstone is not None:
        return _tombstone(request, parts, record, label)
    return answer_stream(
        request,
        (_digest_lines(run) for run in _runs(parts, record)),
        media_type="text/plain; charset=utf-8",
        door=parts.shelf_door,
        validators=_validators(record, "digests"),
        headers=_LONGER,
    )


@router.api_route("/ark:/{naan}/{name}/{label}/files/{path:path}", methods=_METHODS)
def send_file(*, request: Request, parts: Parts, naan: Naan, name: Name, label: Label, path: str) -> Response:
    """Send a file of one version."""
    return _send(request, parts, f"ark:/{naan}/{name}", label, path)


@router.api_route("/ark:/{naan}/{name}/{label}/preview/{path:path}", methods=_METHODS)
def show_preview(*, request: Request, parts: Parts, naan: Naan, name: Name, label: Label, path: str) -> Response:
    """Show a thumbnail."""
    record = _require(parts, f"ark:/{naan}/{name}", label)
    png = record.previews.get(path) if record.tombstone is None else None
    if png is None:
        raise NotFound(say("problem.404.detail"))
    return answer_body(request, png, media_type="image/png", modified=record.published_at, headers=_LONGER)


def _answer(request: Request, parts: WebParts, pid: str, label: str | None, wanted: Wanted) -> Response:
    record = _require(parts, pid, label)
    if record.tombstone is not None:
        return _tombstone(request, parts, record, label)
    address, offered = _address(parts, pid, label), offered_forms(record)
    form = choose_form(wanted.form, header_of(request, "accept"), offered)
    match form:
        case None:
            return _nothing_fits(
                address, {one.name: one.media_type for one in offered} | {PAGE: "text/html"}, wanted.form
            )
        case Form():
            return _document(request, record, form, address)
        case _:
            return _page(request, parts, record, address, wanted.page)


def _page(request: Request, parts: WebParts, record: PublicRecord, address: str, number: int) -> Response:
    versions = parts.shelf.versions(record.pid)
    context = page_context(parts, record, address, number, versions=versions)
    of = signposts(record, address)
    changed = max(one.withdrawn_at or one.published_at for one in (PublicVersion.of(record), *versions))
    return answer_body(
        request,
        bytes(render(request, "landing.html", context).body),
        media_type="text/html; charset=utf-8",
        modified=min(max(changed, PAGES_CHANGED_AT), parts.clock.now()),
        headers=_SHORTLY | {"link": link_header([*of.of_page(), *map(of.item, record.files)])},
    )


def _document(request: Request, record: PublicRecord, form: Form, address: str) -> Response:
    of = signposts(record, address)
    name = f"{record.pid.rpartition('/')[2]}-{record.version}{form.suffix}"
    headers = {
        **_SHORTLY,
        "content-disposition": f'inline; filename="{name}"',
        "content-location": f"{address}?format={form.name}",
        "content-security-policy": FILE_POLICY,
        "link": link_header([*of.of_description(), *of.to_linksets()]),
    }
    body = record.documents[form.media_type].encode()
    return answer_body(request, body, media_type=form.media_type, modified=record.published_at, headers=headers)


def _links(request: Request, parts: WebParts, pid: str, label: str | None, name: str) -> Response:
    record = _require(parts, pid, label)
    if record.tombstone is not None:
        return _tombstone(request, parts, record, label)
    address = _address(parts, pid, label)
    media_type = choose_linkset(name, header_of(request, "accept"))
    if media_type is None:
        return _nothing_fits(f"{address}/linkset", LINKSETS, name)
    of, runs = signposts(record, address), partial(_runs, parts, record)
    return answer_stream(
        request,
        linkset_text(of, runs) if media_type == LINKSET else linkset_json(of, runs),
        media_type=media_type,
        door=parts.shelf_door,
        validators=_validators(record, f"{media_type} {address}"),
        headers=_SHORTLY,
    )


def _send(request: Request, parts: WebParts, pid: str, label: str | None, path: str) -> Response:
    record = _require(parts, pid, label)
    if record.tombstone is not None:
        return _tombstone(request, parts, record, record.version)
    file = parts.find_file(record, path)
    if file is None:
        raise NotFound(say("problem.404.detail"))
    of = signposts(record, _address(parts, pid, label))
    more = {**_ANYWHERE, "link": link_header([*of.of_file(file), *of.to_linksets()])}
    return answer_file(
        request,
        file,
        store=parts.store,
        door=parts.shelf_door,
        caching=_LONGER["cache-control"],
        modified=record.published_at,
        more=more,
    )


def _tombstone(request: Request, parts: WebParts, record: PublicRecord, label: str | None) -> Response:
    """Say that it was there, and why it is gone; of what it held nothing is told or led to."""
    address = _address(parts, record.pid, label)
    headers = {
        **_SHORTLY,
        "link": link_header([Link("cite-as", doi_address(record) or address)]),
        "x-robots-tag": "noindex",
    }
    context = tombstone_context(parts, record, address)
    return render(request, "tombstone.html", context, status=410, headers=headers)


def _nothing_fits(address: str, offered: dict[str, str], name: str) -> Response:
    """List what there is: 404 where a name that there is not was asked for, 406 where nothing is acceptable."""
    status = 404 if name else 406
    body = {
        "type": "about:blank",
        "title": say(f"problem.{status}.title"),
        "status": status,
        "detail": say("landing.no_form"),
        "offered": [
            {"media_type": media_type, "address": f"{address}?format={one}"} for one, media_type in offered.items()
        ],
    }
    return JSONResponse(body, status, _SHORTLY, media_type="application/problem+json")


def _require(parts: WebParts, pid: str, label: str | None) -> PublicRecord:
    record = parts.shelf.find(pid, version=label)
    if record is None:
        raise NotFound(say("problem.404.detail"), pid=pid)
    return record


def _address(parts: WebParts, pid: str, label: str | None) -> str:
    return f"{parts.base_url.rstrip('/')}/{pid}" + (f"/{label}" if label else "")


def _runs(parts: WebParts, record: PublicRecord) -> Iterator[Sequence[PublicFile]]:
    for start in range(0, record.file_count, _LINES_AT_ONCE):
        yield parts.run_of_files(record, start, start + _LINES_AT_ONCE)


def _digest_lines(run: Sequence[PublicFile]) -> bytes:
    return checksum_lines(
        ListedFile.model_construct(path=one.path, size_bytes=one.size_bytes, sha512=one.sha512) for one in run
    )


def _validators(record: PublicRecord, what: str) -> Validators:
    """Tell one state of what is written of a record from another without writing it."""
    body = f"{what}\n{sorted(record.documents)}\n{record.model_dump_json(exclude={'previews', 'documents'})}"
    return Validators(etag=f'"{sha512_of(body.encode())[:32]}"', modified=record.published_at)
