"""Writes a record as schema.org JSON-LD, for the head of a landing page and for search engines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from cisterna.domain.credit import Creator
from cisterna.domain.project import Access
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import ListedFile, media_type, uri_path
from cisterna.metadata.record import MetadataRecord

Document = dict[str, JsonValue]

_LISTED_LIMIT = 1000
"""Files named one by one; a page's head with more would help nobody, and the crate names all."""


def schema_org_document(
    record: MetadataRecord, files: Sequence[ListedFile] = (), *, base_url: str | None = None
) -> Document:
    """Map a record to one top-level `Dataset`.

    The context is given in the document itself, since harvesters drop what makes them fetch one.

    Args:
        record: What is described.
        files: To be listed as distributions, when `base_url` says where they are.
        base_url: Absolute address of the landing page, below which `files/` is; None while it is not public.
    """
    document: Document = {
        "@context": {"@vocab": "https://schema.org/"},
        "@type": "Dataset",
        "@id": base_url or record.pid,
        "name": record.name,
        "description": record.summary,
        "identifier": [{"@type": "PropertyValue", "propertyID": "ARK", "value": record.pid}],
        "version": record.version,
        "datePublished": record.dates.described.date().isoformat(),
        "isAccessibleForFree": record.access is Access.OPEN,
        "conditionsOfAccess": record.access.value,
        "creativeWorkStatus": "Draft" if base_url is None else "Published",
        "size": f"{record.total_bytes} bytes",
        "variableMeasured": _measured(record),
    }
    for name, value in _optional(record).items():
        if value:
            document[name] = value
    if base_url is not None:
        document["url"] = base_url
        document["distribution"] = [_distribution(file, base_url) for file in files[:_LISTED_LIMIT]]
    return document


def as_script_text(document: Mapping[str, JsonValue]) -> str:
    """Write JSON that may stand inside a page's `<script>`: no character in it can end the element."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _optional(record: MetadataRecord) -> Document:
    begun, ended = record.dates.acquired_from, record.dates.acquired_to
    coverage = "/".join(moment.isoformat() if moment else ".." for moment in (begun, ended)) if begun or ended else None
    sources = [one for one in record.relations if one.kind == "IsDerivedFrom"]
    return {
        "creator": [_person(creator) for creator in record.creators],
        "publisher": {"@type": "Organization", "name": record.publisher} if record.publisher else None,
        "license": licence_url(record.licence) if record.licence else None,
        "keywords": list[JsonValue](record.keywords),
        "temporalCoverage": coverage,
        "measurementTechnique": record.data_type,
        "isBasedOn": [
            {"@type": "Dataset", "@id": one.pid, "identifier": one.pid, "name": one.title or one.pid} for one in sources
        ],
    }


def _person(creator: Creator) -> JsonValue:
    person: Document = {"@type": "Person", "name": creator.name}
    if creator.orcid:
        person["@id"] = person["sameAs"] = f"https://orcid.org/{creator.orcid}"
    if creator.affiliation:
        affiliation: Document = {"@type": "Organization", "name": creator.affiliation}
        person["affiliation"] = {**affiliation, "@id": creator.ror} if creator.ror else affiliation
    return person


def _measured(record: MetadataRecord) -> list[JsonValue]:
    named: list[tuple[str, JsonValue]] = [
        ("number of data files", record.file_count),
        ("size of the data files in bytes", record.total_bytes),
        ("SHA-512 of the manifest of the data files", record.manifest_digest),
    ]
    if record.quality:
        named.append(("verdict of the quality gate", record.quality.verdict.value))
    if record.imaging:
        named.append(("channels", ", ".join(record.imaging.channels) or None))
        named.append(("pixel size in micrometres", record.imaging.pixel_size_um))
    if record.instrument:
        named.append(("instrument", record.instrument.name))
    if record.model:
        named.append(("model", record.model.name))
    return [{"@type": "PropertyValue", "name": name, "value": value} for name, value in named if value is not None]


def _distribution(file: ListedFile, base_url: str) -> JsonValue:
    return {
        "@type": "DataDownload",
        "name": file.path,
        "contentUrl": f"{base_url}/files/{uri_path(file.path)}",
        "encodingFormat": media_type(file.path),
        "contentSize": str(file.size_bytes),
    }
