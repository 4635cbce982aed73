"""Reads what of the published data is asked for, from an address, and writes it into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Query

from cisterna.domain.public_entry import Facet
from cisterna.domain.search_text import QUERY_CHARACTERS
from cisterna.ports.public_index import COUNTED_EXACTLY, Sort, Wanted

LAST_PAGE = COUNTED_EXACTLY
_Values = Annotated[list[str], Query(max_length=10)]
_NONE: list[str] = []


class Asked(NamedTuple):
    """What is asked for, and which page of it."""

    wanted: Wanted
    sort: Sort
    page: int

    def address(
        self, *, page: int = 1, also: tuple[Facet, str] | None = None, without: tuple[Facet, str] | None = None
    ) -> str:
        """Write the address of a page, of what is asked for or of that with a value more or less."""
        pairs: list[tuple[str, str]] = [("words", self.wanted.words)] if self.wanted.words else []
        chosen = [(facet, value) for facet, values in self.wanted.chosen.items() for value in values]
        chosen = [one for one in chosen if one != without] + ([also] if also and also not in chosen else [])
        pairs += [(facet.value, value) for facet, value in chosen]
        pairs += [("sort", self.sort.value)] if self.sort is not Sort.RELEVANCE else []
        pairs += [("page", str(page))] if page > 1 else []
        return f"/browse?{urlencode(pairs)}" if pairs else "/browse"


async def read_asked(
    *,
    words: Annotated[str, Query(description="All of these, in titles, descriptions, names and subjects.")] = "",
    data_type: _Values = _NONE,
    instrument: _Values = _NONE,
    year: _Values = _NONE,
    licence: _Values = _NONE,
    organism: _Values = _NONE,
    cell_line: _Values = _NONE,
    treatment: _Values = _NONE,
    stain: _Values = _NONE,
    subject: _Values = _NONE,
    creator: _Values = _NONE,
    affiliation: _Values = _NONE,
    sort: Sort = Sort.RELEVANCE,
    page: Annotated[int, Query(ge=1, le=LAST_PAGE)] = 1,
) -> Asked:
    """Gather the arguments; a value given twice is one."""
    given: Mapping[Facet, list[str]] = {
        Facet.DATA_TYPE: data_type,
        Facet.INSTRUMENT: instrument,
        Facet.YEAR: year,
        Facet.LICENCE: licence,
        Facet.ORGANISM: organism,
        Facet.CELL_LINE: cell_line,
        Facet.TREATMENT: treatment,
        Facet.STAIN: stain,
        Facet.SUBJECT: subject,
        Facet.CREATOR: creator,
        Facet.AFFILIATION: affiliation,
    }
    chosen = {facet: tuple(dict.fromkeys(filter(None, values))) for facet, values in given.items()}
    wanted = Wanted(
        words=words[:QUERY_CHARACTERS], chosen={facet: values for facet, values in chosen.items() if values}
    )
    return Asked(wanted, sort, page)


Searched = Annotated[Asked, Depends(read_asked)]
