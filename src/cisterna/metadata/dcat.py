"""Writes a description by DCAT-AP 3.0.1, the profile by which European data portals harvest: JSON-LD and Turtle.

Every node has a type, since the profile's shapes ask for it, and a name of its own below the dataset's, so that the
same description always gives the same bytes and people keep their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from itertools import chain
from urllib.parse import quote

from pydantic import JsonValue
from rdflib import Graph
from rdflib.plugins.parsers.jsonld import to_rdf

from cisterna.domain.credit import ContributorRole, Creator
from cisterna.domain.project import Access
from cisterna.metadata.credited import is_organisation, own_ror
from cisterna.metadata.described import Described
from cisterna.metadata.fact import imaging_facts, kept_facts, tool_facts
from cisterna.metadata.language_code import three_letters
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import LISTED_LIMIT, ListedFile, media_type
from cisterna.metadata.record import MetadataRecord
from cisterna.metadata.xml_text import fit

Node = dict[str, JsonValue]

_CONTEXT: Node = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "org": "http://www.w3.org/ns/org#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
"""In the document itself: whoever reads it needs no network."""
_AUTHORITY = "http://publications.europa.eu/resource/authority"
_MEDIA_TYPES = "http://www.iana.org/assignments/media-types"
_ACCESS_RIGHTS = {
    Access.OPEN: "PUBLIC",
    Access.EMBARGOED: "RESTRICTED",
    Access.RESTRICTED: "RESTRICTED",
    Access.CLOSED: "NON_PUBLIC",
}
_SHA512 = "http://spdx.org/rdf/terms#checksumAlgorithm_sha512"
_RELATIONS = {
    "IsDerivedFrom": "prov:wasDerivedFrom",
    "IsSourceOf": "dct:relation",
    "IsVersionOf": "dct:isVersionOf",
    "IsPartOf": "dct:isPartOf",
    "HasPart": "dct:hasPart",
}
"""Not `dct:source`: the shapes want a whole description of what stands there."""
_IRI_CHARACTERS = ":/?#[]@!$&'()*+,;=%-._~"


def dcat_turtle(described: Described) -> bytes:
    """Write the same graph as `dcat_document` as Turtle."""
    graph = Graph(bind_namespaces="none")
    to_rdf(dcat_document(described), graph)
    return graph.serialize(format="turtle", encoding="utf-8")


def dcat_document(described: Described) -> Node:
    """Map a description to one `dcat:Dataset`; it has distributions once its page has an address."""
    record, base_url = described.record, described.base_url
    dataset = _iri(base_url or record.pid)
    document: Node = {
        "@context": _CONTEXT,
        "@id": dataset,
        "@type": "dcat:Dataset",
        "dct:title": fit(record.name),
        "dct:description": fit(record.summary),
        "dct:identifier": record.pid,
        "dct:created": _literal("date", record.dates.described.date()),
        "dct:accessRights": _access_rights(record.access),
        "dct:extent": _named(f"{dataset}#extent", "dct:SizeOrDuration", label=", ".join(described.sizes)),
        "dct:provenance": _named(f"{dataset}#provenance", "dct:ProvenanceStatement", label=_provenance(described)),
        "dcat:version": record.version,
        "dcat:keyword": [fit(word) for word in _keywords(described)],
        "dcat:theme": _theme(),
        "prov:wasGeneratedBy": _activity(record, dataset),
    }
    language = three_letters(record.language) if record.language else None
    optional: Node = {
        "adms:identifier": _other_identifier(described, dataset),
        "dct:issued": _literal("date", described.issued) if described.published_at else None,
        "dct:available": _literal("date", described.available) if described.available else None,
        "dct:creator": [_agent(one, f"{dataset}#creator-{number}") for number, one in enumerate(record.creators)],
        "dct:publisher": _publisher(record, dataset),
        "dct:license": _license(record),
        "dct:language": language
        and {"@id": f"{_AUTHORITY}/language/{language.upper()}", "@type": "dct:LinguisticSystem"},
        "dct:subject": _subjects(described),
        "dct:temporal": _temporal(described, dataset),
        "dcat:landingPage": {"@id": dataset, "@type": ["dcat:Dataset", "foaf:Document"]} if base_url else None,
        "dcat:contactPoint": _contacts(record, dataset),
        "prov:qualifiedAttribution": _attributions(record, dataset),
        "foaf:page": _pages(record),
        "dcat:distribution": _distributions(described, dataset) if base_url else None,
    }
    return document | {name: value for name, value in optional.items() if value} | _relations(record)


def _iri(address: str) -> str:
    """Write an address so that it stands in a graph: what an IRI may not hold is percent-encoded."""
    return quote(address, safe=_IRI_CHARACTERS)


def _literal(kind: str, value: date | datetime | int | str) -> Node:
    text = value.isoformat() if isinstance(value, date) else str(value)
    return {"@value": text, "@type": f"xsd:{kind}"}


def _named(iri: str, kind: str, *, label: str) -> Node:
    return {"@id": iri, "@type": kind, "rdfs:label": fit(label)}


def _access_rights(access: Access) -> Node:
    return _named(f"{_AUTHORITY}/access-right/{_ACCESS_RIGHTS[access]}", "dct:RightsStatement", label=access.value)


def _theme() -> Node:
    return {
        "@id": f"{_AUTHORITY}/data-theme/TECH",
        "@type": "skos:Concept",
        "skos:prefLabel": {"@value": "Science and technology", "@language": "en"},
    }


def _keywords(described: Described) -> Iterable[str]:
    return [subject.label for subject in described.subjects] or [described.record.data_type]


def _provenance(described: Described) -> str:
    """Say what the profile has no words for: what is kept, how it was made, money, and papers of authorities."""
    record = described.record
    facts = (*kept_facts(record), *tool_facts(record), *imaging_facts(record))
    money = (f"funded by: {one.line}" for one in record.funding)
    return "\n".join(chain((fact.line for fact in facts), money, described.unlinked))


def _activity(record: MetadataRecord, dataset: str) -> Node:
    what = "derivation" if record.derived else "acquisition"
    tool = record.model.name if record.model else record.instrument.name if record.instrument else None
    activity = _named(f"{dataset}#{what}", "prov:Activity", label=f"{what} by {tool}" if tool else what)
    if record.derived:
        sources = [one.pid for one in record.relations if one.kind == "IsDerivedFrom"]
        return activity | ({"prov:used": [{"@id": _iri(pid)} for pid in sources]} if sources else {})
    moments = {"prov:startedAtTime": record.dates.acquired_from, "prov:endedAtTime": record.dates.acquired_to}
    return activity | {name: _literal("dateTime", moment) for name, moment in moments.items() if moment}


def _other_identifier(described: Described, dataset: str) -> Node | None:
    if described.doi_url is None:
        return None
    return {
        "@id": f"{dataset}#doi",
        "@type": "adms:Identifier",
        "skos:notation": _literal("anyURI", _iri(described.doi_url)),
    }


def _agent(one: Creator, iri: str) -> Node:
    """Describe whom something is credited to, under a name that keeps the order and each spelling of a name apart."""
    same = f"https://orcid.org/{one.orcid}" if one.orcid else own_ror(one)
    agent = _organisation(iri, one.name, same) if is_organisation(one) else _someone(iri, one.name, same)
    if one.affiliation:
        agent["org:memberOf"] = _organisation(f"{iri}-affiliation", one.affiliation, one.ror)
    return agent


def _someone(iri: str, name: str, same: str | None) -> Node:
    agent: Node = {"@id": iri, "@type": "foaf:Agent", "foaf:name": fit(name)}
    return agent | ({"dct:identifier": same, "owl:sameAs": {"@id": same}} if same else {})


def _organisation(iri: str, name: str, same: str | None) -> Node:
    return _someone(iri, name, same) | {"@type": ["foaf:Agent", "foaf:Organization"]}


def _publisher(record: MetadataRecord, dataset: str) -> Node | None:
    if record.publisher is None:
        return None
    return _organisation(f"{dataset}#publisher", record.publisher, record.publisher_ror)


def _license(record: MetadataRecord) -> Node | None:
    return {"@id": licence_url(record.licence), "@type": "dct:LicenseDocument"} if record.licence else None


def _subjects(described: Described) -> list[JsonValue]:
    terms = [(subject.iri, subject.label) for subject in described.subjects if subject.iri]
    return [{"@id": _iri(iri), "@type": "skos:Concept", "skos:prefLabel": fit(label)} for iri, label in terms if iri]


def _temporal(described: Described, dataset: str) -> Node | None:
    if described.collected is None:
        return None
    begun, ended = described.collected
    return {
        "@id": f"{dataset}#collected",
        "@type": "dct:PeriodOfTime",
        "dcat:startDate": _literal("date", begun),
        "dcat:endDate": _literal("date", ended),
    }


def _contacts(record: MetadataRecord, dataset: str) -> list[JsonValue]:
    people = [one for one in record.contributors if one.role is ContributorRole.CONTACT_PERSON]
    return [
        {"@id": f"{dataset}#contact-{number}", "@type": "vcard:Kind", "vcard:fn": fit(one.name)}
        | ({"vcard:hasURL": {"@id": f"https://orcid.org/{one.orcid}"}} if one.orcid else {})
        for number, one in enumerate(people)
    ]


def _attributions(record: MetadataRecord, dataset: str) -> list[JsonValue]:
    """Say who helped and who paid; the same funder of two awards stands twice."""
    helpers = enumerate(record.contributors)
    agents = [(one.role.value, _agent(one, f"{dataset}#contributor-{number}")) for number, one in helpers]
    for number, one in enumerate(record.funding):
        agents.append(("Funder", _organisation(f"{dataset}#funder-{number}", one.funder, one.funder_id)))
    return [
        {
            "@id": f"{agent['@id']}-attribution",
            "@type": "prov:Attribution",
            "prov:agent": agent,
            "dcat:hadRole": _named(f"{dataset}#role-{role}", "dcat:Role", label=role),
        }
        for role, agent in agents
    ]


def _pages(record: MetadataRecord) -> list[JsonValue]:
    linked = [(one.url, one) for one in record.references]
    return [
        {"@id": _iri(url), "@type": "foaf:Document", "dct:title": fit(one.title or one.identifier)}
        for url, one in linked
        if url
    ]


def _relations(record: MetadataRecord) -> Node:
    relations: dict[str, list[JsonValue]] = {}
    for one in record.relations:
        relations.setdefault(_RELATIONS[one.kind], []).append({"@id": _iri(one.pid)})
    return dict(relations)


def _distributions(described: Described, dataset: str) -> list[JsonValue]:
    """Describe all the data, as the page gives them, and then file by file."""
    record = described.record
    whole: Node = {
        "@id": f"{dataset}#data",
        "@type": "dcat:Distribution",
        "dct:title": "all data files",
        "dcat:accessURL": {"@id": dataset},
        "dcat:byteSize": _literal("nonNegativeInteger", record.total_bytes),
    }
    files = enumerate(described.files[:LISTED_LIMIT])
    return [
        one | ({"dct:license": _license(record)} if record.licence else {})
        for one in (whole, *(_file(file, described, f"{dataset}#file-{number}") for number, file in files))
    ]


def _file(file: ListedFile, described: Described, iri: str) -> Node:
    address = described.file_url(file) or ""
    kind = media_type(file.path)
    distribution: Node = {
        "@id": iri,
        "@type": "dcat:Distribution",
        "dct:title": fit(file.path),
        "dcat:accessURL": {"@id": _iri(address)},
        "dcat:downloadURL": {"@id": _iri(address)},
        "dcat:byteSize": _literal("nonNegativeInteger", file.size_bytes),
        "spdx:checksum": {
            "@id": f"{iri}-checksum",
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": _SHA512, "@type": "spdx:ChecksumAlgorithm"},
            "spdx:checksumValue": _literal("hexBinary", file.sha512),
        },
    }
    if "/x-" in kind:  # registered nowhere, so that it has no address
        return distribution
    return distribution | {"dcat:mediaType": {"@id": f"{_MEDIA_TYPES}/{kind}", "@type": "dct:MediaType"}}
