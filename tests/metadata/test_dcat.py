"""DCAT is valid by the shapes of DCAT-AP 3.0.1, names what it means, and is the same graph in both of its forms."""

import json
import os
from functools import cache
from pathlib import Path

import pyshacl
import pytest
from hypothesis import HealthCheck, given, settings
from rdflib import DCAT, DCTERMS, FOAF, PROV, RDF, RDFS, SH, XSD, Graph, Literal, URIRef
from rdflib.compare import isomorphic

from cisterna.domain.credit import Reference, ReferenceKind
from cisterna.metadata.dcat import dcat_document, dcat_turtle
from cisterna.metadata.described import Described
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_derived_record, a_full_record, a_record, listed
from tests.metadata.form_reading import json_ld_graph
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"
FILES = [listed("data/0/a b%.tiff"), listed("data/t\u00e9.h5ad", b""), listed("README.md")]
SPDX = "http://spdx.org/rdf/terms#"


@cache
def shapes() -> Graph:
    named = os.environ.get("CISTERNA_SPECS")
    if not named:
        pytest.skip("CISTERNA_SPECS names no folder: DCAT is NOT checked against the shapes of DCAT-AP")
    graph = Graph()
    for name in ("dcat-ap-SHACL.ttl", "ranges.ttl"):
        graph.parse(Path(named) / "dcat-ap" / name)
    for shape, named_only in list(graph.subject_objects(SH.property)):
        if (named_only, SH.path, None) not in graph:  # as published they name a few that they do not have
            graph.remove((shape, SH.property, named_only))
    return graph


def violations(graph: Graph) -> list[str]:
    conforms, _, text = pyshacl.validate(graph, shacl_graph=shapes())
    return [] if conforms else text.splitlines()


def graph_of(record: MetadataRecord, **rest: str) -> Graph:
    described = Described(record, FILES, base_url=BASE, published_at=NOW, **rest)
    return Graph().parse(data=dcat_turtle(described), format="turtle")


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=records())
def test_every_record_is_valid_by_the_shapes_of_dcat_ap(record: MetadataRecord) -> None:
    assert violations(graph_of(record, doi="10.5555/x_y")) == []


@pytest.mark.torture
@settings(max_examples=300, deadline=None)
@given(record=records())
def test_many_records_are_valid_by_the_shapes_of_dcat_ap(record: MetadataRecord) -> None:
    assert violations(graph_of(record)) == []


@pytest.mark.parametrize("record", [a_full_record(), a_derived_record()], ids=["full", "derived"])
def test_what_is_full_and_what_is_derived_is_valid_by_the_shapes(record: MetadataRecord) -> None:
    assert violations(graph_of(record)) == []


def test_what_is_not_public_is_valid_by_the_shapes_and_has_no_distribution() -> None:
    graph = Graph().parse(data=dcat_turtle(Described(a_full_record(), FILES)), format="turtle")

    assert violations(graph) == []
    assert list(graph.subjects(RDF.type, DCAT.Distribution)) == []


def test_the_shapes_would_have_told() -> None:
    graph = graph_of(a_record())
    graph.remove((None, DCAT.accessURL, None))
    graph.remove((None, RDF.type, DCTERMS.LicenseDocument))
    file = next(graph.subjects(DCAT.downloadURL))
    graph.set((file, DCAT.byteSize, Literal("6")))

    told = "\n".join(violations(graph))

    assert all(word in told for word in ("accessURL", "LicenseDocument", "byteSize"))


@settings(max_examples=20, deadline=None)
@given(record=records())
def test_turtle_and_json_ld_are_the_same_graph(record: MetadataRecord) -> None:
    described = Described(record, FILES, base_url=BASE, published_at=NOW)
    json_ld = json_ld_graph(json.dumps(dcat_document(described)).encode())

    assert isomorphic(json_ld, Graph().parse(data=dcat_turtle(described), format="turtle"))


def test_each_file_has_its_address_size_type_and_digest() -> None:
    graph = graph_of(a_record())

    for file, path, kind in zip(
        FILES,
        ["data/0/a%20b%25.tiff", "data/t%C3%A9.h5ad", "README.md"],
        ["image/tiff", None, "text/markdown"],
        strict=True,
    ):
        [one] = graph.subjects(DCAT.downloadURL, URIRef(f"{BASE}/v1/files/{path}"))
        [checksum] = graph.objects(one, URIRef(f"{SPDX}checksum"))
        media_type = graph.value(one, DCAT.mediaType)
        assert graph.value(one, DCAT.byteSize) == Literal(str(file.size_bytes), datatype=XSD.nonNegativeInteger)
        assert str(graph.value(checksum, URIRef(f"{SPDX}checksumValue"))).lower() == file.sha512
        assert (media_type and media_type.rpartition("media-types/")[2]) == kind
        assert str(graph.value(one, DCTERMS.license)) == "https://spdx.org/licenses/CC-BY-4.0"


def test_people_money_papers_sources_and_times_are_told() -> None:
    graph, derived = graph_of(a_full_record()), graph_of(a_derived_record())
    dataset = URIRef(BASE)
    roles = {str(label) for one in graph.subjects(RDF.type, DCAT.Role) for label in graph.objects(one, RDFS.label)}
    [kept] = graph.objects(dataset, DCTERMS.provenance)

    assert roles == {"DataCollector", "ProjectLeader", "HostingInstitution", "Funder"}
    assert URIRef("https://doi.org/10.5555/12345678") in set(graph.objects(dataset, FOAF.page))
    assert "2026-01234" in str(graph.value(kept, RDFS.label))
    assert str(graph.value(dataset, DCTERMS.available)) == "2027-06-30"
    assert str(graph.value(dataset, DCTERMS.accessRights)).endswith("/RESTRICTED")
    assert str(graph.value(dataset, DCTERMS.language)).endswith("/language/ENG")
    [source] = a_derived_record().relations
    assert list(derived.objects(dataset, PROV.wasDerivedFrom)) == [URIRef(source.pid)]


def test_an_address_with_characters_that_no_iri_has_is_escaped() -> None:
    reference = Reference.model_construct(
        kind=ReferenceKind.PROTOCOL, identifier='https://a.example/<x>"{y}|\\^`\u00e9', title=None
    )
    graph = graph_of(a_record().model_copy(update={"references": (reference,)}))

    assert violations(graph) == []
    [page] = graph.objects(URIRef(BASE), FOAF.page)
    assert page == URIRef("https://a.example/%3Cx%3E%22%7By%7D%7C%5C%5E%60%C3%A9")
