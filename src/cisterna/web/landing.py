"""What the public sees: made from public records alone, by way of `parts.shelf`; nothing here opens the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from pydantic import JsonValue

from cisterna.domain.errors import NotFound
from cisterna.domain.identifier import TEST_NAAN
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.readme import checksum_lines
from cisterna.ports.publisher import PublicRecord
from cisterna.web.byte_range import answer_file
from cisterna.web.metadata_rows import imaging_facts, shown
from cisterna.web.parts import WebParts
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import Parts
from cisterna.web.view import page as render
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

_FILES_SHOWN = 1000
_PREVIEWS_SHOWN = 48
_LINES_AT_ONCE = 10_000
_JSON_LD = "application/ld+json"
_DATACITE = "application/vnd.datacite.datacite+json"
_CRATE = 'application/ld+json;profile="https://w3id.org/ro/crate"'
FORMATS: Mapping[str, str] = {"json-ld": _JSON_LD, "datacite": _DATACITE, "crate": _CRATE}
"""Names in addresses of the serialisations that are offered."""
_FORMAT_NAMES = {"json-ld": "schema.org JSON-LD", "datacite": "DataCite JSON", "crate": "RO-Crate"}

Naan = Annotated[str, Path(pattern=r"^[0-9]{5}$")]
Name = Annotated[str, Path(pattern=r"^[0-9a-z]{1,64}$")]
Label = Annotated[str, Path(pattern=r"^v[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5})?$")]

FilePage = Annotated[int, Query(ge=1, le=1_000_000)]
PartNumber = Annotated[str, Path(pattern=r"^[0-9]{4}$")]

_METHODS = ["GET", "HEAD"]


class Wanted(NamedTuple):
    """What of a version is asked for: a form for machines, or a page of its files."""

    form: str = ""
    page: int = 1


@router.api_route("/ark:{naan}/{name}", methods=_METHODS)
def show_other_form(naan: Naan, name: Name) -> Response:
    """Lead the newer form of an ARK, without the slash, to the one we use."""
    return RedirectResponse(f"/ark:/{naan}/{name}", 301)


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
            return RedirectResponse(f"/{pid}/{record.version}?page={place // _FILES_SHOWN + 1}#h-files", 303)
        place += one.file_count
    raise NotFound(say("problem.404.detail"), pid=pid)


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


@router.api_route("/ark:/{naan}/{name}/{label}/manifest-sha512.txt", methods=_METHODS)
def send_digests(request: Request, parts: Parts, naan: Naan, name: Name, label: Label) -> Response:
    """Send the digests of every file, as `sha512sum` writes them, a run of lines at a time."""
    record = _require(parts, f"ark:/{naan}/{name}", label)
    if record.tombstone is not None:
        return _answer(request, parts, record.pid, label, Wanted())
    lines = _digest_lines(parts, record)
    first = next(lines, b"")  # what cannot be read is an error, and no short list
    headers = {"cache-control": "public, max-age=300", "content-security-policy": FILE_POLICY}
    return StreamingResponse(chain((first,), lines), media_type="text/plain; charset=utf-8", headers=headers)


@router.api_route("/ark:/{naan}/{name}/{label}/files/{path:path}", methods=_METHODS)
def send_file(*, request: Request, parts: Parts, naan: Naan, name: Name, label: Label, path: str) -> Response:
    """Send a file of one version."""
    return _send(request, parts, f"ark:/{naan}/{name}", label, path)


@router.api_route("/ark:/{naan}/{name}/{label}/preview/{path:path}", methods=_METHODS)
def show_preview(parts: Parts, naan: Naan, name: Name, label: Label, path: str) -> Response:
    """Show a thumbnail."""
    record = _require(parts, f"ark:/{naan}/{name}", label)
    png = record.previews.get(path) if record.tombstone is None else None
    if png is None:
        raise NotFound(say("problem.404.detail"))
    headers = {"cache-control": "public, max-age=300", "content-security-policy": FILE_POLICY}
    return Response(png, media_type="image/png", headers=headers)


def _digest_lines(parts: WebParts, record: PublicRecord) -> Iterator[bytes]:
    for start in range(0, record.file_count, _LINES_AT_ONCE):
        run = parts.run_of_files(record, start, start + _LINES_AT_ONCE)
        yield checksum_lines(
            ListedFile.model_construct(path=one.path, size_bytes=one.size_bytes, sha512=one.sha512) for one in run
        )


def choose_format(accept: str, offered: Sequence[str]) -> str:
    """Return the media type that the asker likes best of those offered; HTML unless another is liked better.

    Args:
        accept: The Accept header.
        offered: Media types of the record's serialisations.
    """
    best, best_quality = "text/html", 0.0
    for entry in accept.split(",")[:50]:
        kind, *parameters = (part.strip() for part in entry.split(";"))
        quality = _quality(parameters)
        profile = next((one for one in parameters if one.startswith("profile=")), "")
        wanted = f"{kind.lower()};{profile}" if profile else kind.lower()
        if wanted == "application/json":
            wanted = _JSON_LD
        if quality > best_quality and (wanted == "text/html" or wanted in offered):
            best, best_quality = wanted, quality
    return best


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        matched = re.fullmatch(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", parameter)
        if matched:
            return float(matched[1])
    return 1.0


def _require(parts: WebParts, pid: str, label: str | None) -> PublicRecord:
    record = parts.shelf.find(pid, version=label)
    if record is None:
        raise NotFound(say("problem.404.detail"), pid=pid)
    return record


def _send(request: Request, parts: WebParts, pid: str, label: str | None, path: str) -> Response:
    record = _require(parts, pid, label)
    if record.tombstone is not None:
        return _answer(request, parts, pid, record.version, Wanted())
    file = parts.find_file(record, path)
    if file is None:
        raise NotFound(say("problem.404.detail"))
    return answer_file(request, file, store=parts.store, is_public=True)


def _answer(request: Request, parts: WebParts, pid: str, label: str | None, wanted: Wanted) -> Response:
    record = _require(parts, pid, label)
    address = f"{parts.base_url.rstrip('/')}/{pid}" + (f"/{label}" if label else "")
    if record.tombstone is None:
        accept = request.headers.get("accept", "text/html")
        kind = FORMATS.get(wanted.form) or choose_format(accept, tuple(record.documents))
        document = record.documents.get(kind)
        if document is not None:
            headers = {"vary": "accept", "link": f'<{address}>; rel="describes"', "cache-control": "public, max-age=60"}
            return Response(document, media_type=kind, headers=headers)
    status = 200 if record.tombstone is None else 410
    headers = {"vary": "accept", "cache-control": "public, max-age=60", "link": _links(record, address)}
    return render(
        request, "landing.html", _context(parts, record, address, wanted.page), status=status, headers=headers
    )


def _links(record: PublicRecord, address: str) -> str:
    """Signposting for machines: where the identifier, the descriptions and the licence are."""
    links = [f'<{address}>; rel="cite-as"']
    if record.tombstone is None:
        links += [
            f'<{address}?format={name}>; rel="describedby"; type="{kind.partition(";")[0]}"'
            for name, kind in FORMATS.items()
            if kind in record.documents
        ]
        links += [
            f'<{address}/files/{quote(file.path)}>; rel="item"; type="{file.media_type}"' for file in record.files[:20]
        ]
        links.append('<https://schema.org/Dataset>; rel="type"')
    return ", ".join(links)


def _context(parts: WebParts, record: PublicRecord, address: str, number: int) -> dict[str, object]:
    versions = parts.shelf.versions(record.pid)
    standing = [one for one in versions if one.tombstone is None]
    said = record.metadata
    base = f"/{record.pid}/{record.version}"
    return {
        "r": record,
        "signed": None,
        "address": address,
        "is_test": record.pid.startswith(f"ark:/{TEST_NAAN}/"),
        "is_newest": not standing or standing[0].version == record.version,
        "versions": versions,
        "creators": [
            {"name": _text(one.get("name")), "orcid": _orcid(one.get("orcid"))}
            for one in _list(said.get("creators"))
            if isinstance(one, dict) and one.get("name")
        ],
        "summary": _text(said.get("description")),
        "publisher": _text(said.get("publisher")),
        "licence": _text(said.get("licence")),
        "licence_url": f"https://spdx.org/licenses/{quote(_text(said.get('licence')))}",
        "citation": citation(record, f"{parts.base_url.rstrip('/')}/{record.pid}/{record.version}"),
        "facts": imaging_facts(said) if record.tombstone is None else [],
        **_files(parts, record, base, number),
        "previews": [
            {"path": path.removeprefix("data/"), "url": f"{base}/preview/{quote(path)}"}
            for path in list(record.previews)[:_PREVIEWS_SHOWN]
        ],
        "json_ld": _json_ld(record),
        "formats": [
            (_FORMAT_NAMES[name], f"{base}?format={name}") for name, kind in FORMATS.items() if kind in record.documents
        ],
    }


def _files(parts: WebParts, record: PublicRecord, base: str, number: int) -> dict[str, object]:
    """Give one page of files, and where the pages beside it and the whole list are."""
    start, last = (number - 1) * _FILES_SHOWN, max(1, -(-record.file_count // _FILES_SHOWN))
    if number > last:
        raise NotFound(say("problem.404.detail"), pid=record.pid, page=number)
    run = parts.run_of_files(record, start, start + _FILES_SHOWN)
    return {
        "files": [{**dict(file), "url": f"{base}/files/{quote(file.path)}"} for file in run],
        "pages": {
            "number": number,
            "last": last,
            "begin": start + 1,
            "end": start + len(run),
            "previous": f"{base}?page={number - 1}#h-files" if number > 1 else None,
            "next": f"{base}?page={number + 1}#h-files" if number < last else None,
        },
        "all_files": f"{base}/manifest-sha512.txt",
    }


def citation(record: PublicRecord, address: str) -> str:
    """Write how the version is cited, in the order that DataCite recommends."""
    said = record.metadata
    names = [_text(one.get("name")) for one in _list(said.get("creators")) if isinstance(one, dict)]
    return say(
        "citation",
        creators="; ".join(filter(None, names)) or say("citation.nobody"),
        year=shown(said.get("publication_year")) or record.published_at.year,
        title=record.title,
        version=record.version,
        publisher=_text(said.get("publisher")) or say("citation.no_publisher"),
        address=address,
    )


def _json_ld(record: PublicRecord) -> str | None:
    document = record.documents.get(_JSON_LD)
    if document is None:
        return None
    try:
        json.loads(document)
    except ValueError:
        return None
    return document


def _orcid(value: JsonValue) -> str:
    """Return an iD that is safe to lead people to, else nothing."""
    text = _text(value)
    return text if re.fullmatch(r"[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]", text) else ""


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
