"""Makes the object an RO-Crate: `ro-crate-metadata.json`, version 1.2."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import JsonValue

from cisterna.domain.source_name import ENCODING
from cisterna.metadata.crate_entity import Entity, Spoken, credited, fact, referred, studied
from cisterna.metadata.crate_table import TERMS, column_entities, described_tables
from cisterna.metadata.fact import imaging_facts, kept_facts
from cisterna.metadata.licence import licence_url, spdx_identifier
from cisterna.metadata.listing import DATA_FOLDER, PLAIN_BYTES, ListedFile, iri_path, media_type
from cisterna.metadata.record import InstrumentFacts, MetadataRecord, ModelFacts, SoftwareFacts

FILE_NAME = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.2"
CONTEXT = f"{SPECIFICATION}/context"

_SHA512 = "http://id.loc.gov/vocabulary/preservation/cryptographicHashFunctions/sha512"
_ARK = "https://registry.identifiers.org/registry/ark"
_NO_LICENCE = "#no-licence"
_PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"
_SOFTWARE = "#software"
_WHEN = (
    "Written when the data were described and never changed: datePublished, which RO-Crate demands, is that moment."
    " When a version became public is said by its other forms, and by the records in the object's logs/."
)


def crate_json(record: MetadataRecord, files: Sequence[ListedFile]) -> bytes:
    """Write the crate's metadata file: time and memory grow with the number of files, not faster.

    The context of RO-Crate 1.2 has a term for SHA-256 and none for SHA-512, in which this archive digests, so the
    crate declares `sha512` in its own context, as the specification has it for terms of one's own; so it does with the
    columns of a table of samples.

    Args:
        record: What is described.
        files: All files of the object but the metadata file itself, data below `data/`.
    """
    own = {"sha512": _SHA512, **(TERMS if record.sample_sheet else {})}
    context = json.dumps([CONTEXT, own], ensure_ascii=False, indent=1)
    written = io.BytesIO()
    written.write(f'{{\n "@context": {_indented(context, 1)},\n "@graph": ['.encode())
    # One entity at a time: as one value, the graph of 100,000 files takes 400 MB more.
    for place, entity in enumerate(_graph(record, files)):
        text = json.dumps(_compact(entity), ensure_ascii=False, indent=1)
        written.write(f"{',' if place else ''}\n  {_indented(text, 2)}".encode())
    written.write(b"\n ]\n}\n")
    return written.getvalue()


def crate_with_doi(crate: bytes, doi: str) -> bytes:
    """Name in a crate the DOI that its dataset got after it was archived; all else stays.

    Args:
        crate: A metadata file as `crate_json` wrote it.
        doi: Such as `10.1234/abc`.
    """
    document = json.loads(crate)
    address = f"https://doi.org/{doi}"
    for entity in document["@graph"]:
        if entity["@id"] == "./":
            entity["identifier"] = [entity["identifier"], {"@id": address}]
    named = {"@id": address, "@type": "PropertyValue", "propertyID": "DOI", "value": doi, "url": address}
    document["@graph"].append(named)
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def _compact(entity: Entity) -> Entity:
    """Write a single value without a list, as the specification recommends."""
    return {name: one[0] if isinstance(one, list) and len(one) == 1 else one for name, one in entity.items()}


def _indented(text: str, by: int) -> str:
    """Move JSON to the right; a line end within a string is written otherwise."""
    return text.replace("\n", "\n" + " " * by)


def _graph(record: MetadataRecord, files: Sequence[ListedFile]) -> Iterator[Entity]:
    ours = [file for file in files if not file.path.startswith(DATA_FOLDER)]
    data = [file for file in files if file.path.startswith(DATA_FOLDER)]
    spoken = Spoken(taken={_licence_id(record), *(related.pid for related in record.relations)})
    about, samples = studied(record, spoken)
    facts = [*_facts(record), *samples, *_encoding(data)]
    acts = _acts(record, {file.path for file in ours})
    told = [credited(record, spoken), about, referred(record, spoken)]
    root = _root(record, ours, told=told, facts=facts, acts=acts)
    things = _context_of(record, spoken)
    folder: Entity = {
        "@id": DATA_FOLDER,
        "@type": "Dataset",
        "name": "Data as made from another dataset" if record.derived else "Data as acquired",
        "description": "The data files, by the names they were written with.",
        "hasPart": _references(file.path for file in data),
    }
    held = [] if _parts(record) else [folder]
    tables, columns = described_tables(record), column_entities(record)
    yield from [_descriptor(), root, *held, *_licence(record), *spoken.entities, *facts, *acts, *things, *columns]
    yield from (_file(one) | tables.get(one.path, {}) for one in ours)
    how = "as made from another dataset" if record.derived else "as acquired"
    yield from (_file(one, how=how) | tables.get(one.path, {}) for one in data)


def _descriptor() -> Entity:
    return {
        "@id": FILE_NAME,
        "@type": "CreativeWork",
        "name": "Description of this dataset as an RO-Crate",
        "description": _WHEN,
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": "./"},
    }


def _root(
    record: MetadataRecord,
    ours: Sequence[ListedFile],
    *,
    told: Sequence[Entity],
    facts: Sequence[Entity],
    acts: Sequence[Entity],
) -> Entity:
    until = f" until {record.embargo_until}" if record.embargo_until else ""
    mentions: list[JsonValue] = [{"@id": act["@id"]} for act in acts]
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": record.name,
        "description": record.summary,
        "identifier": {"@id": "#pid"},
        "datePublished": _time(record.dates.described),
        "sdDatePublished": _time(record.dates.described),
        "license": {"@id": _licence_id(record)},
        "version": record.version,
        "conditionsOfAccess": f"access: {record.access.value}{until}; data from people: {record.human_data.value}",
        "hasPart": [*(_parts(record) or [{"@id": DATA_FOLDER}]), *_references(file.path for file in ours)],
        "mentions": mentions,
        "additionalProperty": [{"@id": one["@id"]} for one in facts],
    }
    for said in told:
        mentions += listed if isinstance(listed := said.pop("mentions", []), list) else []
        root |= said
    if record.language:
        root["inLanguage"] = record.language
    if record.keywords:
        root["keywords"] = list[JsonValue](record.keywords)
    if record.software:
        root["conformsTo"] = {"@id": _PROCESS_RUN}
    if sources := _sources(record):
        root["isBasedOn"] = sources
    if whole := [related.pid for related in record.relations if related.kind == "IsPartOf"]:
        root["isPartOf"] = {"@id": whole[0]}
    return root


def _licence_id(record: MetadataRecord) -> str:
    return licence_url(record.licence) if record.licence else _NO_LICENCE


def _licence(record: MetadataRecord) -> list[Entity]:
    pid: Entity = {
        "@id": "#pid",
        "@type": "PropertyValue",
        "name": "Test ARK: it resolves at the facility alone" if record.is_test_pid else "ARK",
        "propertyID": _ARK,
        "value": record.pid,
    }
    if record.licence is None:
        text = "No licence has been stated: all rights are reserved until one is."
        return [pid, {"@id": _NO_LICENCE, "@type": "CreativeWork", "name": "No licence stated", "description": text}]
    return [pid, _licence_of_list(record.licence)]


def _licence_of_list(identifier: str) -> Entity:
    address = licence_url(identifier)
    text = f"The licence {identifier} of the SPDX list, whose page holds its text."
    licence: Entity = {"@id": address, "@type": "CreativeWork", "name": identifier, "identifier": address}
    return {**licence, "description": text}


def _facts(record: MetadataRecord) -> list[Entity]:
    return [
        fact(one.key, one.name, list[JsonValue](one.value) if isinstance(one.value, list) else one.value, unit=one.unit)
        for one in (*kept_facts(record), *imaging_facts(record))
    ]


def _encoding(data: Sequence[ListedFile]) -> list[Entity]:
    """Declare how names are written, in a crate that has one which is not written as it was acquired."""
    count = sum(file.source_path_base64 is not None for file in data)
    if not count:
        return []
    return [
        fact("path-encoding", "how names that are no plain text are written", ENCODING),
        fact("path-encoding-count", "number of data files whose path is written so", count),
    ]


def _acts(record: MetadataRecord, ours: set[str]) -> list[Entity]:
    acts = [_derivation(record) if record.derived else _acquisition(record)]
    if record.quality:
        checks = "\n".join(f"{one.check}: {one.outcome.value}: {one.message}" for one in record.quality.checks)
        reports = sorted(path for path in ours if path.startswith("quality/"))
        acts.append(
            {
                "@id": "#quality-assessment",
                "@type": "AssessAction",
                "name": f"Quality gate: {record.quality.verdict.value}",
                "description": "\n".join(filter(None, (record.quality.reason, checks))) or "No check has been made.",
                "object": {"@id": _data(record)},
                "result": [{"@id": "#fact-quality-verdict"}, *_references(reports)],
            }
        )
    return acts


def _acquisition(record: MetadataRecord) -> Entity:
    act: Entity = {
        "@id": "#acquisition",
        "@type": "CreateAction",
        "name": f"Acquisition of {record.name}",
        "result": {"@id": _data(record)},
    }
    if record.instrument:
        act["instrument"] = {"@id": "#instrument"}
    if record.dates.acquired_from:
        act["startTime"] = _time(record.dates.acquired_from)
    if record.dates.acquired_to:
        act["endTime"] = _time(record.dates.acquired_to)
    return act


def _derivation(record: MetadataRecord) -> Entity:
    """Tell it as the Process Run Crate has it: a program made this of that. A model is no program; one reads it."""
    model: list[JsonValue] = [{"@id": "#model"}] if record.model else []
    act: Entity = {
        "@id": "#derivation",
        "@type": "CreateAction",
        "name": f"Derivation of {record.name}",
        "object": _sources(record) + (model if record.software else []),
        "result": {"@id": _data(record)},
    }
    if record.software is None:  # of a record that does not tell, such as an earlier one
        return {**act, "instrument": model} if model else act
    by = f" with the model {record.model.name}" if record.model else ""
    words = f"{record.software.name} made the data files of archived ones{by}."
    return {**act, "description": words, "instrument": {"@id": _SOFTWARE}}


def _program(software: SoftwareFacts) -> list[Entity]:
    """Name the profile, and the program that it asks for, by a package URL: it has no page for everybody."""
    profile: Entity = {"@id": _PROCESS_RUN, "@type": ["CreativeWork", "Profile"], "name": "Process Run Crate"}
    program: Entity = {
        "@id": _SOFTWARE,
        "@type": "SoftwareApplication",
        "name": software.name,
        "description": "What archives the data, and derives one dataset of another.",
        "version": software.version,
        "url": f"pkg:generic/{quote(software.name, safe='')}@{quote(software.version, safe='')}",
    }
    return [{**profile, "version": "0.5"}, program]


def _context_of(record: MetadataRecord, spoken: Spoken) -> list[Entity]:
    """Give instrument, model and related datasets: things the crate speaks of and does not hold."""
    entities: list[Entity] = _program(record.software) if record.software else []
    if record.instrument:
        entities.append(_device(record.instrument, spoken))
    if record.model:
        entities += _model(record.model, taken=record.licence)
    for related in {related.pid: related for related in record.relations}.values():
        name = related.title or f"Dataset {related.pid}"
        entity: Entity = {"@id": related.pid, "@type": "CreativeWork", "name": name, "version": related.version}
        if related.kind == "HasPart":
            words = f"{name} of the data files: an object of its own in the same archive, under this identifier."
            entity = {**entity, "@type": "Dataset", "description": words}
        entities.append(entity)
    return entities


def _model(model: ModelFacts, *, taken: str | None) -> list[Entity]:
    """Give the model, and its licence where it is one of the list and not that of the data, which is there already."""
    licence = _listed(model.licence)
    trained = f"Trained on: {model.trained_on}" if model.trained_on else None
    said: Entity = {
        "version": model.version,
        "description": "\n".join(filter(None, (model.description, trained))),
        "sha256": model.sha256,
        "license": {"@id": licence_url(licence)} if licence else model.licence,
    }
    entity: Entity = {"@id": "#model", "@type": "CreativeWork", "name": model.name}
    own = [_licence_of_list(licence)] if licence and licence != taken else []
    return [{**entity, **{name: value for name, value in said.items() if value}}, *own]


def _listed(licence: str | None) -> str | None:
    try:
        return spdx_identifier(licence) if licence else None
    except ValueError:
        return None


def _device(instrument: InstrumentFacts, spoken: Spoken) -> Entity:
    device: Entity = {
        "@id": "#instrument",
        "@type": "IndividualProduct",
        "name": instrument.name,
        "description": f"An instrument that writes as profile {instrument.profile} says.",
    }
    if instrument.manufacturer:
        maker: Entity = {"@type": "Organization", "name": instrument.manufacturer}
        device["manufacturer"] = spoken.name(None, "#manufacturer", maker)
    told = {
        "model": instrument.model,
        "serialNumber": instrument.serial,
        "identifier": instrument.pid,
        "url": instrument.url,
    }
    return device | {name: value for name, value in told.items() if value}


def _file(file: ListedFile, *, how: str = "") -> Entity:
    """Describe a file by what is known of each: its place in the object, and its format.

    Args:
        file: Of the object.
        how: A data file came to be.
    """
    kind = media_type(file.path)
    entity: Entity = {
        "@id": iri_path(file.path),
        "@type": "File",
        "name": file.path.removeprefix(DATA_FOLDER),
        "contentSize": str(file.size_bytes),
        "encodingFormat": kind,
        "sha512": file.sha512,
        "description": f"Data file {how}: {_KINDS.get(kind, kind)}." if how else _ours(file.path),
    }
    if file.source_path_base64:
        entity["description"] = f"Path as acquired, its bytes in base64: {file.source_path_base64}"
    return {**entity, "dateModified": _time(file.modified)} if file.modified else entity


_OURS = {
    "README.md": "What the data are, how they are cited and how they are checked.",
    "metadata": "The description of the data, for machines.",
    "quality": "What was measured of the data, and what the checks said.",
    "provenance": "The list of the data files, with sizes and digests.",
}
"""What our own files are, by their folder."""
_KINDS = {
    PLAIN_BYTES: "of a format that its name does not tell",
    "application/gzip": "compressed by gzip",
    "application/json": "JSON",
    "application/vnd.apache.parquet": "a Parquet table",
    "application/vnd.isac.fcs": "flow cytometry data (FCS)",
    "application/x-hdf5": "HDF5",
    "application/xml": "XML",
    "application/yaml": "YAML",
    "image/bmp": "a BMP image",
    "image/jpeg": "a JPEG image",
    "image/png": "a PNG image",
    "image/tiff": "a TIFF image",
    "text/csv": "a table of comma-separated values",
    "text/markdown": "text in Markdown",
    "text/plain": "plain text",
}
"""Formats as people call them, as far as a file's extension tells."""


def _ours(path: str) -> str:
    return _OURS.get(path.partition("/")[0], "A file that belongs to the description of the data.")


def _references(paths: Iterable[str]) -> list[JsonValue]:
    return [{"@id": iri_path(path)} for path in paths]


def _sources(record: MetadataRecord) -> list[JsonValue]:
    return [{"@id": related.pid} for related in record.relations if related.kind == "IsDerivedFrom"]


def _parts(record: MetadataRecord) -> list[JsonValue]:
    return [{"@id": related.pid} for related in record.relations if related.kind == "HasPart"]


def _data(record: MetadataRecord) -> str:
    """Name what the data files are in: their folder, or the whole where it has parts."""
    return "./" if _parts(record) else DATA_FOLDER


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
