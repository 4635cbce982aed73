"""Writes a record as a DataCite schema document (kernel 4), the form of which a DOI would be made."""

from __future__ import annotations

from pydantic import JsonValue

from cisterna.domain.credit import Creator
from cisterna.domain.project import Access
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


def datacite_document(record: MetadataRecord) -> Document:
    """Map a record to the schema's own attributes; those of DataCite's REST interface are left to who registers."""
    document: Document = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": f"{record.data_type} data"},
        "creators": [_creator(creator) for creator in record.creators] or [{"name": UNAVAILABLE}],
        "titles": [{"title": record.name}],
        "publisher": {"name": record.publisher or UNAVAILABLE},
        "publicationYear": str(record.publication_year),
        "alternateIdentifiers": [{"alternateIdentifier": record.pid, "alternateIdentifierType": "ARK"}],
        "version": record.version,
        "sizes": [f"{record.total_bytes} bytes", f"{record.file_count} files"],
        "rightsList": _rights(record),
        "descriptions": _descriptions(record),
        "dates": _dates(record),
    }
    if record.keywords:
        document["subjects"] = [{"subject": keyword} for keyword in record.keywords]
    contributors = _contributors(record)
    if contributors:
        document["contributors"] = contributors
    related: dict[tuple[str, str], JsonValue] = {
        (one.kind, one.pid): {
            "relatedIdentifier": one.pid,
            "relatedIdentifierType": "ARK",
            "relationType": one.kind,
            "resourceTypeGeneral": "Dataset",
        }
        for one in record.relations
    }
    if related:
        document["relatedIdentifiers"] = list(related.values())
    return document


def _creator(creator: Creator) -> JsonValue:
    entry: Document = {"name": creator.name, "nameType": "Personal"}
    if creator.orcid:
        entry["nameIdentifiers"] = [
            {
                "nameIdentifier": f"https://orcid.org/{creator.orcid}",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ]
    if creator.affiliation:
        affiliation: Document = {"name": creator.affiliation}
        if creator.ror:
            affiliation |= {
                "affiliationIdentifier": creator.ror,
                "affiliationIdentifierScheme": "ROR",
                "schemeUri": "https://ror.org",
            }
        entry["affiliation"] = [affiliation]
    return entry


def _contributors(record: MetadataRecord) -> list[JsonValue]:
    """Name the instrument: the schema has no field for it, and a data collector is what it was."""
    if record.instrument is None:
        return []
    return [{"name": record.instrument.name, "nameType": "Organizational", "contributorType": "DataCollector"}]


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
                "schemeUri": "https://spdx.org/licenses/",
            }
        )
    return rights


def _descriptions(record: MetadataRecord) -> list[JsonValue]:
    technical = [f"SHA-512 of the manifest of the data files: {record.manifest_digest}"]
    if record.quality:
        technical.append(f"Quality verdict: {record.quality.verdict.value}")
    if record.imaging and record.imaging.channels:
        technical.append(f"Channels: {', '.join(record.imaging.channels)}")
    if record.model:
        technical.append(f"Made by the model {record.model.name} {record.model.version or ''}".rstrip())
    return [
        {"description": record.summary, "descriptionType": "Abstract"},
        {"description": "\n".join(technical), "descriptionType": "TechnicalInfo"},
    ]


def _dates(record: MetadataRecord) -> list[JsonValue]:
    dates: list[JsonValue] = [{"date": record.dates.described.date().isoformat(), "dateType": "Created"}]
    begun, ended = record.dates.acquired_from, record.dates.acquired_to
    if begun and ended and begun.date() < ended.date():
        dates.append({"date": f"{begun.date().isoformat()}/{ended.date().isoformat()}", "dateType": "Collected"})
    elif begun or ended:
        moment = begun or ended
        dates.append({"date": moment.date().isoformat() if moment else "", "dateType": "Collected"})
    return dates
