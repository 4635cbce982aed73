"""The API of what is public: answered to anybody, without a token, and to pages of other sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from cisterna.domain.base import Moment
from cisterna.domain.errors import InvalidInput
from cisterna.domain.public_entry import Facet
from cisterna.ports.public_index import COUNTED_EXACTLY, FoundDataset
from cisterna.services.public_search import browse_public, public_statistics
from cisterna.web.browse_query import Searched
from cisterna.web.public_route import IndexRoute
from cisterna.web.signed import Parts

router = APIRouter(prefix="/api/v1/public", tags=["public"], route_class=IndexRoute)

_HEADERS = {
    "cache-control": "public, max-age=60, must-revalidate",
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}


class PublicDataset(BaseModel):
    """A dataset by its newest version that stands. `url` is its landing page."""

    pid: str
    version: str
    url: str
    title: str
    description: str
    creators: tuple[str, ...]
    affiliations: tuple[str, ...]
    publisher: str | None
    published_at: Moment
    year: int
    licence: str | None
    data_type: str | None
    instrument: str | None
    organisms: tuple[str, ...]
    cell_lines: tuple[str, ...]
    treatments: tuple[str, ...]
    stains: tuple[str, ...]
    subjects: tuple[str, ...]
    file_count: int
    total_bytes: int


class ValueCount(BaseModel):
    """How many of the datasets found have a value."""

    value: str
    datasets: int


class PublicDatasets(BaseModel):
    """A page of what was found.

    `total` is at most 10,000 where something is searched for, and `is_more` says that there are more. `meant` tells for
    a word that nothing has which ones were searched in its place. The values of `facets` were counted over `counted` of
    the datasets: all, or of very many the newest.
    """

    total: int
    is_more: bool
    page: int
    size: int
    meant: Mapping[str, Sequence[str]]
    datasets: tuple[PublicDataset, ...]
    counted: int
    facets: Mapping[Facet, tuple[ValueCount, ...]]


class ValueSum(BaseModel):
    """What is public with a value."""

    facet: Facet
    value: str
    datasets: int
    file_count: int
    total_bytes: int


class PublicStatistics(BaseModel):
    """What is public, in numbers: each dataset counts once, by its newest version that stands.

    `sums` has every year, and of each other facet the 100 values with the most datasets; `left_out` tells how many more
    values there are.
    """

    datasets: int
    file_count: int
    total_bytes: int
    sums: tuple[ValueSum, ...]
    left_out: Mapping[Facet, int]


@router.get("/datasets", response_model=PublicDatasets)
def find_public(parts: Parts, asked: Searched, size: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """Find what is public; nobody has to sign in. Who wants all of it harvests by OAI-PMH, at `/oai`."""
    offset = (asked.page - 1) * size
    if offset >= COUNTED_EXACTLY:
        msg = f"a search gives its first {COUNTED_EXACTLY:,} datasets; narrow it down, or harvest all by /oai"
        raise InvalidInput(msg, page=asked.page, size=size)
    found, counts = browse_public(
        asked.wanted, sort=asked.sort, limit=size, offset=offset, catalogue=parts.public_catalogue
    )
    answer = PublicDatasets(
        total=found.total,
        is_more=found.is_more,
        page=asked.page,
        size=size,
        meant=found.meant,
        datasets=tuple(_dataset(one, parts.base_url) for one in found.rows),
        counted=counts.of,
        facets={
            facet: tuple(ValueCount(value=one.value, datasets=one.datasets) for one in values)
            for facet, values in counts.values.items()
        },
    )
    return _sent(answer)


@router.get("/statistics", response_model=PublicStatistics)
def sum_public(parts: Parts) -> Response:
    """Sum up what is public; nobody has to sign in."""
    told = public_statistics(catalogue=parts.public_catalogue)
    sums = tuple(ValueSum(**one._asdict()) for one in told.sums)
    return _sent(
        PublicStatistics(
            datasets=told.datasets,
            file_count=told.file_count,
            total_bytes=told.total_bytes,
            sums=sums,
            left_out=told.left_out,
        )
    )


def _sent(answer: BaseModel) -> Response:
    """Write it here, in the thread of who asks."""
    return Response(answer.model_dump_json(), media_type="application/json", headers=_HEADERS)


def _dataset(found: FoundDataset, base_url: str) -> PublicDataset:
    told = found.content.model_dump(exclude={"documents", "also"})
    return PublicDataset(
        pid=found.pid,
        version=found.version,
        url=f"{base_url.rstrip('/')}/{found.pid}",
        published_at=found.published_at,
        data_type=found.data_type,
        **told,
    )
