"""What programs read to learn what is public: the feed of the newest, the map of the site, and what robots may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated
from xml.sax.saxutils import escape, quoteattr

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse, Response

from cisterna.domain.errors import NotFound
from cisterna.domain.text import shorten
from cisterna.ports.public_index import FoundDataset, Listed
from cisterna.services.public_search import newest_public, public_addresses
from cisterna.web.public_route import IndexRoute
from cisterna.web.signed import Parts
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False, route_class=IndexRoute)

ADDRESSES_MOST = 50_000
"""In one file of a site map, as its protocol says."""
_NEWEST = 50
_METHODS = ["GET", "HEAD"]
_HEADERS = {"cache-control": "public, max-age=300, must-revalidate"}
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MapNumber = Annotated[int, Path(ge=1, le=50_000)]


@router.api_route("/browse/newest.atom", methods=_METHODS)
def send_feed(parts: Parts) -> Response:
    """Send what was published last, as Atom."""
    rows = newest_public(limit=_NEWEST, catalogue=parts.public_catalogue)
    content = write_feed(rows, base_url=parts.base_url.rstrip("/"), site=parts.site_name)
    return Response(content, media_type="application/atom+xml", headers=_HEADERS)


@router.api_route("/sitemap.xml", methods=_METHODS)
def send_map(parts: Parts) -> Response:
    """Send the addresses of all that is public, or of the files that hold them."""
    base_url = parts.base_url.rstrip("/")
    found = public_addresses(limit=ADDRESSES_MOST, offset=0, catalogue=parts.public_catalogue)
    if found.total > ADDRESSES_MOST:
        return _xml(write_map_index(found.total, base_url=base_url))
    return _xml(write_map(found.listed, base_url=base_url))


@router.api_route("/sitemap-{number}.xml", methods=_METHODS)
def send_part_of_map(parts: Parts, number: MapNumber) -> Response:
    """Send one of several files of addresses."""
    offset = (number - 1) * ADDRESSES_MOST
    found = public_addresses(limit=ADDRESSES_MOST, offset=offset, catalogue=parts.public_catalogue)
    if not found.listed:
        raise NotFound(say("problem.404.detail"))
    return _xml(write_map(found.listed, base_url=parts.base_url.rstrip("/")))


@router.api_route("/robots.txt", methods=_METHODS)
async def send_robots(parts: Parts) -> Response:
    """Say what robots may read: what is public, by its address, and not every way to search it."""
    lines = (
        "User-agent: *",
        "Allow: /api/v1/public/",
        "Disallow: /api/",
        "Disallow: /browse?",
        "Disallow: /hooks/",
        "Disallow: /sign-in",
        f"Sitemap: {parts.base_url.rstrip('/')}/sitemap.xml",
    )
    return PlainTextResponse("\n".join(lines) + "\n", headers=_HEADERS)


def write_feed(rows: Sequence[FoundDataset], *, base_url: str, site: str) -> str:
    """Write an Atom feed, the newest first."""
    updated = rows[0].published_at if rows else _EPOCH
    address = f"{base_url}/browse/newest.atom"
    title = say("feed.title", site=site)
    entries = "".join(_entry(one, base_url) for one in rows)
    return (
        f'{_XML}<feed xmlns="http://www.w3.org/2005/Atom"><id>{escape(address)}</id>'
        f"<title>{escape(title)}</title><updated>{_moment(updated)}</updated>"
        f'<link rel="self" type="application/atom+xml" href={quoteattr(address)}/>'
        f'<link rel="alternate" type="text/html" href={quoteattr(f"{base_url}/browse")}/>'
        f"<author><name>{escape(site)}</name></author>{entries}</feed>\n"
    )


def write_map(listed: Sequence[Listed], *, base_url: str) -> str:
    """Write a file of addresses."""
    told = "".join(_address(one, base_url) for one in listed)
    return f'{_XML}<urlset xmlns="{_MAP}"><url><loc>{escape(base_url)}/browse</loc></url>{told}</urlset>\n'


def write_map_index(total: int, *, base_url: str, most: int = ADDRESSES_MOST) -> str:
    """Write where the files of addresses are."""
    files = range(1, -(-total // most) + 1)
    told = "".join(f"<sitemap><loc>{escape(base_url)}/sitemap-{number}.xml</loc></sitemap>" for number in files)
    return f'{_XML}<sitemapindex xmlns="{_MAP}">{told}</sitemapindex>\n'


def _entry(found: FoundDataset, base_url: str) -> str:
    content, address = found.content, f"{base_url}/{found.pid}/{found.version}"
    return "".join(
        (
            f"<entry><id>{escape(address)}</id><title>{escape(content.title)}</title>",
            f"<updated>{_moment(found.published_at)}</updated><link href={quoteattr(address)}/>",
            *(f"<author><name>{escape(name)}</name></author>" for name in content.creators),
            *(f"<category term={quoteattr(subject)}/>" for subject in content.subjects),
            *_summary(content.description),
            "</entry>",
        )
    )


def _summary(description: str) -> Iterator[str]:
    if description:
        yield f"<summary>{escape(shorten(description, 1000))}</summary>"


def _address(listed: Listed, base_url: str) -> str:
    address = escape(f"{base_url}/{listed.pid}")
    return f"<url><loc>{address}</loc><lastmod>{_moment(listed.changed_at)}</lastmod></url>"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _xml(content: str) -> Response:
    return Response(content, media_type="application/xml", headers=_HEADERS)
