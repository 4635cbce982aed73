"""What the templates of landing pages are filled with, from public records alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.identifier import TEST_NAAN, version_ark
from cisterna.metadata.licence import licence_url
from cisterna.metadata.record import MetadataRecord, read_record
from cisterna.ports.publisher import PublicRecord, PublicVersion
from cisterna.web import landing_facts as facts
from cisterna.web.metadata_rows import shown
from cisterna.web.parts import WebParts
from cisterna.web.public_forms import creators_of, doi_address, offered_forms, signposts
from cisterna.web.wording import say

_FILES_SHOWN = 1000
_PREVIEWS_SHOWN = 48
_JSON_LD = "application/ld+json"
_CROISSANT = "croissant"
_CITATIONS = ("bibtex", "ris", "csl")
"""Forms that a program which keeps references takes."""


class Offer(NamedTuple):
    """A form that can be fetched."""

    title: str
    url: str


class Preview(NamedTuple):
    """A thumbnail of a file."""

    path: str
    url: str


def page_context(
    parts: WebParts, record: PublicRecord, address: str, number: int, *, versions: Sequence[PublicVersion]
) -> dict[str, object]:
    """Fill the page of a version that stands.

    Args:
        parts: Of the web process.
        record: The version.
        address: Of the page, absolute.
        number: Of the page of files.
        versions: Every version that was ever public, newest first.

    Raises:
        NotFound: There is no such page of files.
    """
    base = f"/{record.pid}/{record.version}"
    pictures = _previews(record, base)
    described = _described(record)
    return {
        **_common(parts, record, address, versions),
        "links": [link for link in signposts(record, address).of_page() if link.rel in {"license", "linkset"}],
        "d": described,
        "summary": [line for line in described.summary.split("\n") if line.strip()] if described else [],
        "publisher": facts.publisher(described) if described else None,
        "licence_url": licence_url(described.licence) if described and described.licence else None,
        "access": facts.access_words(described) if described else "",
        "made": facts.made(described) if described else [],
        "samples": facts.samples(described) if described else [],
        "about": facts.about(described) if described else [],
        **_files(parts, record, base, number),
        "picture": pictures[0] if pictures else None,
        "previews": pictures,
        "json_ld": _json_ld(record),
        "exports": _offers(record, base, names=_CITATIONS),
        "records": _records(record, f"{parts.base_url.rstrip('/')}{base}"),
        "formats": _offers(record, base),
    }


def page_of(place: int) -> int:
    """Tell on which page of files the file of that place is."""
    return place // _FILES_SHOWN + 1


def tombstone_context(parts: WebParts, record: PublicRecord, address: str) -> dict[str, object]:
    """Fill the page of a version that was withdrawn: what it was called, who made it, when, and why it is gone."""
    return _common(parts, record, address, parts.shelf.versions(record.pid))


def citation(record: PublicRecord, address: str) -> str:
    """Write how the version is cited, in the order that DataCite recommends."""
    said = record.metadata
    return say(
        "citation",
        creators="; ".join(one.name for one in creators_of(record)) or say("citation.nobody"),
        year=record.published_at.year,
        title=record.title,
        version=record.version,
        publisher=shown(said.get("publisher")) or say("citation.no_publisher"),
        address=address,
    )


def _described(record: PublicRecord) -> MetadataRecord | None:
    """Read the description; of one that a later version of this software wrote, the rest of the page is shown."""
    try:
        return read_record(record.metadata)
    except InvalidInput:
        return None


def _common(
    parts: WebParts, record: PublicRecord, address: str, versions: Sequence[PublicVersion]
) -> dict[str, object]:
    standing = [one for one in versions if not one.is_gone]
    own = version_ark(record.pid, record.version)
    return {
        "r": record,
        "signed": None,
        "address": address,
        "cite_as": doi_address(record) or address,
        "version_pid": own,
        "doi": facts.doi(record),
        "is_test": record.pid.startswith(f"ark:/{TEST_NAAN}/"),
        "is_newest": not standing or standing[0].version == record.version,
        "versions": versions,
        "people": [facts.person(one) for one in creators_of(record)],
        "citation": citation(record, doi_address(record) or f"{parts.base_url.rstrip('/')}/{own}"),
    }


def _previews(record: PublicRecord, base: str) -> list[Preview]:
    return [
        Preview(path.removeprefix("data/"), f"{base}/preview/{quote(path)}")
        for path in list(record.previews)[:_PREVIEWS_SHOWN]
    ]


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


def _offers(record: PublicRecord, base: str, *, names: Iterable[str] | None = None) -> list[Offer]:
    wanted = None if names is None else set(names)
    return [
        Offer(form.title, f"{base}?format={form.name}")
        for form in offered_forms(record)
        if wanted is None or form.name in wanted
    ]


def _records(record: PublicRecord, address: str) -> str | None:
    """Write how the files are loaded as records, to be copied; what has no files has none.

    mlcroissant asks for anything (`*/*`) and takes nothing but JSON. So does every other program that names no wish,
    and most of those want the page: only an address of its own can tell that it is Croissant that is wanted.
    """
    if not record.file_count or all(form.name != _CROISSANT for form in offered_forms(record)):
        return None
    return f'mlcroissant.Dataset("{address}?format={_CROISSANT}")'


def _json_ld(record: PublicRecord) -> str | None:
    """Give what search engines read of the page; what is no JSON must not stand in it."""
    document = record.documents.get(_JSON_LD)
    if document is None:
        return None
    try:
        json.loads(document)
    except ValueError:
        return None
    return document
