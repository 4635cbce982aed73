"""Writes a description as a DataCite schema document (kernel 4), the form of which a DOI is made."""

from __future__ import annotations

import re

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Funding
from cisterna.domain.identifier import version_ark
from cisterna.domain.outside_identifier import outside_identifier
from cisterna.domain.project import Access
from cisterna.metadata.credited import is_organisation, is_person, own_ror, person_name
from cisterna.metadata.described import Described
from cisterna.metadata.fact import imaging_facts, kept_facts, tool_facts
from cisterna.metadata.licence import licence_url
from cisterna.metadata.record import MetadataRecord

UNAVAILABLE = ":unav"
"""DataCite's word for a mandatory value that nobody has given (yet)."""

Document = dict[str, JsonValue]

_RIGHTS = {
    Access.OPEN: ("Open Access", "https://purl.org/coar/access_right/c_abf2"),
    Access.EMBARGOED: ("Embargoed Access", "https://purl.org/coar/access_right/c_f1cf"),
    Access.RESTRICTED: ("Restricted Access", "https://purl.org/coar/access_right/c_16ec"),
    Access.CLOSED: ("Metadata Only Access", "https://purl.org/coar/access_right/c_14cb"),
}
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9.+-]*:)?[A-Za-z0-9._~/-]+")
_ORCID, _ROR, _SPDX = "https://orcid.org", "https://ror.org", "https://spdx.org/licenses/"


def datacite_document(described: Described) -> Document:
    """Map a description to the schema's own attributes; `rest_attributes` has those of DataCite's interface."""
    record = described.record
    document: Document = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": f"{record.data_type} data"},
        "creators": [_credited(creator) for creator in record.creators] or [{"name": UNAVAILABLE}],
        "titles": [{"title": record.name}],
        "publisher": _publisher(record),
        "publicationYear": f"{described.issued.year:04}",
        "alternateIdentifiers": [{"alternateIdentifier": _ark(described), "alternateIdentifierType": "ARK"}],
        "version": record.version,
        "sizes": list[JsonValue](described.sizes),
        "rightsList": _rights(record),
        "descriptions": _descriptions(described),
        "dates": _dates(described),
    }
    return document | _said(
        doi=described.doi,
        language=record.language,
        subjects=_subjects(described),
        contributors=[{**_credited(one), "contributorType": one.role.value} for one in record.contributors],
        formats=list[JsonValue](described.formats),
        fundingReferences=[_funding(one) for one in dict.fromkeys(record.funding)],
        relatedIdentifiers=_related(described),
    )


def _said(**values: JsonValue) -> Document:
    return {name: value for name, value in values.items() if value}


def _credited(creator: Creator) -> Document:
    parts, ror = person_name(creator), own_ror(creator)
    identifiers: list[JsonValue] = []
    if creator.orcid:
        identifiers.append(_name_identifier(f"{_ORCID}/{creator.orcid}", "ORCID", _ORCID))
    if ror:
        identifiers.append(_name_identifier(ror, "ROR", _ROR))
    affiliation = _said(name=creator.affiliation)
    if affiliation and creator.ror:
        affiliation |= {"affiliationIdentifier": creator.ror, "affiliationIdentifierScheme": "ROR", "schemeUri": _ROR}
    return _said(
        name=creator.name,
        nameType="Organizational" if is_organisation(creator) else "Personal" if is_person(creator) else None,
        givenName=parts and parts.given,
        familyName=parts and parts.family,
        nameIdentifiers=identifiers,
        affiliation=[affiliation] if affiliation else None,
    )


def _name_identifier(identifier: str, scheme: str, scheme_address: str) -> Document:
    return {"nameIdentifier": identifier, "nameIdentifierScheme": scheme, "schemeUri": scheme_address}


def _publisher(record: MetadataRecord) -> Document:
    if record.publisher is None or record.publisher_ror is None:
        return {"name": record.publisher or UNAVAILABLE}
    ror: Document = {"publisherIdentifier": record.publisher_ror, "publisherIdentifierScheme": "ROR", "schemeUri": _ROR}
    return {"name": record.publisher, **ror}


def _subjects(described: Described) -> list[JsonValue]:
    return [
        _said(subject=one.label, subjectScheme=one.scheme, valueUri=one.iri, classificationCode=_code(one.curie))
        for one in described.subjects
    ]


def _code(curie: str | None) -> str | None:
    """Give a term without its prefix. DataCite types it as a URI; what is none is in the term's own address alone."""
    code = curie.partition(":")[2] if curie else ""
    return code if _URI.fullmatch(code) else None


def _funding(one: Funding) -> Document:
    return _said(
        funderName=one.funder,
        funderIdentifier=one.funder_id,
        funderIdentifierType=one.funder_id_type,
        awardNumber=one.award_number,
        awardUri=one.award_uri,
        awardTitle=one.award_title,
    )


def _rights(record: MetadataRecord) -> list[JsonValue]:
    words, address = _RIGHTS[record.access]
    rights: list[JsonValue] = [{"rights": words, "rightsUri": address}]
    if record.licence:
        rights.append(
            {
                "rights": record.licence,
                "rightsUri": licence_url(record.licence),
                "rightsIdentifier": record.licence,
                "rightsIdentifierScheme": "SPDX",
                "schemeUri": _SPDX,
            }
        )
    return rights


def _descriptions(described: Described) -> list[JsonValue]:
    record = described.record
    texts = (
        ("Abstract", [record.summary]),
        ("Methods", [fact.line for fact in (*tool_facts(record), *imaging_facts(record))]),
        ("TechnicalInfo", [fact.line for fact in kept_facts(record)]),
        ("Other", described.unlinked),
    )
    return [{"description": "\n".join(lines), "descriptionType": kind} for kind, lines in texts if lines]


def _dates(described: Described) -> list[JsonValue]:
    record, collected = described.record, described.collected
    days = {
        "Issued": described.issued.isoformat() if described.published_at else None,
        "Available": described.available.isoformat() if described.available else None,
        "Created": record.dates.described.date().isoformat(),
        "Collected": "/".join(dict.fromkeys(day.isoformat() for day in collected)) if collected else None,
    }
    return [{"date": day, "dateType": kind} for kind, day in days.items() if day]


def _ark(described: Described) -> str:
    """Give the ARK of the version beside its DOI; without one, the dataset's is the identifier that there is."""
    record = described.record
    return version_ark(record.pid, record.version) if described.doi else record.pid


def _related(described: Described) -> list[JsonValue]:
    """Name other datasets, the instrument and what was referred to, each once."""
    record = described.record
    named: list[tuple[str, str, str, str]] = [(one.kind, one.pid, "ARK", "Dataset") for one in record.relations]
    if described.doi:
        named.insert(0, ("IsVersionOf", record.pid, "ARK", "Dataset"))
    if record.instrument and record.instrument.pid:
        device = outside_identifier(record.instrument.pid)
        if device.scheme:
            named.append(("IsCollectedBy", device.value, device.scheme.value, "Instrument"))
    named += [
        (one.relation, one.identifier_value, one.identifier_type, one.resource_type)
        for one in record.references
        if one.identifier_type
    ]
    return [
        {
            "relatedIdentifier": identifier,
            "relatedIdentifierType": kind,
            "relationType": relation,
            "resourceTypeGeneral": what,
        }
        for relation, identifier, kind, what in dict.fromkeys(named)
    ]
