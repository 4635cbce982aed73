"""What a landing page tells of a dataset, section by section, read from its public record alone.

The record may be of an older or a newer version of the model: what is not there is not told, and nothing is led to that
is no address of the web.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

from cisterna.web.metadata_rows import imaging_facts, shown
from cisterna.web.presenting import moment
from cisterna.web.wording import say

Metadata = Mapping[str, JsonValue]

_ORCID = re.compile(r"[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]")
_CURIE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*:[A-Za-z0-9_.-]+")
_DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)?(10\.[0-9]{4,9}/\S+)", re.IGNORECASE)
_PUBMED = re.compile(r"pmid:\s*([0-9]{1,9})", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\s<>\"]+")
_SAMPLES = ("organisms", "cell_lines", "tissues", "diseases", "treatments", "stains")


class Said(NamedTuple):
    """A value, with an address that tells more of it and a word beside it, where there are."""

    text: str
    url: str = ""
    note: str = ""


class Fact(NamedTuple):
    """One line: its name and its values."""

    label: str
    said: tuple[Said, ...]


class Check(NamedTuple):
    """What one check of the gate said."""

    name: str
    outcome: str
    words: str


class Judgement(NamedTuple):
    """What the gate said."""

    verdict: str
    words: str
    checks: tuple[Check, ...]


def creators(metadata: Metadata) -> list[Said]:
    """Name those who made it, each with iD and affiliation."""
    return [_person(one, note=text_of(one, "affiliation")) for one in _named(metadata, "creators")]


def orcids(metadata: Metadata) -> list[str]:
    """Give the iDs of those who made it."""
    found = (text_of(one, "orcid") for one in _named(metadata, "creators"))
    return [orcid for orcid in found if _ORCID.fullmatch(orcid)]


def publisher(metadata: Metadata) -> Said | None:
    """Name who publishes it."""
    name = text_of(metadata, "publisher")
    return Said(name, _web(text_of(metadata, "publisher_ror"))) if name else None


def access_words(metadata: Metadata) -> str:
    """Say who may have the files."""
    access, until = text_of(metadata, "access"), text_of(metadata, "embargo_until")
    if access == "embargoed" and until:
        return say("landing.embargoed", date=until)
    return say(f"landing.access.{access}", access)


def about(metadata: Metadata) -> list[Fact]:
    """Tell what it is about, who helped and who paid."""
    keywords = tuple(Said(text) for text in _texts(metadata, "keywords"))
    facts = [
        Fact(say("field.keywords"), keywords),
        Fact(say("landing.subjects"), tuple(_subjects(metadata, "subjects"))),
        Fact(say("landing.contributors"), tuple(_contributors(metadata))),
        Fact(say("landing.funding"), tuple(_funding(metadata))),
        Fact(say("landing.references"), tuple(_references(metadata))),
    ]
    return [fact for fact in facts if fact.said]


def made(metadata: Metadata) -> list[Fact]:
    """Tell how it was made: instrument, time and settings, or the model."""
    instrument, model, dates = (_part(metadata, name) for name in ("instrument", "model", "dates"))
    facts = [
        Fact(say("field.instrument"), tuple(_instrument(instrument))),
        Fact(say("field.acquired"), _one(_span(dates))),
        Fact(say("field.model"), tuple(_model(model))),
        Fact(say("field.trained_on"), _one(text_of(model, "trained_on"))),
        *(Fact(label, _one(text)) for label, text in imaging_facts(metadata)),
    ]
    return [fact for fact in facts if fact.said]


def samples(metadata: Metadata) -> list[Fact]:
    """Tell what was looked at."""
    found = _part(metadata, "samples")
    facts = [Fact(say(f"sample.{name}"), tuple(_subjects(found, name))) for name in _SAMPLES]
    facts.append(Fact(say("sample.wells"), _one(shown(found.get("wells")))))
    return [fact for fact in facts if fact.said]


def judgement(metadata: Metadata) -> Judgement | None:
    """Tell what the gate said."""
    quality = _part(metadata, "quality")
    verdict = text_of(quality, "verdict")
    if not verdict:
        return None
    checks = tuple(
        Check(text_of(one, "check"), text_of(one, "outcome"), text_of(one, "message"))
        for one in _entries(quality, "checks")
    )
    return Judgement(verdict, text_of(quality, "reason"), checks)


def text_of(said: Metadata, name: str) -> str:
    """Return what is said under a name, if it is text."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _person(one: Metadata, *, note: str) -> Said:
    orcid = text_of(one, "orcid")
    return Said(text_of(one, "name"), f"https://orcid.org/{orcid}" if _ORCID.fullmatch(orcid) else "", note)


def _contributors(metadata: Metadata) -> Iterator[Said]:
    for one in _named(metadata, "contributors"):
        yield _person(one, note=_apart(text_of(one, "role")))


def _funding(metadata: Metadata) -> Iterator[Said]:
    for one in _entries(metadata, "funding"):
        award = " ".join(filter(None, (text_of(one, "award_number"), text_of(one, "award_title"))))
        url = text_of(one, "award_uri") or text_of(one, "funder_id")
        yield Said(text_of(one, "funder"), _web(url), award)


def _references(metadata: Metadata) -> Iterator[Said]:
    for one in _entries(metadata, "references"):
        identifier, kind = text_of(one, "identifier"), text_of(one, "kind")
        yield Said(text_of(one, "title") or identifier, reference_url(identifier), say(f"reference.{kind}", kind))


def reference_url(identifier: str) -> str:
    """Return the address of what an identifier names: a DOI, a PubMed number or an address; nothing for another."""
    if found := _DOI.fullmatch(identifier):
        return f"https://doi.org/{quote(found[1], safe='/:;()._-')}"
    if found := _PUBMED.fullmatch(identifier):
        return f"https://pubmed.ncbi.nlm.nih.gov/{found[1]}/"
    return _web(identifier)


def _subjects(said: Metadata, name: str) -> Iterator[Said]:
    for one in _entries(said, name):
        curie = text_of(one, "curie")
        url = f"https://bioregistry.io/{curie}" if _CURIE.fullmatch(curie) else ""
        yield Said(text_of(one, "label") or curie, url, curie)


def _instrument(instrument: Metadata) -> Iterator[Said]:
    made_by = " ".join(filter(None, (text_of(instrument, "manufacturer"), text_of(instrument, "model"))))
    if name := text_of(instrument, "name"):
        yield Said(name, reference_url(text_of(instrument, "pid")), made_by)


def _model(model: Metadata) -> Iterator[Said]:
    if name := text_of(model, "name"):
        yield Said(name, "", text_of(model, "version"))


def _apart(role: str) -> str:
    """Write a name such as `DataCollector` as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", role).lower()


def _span(dates: Metadata) -> str:
    """Write from when to when, in UTC; of one that is not known, only the other."""
    found = [_moment(text_of(dates, name)) for name in ("acquired_from", "acquired_to")]
    begin, end = (moment(one) if one else "" for one in found)
    return say("landing.span", begin=begin, end=end) if begin and end and begin != end else begin or end


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _one(text: str) -> tuple[Said, ...]:
    return (Said(text),) if text else ()


def _web(url: str) -> str:
    return url if _WEB.fullmatch(url) else ""


def _part(said: Metadata, name: str) -> Metadata:
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def _entries(said: Metadata, name: str) -> list[Metadata]:
    value = said.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _named(said: Metadata, name: str) -> list[Metadata]:
    return [one for one in _entries(said, name) if text_of(one, "name")]


def _texts(said: Metadata, name: str) -> list[str]:
    value = said.get(name)
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list) else []
