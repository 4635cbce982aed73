"""What the index knows of a version that is, or once was, public: only what its public record says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput
from cisterna.domain.identifier import Ark

_LABEL = re.compile(r"v([1-9][0-9]{0,5})(?:\.([1-9][0-9]{0,5}))?")


class Facet(StrEnum):
    """By what the published datasets can be narrowed down and counted."""

    DATA_TYPE = "data_type"
    INSTRUMENT = "instrument"
    YEAR = "year"
    LICENCE = "licence"
    ORGANISM = "organism"
    CELL_LINE = "cell_line"
    TREATMENT = "treatment"
    STAIN = "stain"
    SUBJECT = "subject"
    CREATOR = "creator"
    AFFILIATION = "affiliation"


class HarvestForm(StrEnum):
    """A form in which harvesters take a record, by the name that OAI-PMH gives it."""

    DUBLIN_CORE = "oai_dc"
    DATACITE = "oai_datacite"


class PublicContent(Value):
    """What is searched, counted and harvested of a version that is public.

    Attributes:
        year: Of publication.
        subjects: Keywords too.
        affiliations: Of the creators.
        also: Words that find it and are not shown: identifiers of people and terms, channels, the model.
        documents: What harvesters take; XML, each a whole document.
    """

    title: str
    description: str = ""
    creators: tuple[str, ...] = ()
    publisher: str | None = None
    licence: str | None = None
    instrument: str | None = None
    year: int = Field(ge=0, le=9999)
    subjects: tuple[str, ...] = ()
    organisms: tuple[str, ...] = ()
    cell_lines: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()
    stains: tuple[str, ...] = ()
    affiliations: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    file_count: int = Field(ge=0)
    total_bytes: int = Field(ge=0)
    documents: Mapping[HarvestForm, str] = Field(default_factory=dict)


class PublicEntry(Value):
    """One version as the index holds it.

    Attributes:
        data_type: Also of one that was withdrawn, if it is known: who harvests by type has to hear of it.
        mark: Which state of the public record this was made from; None when that is not known.
        content: None for one that was withdrawn: of that nothing but its identifier is told.
    """

    pid: Ark
    version: str
    published_at: Moment
    data_type: str | None = None
    mark: str | None = None
    content: PublicContent | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Number and revision."""
        return place_of(self.version)

    def values(self) -> Iterator[tuple[Facet, str]]:
        """Give what it counts for, each once."""
        content = self.content
        if content is None:
            return
        told: dict[Facet, tuple[str | None, ...]] = {
            Facet.DATA_TYPE: (self.data_type,),
            Facet.INSTRUMENT: (content.instrument,),
            Facet.YEAR: (f"{content.year:04d}",),
            Facet.LICENCE: (content.licence,),
            Facet.ORGANISM: content.organisms,
            Facet.CELL_LINE: content.cell_lines,
            Facet.TREATMENT: content.treatments,
            Facet.STAIN: content.stains,
            Facet.SUBJECT: content.subjects,
            Facet.CREATOR: content.creators,
            Facet.AFFILIATION: content.affiliations,
        }
        for facet, values in told.items():
            yield from ((facet, value) for value in dict.fromkeys(values) if value)


def place_of(label: str) -> tuple[int, int]:
    """Read number and revision from a label such as `v2.1`. Raises `InvalidInput`."""
    matched = _LABEL.fullmatch(label)
    if matched is None:
        raise InvalidInput(f"'{label[:50]}' names no version; a version is called v1, v2 or v2.1", version=label[:50])
    return int(matched[1]), int(matched[2] or 0)


def label_of(number: int, revision: int) -> str:
    """Write a label."""
    return f"v{number}.{revision}" if revision else f"v{number}"
