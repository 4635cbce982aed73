"""Writes the object's `README.md`: what it is and how to check it, for somebody who has never heard of Cisterna."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cisterna.domain.credit import Creator, Funding, Reference, Subject
from cisterna.domain.source_name import ENCODING
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import SAMPLE_KINDS, MetadataRecord, missing
from cisterna.metadata.samples_table import SAMPLES_PATH

FILE_NAME = "README.md"
CHECKSUMS = "provenance/manifest-sha512.txt"
"""Digests of the data files, in the form that `sha512sum --check` reads."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")


def readme_text(record: MetadataRecord, *, written_otherwise: int = 0) -> str:
    """Write the file; what others said is escaped, so that it reads as text and never as markup.

    Args:
        record: What is described.
        written_otherwise: How many data files have a path that is not written as it was acquired.
    """
    in_parts = [one.pid for one in record.relations if one.kind == "HasPart"]
    checking = _CHECKING_PARTS if in_parts else _CHECKING
    parts = [
        f"# {_plain(record.name)}\n",
        _paragraphs(record.summary),
        _table(record),
        _incomplete(record),
        _LAYOUT_OF_PARTS.format(count=len(in_parts), first=in_parts[0]) if in_parts else _LAYOUT,
        _NAMES.format(count=f"{written_otherwise:,}", encoding=ENCODING) if written_otherwise else "",
        checking.format(checksums=CHECKSUMS, digest=record.manifest_digest),
        _WITHOUT_CISTERNA,
    ]
    return "\n".join(part for part in parts if part)


def checksum_lines(files: Iterable[ListedFile]) -> bytes:
    """List digests as `sha512sum` does; a backslash in a name is written as two, and the line begins with one."""
    lines = []
    for file in files:
        escaped = file.path.replace("\\", "\\\\")
        mark = "\\" if escaped != file.path else ""
        lines.append(f"{mark}{file.sha512}  {escaped}\n")
    return "".join(lines).encode()


def _table(record: MetadataRecord) -> str:
    rows = [
        ("Persistent identifier", record.pid + (" (a test PID)" if record.is_test_pid else "")),
        ("Version", record.version),
        ("Creators", "; ".join(map(_person_words, record.creators)) or "not stated"),
        ("Contributors", "; ".join(f"{_person_words(one)} ({one.role.value})" for one in record.contributors)),
        ("Publisher", ", ".join(filter(None, (record.publisher or "not stated", record.publisher_ror)))),
        ("Year", str(record.publication_year)),
        ("Licence", f"{record.licence}, {licence_url(record.licence)}" if record.licence else "none stated"),
        ("Access", record.access.value + (f" until {record.embargo_until}" if record.embargo_until else "")),
        ("Data from identifiable people", record.human_data.value),
        ("Keywords", "; ".join(record.keywords)),
        ("Subjects", "; ".join(map(_term_words, record.subjects))),
        *_sample_rows(record),
        ("Language", record.language or ""),
        ("Funding", "; ".join(map(_funding_words, record.funding))),
        *((f"Reference, {one.kind.words}", _reference_words(one)) for one in record.references),
        ("Instrument", _instrument_words(record)),
        ("Acquired", _acquired_words(record)),
        ("Channels", "; ".join(record.imaging.channels) if record.imaging else ""),
        ("Made by the model", f"{record.model.name} {record.model.version or ''}".strip() if record.model else ""),
        ("Made by the program", f"{record.software.name} {record.software.version}" if record.software else ""),
        *((f"Relation {one.kind}", f"{one.pid} {one.version}") for one in record.relations),
        ("Quality verdict", _quality_words(record)),
        ("Data files", f"{record.file_count:,}"),
        ("Size of the data files", f"{record.total_bytes:,} bytes"),
        ("Described", record.dates.described.isoformat()),
    ]
    lines = [f"| {name} | {_plain(value)} |" for name, value in rows if value]
    return "| | |\n| --- | --- |\n" + "\n".join(lines) + "\n"


def _person_words(person: Creator) -> str:
    orcid = f"https://orcid.org/{person.orcid}" if person.orcid else None
    return ", ".join(filter(None, (person.name, person.affiliation, orcid)))


def _term_words(subject: Subject) -> str:
    return f"{subject.label} ({subject.curie})" if subject.curie else subject.label


def _sample_rows(record: MetadataRecord) -> Iterable[tuple[str, str]]:
    for kind in SAMPLE_KINDS if record.samples else ():
        yield kind.replace("_", " ").capitalize(), "; ".join(map(_term_words, getattr(record.samples, kind)))
    if record.samples and record.samples.wells:
        yield "Wells with samples", f"{record.samples.wells:,}"
    if record.sample_sheet:
        yield "Table of wells and samples", f"{SAMPLES_PATH}, from {record.sample_sheet.path}"


def _funding_words(funding: Funding) -> str:
    said = (funding.funder, funding.award_number, funding.award_title, funding.award_uri)
    return ", ".join(filter(None, said))


def _reference_words(reference: Reference) -> str:
    return ", ".join(filter(None, (reference.title, reference.url or reference.identifier)))


def _instrument_words(record: MetadataRecord) -> str:
    one = record.instrument
    if one is None:
        return ""
    said = (one.manufacturer, one.model, f"serial number {one.serial}" if one.serial else None, one.url or one.pid)
    device = ", ".join(filter(None, said))
    return f"{one.name} ({device})" if device else one.name


def _acquired_words(record: MetadataRecord) -> str:
    begun, ended = record.dates.acquired_from, record.dates.acquired_to
    return " to ".join(moment.isoformat() for moment in (begun, ended) if moment)


def _quality_words(record: MetadataRecord) -> str:
    if record.quality is None:
        return ""
    return record.quality.verdict.value + (f": {record.quality.reason}" if record.quality.reason else "")


def _incomplete(record: MetadataRecord) -> str:
    absent = missing(record)
    if not absent:
        return ""
    problems = "\n".join(f"- {_plain(problem)}" for problem in record.problems)
    return (
        f"Not stated when this was written: {', '.join(_plain(name) for name in absent)}.\n\n{problems}".strip() + "\n"
    )


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _paragraphs(text: str) -> str:
    return "\n\n".join(_plain(part) for part in text.split("\n") if part.strip()) + "\n"


_LAYOUT = """\
## What is where

| path | holds |
| --- | --- |
| `data/` | the data files, under the names they were written with |
| `quality/` | measurements of each image, and what the checks said |
| `provenance/` | the list of the data files with sizes and digests |
| `metadata/` | this description for machines: the full record, DataCite, schema.org |
| `ro-crate-metadata.json` | the same as an RO-Crate 1.2, with every file (https://w3id.org/ro/crate/1.2) |
"""

_LAYOUT_OF_PARTS = """\
## What is where

The data files are too many for one object. They lie in {count} parts, each an OCFL object of its own in the same
storage root: the first is `{first}`, and the others are counted up from it. The files are sorted by the bytes of their
paths and cut into that many runs, so each file is in one part, below its `data/`.

| path | holds |
| --- | --- |
| `provenance/parts.parquet` | every part: identifier, OCFL version, first and last file, digest of its list |
| `quality/` | measurements of each image of all parts, and what the checks said |
| `metadata/` | this description for machines: the full record, DataCite, schema.org |
| `ro-crate-metadata.json` | the same as an RO-Crate 1.2, with every part (https://w3id.org/ro/crate/1.2) |
"""

_CHECKING_PARTS = """\
## How to check the data

Take each part out of the archive and follow its own `README.md`: it has the digests of its files in `{checksums}`.
Put together in the order of the parts, their files are the whole. The digest of the whole list is

    {digest}

which is the SHA-512 of one line a file, `<sha512> <size in bytes> <path below data/>`, sorted by the bytes of the path.
"""

_NAMES = """\
## Names that are no plain text

The paths of {count} data files are not written as they were acquired. How they are written:
{encoding}
The column `source_path_base64` of
`provenance/manifest.parquet` has those bytes too. With nothing but Python, in the folder that holds `data/`, this gives
every file its own name back:

    python3 -c 'import os, urllib.parse
    for folder, folders, files in os.walk(b"data", topdown=False):
        for name in folders + files:
            os.rename(os.path.join(folder, name), os.path.join(folder, urllib.parse.unquote_to_bytes(name)))'

Check the data before that: the list of digests has the paths as they are written here. In the list whose digest is
named below, a line with such a path begins with a backslash.
"""

_CHECKING = """\
## How to check the data

In the folder that holds this file, with nothing but GNU coreutils:

    sha512sum --check --quiet {checksums}

It prints nothing when every data file is as it was. The digest of the whole list is

    {digest}

which is the SHA-512 of one line a file, `<sha512> <size in bytes> <path below data/>`, sorted by the bytes of the path.
"""

_WITHOUT_CISTERNA = """\
## If you found this in an object store

This is the logical content of one OCFL 1.1 object (https://ocfl.io/1.1/spec/). The stored files have names of their
own; `inventory.json` of the object says which digest is which file, for every version, and any OCFL tool writes a
version out under its logical names. Files in the object's `logs/` tell what happened to it afterwards: copies verified,
decisions made, publications.
"""
