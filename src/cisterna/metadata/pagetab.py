"""Writes a description as a PageTab submission with its file list, which BioStudies and BioImage Archive take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Funding, Reference, ReferenceKind, Subject
from cisterna.domain.project import Access
from cisterna.metadata.credited import own_ror
from cisterna.metadata.described import Described
from cisterna.metadata.fact import imaging_facts, kept_facts, tool_facts
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import DATA_FOLDER, ListedFile, media_type
from cisterna.metadata.record import MetadataRecord, SampleFacts

Document = dict[str, JsonValue]

PAGETAB = "https://ebibiostudies.github.io/page-tab-specification/"
_SAMPLE_WORDS = {
    "organisms": "Organism",
    "tissues": "Biological entity",
    "cell_lines": "Biological entity",
    "diseases": "Intrinsic variable",
    "treatments": "Extrinsic variable",
}
"""As REMBI names what a biosample is; stains are of the specimen."""
_BIOSAMPLE, _SPECIMEN, _ACQUISITION = "biosample", "specimen", "image acquisition"


def pagetab_document(described: Described) -> Document:
    """Map a description to a submission without an accession, which the archive gives."""
    record = described.record
    submission = [
        _attribute("Title", record.name),
        *_known({"ReleaseDate": _release(described)}),
        *([_attribute("AttachTo", "BioImages")] if record.imaging else []),
    ]
    return {"type": "submission", "attributes": _listed(submission), "section": _study(described)}


def _release(described: Described) -> str | None:
    """Tell from which day on the archive may show what it is given; without one it keeps it to the submitter."""
    if described.record.access is not Access.OPEN and not described.record.embargo_until:
        return None
    return max(described.issued, described.available or described.issued).isoformat()


def _study(described: Described) -> Document:
    section = _section("Study", _study_attributes(described))
    links = _links(described)
    return section | {"subsections": _listed(_subsections(described)), **({"links": links} if links else {})}


def _study_attributes(described: Described) -> Iterator[Document]:
    record = described.record
    yield _attribute("Title", record.name)
    yield _attribute("Description", record.summary)
    yield _attribute("Persistent identifier", record.pid)
    yield _attribute("Publication date", described.issued.isoformat())
    yield _attribute("Version", record.version)
    if record.licence:
        yield _attribute("License", record.licence, URL=licence_url(record.licence))
    yield from (_term("Keywords", one) for one in described.subjects)
    yield _attribute("Size", ", ".join(described.sizes))
    yield from (_attribute(fact.name, fact.line.partition(": ")[2]) for fact in kept_facts(record))
    yield from (_attribute("Reference", words) for words in described.unlinked)


def _subsections(described: Described) -> Iterator[Document]:
    record = described.record
    organisations = _organisations(record)
    yield from (_person("Author", one, organisations) for one in record.creators)
    for one in record.contributors:
        yield _person("Contributor", one, organisations, Role=one.role.value)
    for (name, ror), accession in organisations.items():
        said = [_attribute("Name", name), *([_attribute("RORID", ror)] if ror else [])]
        yield _section("organization", said) | {"accno": accession}
    for money in record.funding:
        yield _section("Funding", _money(money))
    for reference in record.references:
        if reference.kind is ReferenceKind.PAPER and reference.url:
            yield _section("Publication", _publication(reference))
    yield from _imaging(record)
    yield _component(described)


def _imaging(record: MetadataRecord) -> Iterator[Document]:
    """Describe sample, specimen and acquisition, which an archive of images asks for, as far as they are known."""
    if record.imaging is None:
        return
    if record.samples:
        yield _section("Biosample", [_attribute("Title", _BIOSAMPLE), *_biosample(record.samples)])
        stains = [_term("Stain", one) for one in record.samples.stains]
        yield _section("Specimen", [_attribute("Title", _SPECIMEN), *stains])
    facts = [*tool_facts(record), *imaging_facts(record)]
    said = [_attribute("Title", _ACQUISITION), *_known({"Imaging instrument": _instrument(record)})]
    parameters = _attribute("Image acquisition parameters", "\n".join(fact.line for fact in facts))
    yield _section("Image acquisition", [*said, parameters])


def _component(described: Described) -> Document:
    """Give the data as one component, with the list of its files and what they are images of."""
    record = described.record
    said = _section("Study Component", [_attribute("Name", "data"), _attribute("Description", record.summary)])
    files = [_file(one, described) for one in described.files if one.path.startswith(DATA_FOLDER)]
    if record.imaging:
        parts = {"Biosample": _BIOSAMPLE, "Specimen": _SPECIMEN} if record.samples else {}
        association = _section("Associations", _known({**parts, "Image acquisition": _ACQUISITION}))
        said["subsections"] = [association]
    return said | ({"files": [_listed(files)]} if files else {})


def _biosample(samples: SampleFacts) -> Iterator[Document]:
    for kind, words in _SAMPLE_WORDS.items():
        yield from (_term(words, one) for one in getattr(samples, kind))


def _instrument(record: MetadataRecord) -> str | None:
    device = record.instrument
    return " ".join(filter(None, (device.manufacturer, device.model or device.name))) if device else None


def _organisations(record: MetadataRecord) -> dict[tuple[str, str | None], str]:
    """Number the affiliations, each once."""
    people = (*record.creators, *record.contributors)
    found = dict.fromkeys((one.affiliation, one.ror) for one in people if one.affiliation)
    return {(name, ror): f"o{number}" for number, (name, ror) in enumerate(found, start=1) if name}


def _person(kind: str, one: Creator, organisations: dict[tuple[str, str | None], str], **more: str) -> Document:
    said = [_attribute("Name", one.name), *_known({"ORCID": one.orcid, "RORID": own_ror(one), **more})]
    if one.affiliation:
        accession = organisations[one.affiliation, one.ror]
        said.append(_attribute("affiliation", accession) | {"reference": True})
    return _section(kind, said)


def _money(one: Funding) -> list[Document]:
    award = {"grant_id": one.award_number, "Title": one.award_title, "URL": one.award_uri}
    return _known({"Agency": one.funder, **award})


def _publication(one: Reference) -> list[Document]:
    return _known({"Title": one.title, one.identifier_type or "Identifier": one.identifier, "URL": one.url})


def _links(described: Described) -> list[JsonValue]:
    pages = [(described.base_url, "landing page"), (described.doi_url, "DOI")]
    references = [(one.url, one.kind.words) for one in described.record.references]
    return [{"url": url, "attributes": [_attribute("Type", words)]} for url, words in (*pages, *references) if url]


def _file(file: ListedFile, described: Described) -> Document:
    said = {
        "Media type": media_type(file.path),
        "Bytes": str(file.size_bytes),
        "SHA-512": file.sha512,
        "URL": described.file_url(file),
    }
    return {"path": file.path, "attributes": _listed(_known(said))}


def _section(kind: str, attributes: Iterable[Document]) -> Document:
    return {"type": kind, "attributes": _listed(attributes)}


def _attribute(name: str, value: str, **about: str) -> Document:
    """Write one attribute; what is said of its value goes beside it."""
    attribute: Document = {"name": name, "value": value}
    return attribute | ({"valqual": [_attribute(*one) for one in about.items()]} if about else {})


def _term(name: str, one: Subject) -> Document:
    return _attribute(name, one.label, **({"Ontology": one.scheme or "", "TermId": one.curie} if one.curie else {}))


def _known(values: dict[str, str | None]) -> list[Document]:
    return [_attribute(name, value) for name, value in values.items() if value]


def _listed(values: Iterable[Document]) -> list[JsonValue]:
    return list(values)
