"""Writes how a version is cited as CSL-JSON, of which reference managers and citation processors make any style."""

from __future__ import annotations

from pydantic import JsonValue

from cisterna.domain.credit import Creator
from cisterna.metadata.credited import person_name
from cisterna.metadata.described import Described

Document = dict[str, JsonValue]


def csl_document(described: Described) -> Document:
    """Map a description to one item of CSL-JSON 1.0; what that has no field for is told in its `custom`."""
    record, issued = described.record, described.issued
    document: Document = {
        "id": f"{record.pid}/{record.version}",
        "type": "dataset",
        "title": record.name,
        "issued": {"date-parts": [[issued.year, issued.month, issued.day]]},
        "version": record.version,
        "abstract": record.summary,
        "dimensions": ", ".join(described.sizes),
        "number": record.pid,
        "custom": _custom(described),
    }
    said: Document = {
        "author": [_name(creator) for creator in record.creators],
        "publisher": record.publisher,
        "URL": described.base_url,
        "DOI": described.doi,
        "keyword": ", ".join(subject.label for subject in described.subjects),
        "language": record.language,
    }
    return document | {name: value for name, value in said.items() if value}


def _name(creator: Creator) -> JsonValue:
    """Give a name in parts where it has them; others are kept whole, so that no processor divides them."""
    parts = person_name(creator)
    return {"family": parts.family, "given": parts.given} if parts else {"literal": creator.name}


def _custom(described: Described) -> Document:
    record = described.record
    digest: Document = {"ark": record.pid, "manifest-sha512": record.manifest_digest}
    return digest | ({"license": record.licence} if record.licence else {})
