"""The DataCite form is valid against DataCite's own schema and vocabularies."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cisterna.domain.credit import Subject
from cisterna.metadata.datacite import UNAVAILABLE, datacite_document
from cisterna.metadata.datacite_rest import rest_attributes
from cisterna.metadata.datacite_xml import datacite_xml
from cisterna.metadata.described import Described
from cisterna.metadata.record import MetadataRecord
from tests.metadata.datacite_interface import attribute_schemas, interface_errors
from tests.metadata.described import NOW, a_derived_record, a_full_record, a_project, a_record, listed
from tests.metadata.rocrate import specs, validator
from tests.metadata.strategies import records

_CHECK = """
import json, sys
from datacite import schema45
schema45.validator.schema["definitions"]["relatedIdentifierType"]["enum"].append("RRID")  # since 4.6, which it has not
found = [[error.message for error in schema45.validator.iter_errors(one)] for one in json.load(sys.stdin)]
json.dump(found, sys.stdout)
"""
DOI = "10.5555/abc"
BASE = "https://data.facility.example/ark:/99999/abc"
RECORDS: dict[str, Callable[[], MetadataRecord]] = {
    "raw": a_record,
    "derived": a_derived_record,
    "full": a_full_record,
    "bare": lambda: a_record(project=None, instrument=None, described=None, findings=()),
}


def schema_errors(*documents: dict[str, Any]) -> list[list[str]]:
    """Validate each with the `datacite` package of the validators' environment."""
    run = [str(validator() / "python"), "-c", _CHECK]
    done = subprocess.run(run, input=json.dumps(documents), capture_output=True, text=True, check=False, timeout=60)
    if "No module named 'datacite'" in done.stderr:
        pytest.skip("the validators' environment has no `datacite`: nothing is checked against DataCite's schema here")
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def vocabulary(name: str) -> set[str]:
    file = specs() / "datacite" / "kernel-4.6" / "include" / f"datacite-{name}-v4.xsd"
    tree = ElementTree.parse(file)
    return {element.attrib["value"] for element in tree.iter("{http://www.w3.org/2001/XMLSchema}enumeration")}


def test_documents_are_valid_against_the_schema_which_would_have_told() -> None:
    documents = [
        datacite_document(Described(make(), base_url=BASE, published_at=NOW, doi=DOI)) for make in RECORDS.values()
    ]

    *found, told = schema_errors(*documents, {**documents[0], "identifiers": []})

    assert found == [[]] * len(documents)
    assert told


@pytest.mark.parametrize("kind", RECORDS)
def test_words_are_those_of_kernel_4_6(kind: str) -> None:
    document: Any = datacite_document(Described(RECORDS[kind]()))

    assert document["types"]["resourceTypeGeneral"] in vocabulary("resourceType")
    assert {one["dateType"] for one in document["dates"]} <= vocabulary("dateType")
    assert {one.get("funderIdentifierType", "Other") for one in document.get("fundingReferences", [])} <= vocabulary(
        "funderIdentifierType"
    )
    assert {one["descriptionType"] for one in document["descriptions"]} <= vocabulary("descriptionType")
    assert {one["contributorType"] for one in document.get("contributors", [])} <= vocabulary("contributorType")
    for related in document.get("relatedIdentifiers", []):
        assert related["relationType"] in vocabulary("relationType")
        assert related["relatedIdentifierType"] in vocabulary("relatedIdentifierType")


def test_what_is_unknown_is_said_in_datacites_own_word() -> None:
    document: Any = datacite_document(Described(RECORDS["bare"]()))

    assert document["creators"] == [{"name": UNAVAILABLE}]
    assert document["publisher"] == {"name": UNAVAILABLE}
    assert document["publicationYear"] == "2026"


def test_the_folder_of_specifications_holds_the_vocabularies() -> None:
    assert "IsDerivedFrom" in vocabulary("relationType")
    assert Path(specs()).name


def test_everything_that_a_record_says_has_its_property() -> None:
    record = a_full_record(project=a_project(creators=("Carberry, Josiah", "Brown University; ror.org/05gq02987")))
    document: Any = datacite_document(Described(record, [listed("data/a.tiff")], published_at=NOW, doi=DOI))

    assert [(one["name"], one["nameType"]) for one in document["creators"]] == [
        ("Carberry, Josiah", "Personal"),
        ("Brown University", "Organizational"),
    ]
    assert document["creators"][1]["nameIdentifiers"][0]["nameIdentifierScheme"] == "ROR"
    assert [(one["contributorType"], one["nameType"]) for one in document["contributors"]] == [
        ("DataCollector", "Personal"),
        ("ProjectLeader", "Personal"),
        ("HostingInstitution", "Organizational"),
    ]
    assert document["publisher"]["publisherIdentifier"] == "https://ror.org/01cwqze88"
    schemes = {one["subject"]: one.get("subjectScheme") for one in document["subjects"]}
    assert (schemes["Homo sapiens"], schemes["bone"], schemes["nuclei"]) == ("NCBITaxon", "UBERON", None)
    assert [one["subject"] for one in document["subjects"]].count("DAPI") == 1  # a stain and a keyword
    assert [one.get("funderIdentifierType") for one in document["fundingReferences"]] == [
        "ROR",
        "Crossref Funder ID",
        None,
    ]
    related = {one["relatedIdentifier"]: one for one in document["relatedIdentifiers"]}
    device, software = related["10.5281/zenodo.1"], related["RRID:SCR_016137"]
    assert (device["relationType"], device["resourceTypeGeneral"]) == ("IsCollectedBy", "Instrument")
    assert (software["relationType"], software["relatedIdentifierType"]) == ("IsCompiledBy", "RRID")
    said = {one["descriptionType"]: one["description"] for one in document["descriptions"]}
    assert list(said) == ["Abstract", "Methods", "TechnicalInfo", "Other"]
    assert "manufacturer of the instrument: Cephla" in said["Methods"]
    assert said["Other"] == "ethics approval: Dnr 2026-01234\nagreement: A-7 (Material transfer)"
    assert (document["doi"], document["language"], document["formats"]) == (DOI, "en", ["image/tiff"])


def test_the_year_is_that_of_publication_and_an_embargo_has_its_end() -> None:
    document: Any = datacite_document(Described(a_full_record(), published_at=datetime(2027, 1, 2, tzinfo=UTC)))

    assert document["publicationYear"] == "2027"
    assert {one["dateType"]: one["date"] for one in document["dates"]} == {
        "Issued": "2027-01-02",
        "Available": "2027-06-30",
        "Created": "2026-11-22",
        "Collected": "2026-11-22",
    }


def test_a_run_over_midnight_is_a_range_of_days() -> None:
    record = a_record(acquired_to=NOW + timedelta(days=1))
    document: Any = datacite_document(Described(record))

    assert {"date": "2026-11-22/2026-11-23", "dateType": "Collected"} in document["dates"]


@cache
def xml_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(specs() / "datacite" / "kernel-4.6" / "metadata.xsd"))


def xml_errors(body: bytes) -> list[str]:
    schema = xml_schema()
    schema.validate(etree.fromstring(body))
    return [f"{one.line}: {one.message}" for one in schema.error_log]


@settings(max_examples=30, deadline=None)
@given(record=records(), published_at=st.none() | st.just(NOW), doi=st.sampled_from([None, DOI]))
def test_every_record_is_valid_xml_of_kernel_4_6(
    record: MetadataRecord, published_at: datetime | None, doi: str | None
) -> None:
    described = Described(record, [listed("data/a.tiff")], published_at=published_at, doi=doi)

    assert xml_errors(datacite_xml(described)) == []


@pytest.mark.parametrize("kind", RECORDS)
def test_xml_says_every_attribute_of_the_schema_document(kind: str) -> None:
    described = Described(RECORDS[kind](), [listed("data/a.tiff")], published_at=NOW)
    body = datacite_xml(described)
    root = ElementTree.fromstring(body)
    said = {one.text for one in root.iter()} | {value for one in root.iter() for value in one.attrib.values()}

    assert xml_errors(body) == []
    told = set(leaves(datacite_document(described)))
    assert told - said == {"http://datacite.org/schema/kernel-4"}  # there it is the namespace


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


@pytest.mark.parametrize("term", ["x:a;=?@[]", "x:1:2", "x:a#b#c", "x:a%zz", "x:a!$&'()*+,b", "HGNC:HGNC:5", "x:_1"])
def test_a_term_whose_code_is_no_uri_is_told_by_its_address(term: str) -> None:
    subject = Subject.model_construct(label="a", curie=term)
    described = Described(a_record().model_copy(update={"subjects": (subject,)}))
    root = etree.fromstring(datacite_xml(described))

    xml_schema().assertValid(root)
    [told] = root.findall("{*}subjects/{*}subject[@valueURI]")
    assert told.get("valueURI") == subject.iri
    assert told.get("classificationCode") in {None, term.partition(":")[2]}


def test_the_xml_schema_would_have_told() -> None:
    body = datacite_xml(Described(a_record())).replace(b'dateType="Created"', b'dateType="Painted"')

    assert "Painted" in xml_errors(body)[0]


def test_without_a_doi_the_ark_is_the_identifier() -> None:
    def identifiers(doi: str | None) -> list[tuple[str | None, str | None]]:
        root = ElementTree.fromstring(datacite_xml(Described(a_record(), doi=doi)))
        named = [one for one in root.iter() if one.tag.endswith(("}identifier", "}alternateIdentifier"))]
        return [(one.text, one.get("identifierType") or one.get("alternateIdentifierType")) for one in named]

    assert identifiers(None) == [(a_record().pid, "ARK")]
    assert identifiers(DOI) == [(DOI, "DOI"), (f"{a_record().pid}/v1", "ARK")]


@settings(max_examples=10, deadline=None)
@given(record=records(), doi=st.sampled_from([None, DOI]))
def test_every_record_has_attributes_that_datacites_interface_takes(record: MetadataRecord, doi: str | None) -> None:
    attributes = rest_attributes(Described(record, base_url=BASE, published_at=NOW, doi=doi))
    document = {"data": {"type": "dois", "attributes": attributes}}

    assert interface_errors(document, {"$ref": "#/components/schemas/DoiDetailItem"}) == []
    assert set(attributes) <= set(attribute_schemas())
    assert not [name for name in attributes if attribute_schemas()[name].get("readOnly")]


def test_the_attributes_say_where_the_doi_leads_and_count_the_year() -> None:
    attributes: Any = rest_attributes(Described(a_record(), base_url=BASE, published_at=NOW, doi=DOI))

    assert (attributes["doi"], attributes["url"], attributes["publicationYear"]) == (DOI, BASE, 2026)
    assert attributes["identifiers"] == [{"identifier": f"{a_record().pid}/v1", "identifierType": "ARK"}]
    assert "alternateIdentifiers" not in attributes
