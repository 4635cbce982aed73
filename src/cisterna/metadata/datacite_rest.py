"""Writes a description as the attributes of a DOI in DataCite's REST interface."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from cisterna.domain.identifier import version_ark
from cisterna.metadata.datacite import UNAVAILABLE, Document, datacite_document
from cisterna.metadata.described import Described
from cisterna.ports.publisher import PublicRecord

_UNSAID: Document = {
    "contributors": [],
    "contentUrl": [],
    "dates": [],
    "descriptions": [],
    "formats": [],
    "fundingReferences": [],
    "geoLocations": [],
    "identifiers": [],
    "language": "",
    "relatedIdentifiers": [],
    "relatedItems": [],
    "rightsList": [],
    "sizes": [],
    "subjects": [],
}
"""Every attribute that need not be there. The interface keeps what a change does not name, and what is named empty it
empties."""
_MADE_THERE = frozenset({"schemaOrg", "citeproc", "bibtex", "ris"})
"""What the interface makes of a type, for other formats."""


def rest_attributes(described: Described) -> Document:
    """Map a description to what `POST /dois` takes as `data.attributes`; the event is said by who registers.

    It is the schema document but for the names and types that the interface has of its own: other identifiers are its
    `identifiers`, the year is a number, and the address that the DOI leads to is one of the attributes.
    Every one of them is named, so that nothing stays of what was said before.
    """
    document = datacite_document(described)
    others = document.pop("alternateIdentifiers")
    attributes: Document = {
        **_UNSAID,
        **document,
        "publicationYear": described.issued.year,
        "identifiers": _identifiers(others),
    }
    return attributes | ({"url": described.base_url} if described.base_url else {})


def cited_attributes(record: PublicRecord) -> Document:
    """Say of a tombstone what the interface demands: how it was cited."""
    said = record.metadata
    creators = said.get("creators")
    people = [one for one in creators if isinstance(one, dict)] if isinstance(creators, list) else []
    names: list[JsonValue] = [{"name": one["name"]} for one in people if one.get("name")]
    return {
        "creators": names or [{"name": UNAVAILABLE}],
        "titles": [{"title": record.title}],
        "publisher": {"name": said.get("publisher") or UNAVAILABLE},
        "publicationYear": record.published_at.year,
        "types": {"resourceTypeGeneral": "Dataset"},
        "version": record.version,
    }


def bare_attributes(record: PublicRecord) -> Document:
    """Say of a tombstone how it was cited and which version it is, and that nothing else is said any more."""
    own: Document = {"identifier": version_ark(record.pid, record.version), "identifierType": "ARK"}
    return {**_UNSAID, **cited_attributes(record), "identifiers": [own]}


def further_attributes(said: Mapping[str, JsonValue], wanted: Mapping[str, JsonValue]) -> list[str]:
    """Name what the interface tells of a DOI otherwise than was wanted; it tells a publisher by its name alone.

    Args:
        said: Attributes, as it answers them.
        wanted: Attributes, as they were sent.
    """
    return sorted(name for name, value in wanted.items() if _told(said.get(name)) != _told(value))


def _told(value: JsonValue) -> JsonValue:
    """Leave out what says nothing, and what the interface adds of its own."""
    match value:
        case {"name": str(name), **others} if not any(others.values()):
            return name
        case dict():
            said: Document = {
                name: told for name, one in value.items() if name not in _MADE_THERE and (told := _told(one))
            }
            return said or None
        case list():
            return [told for one in value if (told := _told(one))] or None
        case "" | None:
            return None
        case _:
            return value


def _identifiers(others: JsonValue) -> list[JsonValue]:
    return [
        {"identifier": one["alternateIdentifier"], "identifierType": one["alternateIdentifierType"]}
        for one in (others if isinstance(others, list) else [])
        if isinstance(one, dict)
    ]
