"""Makes the object an RO-Crate: `ro-crate-metadata.json`, version 1.2."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from pydantic import JsonValue

from cisterna.domain.source_name import ENCODING
from cisterna.metadata.crate_entity import Entity, Spoken, credited, fact, referred, studied
from cisterna.metadata.fact import imaging_facts, kept_facts
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import DATA_FOLDER, ListedFile, iri_path, media_type
from cisterna.metadata.record import InstrumentFacts, MetadataRecord

FILE_NAME = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.2"
CONTEXT = f"{SPECIFICATION}/context"

_SHA512 = "http://id.loc.gov/vocabulary/preservation/cryptographicHashFunctions/sha512"
_ARK = "https://registry.identifiers.org/registry/ark"
_NO_LICENCE = "#no-licence"


def crate_json(record: MetadataRecord, files: Sequence[ListedFile]) -> bytes:
    """Write the crate's metadata file: time and memory grow with the number of files, not faster.

    The context of RO-Crate 1.2 has a term for SHA-256 and none for SHA-512, in which this archive digests, so the
    crate declares `sha512` in its own context, as the specification has it for terms of one's own.

    Args:
        record: What is described.
        files: All files of the object but the metadata file itself, data below `data/`.
    """
    context = json.dumps([CONTEXT, {"sha512": _SHA512}], ensure_ascii=False, indent=1)
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
    yield from [_descriptor(), root, *held, *_licence(record), *spoken.entities, *facts, *acts, *things]
    yield from map(_file, ours)
    yield from map(_file, data)


def _descriptor() -> Entity:
    return {
        "@id": FILE_NAME,
        "@type": "CreativeWork",
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
    address = licence_url(record.licence)
    text = f"The licence {record.licence} of the SPDX list, whose page holds its text."
    licence: Entity = {"@id": address, "@type": "CreativeWork", "name": record.licence, "identifier": address}
    return [pid, {**licence, "description": text}]


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
    act: Entity = {
        "@id": "#derivation",
        "@type": "CreateAction",
        "name": f"Derivation of {record.name}",
        "object": _sources(record),
        "result": {"@id": DATA_FOLDER},
    }
    return {**act, "instrument": {"@id": "#model"}} if record.model else act


def _context_of(record: MetadataRecord, spoken: Spoken) -> list[Entity]:
    """Give instrument, model and related datasets: things the crate speaks of and does not hold."""
    entities: list[Entity] = []
    if record.instrument:
        entities.append(_device(record.instrument, spoken))
    if record.model:
        model = record.model
        said = {
            "version": model.version,
            "description": "\n".join(
                filter(None, (model.description, f"Trained on: {model.trained_on}" if model.trained_on else None))
            ),
            "sha256": model.sha256,
            "license": model.licence,
        }
        model_entity: Entity = {"@id": "#model", "@type": "CreativeWork", "name": model.name}
        entities.append({**model_entity, **{name: value for name, value in said.items() if value}})
    for related in {related.pid: related for related in record.relations}.values():
        name = related.title or f"Dataset {related.pid}"
        entity: Entity = {"@id": related.pid, "@type": "CreativeWork", "name": name, "version": related.version}
        if related.kind == "HasPart":
            words = f"{name} of the data files: an object of its own in the same archive, under this identifier."
            entity = {**entity, "@type": "Dataset", "description": words}
        entities.append(entity)
    return entities


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


def _file(file: ListedFile) -> Entity:
    entity: Entity = {
        "@id": iri_path(file.path),
        "@type": "File",
        "name": file.path.removeprefix(DATA_FOLDER),
        "contentSize": str(file.size_bytes),
        "encodingFormat": media_type(file.path),
        "sha512": file.sha512,
    }
    if words := _OURS.get(file.path.partition("/")[0]):
        entity["description"] = words
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
