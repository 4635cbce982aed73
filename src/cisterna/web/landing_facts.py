"""What a landing page tells of a described dataset, section by section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cisterna.domain.credit import Contributor, Creator, Funding, Reference, Subject
from cisterna.domain.outside_identifier import outside_identifier
from cisterna.domain.project import Access
from cisterna.metadata.record import SAMPLE_KINDS, Dates, InstrumentFacts, MetadataRecord, ModelFacts
from cisterna.ports.publisher import PublicRecord
from cisterna.web.metadata_rows import imaging_facts
from cisterna.web.presenting import moment
from cisterna.web.public_forms import doi_address
from cisterna.web.wording import say


class Said(NamedTuple):
    """A value, with an address that tells more of it and a word beside it, where there are."""

    text: str
    url: str | None = None
    note: str | None = None


class Fact(NamedTuple):
    """One line: its name and its values."""

    label: str
    said: Sequence[Said]


def person(one: Creator) -> Said:
    """Name somebody, or an organisation, with iD and affiliation."""
    url = f"https://orcid.org/{one.orcid}" if one.orcid else one.ror if not one.affiliation else None
    return Said(one.name, url, one.affiliation)


def publisher(record: MetadataRecord) -> Said | None:
    """Name who publishes it."""
    return Said(record.publisher, record.publisher_ror) if record.publisher else None


def doi(record: PublicRecord) -> Said | None:
    """Name its DOI, and say so where that does not lead here yet."""
    if record.doi is None:
        return None
    address = doi_address(record)
    waits = address is None and record.tombstone is None
    return Said(record.doi, address, say("landing.doi.waits") if waits else None)


def access_words(record: MetadataRecord) -> str:
    """Say who may have the files."""
    if record.access is Access.EMBARGOED and record.embargo_until:
        return say("landing.embargoed", date=record.embargo_until.isoformat())
    return say(f"landing.access.{record.access.value}")


def about(record: MetadataRecord) -> list[Fact]:
    """Tell what it is about, who helped and paid, and what belongs to it."""
    return _facts(
        (say("field.keywords"), map(Said, record.keywords)),
        (say("landing.subjects"), map(_subject, record.subjects)),
        (say("landing.contributors"), map(_contributor, record.contributors)),
        (say("landing.funding"), map(_funding, record.funding)),
        (say("landing.references"), map(_reference, record.references)),
    )


def samples(record: MetadataRecord) -> list[Fact]:
    """Tell what was looked at."""
    found = record.samples
    if found is None:
        return []
    terms = {name: getattr(found, name) for name in SAMPLE_KINDS}
    facts = [(say(f"sample.{name}"), map(_subject, subjects)) for name, subjects in terms.items()]
    return _facts(*facts, (say("sample.wells"), _lines(f"{found.wells:,}" if found.wells else None)))


def made(record: MetadataRecord) -> list[Fact]:
    """Tell how it was made: instrument, time and settings, or the model."""
    told = _facts(
        (say("field.instrument"), _instrument(record.instrument)),
        (say("field.acquired"), _lines(_span(record.dates))),
        (say("field.model"), _model(record.model)),
        (say("field.trained_on"), _lines(record.model.trained_on if record.model else None)),
    )
    imaging = imaging_facts(record.model_dump(mode="json", include={"imaging"}))
    return told + [Fact(label, [Said(text)]) for label, text in imaging]


def _facts(*named: tuple[str, Iterator[Said]]) -> list[Fact]:
    facts = [Fact(label, list(said)) for label, said in named]
    return [fact for fact in facts if fact.said]


def _lines(text: str | None) -> Iterator[Said]:
    if text:
        yield Said(text)


def _subject(one: Subject) -> Said:
    return Said(one.label, one.iri, one.curie)


def _contributor(one: Contributor) -> Said:
    """Name somebody with the role, such as `DataCollector`, in words."""
    role = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", one.role.value).lower()
    return person(one)._replace(note=role)


def _funding(one: Funding) -> Said:
    award = " ".join(filter(None, (one.award_number, one.award_title)))
    return Said(one.funder, one.award_uri or one.funder_id, award)


def _reference(one: Reference) -> Said:
    return Said(one.title or one.identifier, one.url, one.kind.words)


def _instrument(instrument: InstrumentFacts | None) -> Iterator[Said]:
    if instrument is not None:
        maker = " ".join(filter(None, (instrument.manufacturer, instrument.model)))
        yield Said(instrument.name, outside_identifier(instrument.pid).url if instrument.pid else None, maker)


def _model(model: ModelFacts | None) -> Iterator[Said]:
    if model is not None:
        yield Said(model.name, None, model.version)


def _span(dates: Dates) -> str | None:
    """Write from when to when; where one of both is not known, the other."""
    known: list[datetime] = [one for one in (dates.acquired_from, dates.acquired_to) if one]
    if not known:
        return None
    begin, end = moment(known[0]), moment(known[-1])
    return begin if begin == end else say("landing.span", begin=begin, end=end)
