"""What each form says, read back by a parser that is not ours, in one shape to be compared."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import bibtexparser
import rispy
from bibtexparser.middlewares import SeparateCoAuthors, SplitNameParts
from defusedxml import ElementTree
from prov.model import ProvAttribution, ProvDocument, ProvSpecialization
from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db
from rdflib import DCAT, DCTERMS, FOAF, RDF, RDFS, Graph, URIRef
from rdflib.plugins.parsers.jsonld import to_rdf
from rdflib.term import Node

from cisterna.metadata.datacite import UNAVAILABLE
from cisterna.metadata.described import Described
from tests.metadata.crate_reading import entities

SPDX = "https://spdx.org/licenses/"
_DATACITE = "{http://datacite.org/schema/kernel-4}"
_DC = "{http://purl.org/dc/elements/1.1/}"


class Said(NamedTuple):
    """The facts that every form has to state alike."""

    pid: str
    title: str
    creators: list[str]
    licence: str | None
    issued: str
    total_bytes: int
    file_count: int
    digest: str


def expected(described: Described) -> Said:
    """Take the facts from where they come from."""
    record = described.record
    return Said(
        pid=record.pid,
        title=record.name,
        creators=[re.sub(r"(?<=\S)\s*,\s*(?=\S)", ", ", one.name, count=1) for one in record.creators],
        licence=record.licence,
        issued=(described.published_at or record.dates.described).date().isoformat(),
        total_bytes=record.total_bytes,
        file_count=record.file_count,
        digest=record.manifest_digest,
    )


def _sizes(texts: list[str]) -> tuple[int, int]:
    joined = ", ".join(texts)
    found = re.search(r"\b(\d+) bytes, (\d+) files", joined)
    assert found, joined
    return int(found[1]), int(found[2])


def _digest(text: str) -> str:
    found = re.search(r"SHA-512 of the manifest of the data files: ([0-9a-f]{128})\b", text)
    assert found, text
    return found[1]


def _spdx(addresses: list[str]) -> str | None:
    return next((one.removeprefix(SPDX) for one in addresses if one.startswith(SPDX)), None)


def _spaced(names: list[str]) -> list[str]:
    """Bring names into the spelling that a divided one is put together in."""
    return [re.sub(r"(?<=\S)\s*,\s*(?=\S)", ", ", name, count=1) for name in names if name != UNAVAILABLE]


def _dataset_pid(ark: str, related: list[tuple[str, str]], *, has_doi: bool) -> str:
    """Find the dataset's identifier: beside a DOI stands the version's, and the dataset is what it is a version of."""
    if not has_doi:
        return ark
    pid = next(identifier for relation, identifier in related if relation == "IsVersionOf")
    assert ark.startswith(f"{pid}/v")
    return pid


def read_json_ld(body: bytes) -> Said:
    page: Any = json.loads(body)
    facts = {one["name"]: one["value"] for one in page["variableMeasured"]}
    return Said(
        pid=next(one["value"] for one in page["identifier"] if one["propertyID"] == "ARK"),
        title=page["name"],
        creators=_spaced([one["name"] for one in page.get("creator", [])]),
        licence=_spdx([page.get("license", "")]),
        issued=page["datePublished"],
        total_bytes=int(page["size"].removesuffix(" bytes")),
        file_count=facts["number of data files"],
        digest=facts["SHA-512 of the manifest of the data files"],
    )


def read_datacite(body: bytes) -> Said:
    document: Any = json.loads(body)
    total_bytes, file_count = _sizes(document["sizes"])
    [title], [ark] = document["titles"], document["alternateIdentifiers"]
    related = [(one["relationType"], one["relatedIdentifier"]) for one in document.get("relatedIdentifiers", [])]
    days = {one["dateType"]: one["date"] for one in document["dates"]}
    return Said(
        pid=_dataset_pid(ark["alternateIdentifier"], related, has_doi="doi" in document),
        title=title["title"],
        creators=_spaced([one["name"] for one in document["creators"]]),
        licence=_spdx([one["rightsUri"] for one in document["rightsList"]]),
        issued=days.get("Issued", days["Created"]),
        total_bytes=total_bytes,
        file_count=file_count,
        digest=_digest("\n".join(one["description"] for one in document["descriptions"])),
    )


def read_datacite_xml(body: bytes) -> Said:
    root = ElementTree.fromstring(body)

    def texts(path: str) -> list[str]:
        return [one.text or "" for one in root.findall("/".join(f"{_DATACITE}{step}" for step in path.split("/")))]

    total_bytes, file_count = _sizes(texts("sizes/size"))
    days = {one.get("dateType"): one.text or "" for one in root.findall(f"{_DATACITE}dates/{_DATACITE}date")}
    [ark] = [one for one in texts("identifier") + texts("alternateIdentifiers/alternateIdentifier") if "ark:" in one]
    others = root.findall(f"{_DATACITE}relatedIdentifiers/{_DATACITE}relatedIdentifier")
    related = [(one.get("relationType") or "", one.text or "") for one in others]
    rights = root.findall(f"{_DATACITE}rightsList/{_DATACITE}rights")
    return Said(
        pid=_dataset_pid(ark, related, has_doi=texts("identifier") != [ark]),
        title=texts("titles/title")[0],
        creators=_spaced(texts("creators/creator/creatorName")),
        licence=_spdx([one.get("rightsURI", "") for one in rights]),
        issued=days.get("Issued", days["Created"]),
        total_bytes=total_bytes,
        file_count=file_count,
        digest=_digest("\n".join(texts("descriptions/description"))),
    )


def read_crate(body: bytes) -> Said:
    crate = entities(body)
    root = crate["./"]
    return Said(
        pid=crate["#pid"]["value"],
        title=root["name"],
        creators=_spaced([crate[one["@id"]]["name"] for one in root.get("author", [])]),
        licence=_spdx([root["license"]["@id"]]),
        issued=root["datePublished"][:10],
        total_bytes=crate["#fact-total-bytes"]["value"],
        file_count=crate["#fact-file-count"]["value"],
        digest=crate["#fact-manifest-sha512"]["value"],
    )


def read_dublin_core(body: bytes) -> Said:
    root = ElementTree.fromstring(body)

    def texts(name: str) -> list[str]:
        return [one.text or "" for one in root.findall(f"{_DC}{name}")]

    total_bytes, file_count = _sizes(texts("format"))
    return Said(
        pid=next(one for one in texts("identifier") if one.startswith("ark:")),
        title=texts("title")[0],
        creators=_spaced(texts("creator")),
        licence=_spdx(texts("rights")),
        issued=texts("date")[0],
        total_bytes=total_bytes,
        file_count=file_count,
        digest=_digest("\n".join(texts("description"))),
    )


def read_invenio(body: bytes) -> Said:
    said: Any = json.loads(body)["metadata"]
    total_bytes, file_count = _sizes(said["sizes"])
    people = [one["person_or_org"] for one in said["creators"]]
    names = [
        ", ".join(filter(None, (one["family_name"], one.get("given_name")))) if "family_name" in one else one["name"]
        for one in people
    ]
    pid = next(one["identifier"] for one in said["identifiers"] if one["scheme"] == "ark")
    rights = said.get("rights", [{}])[0]
    known = {"cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0", "mit": "MIT"}
    technical = "\n".join(html.unescape(one["description"]) for one in said["additional_descriptions"])
    return Said(
        pid=pid,
        title=said["title"].removesuffix(f" ({pid})") if len(said["title"]) < len(pid) + 6 else said["title"],
        creators=_spaced(names),
        licence=known[rights["id"]] if "id" in rights else rights.get("title", {}).get("en"),
        issued=said["publication_date"],
        total_bytes=total_bytes,
        file_count=file_count,
        digest=_digest(technical),
    )


def _read_dcat(graph: Graph) -> Said:
    [dataset] = graph.subjects(RDF.type, DCAT.Dataset)

    def value(predicate: URIRef, *, of: Node = dataset) -> str:
        [found] = graph.objects(of, predicate)
        return str(found)

    creators = sorted(graph.objects(dataset, DCTERMS.creator), key=lambda one: int(str(one).rpartition("-")[2]))
    [extent], [kept] = graph.objects(dataset, DCTERMS.extent), graph.objects(dataset, DCTERMS.provenance)
    total_bytes, file_count = _sizes([value(RDFS.label, of=extent)])
    issued = DCTERMS.issued if (dataset, DCTERMS.issued, None) in graph else DCTERMS.created
    return Said(
        pid=value(DCTERMS.identifier),
        title=value(DCTERMS.title),
        creators=_spaced([value(FOAF.name, of=one) for one in creators]),
        licence=_spdx([str(one) for one in graph.objects(dataset, DCTERMS.license)]),
        issued=value(issued),
        total_bytes=total_bytes,
        file_count=file_count,
        digest=_digest(value(RDFS.label, of=kept)),
    )


def read_croissant(body: bytes) -> Said:
    said = read_json_ld(body)
    assert said.digest in json.loads(body)["citeAs"]
    return said


def read_prov(body: bytes) -> Said:
    document = ProvDocument.deserialize(content=body.decode(), format="json")
    [special] = document.get_records(ProvSpecialization)
    version = special.args[0]

    def value(name: str, *, of: Any = version) -> str:
        [record] = document.get_record(of)
        [found] = record.get_attribute(name)
        return str(getattr(found, "value", None) or getattr(found, "uri", None) or found)

    credited = [one for one in document.get_records(ProvAttribution) if one.get_attribute("prov:type") == {"creator"}]
    credited.sort(key=lambda one: int(str(one.args[1]).rpartition("-")[2]))
    [entity] = document.get_record(version)
    total_bytes, file_count = _sizes([value("dct:extent")])
    return Said(
        pid=value("dct:identifier"),
        title=value("dct:title"),
        creators=_spaced([value("prov:label", of=one.args[1]) for one in credited]),
        licence=_spdx([value("dct:license")] if entity.get_attribute("dct:license") else []),
        issued=value("dct:issued" if entity.get_attribute("dct:issued") else "dct:created"),
        total_bytes=total_bytes,
        file_count=file_count,
        digest=_digest(value("rdfs:comment")),
    )


def attributes(element: Any) -> dict[str, Any]:
    """Give the attributes of a part of a PageTab document; of one name, the first."""
    return {one["name"]: one for one in reversed(element["attributes"])}


def read_pagetab(body: bytes) -> Said:
    document: Any = json.loads(body)
    study = attributes(document["section"])
    authors = [one for one in document["section"]["subsections"] if one["type"] == "Author"]
    total_bytes, file_count = _sizes([study["Size"]["value"]])
    return Said(
        pid=study["Persistent identifier"]["value"],
        title=attributes(document)["Title"]["value"],
        creators=_spaced([attributes(one)["Name"]["value"] for one in authors]),
        licence=_spdx([one["value"] for one in study.get("License", {}).get("valqual", [])]),
        issued=study["Publication date"]["value"],
        total_bytes=total_bytes,
        file_count=file_count,
        digest=study["SHA-512 of the manifest of the data files"]["value"],
    )


def json_ld_graph(body: bytes, *, base: str | None = None) -> Graph:
    """Read JSON-LD from an address; what names a context elsewhere fails, since tests have no network."""
    graph = Graph()
    to_rdf(json.loads(body), graph, base=base)
    return graph


def read_dcat_turtle(body: bytes) -> Said:
    return _read_dcat(Graph().parse(data=body, format="turtle"))


def read_dcat_json(body: bytes) -> Said:
    return _read_dcat(json_ld_graph(body))


@cache
def _tex_reader() -> LatexNodes2Text:
    context = get_default_latex_context_db()  # it takes the ASCII character for the accent of that look
    context.add_context_category("ascii", prepend=True, macros=[MacroTextSpec("textasciicircum", "^")])
    return LatexNodes2Text(latex_context=context)


def read_bibtex(body: bytes) -> Said:
    library = bibtexparser.parse_string(body.decode(), append_middleware=[SeparateCoAuthors(), SplitNameParts()])
    assert not library.failed_blocks, library.failed_blocks
    [entry] = library.entries
    fields = {name: field.value for name, field in entry.fields_dict.items()}
    plain = _tex_reader().latex_to_text
    names = [(" ".join(one.von + one.last), " ".join(one.first)) for one in fields.get("author", [])]
    assert not any(one.jr for one in fields.get("author", []))
    total_bytes, file_count = _sizes([fields["size"]])
    assert fields["year"] == fields["date"][:4]
    return Said(
        pid=fields["ark"],
        title=plain(fields["title"]),
        creators=_spaced([", ".join(filter(None, map(plain, name))) for name in names]),
        licence=fields.get("license"),
        issued=fields["date"],
        total_bytes=total_bytes,
        file_count=file_count,
        digest=fields["manifest-sha512"],
    )


def read_csl(body: bytes) -> Said:
    item: Any = json.loads(body)
    total_bytes, file_count = _sizes([item["dimensions"]])
    year, month, day = item["issued"]["date-parts"][0]
    names = [one.get("literal") or f"{one['family']}, {one['given']}" for one in item.get("author", [])]
    return Said(
        pid=item["custom"]["ark"],
        title=item["title"],
        creators=_spaced(names),
        licence=item["custom"].get("license"),
        issued=f"{year:04}-{month:02}-{day:02}",
        total_bytes=total_bytes,
        file_count=file_count,
        digest=item["custom"]["manifest-sha512"],
    )


def read_ris(body: bytes) -> Said:
    [entry] = rispy.loads(body.decode())
    notes = "\n".join(entry["notes"])
    licences = re.findall(r"(?m)^licence: (\S+)$", notes)
    return Said(
        pid=entry["accession_number"],
        title=entry["title"],
        creators=_spaced(entry.get("authors", [])),
        licence=_spdx(licences),
        issued=entry["date"].replace("/", "-"),
        total_bytes=int(re.findall(r"(?m)^size of the data files: (\d+) byte$", notes)[0]),
        file_count=int(re.findall(r"(?m)^number of data files: (\d+)$", notes)[0]),
        digest=_digest(notes),
    )


READERS: dict[str, Callable[[bytes], Said]] = {
    "json-ld": read_json_ld,
    "datacite": read_datacite,
    "datacite-xml": read_datacite_xml,
    "crate": read_crate,
    "dublin-core": read_dublin_core,
    "invenio": read_invenio,
    "dcat": read_dcat_turtle,
    "dcat-json": read_dcat_json,
    "croissant": read_croissant,
    "prov": read_prov,
    "pagetab": read_pagetab,
    "bibtex": read_bibtex,
    "csl": read_csl,
    "ris": read_ris,
}
"""By the name of the form. Every form in the registry has one."""
