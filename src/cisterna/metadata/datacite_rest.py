"""Writes a description as the attributes of a DOI in DataCite's REST interface."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from cisterna.metadata.datacite import Document, datacite_document
from cisterna.metadata.described import Described


def rest_attributes(described: Described) -> Document:
    """Map a description to what `POST /dois` takes as `data.attributes`; the event is said by who registers."""
    return attributes_of(datacite_document(described), url=described.base_url)


def attributes_of(document: Mapping[str, JsonValue], *, url: str | None) -> Document:
    """Write a schema document, such as one that is public, as attributes.

    It differs by the names and types that the interface has of its own: other identifiers are its `identifiers`, the
    year is a number, and the address that the DOI leads to is one of the attributes.
    """
    kept = {name: value for name, value in document.items() if name != "alternateIdentifiers"}
    attributes: Document = {
        **kept,
        "publicationYear": int(str(document["publicationYear"])),
        "identifiers": _identifiers(document["alternateIdentifiers"]),
    }
    return attributes | ({"url": url} if url else {})


def _identifiers(others: JsonValue) -> list[JsonValue]:
    return [
        {"identifier": one["alternateIdentifier"], "identifierType": one["alternateIdentifierType"]}
        for one in (others if isinstance(others, list) else [])
        if isinstance(one, dict)
    ]
