"""Writes the pages of a static site: plain HTML, links that are right wherever the site lies, and no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.deposit import Doi
from cisterna.domain.identifier import Ark
from cisterna.metadata.citation import citation_line
from cisterna.metadata.described import on_one_line
from cisterna.metadata.forms import FORMS
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import uri_path
from cisterna.metadata.public_described import described_from
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest

SHOWN_FILES = 1_000
INDEX_ROWS = 500
NEWEST = 50
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MAP_MOST = 50_000


class Row(Value):
    """What the site's lists know of one version.

    Attributes:
        tombstone: Why it was withdrawn; then nothing else of it is shown but how it was called.
    """

    pid: Ark
    version: str
    title: str
    creators: tuple[str, ...] = ()
    doi: Doi | None = None
    published_at: Moment
    changed_at: Moment
    tombstone: str | None = None

    @property
    def folder(self) -> str:
        """Where its pages are."""
        return f"{folder_of(self.pid)}{self.version}/"


class Shelf(Value):
    """Every version of a site, the newest first."""

    rows: tuple[Row, ...] = Field(default=(), max_length=1_000_000)

    def with_row(self, row: Row) -> Shelf:
        """Add a version, or replace what is known of it."""
        others = [one for one in self.rows if (one.pid, one.version) != (row.pid, row.version)]
        rows = sorted([*others, row], key=lambda one: (one.published_at, one.pid, one.version), reverse=True)
        return Shelf(rows=tuple(rows))

    @property
    def standing(self) -> list[Row]:
        """Those that were not withdrawn."""
        return [one for one in self.rows if one.tombstone is None]


class FormFile(NamedTuple):
    """A form of the description, as a file beside the page."""

    title: str
    media_type: str
    file: str
    body: str


def folder_of(pid: str) -> str:
    """Name the folder of a dataset: `12345/abc/`."""
    return f"{pid.removeprefix('ark:/')}/"


def forms_of(record: PublicRecord) -> list[FormFile]:
    """Give every form that the record holds."""
    return [
        FormFile(form.title, form.media_type, f"metadata.{form.name}{form.suffix}", record.documents[form.media_type])
        for form in FORMS
        if form.media_type in record.documents
    ]


def row_of(request: DepositRequest) -> Row:
    """Make what the lists know of a version."""
    record = request.record
    creators = record.metadata.get("creators")
    names = [one.get("name") for one in creators if isinstance(one, dict)] if isinstance(creators, list) else []
    return Row(
        pid=record.pid,
        version=record.version,
        title=on_one_line(record.title),
        creators=tuple(on_one_line(str(name)) for name in names if name),
        doi=record.doi,
        published_at=record.published_at,
        changed_at=record.withdrawn_at or record.published_at,
        tombstone=record.tombstone,
    )


def record_page(request: DepositRequest, *, files: Sequence[PublicFile], lists: Sequence[str], site: str) -> bytes:
    """Write the page of a version that stands.

    Args:
        request: The version.
        files: The first of its files.
        lists: Names of the files that list all.
        site: What the site is called.
    """
    record = request.record
    described = described_from(record, address=request.address)
    cite_as = described.doi_url or request.address
    return _rendered(
        "record.html",
        r=record,
        site=site,
        top="../../../",
        address=f"{request.address}/{record.version}",
        cite_as=cite_as,
        creators=[one.name for one in described.record.creators],
        summary=[line for line in described.record.summary.split("\n") if line.strip()],
        citation=citation_line(described, cite_as),
        licence=described.record.licence,
        licence_url=licence_url(described.record.licence) if described.record.licence else None,
        files=[{**dict(one), "url": file_address(request, one)} for one in files],
        lists=lists,
        forms=forms_of(record),
    )


def gone_page(request: DepositRequest, *, site: str) -> bytes:
    """Write the page of a version that was withdrawn."""
    address = f"{request.address}/{request.version}"
    return _rendered("gone.html", one=row_of(request), site=site, top="../../../", address=address)


def versions_page(rows: Sequence[Row], *, site: str) -> bytes:
    """Write the page of a dataset, which leads to its versions."""
    return _rendered("versions.html", rows=rows, site=site, top="../../")


def index_pages(shelf: Shelf, *, site: str) -> Iterator[tuple[str, bytes]]:
    """Write the pages that list every version that stands, by the names of their files."""
    rows = shelf.standing
    pages = max(1, -(-len(rows) // INDEX_ROWS))
    for page in range(1, pages + 1):
        shown = rows[(page - 1) * INDEX_ROWS : page * INDEX_ROWS]
        body = _rendered("index.html", rows=shown, total=len(rows), page=page, pages=pages, site=site, top="")
        yield "index.html" if page == 1 else f"index-{page}.html", body


def site_map(shelf: Shelf, *, url: str) -> bytes:
    """Write the addresses of every version that stands, the newest 50,000 as the protocol has it."""
    told = "".join(
        f"<url><loc>{escape(f'{url}/{one.folder}index.html')}</loc><lastmod>{_moment(one)}</lastmod></url>"
        for one in shelf.standing[:_MAP_MOST]
    )
    return f'{_XML}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{told}</urlset>\n'.encode()


def feed(shelf: Shelf, *, url: str, site: str) -> bytes:
    """Write what was published last, as Atom."""
    rows = shelf.standing[:NEWEST]
    updated = _moment(rows[0]) if rows else "1970-01-01T00:00:00Z"
    address = f"{url}/feed.xml"
    entries = "".join(_entry(one, url) for one in rows)
    return (
        f'{_XML}<feed xmlns="http://www.w3.org/2005/Atom"><id>{escape(address)}</id><title>{escape(site)}</title>'
        f'<updated>{updated}</updated><link rel="self" type="application/atom+xml" href={quoteattr(address)}/>'
        f'<link rel="alternate" type="text/html" href={quoteattr(f"{url}/index.html")}/>'
        f"<author><name>{escape(site)}</name></author>{entries}</feed>\n"
    ).encode()


def file_address(request: DepositRequest, file: PublicFile) -> str:
    """Say where a file is to be had: at the portal, below its own version."""
    return f"{request.address}/{request.version}/files/{uri_path(file.path)}"


def _entry(one: Row, url: str) -> str:
    address = f"{url}/{one.folder}index.html"
    people = "".join(f"<author><name>{escape(name)}</name></author>" for name in one.creators)
    return (
        f"<entry><id>{escape(address)}</id><title>{escape(one.title)}</title><updated>{_moment(one)}</updated>"
        f"<link href={quoteattr(address)}/>{people}</entry>"
    )


def _moment(one: Row) -> str:
    return one.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rendered(name: str, **values: object) -> bytes:
    return _environment().get_template(name).render(**values).encode()


@cache
def _environment() -> Environment:
    folder = FileSystemLoader(Path(__file__).parent / "static_site")
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
