"""Writes a description as simple Dublin Core, in the XML that OAI-PMH has for it (`oai_dc`)."""

from __future__ import annotations

from collections.abc import Iterator

from cisterna.domain.project import Access
from cisterna.metadata.described import Described
from cisterna.metadata.fact import kept_facts
from cisterna.metadata.licence import licence_url
from cisterna.metadata.xml_text import add, as_bytes, new_document

_DC = "http://purl.org/dc/elements/1.1/"
_OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
_SCHEMA = "http://www.openarchives.org/OAI/2.0/oai_dc.xsd"
_RIGHTS = {
    Access.OPEN: "info:eu-repo/semantics/openAccess",
    Access.EMBARGOED: "info:eu-repo/semantics/embargoedAccess",
    Access.RESTRICTED: "info:eu-repo/semantics/restrictedAccess",
    Access.CLOSED: "info:eu-repo/semantics/closedAccess",
}
"""Words for harvesters, of the vocabulary that OpenAIRE gathers by."""


def dublin_core_xml(described: Described) -> bytes:
    """Map a description to the fifteen elements, each as often as there is something to say."""
    root = new_document(f"{{{_OAI_DC}}}dc", namespaces={"oai_dc": _OAI_DC, "dc": _DC}, schema=(_OAI_DC, _SCHEMA))
    for name, text in _elements(described):
        if text:
            add(root, f"{{{_DC}}}{name}", text)
    return as_bytes(root)


def _elements(described: Described) -> Iterator[tuple[str, str | None]]:
    record, collected = described.record, described.collected
    yield "title", record.name
    yield from (("creator", one.name) for one in record.creators)
    yield from (("contributor", one.name) for one in record.contributors)
    yield "publisher", record.publisher
    yield "date", described.issued.isoformat()
    yield "date", f"info:eu-repo/date/embargoEnd/{record.embargo_until.isoformat()}" if record.embargo_until else None
    yield "type", "Dataset"
    yield from (("identifier", one) for one in (described.base_url, described.doi_url, record.pid))
    yield "description", record.summary
    yield "description", "\n".join(fact.line for fact in kept_facts(record))
    yield from (("subject", one.label) for one in described.subjects)
    yield from (("format", one) for one in (*described.formats, *described.sizes))
    yield "language", record.language
    yield from (("source" if one.kind == "IsDerivedFrom" else "relation", one.pid) for one in record.relations)
    yield from (("relation", one.url) for one in record.references)
    yield from (("relation", words) for words in described.unlinked)
    yield "relation", record.instrument.url if record.instrument else None
    yield "coverage", "/".join(dict.fromkeys(day.isoformat() for day in collected)) if collected else None
    yield "rights", _RIGHTS[record.access]
    yield "rights", licence_url(record.licence) if record.licence else None
