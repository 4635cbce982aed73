"""Writes a description as the attributes of a DOI in DataCite's REST interface."""

from __future__ import annotations

from pydantic import JsonValue

from cisterna.metadata.datacite import Document, datacite_document
from cisterna.metadata.described import Described


def rest_attributes(described: Described) -> Document:
    """Map a description to what `POST /dois` takes as `data.attributes`; the event is said by who registers.

    It is the schema document but for the names and types that the interface has of its own: other identifiers are its
    `identifiers`, the year is a number, and the address that the DOI leads to is one of the attributes.
    """
    document = datacite_document(described)
    others = document.pop("alternateIdentifiers")
    attributes: Document = {
        **document,
        "publicationYear": described.issued.year,
        "identifiers": _identifiers(others),
    }
    return attributes | ({"url": described.base_url} if described.base_url else {})


def _identifiers(others: JsonValue) -> list[JsonValue]:
    return [
        {"identifier": one["alternateIdentifier"], "identifierType": one["alternateIdentifierType"]}
        for one in (others if isinstance(others, list) else [])
        if isinstance(one, dict)
    ]
