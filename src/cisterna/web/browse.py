"""The pages on which anybody searches what is public; of the catalogue they read the index of it and nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.domain.public_entry import Facet
from cisterna.domain.text import shorten
from cisterna.ports.public_index import Counts, FoundDataset, Sort
from cisterna.services.public_search import Statistics, browse_public, public_statistics
from cisterna.web.browse_query import Asked, Searched
from cisterna.web.public_route import IndexRoute
from cisterna.web.signed import Parts
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False, route_class=IndexRoute)

ON_A_PAGE = 20
_METHODS = ["GET", "HEAD"]
_HEADERS = {"cache-control": "public, max-age=60, must-revalidate"}
_CREATORS_SHOWN = 4
_SUMMED = (Facet.YEAR, Facet.DATA_TYPE, Facet.INSTRUMENT, Facet.AFFILIATION, Facet.LICENCE)


@router.api_route("/browse", methods=_METHODS)
def show_found(request: Request, parts: Parts, asked: Searched) -> Response:
    """Show a page of what is found, and by what it can be narrowed down."""
    first = (asked.page - 1) * ON_A_PAGE
    browsed = browse_public(
        asked.wanted, sort=asked.sort, limit=ON_A_PAGE, offset=first, catalogue=parts.public_catalogue
    )
    found = browsed.found
    last = first + len(found.rows)
    context = {
        "signed": None,
        "asked": asked,
        "sorts": list(Sort),
        "rows": [_row(one) for one in found.rows],
        "first": first + 1,
        "last": last,
        "total": found.total,
        "is_more": found.is_more,
        "is_everything": not asked.wanted.words and not asked.wanted.chosen,
        "meant": [(word, ", ".join(others)) for word, others in found.meant.items()],
        "chosen": _chosen(asked),
        "facets": list(_facets(asked, browsed.counts)),
        "counted": browsed.counts.of if found.is_more or browsed.counts.of < found.total else None,
        "earlier": asked.address(page=asked.page - 1) if asked.page > 1 else None,
        "later": asked.address(page=asked.page + 1) if last < found.total and found.rows else None,
    }
    return page(request, "browse.html", context, headers=_HEADERS)


@router.api_route("/browse/statistics", methods=_METHODS)
def show_statistics(request: Request, parts: Parts) -> Response:
    """Show what is public in numbers."""
    told = public_statistics(catalogue=parts.public_catalogue)
    tables = {facet: [one for one in told.sums if one.facet is facet] for facet in _SUMMED}
    tables[Facet.YEAR].sort(key=lambda one: one.value, reverse=True)
    context = {"signed": None, "told": told, "tables": [(facet, rows) for facet, rows in tables.items() if rows]}
    return page(request, "browse_statistics.html", context, headers=_HEADERS)


@router.api_route("/browse/statistics.csv", methods=_METHODS)
def send_statistics(parts: Parts) -> Response:
    """Send the same for a spreadsheet."""
    headers = {**_HEADERS, "content-disposition": 'attachment; filename="statistics.csv"'}
    content = statistics_table(public_statistics(catalogue=parts.public_catalogue))
    return Response(content, media_type="text/csv; charset=utf-8; header=present", headers=headers)


def statistics_table(told: Statistics) -> str:
    """Write the sums as CSV; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("facet", "value", "datasets", "files", "bytes"))
    writer.writerow(("all", "", told.datasets, told.file_count, told.total_bytes))
    for one in told.sums:
        value = f"'{one.value}" if one.value[:1] in "=+-@\t\r" else one.value
        writer.writerow((one.facet.value, value, one.datasets, one.file_count, one.total_bytes))
    for facet, count in told.left_out.items():
        writer.writerow((facet.value, say("statistics.left_out", count=count), "", "", ""))
    return text.getvalue()


def _row(found: FoundDataset) -> Mapping[str, object]:
    content = found.content
    creators = ", ".join(content.creators[:_CREATORS_SHOWN])
    more = len(content.creators) - _CREATORS_SHOWN
    return {
        "found": found,
        "content": content,
        "creators": say("browse.and_more", shown=creators, count=more) if more > 0 else creators,
        "summary": shorten(content.description, 280),
    }


def _chosen(asked: Asked) -> list[tuple[Facet, str, str]]:
    chosen = [(facet, value) for facet, values in asked.wanted.chosen.items() for value in values]
    return [(facet, value, asked.address(without=(facet, value))) for facet, value in chosen]


def _facets(asked: Asked, counts: Counts) -> Iterator[tuple[Facet, list[tuple[str, int, str]]]]:
    """Give the values that narrow down, each with its address; those that are chosen stand elsewhere."""
    for facet in Facet:
        taken = asked.wanted.chosen.get(facet, ())
        values = [one for one in counts.values.get(facet, ()) if one.value not in taken]
        if facet is Facet.YEAR:
            values.sort(reverse=True)
        if values:
            yield facet, [(one.value, one.datasets, asked.address(also=(facet, one.value))) for one in values]
