"""Writes how a version came to be as PROV-JSON: the entity, what made it, with what, from what, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Reference, ReferenceKind
from cisterna.metadata.credited import is_organisation, is_person, own_ror
from cisterna.metadata.described import Described
from cisterna.metadata.fact import kept_facts
from cisterna.metadata.licence import licence_url
from cisterna.metadata.record import InstrumentFacts, MetadataRecord, ModelFacts, SoftwareFacts

Document = dict[str, JsonValue]

_PREFIXES = {
    "dct": "http://purl.org/dc/terms/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
}
_ARK = "ark:/"
_USED = {ReferenceKind.SOFTWARE, ReferenceKind.PROTOCOL}
"""What a run or a derivation was made with; other references came before or after it."""


class _Statement(NamedTuple):
    """An element or a relation: of what kind, by what name, and what is said."""

    kind: str
    name: str
    said: Mapping[str, JsonValue]


def prov_document(described: Described) -> Document:
    """Map a description to a PROV document; what is only related in words of other forms is left to them."""
    address = described.base_url or described.record.pid
    root, scheme, own = address.partition(_ARK)
    document: Document = {"prefix": {**_PREFIXES, "pid": f"{root}{scheme}", "here": f"{address}#"}}
    for kind, name, said in _statements(described, own):
        known: Document = {key: value for key, value in said.items() if value is not None}
        group = document.setdefault(kind, {})
        if isinstance(group, dict):
            group[name] = known
    return document


def _statements(described: Described, own: str) -> Iterator[_Statement]:
    record = described.record
    dataset, version = f"pid:{own}", f"pid:{own}/{record.version}"
    activity = "here:derivation" if record.derived else "here:acquisition"
    yield _Statement("entity", dataset, {"dct:identifier": record.pid, "prov:type": _name("schema:Dataset")})
    yield _Statement("entity", version, _version(described))
    yield _Statement("specializationOf", "_:version", {"prov:specificEntity": version, "prov:generalEntity": dataset})
    yield _Statement("activity", activity, _activity(record))
    yield _Statement("wasGeneratedBy", "_:made", {"prov:entity": version, "prov:activity": activity})
    yield from _tools(record, activity)
    yield from _sources(record, version, activity)
    yield from _materials(record, activity)
    yield from _people(record, version)
    yield from _publication(described, version)


def _name(qualified: str) -> JsonValue:
    return {"$": qualified, "type": "prov:QUALIFIED_NAME"}


def _address(url: str | None) -> JsonValue:
    return {"$": url, "type": "xsd:anyURI"} if url else None


def _day(day: date) -> JsonValue:
    return {"$": day.isoformat(), "type": "xsd:date"}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _version(described: Described) -> Document:
    record = described.record
    return {
        "prov:type": _name("schema:Dataset"),
        "prov:label": record.name,
        "dct:title": record.name,
        "dct:identifier": record.pid,
        "dct:created": _day(record.dates.described.date()),
        "dct:issued": _day(described.issued) if described.published_at else None,
        "dct:license": _address(licence_url(record.licence)) if record.licence else None,
        "dct:extent": ", ".join(described.sizes),
        "prov:location": _address(described.base_url),
        "schema:sameAs": _address(described.doi_url),
        "schema:version": record.version,
        "rdfs:comment": "\n".join(fact.line for fact in kept_facts(record)),
    }


def _activity(record: MetadataRecord) -> Document:
    if record.derived:
        return {"prov:label": f"derivation of {record.name}"}
    begun, ended = record.dates.acquired_from, record.dates.acquired_to
    if begun and ended and ended < begun:
        ended = None
    return {
        "prov:label": f"acquisition of {record.name}",
        "prov:startTime": _moment(begun),
        "prov:endTime": _moment(ended),
    }


def _tools(record: MetadataRecord, activity: str) -> Iterator[_Statement]:
    """Say what it was made with: a device is an agent, and so are a model and the program that it ran in."""
    agents = {}
    if record.instrument:
        agents["instrument"] = _instrument(record.instrument)
    if record.model:
        agents["model"] = _model(record.model)
    if record.software:
        agents["software"] = _program(record.software)
    for role, said in agents.items():
        yield _Statement("agent", f"here:{role}", said)
        relation = {"prov:activity": activity, "prov:agent": f"here:{role}", "prov:role": role}
        yield _Statement("wasAssociatedWith", f"_:{role}", relation)


def _instrument(device: InstrumentFacts) -> Document:
    return {
        "prov:type": "instrument",
        "prov:label": device.name,
        "schema:manufacturer": device.manufacturer,
        "schema:model": device.model,
        "schema:serialNumber": device.serial,
        "dct:identifier": device.pid,
    }


def _model(model: ModelFacts) -> Document:
    return {
        "prov:type": _name("prov:SoftwareAgent"),
        "prov:label": model.name,
        "schema:softwareVersion": model.version,
        "schema:license": model.licence,
        "schema:sha256": model.sha256,
        "dct:description": model.description,
        "rdfs:comment": f"trained on: {model.trained_on}" if model.trained_on else None,
    }


def _program(software: SoftwareFacts) -> Document:
    return {
        "prov:type": _name("prov:SoftwareAgent"),
        "prov:label": software.name,
        "schema:softwareVersion": software.version,
    }


def _sources(record: MetadataRecord, version: str, activity: str) -> Iterator[_Statement]:
    """Say from which versions it was derived; each lies below the same address as this one."""
    sources = [one for one in record.relations if one.kind == "IsDerivedFrom"]
    for number, one in enumerate(sources):
        source = f"pid:{one.pid.removeprefix(_ARK)}/{one.version}"
        said = {"prov:type": _name("schema:Dataset"), "prov:label": one.title, "dct:identifier": one.pid}
        yield _Statement("entity", source, said)
        yield _Statement("used", f"_:source-{number}", {"prov:activity": activity, "prov:entity": source})
        derived = {"prov:generatedEntity": version, "prov:usedEntity": source, "prov:activity": activity}
        yield _Statement("wasDerivedFrom", f"_:derived-{number}", derived)


def _materials(record: MetadataRecord, activity: str) -> Iterator[_Statement]:
    for number, one in enumerate(one for one in record.references if one.kind in _USED):
        entity = f"here:used-{number}"
        yield _Statement("entity", entity, _material(one))
        yield _Statement("used", f"_:used-{number}", {"prov:activity": activity, "prov:entity": entity})


def _material(one: Reference) -> Document:
    return {
        "prov:type": one.kind.value,
        "prov:label": one.title or one.identifier,
        "dct:identifier": one.identifier,
        "prov:location": _address(one.url),
    }


def _people(record: MetadataRecord, version: str) -> Iterator[_Statement]:
    creators = [("creator", one) for one in record.creators]
    helpers = [(one.role.value, one) for one in record.contributors]
    for number, (role, one) in enumerate([*creators, *helpers]):
        agent = f"here:credited-{number}"
        yield _Statement("agent", agent, _agent(one))
        said = {"prov:entity": version, "prov:agent": agent, "prov:type": role}
        yield _Statement("wasAttributedTo", f"_:credited-{number}", said)
        if one.affiliation:
            yield _Statement("agent", f"{agent}-affiliation", _organisation(one.affiliation, one.ror))
            delegation = {"prov:delegate": agent, "prov:responsible": f"{agent}-affiliation"}
            yield _Statement("actedOnBehalfOf", f"_:affiliation-{number}", delegation)


def _agent(one: Creator) -> Document:
    if is_organisation(one):
        return _organisation(one.name, own_ror(one))
    orcid = f"https://orcid.org/{one.orcid}" if one.orcid else None
    kind = _name("prov:Person") if is_person(one) else None
    return {"prov:type": kind, "prov:label": one.name, "schema:identifier": _address(orcid)}


def _organisation(name: str, ror: str | None) -> Document:
    return {"prov:type": _name("prov:Organization"), "prov:label": name, "schema:identifier": _address(ror)}


def _publication(described: Described, version: str) -> Iterator[_Statement]:
    record, moment = described.record, described.published_at
    if moment is None:
        return
    when = moment.isoformat()
    said = {"prov:label": f"publication of {record.name}", "prov:startTime": when, "prov:endTime": when}
    yield _Statement("activity", "here:publication", said)
    yield _Statement("used", "_:published", {"prov:activity": "here:publication", "prov:entity": version})
    if record.publisher:
        yield _Statement("agent", "here:publisher", _organisation(record.publisher, record.publisher_ror))
        said = {"prov:activity": "here:publication", "prov:agent": "here:publisher", "prov:role": "publisher"}
        yield _Statement("wasAssociatedWith", "_:publisher", said)
