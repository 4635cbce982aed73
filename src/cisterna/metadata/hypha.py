"""Writes the manifest by which the artifact manager of a Hypha server describes a version.

Hypha asks little of a manifest; the names used here are those of its own model of one. The whole description goes along
as schema.org's JSON-LD, so that nothing is lost on the way there.
"""

from __future__ import annotations

from pydantic import JsonValue

from cisterna.domain.credit import Creator
from cisterna.metadata.citation import citation_line
from cisterna.metadata.described import Described
from cisterna.metadata.licence import licence_url
from cisterna.metadata.schema_org import schema_org_document

Document = dict[str, JsonValue]


def hypha_manifest(described: Described) -> Document:
    """Describe a version that is public."""
    record = described.record
    address = described.doi_url or described.base_url or record.pid
    document: Document = {
        "type": "dataset",
        "name": record.name,
        "description": record.description or record.name,
        "version": record.version,
        "authors": [_author(one) for one in record.creators],
        "publisher": record.publisher,
        "date_published": described.issued.isoformat(),
        "license": record.licence,
        "license_url": licence_url(record.licence) if record.licence else None,
        "tags": [one.label for one in described.subjects if one.label],
        "documentation": described.base_url,
        "links": [one for one in (described.base_url, described.doi_url) if one],
        "identifiers": [one for one in (record.pid, described.doi) if one],
        "cite": [_said({"text": citation_line(described, address), "doi": described.doi, "url": address})],
        "schema_org": schema_org_document(described),
    }
    return _said(document)


def _author(creator: Creator) -> Document:
    return _said({"name": creator.name, "orcid": creator.orcid, "affiliation": creator.affiliation})


def _said(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}
