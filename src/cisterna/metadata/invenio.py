"""Writes a description as the record that InvenioRDM takes, and with it Zenodo.

An Invenio refuses a record that names what is not in its own vocabularies. So only what every Invenio has is named by
identifier; organisations, subjects and other licences are told in words.
"""

from __future__ import annotations

from html import escape
from typing import Any

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Funding
from cisterna.domain.project import Access
from cisterna.metadata.credited import is_organisation, own_ror, person_name
from cisterna.metadata.datacite import UNAVAILABLE, datacite_document
from cisterna.metadata.described import Described
from cisterna.metadata.language_code import three_letters
from cisterna.metadata.licence import licence_url
from cisterna.metadata.record import MetadataRecord
from cisterna.ports.publisher import PublicRecord

Document = dict[str, JsonValue]

_LICENCES = {"Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT", "ODbL-1.0"}
"""Licences that every Invenio knows, by the SPDX identifier in small letters."""
_DESCRIPTIONS = {"Methods": "methods", "TechnicalInfo": "technical-info", "Other": "other"}
_RESOURCES = {
    "Dataset": "dataset",
    "Instrument": "instrument",
    "JournalArticle": "publication-article",
    "OutputManagementPlan": "publication-datamanagementplan",
    "Software": "software",
}
"""Invenio's types of a related resource, by DataCite's; the others are left open."""
_ORCID_BLOCKS = ((15_000_000, 35_000_000), (900_000_000_000, 900_100_000_000))
"""First fifteen digits of the numbers that are set aside for ORCID; Invenio takes none but these."""
_SHORTEST_TITLE = 3


def invenio_record(described: Described) -> Document:
    """Map a description to a record of InvenioRDM, as its deposit takes it."""
    record = described.record
    metadata: Document = {
        "resource_type": {"id": "dataset"},
        "title": _title(record),
        "creators": [_credited(creator) for creator in record.creators] or [_nobody()],
        "publication_date": described.issued.isoformat(),
        "publisher": record.publisher or UNAVAILABLE,
        "description": _html(record.summary),
        "version": record.version,
        "sizes": list[JsonValue](described.sizes),
        "identifiers": _identifiers(described),
        **_from_datacite(datacite_document(described), own=record.pid),
        **_optional(described),
    }
    document: Document = {"access": _access(described), "files": {"enabled": True}, "metadata": metadata}
    if described.doi:
        document["pids"] = {"doi": {"identifier": described.doi, "provider": "external"}}
    return document


def invenio_tombstone(record: PublicRecord) -> Document:
    """Say of a tombstone that tells nothing what a record of InvenioRDM has to say; by its identifier it is found."""
    return {
        "resource_type": {"id": "dataset"},
        "title": record.title,
        "creators": [_nobody()],
        "publication_date": record.published_at.date().isoformat(),
        "publisher": UNAVAILABLE,
        "version": record.version,
        "identifiers": [{"scheme": "ark", "identifier": record.pid}],
    }


def _optional(described: Described) -> Document:
    record = described.record
    language = three_letters(record.language) if record.language else None
    values: Document = {
        "contributors": [{**_credited(one), "role": {"id": one.role.value.lower()}} for one in record.contributors],
        "subjects": [{"subject": subject.label} for subject in described.subjects],
        "languages": [{"id": language}] if language else None,
        "formats": list[JsonValue](described.formats),
        "rights": _rights(record),
        "funding": [_funding(one) for one in record.funding],
        "references": [{"reference": words} for words in described.unlinked],
    }
    return {name: value for name, value in values.items() if value}


def _from_datacite(document: dict[str, Any], *, own: str) -> Document:
    """Take over what DataCite's words say, in the small letters in which Invenio has them.

    The dataset's own identifier is among the record's here, so it is not related as well.
    """
    values: Document = {
        "dates": [{"date": one["date"], "type": {"id": one["dateType"].lower()}} for one in document["dates"]],
        "additional_descriptions": [
            {"description": _html(one["description"]), "type": {"id": _DESCRIPTIONS[one["descriptionType"]]}}
            for one in document["descriptions"]
            if one["descriptionType"] in _DESCRIPTIONS
        ],
        "related_identifiers": [
            _related(one) for one in document.get("relatedIdentifiers", ()) if one["relatedIdentifier"] != own
        ],
    }
    return {name: value for name, value in values.items() if value}


def _related(one: dict[str, str]) -> JsonValue:
    related: Document = {
        "identifier": one["relatedIdentifier"],
        "scheme": one["relatedIdentifierType"].lower(),
        "relation_type": {"id": one["relationType"].lower()},
    }
    kind = _RESOURCES.get(one["resourceTypeGeneral"])
    return related | ({"resource_type": {"id": kind}} if kind else {})


def _access(described: Described) -> Document:
    record = described.record
    access: Document = {"record": "public", "files": "public" if record.access is Access.OPEN else "restricted"}
    if record.access is Access.EMBARGOED and record.embargo_until:
        is_active = record.embargo_until > described.issued  # Invenio takes no active embargo that is over
        access["embargo"] = {"active": is_active, "until": record.embargo_until.isoformat(), "reason": None}
    return access


def _title(record: MetadataRecord) -> str:
    """Give the title; Invenio takes none of fewer than three characters, so the PID makes up for what is missing."""
    return record.name if len(record.name) >= _SHORTEST_TITLE else f"{record.name} ({record.pid})"


def _credited(creator: Creator) -> Document:
    parts, ror = person_name(creator), own_ror(creator)
    name: Document
    if is_organisation(creator):
        name = {"type": "organizational", "name": creator.name}
    elif parts:
        name = {"type": "personal", "family_name": parts.family, "given_name": parts.given}
    else:
        name = {"type": "personal", "family_name": creator.name}
    identifiers: list[JsonValue] = []
    if creator.orcid and _is_assigned(creator.orcid):
        identifiers.append({"scheme": "orcid", "identifier": creator.orcid})
    if ror:
        identifiers.append({"scheme": "ror", "identifier": ror.rpartition("/")[2]})
    credited: Document = {"person_or_org": name | ({"identifiers": identifiers} if identifiers else {})}
    return credited | ({"affiliations": [{"name": creator.affiliation}]} if creator.affiliation else {})


def _is_assigned(orcid: str) -> bool:
    number = int(orcid.replace("-", "")[:15])
    return any(first <= number <= last for first, last in _ORCID_BLOCKS)


def _nobody() -> Document:
    return {"person_or_org": {"type": "organizational", "name": UNAVAILABLE}}


def _identifiers(described: Described) -> list[JsonValue]:
    named = (("ark", described.record.pid), ("url", described.base_url))
    return [{"scheme": scheme, "identifier": value} for scheme, value in named if value]


def _rights(record: MetadataRecord) -> list[JsonValue]:
    if record.licence is None:
        return []
    if record.licence in _LICENCES:
        return [{"id": record.licence.lower()}]
    return [{"title": {"en": record.licence}, "link": licence_url(record.licence)}]


def _funding(one: Funding) -> JsonValue:
    title = one.award_title or (None if one.award_number else one.award_uri)  # an award has one or the other
    award: Document = {
        "title": {"en": title} if title else None,
        "number": one.award_number,
        "identifiers": [{"scheme": "url", "identifier": one.award_uri}] if one.award_uri else None,
    }
    said: Document = {name: value for name, value in award.items() if value}
    funder: Document = {"funder": {"name": one.funder}}
    return {**funder, "award": said} if said else funder


def _html(text: str) -> str:
    """Write a text as the HTML that Invenio holds descriptions to be: it reads as it was written."""
    return "".join(f"<p>{escape(line, quote=False)}</p>" for line in text.split("\n") if line)
