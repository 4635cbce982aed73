"""Writes how a version is cited as RIS, the lines that reference managers have exchanged for longest."""

from __future__ import annotations

from collections.abc import Iterator

from cisterna.metadata.described import Described, on_one_line
from cisterna.metadata.fact import kept_facts
from cisterna.metadata.licence import licence_url


def ris_record(described: Described) -> bytes:
    """Map a description to one record: no value leaves its line, and what is known has a tag or stands in a note."""
    lines = (f"{tag}  - {on_one_line(text)}" for tag, text in _tagged(described) if text)
    return "".join(f"{line}\r\n" for line in ("TY  - DATA", *lines, "ER  - ")).encode()


def _tagged(described: Described) -> Iterator[tuple[str, str | None]]:
    record, issued = described.record, described.issued
    yield from (("AU", creator.name) for creator in record.creators)
    yield "TI", record.name
    yield "PY", f"{issued.year:04}"
    yield "DA", issued.isoformat().replace("-", "/")
    yield "PB", record.publisher
    yield "ET", record.version
    yield "DO", described.doi
    yield "UR", described.base_url
    yield "AN", record.pid
    yield "LA", record.language
    yield from (("KW", subject.label) for subject in described.subjects)
    yield "AB", record.summary
    yield "N1", f"licence: {licence_url(record.licence)}" if record.licence else None
    yield from (("N1", fact.line) for fact in kept_facts(record))
