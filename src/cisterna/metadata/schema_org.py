"""Writes a description as schema.org JSON-LD, by Bioschemas' profile of a Dataset: for pages and search engines."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Funding, Reference, Subject
from cisterna.domain.project import Access
from cisterna.metadata.credited import is_organisation, own_ror, person_name
from cisterna.metadata.described import Described
from cisterna.metadata.fact import Fact, imaging_facts, kept_facts, tool_facts
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import LISTED_LIMIT, ListedFile, media_type
from cisterna.metadata.record import MetadataRecord

Document = dict[str, JsonValue]

PROFILE = "https://bioschemas.org/profiles/Dataset/1.0-RELEASE"
_CONTEXT: Document = {
    "@vocab": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "sha512": "http://id.loc.gov/vocabulary/preservation/cryptographicHashFunctions/sha512",
}
"""In the document itself, since harvesters drop what makes them fetch one. Schema.org has no word for SHA-512."""
_DESCRIPTION_LIMIT = 5000
"""Characters that search engines and Bioschemas take."""


def schema_org_document(described: Described) -> Document:
    """Map a description to one top-level `Dataset`; files have addresses once the page has one."""
    record, base_url = described.record, described.base_url
    subjects = described.subjects
    document: Document = {
        "@context": _CONTEXT,
        "@type": "Dataset",
        "@id": base_url or record.pid,
        "dct:conformsTo": {"@id": PROFILE, "@type": "CreativeWork"},
        "name": record.name,
        "description": _cut(record.summary),
        "identifier": _identifiers(described),
        "keywords": [subject.label for subject in subjects] or [record.data_type],
        "version": record.version,
        "datePublished": described.issued.isoformat(),
        "dateCreated": record.dates.described.date().isoformat(),
        "isAccessibleForFree": record.access is Access.OPEN,
        "conditionsOfAccess": record.access.value,
        "creativeWorkStatus": "Draft" if base_url is None else "Published",
        "size": described.sizes[0],
        "measurementTechnique": record.data_type,
        "variableMeasured": [_value(fact) for fact in _facts(record)],
    }
    optional: Document = {
        "url": base_url,
        "sameAs": described.doi_url,
        "creator": [_credited(creator) for creator in record.creators],
        "contributor": [_credited(one) for one in record.contributors],
        "publisher": _publisher(record),
        "license": licence_url(record.licence) if record.licence else None,
        "inLanguage": record.language,
        "temporalCoverage": _coverage(record),
        "about": [_term(subject) for subject in subjects if subject.curie],
        "funding": [_grant(one) for one in record.funding],
        "citation": [_cited(one) for one in record.references if one.url],
        "isBasedOn": _named(record, "IsDerivedFrom"),
        "isPartOf": _named(record, "IsPartOf"),
        "hasPart": _named(record, "HasPart"),
        "encodingFormat": list[JsonValue](described.formats),
        "distribution": [_distribution(file, described) for file in described.files[:LISTED_LIMIT]]
        if base_url
        else None,
    }
    return document | _said(optional)


def as_script_text(document: Mapping[str, JsonValue]) -> str:
    """Write JSON that may stand inside a page's `<script>`: no character in it can end the element."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _said(values: Document) -> Document:
    return {name: value for name, value in values.items() if value}


def _cut(text: str) -> str:
    return text if len(text) <= _DESCRIPTION_LIMIT else text[: _DESCRIPTION_LIMIT - 1] + "…"


def _identifiers(described: Described) -> list[JsonValue]:
    ark: Document = {"@type": "PropertyValue", "propertyID": "ARK", "value": described.record.pid}
    if described.base_url:
        ark["url"] = described.base_url
    if described.doi is None:
        return [ark]
    return [{"@type": "PropertyValue", "propertyID": "DOI", "value": described.doi, "url": described.doi_url}, ark]


def _facts(record: MetadataRecord) -> list[Fact]:
    return [*kept_facts(record), *tool_facts(record), *imaging_facts(record)]


def _value(fact: Fact) -> JsonValue:
    document: Document = {"@type": "PropertyValue", "name": fact.name}
    document["value"] = ", ".join(fact.value) if isinstance(fact.value, list) else fact.value
    if fact.unit:
        document["unitText"] = fact.unit
    return document


def _credited(creator: Creator) -> JsonValue:
    if is_organisation(creator):
        return _organisation(creator.name, own_ror(creator))
    parts = person_name(creator)
    orcid = f"https://orcid.org/{creator.orcid}" if creator.orcid else None
    said: Document = {
        "@id": orcid,
        "sameAs": orcid,
        "identifier": orcid,
        "familyName": parts and parts.family,
        "givenName": parts and parts.given,
        "affiliation": _organisation(creator.affiliation, creator.ror) if creator.affiliation else None,
    }
    return {"@type": "Person", "name": creator.name, **_said(said)}


def _organisation(name: str, ror: str | None) -> Document:
    organisation: Document = {"@type": "Organization", "name": name}
    return {**organisation, "@id": ror} if ror else organisation


def _publisher(record: MetadataRecord) -> Document | None:
    return _organisation(record.publisher, record.publisher_ror) if record.publisher else None


def _coverage(record: MetadataRecord) -> str | None:
    begun, ended = record.dates.acquired_from, record.dates.acquired_to
    if begun and ended and ended < begun:
        return begun.isoformat()  # by a clock that was wrong: nothing ends before it begins
    return "/".join(moment.isoformat() if moment else ".." for moment in (begun, ended)) if begun or ended else None


def _term(subject: Subject) -> JsonValue:
    return {
        "@type": "DefinedTerm",
        "@id": subject.iri,
        "name": subject.label,
        "termCode": subject.curie,
        "inDefinedTermSet": subject.scheme,
        "url": subject.iri,
    }


def _grant(one: Funding) -> JsonValue:
    said: Document = {"identifier": one.award_number, "name": one.award_title, "url": one.award_uri}
    return {"@type": "Grant", "funder": _organisation(one.funder, one.funder_id), **_said(said)}


def _cited(one: Reference) -> JsonValue:
    kind = {"JournalArticle": "ScholarlyArticle", "Software": "SoftwareSourceCode", "Dataset": "Dataset"}
    return {
        "@type": kind.get(one.resource_type, "CreativeWork"),
        "@id": one.url,
        "url": one.url,
        "identifier": one.identifier,
        "name": one.title or one.identifier,
    }


def _named(record: MetadataRecord, kind: str) -> list[JsonValue]:
    """Name the datasets of ours that it stands in a relation to."""
    named = [one for one in record.relations if one.kind == kind]
    return [{"@type": "Dataset", "@id": one.pid, "identifier": one.pid, "name": one.title or one.pid} for one in named]


def _distribution(file: ListedFile, described: Described) -> JsonValue:
    return {
        "@type": "DataDownload",
        "name": file.path,
        "contentUrl": described.file_url(file),
        "encodingFormat": media_type(file.path),
        "contentSize": str(file.size_bytes),
        "sha512": file.sha512,
    }
