"""Writes a description as DataCite XML (kernel 4.6): its schema document, told in elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cisterna.metadata.datacite import datacite_document
from cisterna.metadata.described import Described
from cisterna.metadata.xml_text import Element, add, as_bytes, new_document

_NAMESPACE = "http://datacite.org/schema/kernel-4"
_SCHEMA = "https://schema.datacite.org/meta/kernel-4.6/metadata.xsd"

_LISTS = {
    "titles": ("title", "title"),
    "subjects": ("subject", "subject"),
    "dates": ("date", "date"),
    "alternateIdentifiers": ("alternateIdentifier", "alternateIdentifier"),
    "relatedIdentifiers": ("relatedIdentifier", "relatedIdentifier"),
    "rightsList": ("rights", "rights"),
    "descriptions": ("description", "description"),
}
"""Lists of which each member is one element: its name, and which of the member's attributes is its text."""


def datacite_xml(described: Described) -> bytes:
    """Map a description to XML; of what has no DOI, the ARK is the identifier."""
    document: dict[str, Any] = datacite_document(described)
    if described.doi is None:
        [ark] = document.pop("alternateIdentifiers")
        identifier, kind = ark["alternateIdentifier"], ark["alternateIdentifierType"]
    else:
        identifier, kind = document["doi"], "DOI"
    root = new_document(_tag("resource"), namespaces={None: _NAMESPACE}, schema=(_NAMESPACE, _SCHEMA))
    add(root, _tag("identifier"), identifier, {"identifierType": kind})
    _people(root, "creator", document["creators"])
    for name, (element, text) in _LISTS.items():
        if name in document:
            members = _child(root, name)
            for one in document[name]:
                _member(members, element, one, text)
    _member(root, "publisher", document["publisher"], "name")
    _member(root, "resourceType", document["types"], "resourceType")
    _people(root, "contributor", document.get("contributors", ()))
    _funding(root, document.get("fundingReferences", ()))
    for name in ("publicationYear", "version", "language"):
        if name in document:
            _child(root, name, document[name])
    for name, element in (("sizes", "size"), ("formats", "format")):
        if name in document:
            members = _child(root, name)
            for text in document[name]:
                _child(members, element, text)
    return as_bytes(root)


def _people(root: Element, role: str, people: Iterable[Mapping[str, Any]]) -> None:
    members = None
    for one in people:
        members = _child(root, f"{role}s") if members is None else members
        kind = {"contributorType": one["contributorType"]} if "contributorType" in one else {}
        person = add(members, _tag(role), attributes=kind)
        add(person, _tag(f"{role}Name"), one["name"], {"nameType": one["nameType"]} if "nameType" in one else None)
        for name in ("givenName", "familyName"):
            if name in one:
                _child(person, name, one[name])
        for identifier in one.get("nameIdentifiers", ()):
            _member(person, "nameIdentifier", identifier, "nameIdentifier")
        for affiliation in one.get("affiliation", ()):
            _member(person, "affiliation", affiliation, "name")


def _funding(root: Element, fundings: Iterable[Mapping[str, Any]]) -> None:
    members = None
    for one in fundings:
        members = _child(root, "fundingReferences") if members is None else members
        reference = _child(members, "fundingReference")
        _child(reference, "funderName", one["funderName"])
        if "funderIdentifier" in one:
            kind = {name: one[name] for name in ("funderIdentifier", "funderIdentifierType") if name in one}
            _member(reference, "funderIdentifier", kind, "funderIdentifier")
        if "awardNumber" in one or "awardUri" in one:
            award = {name: one[name] for name in ("awardNumber", "awardUri") if name in one}
            _member(reference, "awardNumber", award, "awardNumber")
        if "awardTitle" in one:
            _child(reference, "awardTitle", one["awardTitle"])


def _member(parent: Element, element: str, values: Mapping[str, str], text: str) -> None:
    """Add an element of one value; the others are its attributes, which XML spells `...URI`."""
    attributes = {name.replace("Uri", "URI"): value for name, value in values.items() if name != text}
    add(parent, _tag(element), values.get(text, ""), attributes)


def _child(parent: Element, name: str, text: str = "") -> Element:
    return add(parent, _tag(name), text)


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"
