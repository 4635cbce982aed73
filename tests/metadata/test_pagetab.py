"""PageTab keeps to the rules of its specification, and says of images what an archive of images asks for."""

from datetime import date
from typing import Any

from hypothesis import given, settings
from jsonschema import Draft202012Validator

from cisterna.domain.project import Access
from cisterna.metadata.described import Described
from cisterna.metadata.pagetab import pagetab_document
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_derived_record, a_full_record, a_record, listed
from tests.metadata.form_reading import attributes
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"
FILES = [listed("data/0/a b.tiff"), listed("data/=cmd|' /C calc'!A0.csv"), listed("README.md")]
TEXT = {"type": "string", "minLength": 1}
RULES = {
    "$ref": "#/$defs/submission",
    "$defs": {
        "pairs": {"type": "array", "items": {"$ref": "#/$defs/pair"}},
        "pair": {
            "type": "object",
            "required": ["name", "value"],
            "additionalProperties": False,
            "properties": {"name": TEXT, "value": TEXT},
        },
        "attribute": {
            "type": "object",
            "required": ["name", "value"],
            "additionalProperties": False,
            "properties": {
                "name": TEXT,
                "value": TEXT,
                "reference": {"const": True},
                "nmqual": {"$ref": "#/$defs/pairs"},
                "valqual": {"$ref": "#/$defs/pairs"},
            },
        },
        "attributes": {"type": "array", "items": {"$ref": "#/$defs/attribute"}},
        "file": {
            "type": "object",
            "required": ["path"],
            "additionalProperties": False,
            "properties": {"path": TEXT, "attributes": {"$ref": "#/$defs/attributes"}},
        },
        "link": {
            "type": "object",
            "required": ["url"],
            "additionalProperties": False,
            "properties": {"url": TEXT, "attributes": {"$ref": "#/$defs/attributes"}},
        },
        "section": {
            "type": "object",
            "required": ["type"],
            "additionalProperties": False,
            "properties": {
                "type": TEXT,
                "accno": TEXT,
                "attributes": {"$ref": "#/$defs/attributes"},
                "subsections": {"type": "array", "items": {"$ref": "#/$defs/section"}},
                "links": {"type": "array", "items": {"$ref": "#/$defs/link"}},
                "files": {"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/file"}}},
            },
        },
        "submission": {
            "type": "object",
            "required": ["attributes", "section"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "submission"},
                "attributes": {"$ref": "#/$defs/attributes"},
                "section": {"$ref": "#/$defs/section"},
            },
        },
    },
}
"""What the specification says of the elements that we write."""


def written(record: MetadataRecord, base_url: str | None = BASE) -> Any:
    return pagetab_document(Described(record, FILES, base_url=base_url, published_at=NOW))


def sections(document: Any, kind: str) -> list[Any]:
    return [one for one in document["section"]["subsections"] if one["type"] == kind]


@settings(max_examples=40, deadline=None)
@given(record=records())
def test_every_record_keeps_to_the_rules_and_refers_only_to_what_is_there(record: MetadataRecord) -> None:
    document = written(record)
    people = [*sections(document, "Author"), *sections(document, "Contributor")]
    named = [attributes(one)["affiliation"]["value"] for one in people if "affiliation" in attributes(one)]
    known = {one["accno"]: attributes(one)["Name"]["value"] for one in sections(document, "organization")}

    assert [error.message for error in Draft202012Validator(RULES).iter_errors(document)] == []
    assert [known[one] for one in named] == [
        one.affiliation for one in (*record.creators, *record.contributors) if one.affiliation
    ]


def test_data_files_are_listed_with_address_size_and_digest() -> None:
    [component] = sections(written(a_record()), "Study Component")
    [table] = component["files"]
    first = {name: one["value"] for name, one in attributes(table[0]).items()}

    assert [one["path"] for one in table] == ["data/0/a b.tiff", "data/=cmd|' /C calc'!A0.csv"]
    assert first == {
        "Media type": "image/tiff",
        "Bytes": "6",
        "SHA-512": FILES[0].sha512,
        "URL": f"{BASE}/v1/files/data/0/a%20b.tiff",
    }


def test_of_images_sample_specimen_and_acquisition_are_told_and_tied_to_the_data() -> None:
    document = written(a_full_record())
    [biosample], [specimen] = sections(document, "Biosample"), sections(document, "Specimen")
    [acquisition], [component] = sections(document, "Image acquisition"), sections(document, "Study Component")
    [association] = component["subsections"]

    assert attributes(document)["AttachTo"]["value"] == "BioImages"
    assert attributes(biosample)["Organism"] == {
        "name": "Organism",
        "value": "Homo sapiens",
        "valqual": [{"name": "Ontology", "value": "NCBITaxon"}, {"name": "TermId", "value": "NCBITaxon:9606"}],
    }
    assert attributes(specimen)["Stain"]["value"] == "DAPI"
    assert attributes(acquisition)["Imaging instrument"]["value"] == "Cephla Squid+"
    assert {name: one["value"] for name, one in attributes(association).items()} == {
        "Biosample": attributes(biosample)["Title"]["value"],
        "Specimen": attributes(specimen)["Title"]["value"],
        "Image acquisition": attributes(acquisition)["Title"]["value"],
    }


def test_money_papers_and_links_are_told() -> None:
    document = written(a_full_record())
    [paper] = sections(document, "Publication")

    assert [attributes(one)["Agency"]["value"] for one in sections(document, "Funding")] == [
        "Brown University",
        "Research Council",
        "A friend of science",
    ]
    assert attributes(sections(document, "Funding")[0])["grant_id"]["value"] == "2026-01234"
    assert attributes(paper)["DOI"]["value"] == "10.5555/12345678"
    assert document["section"]["links"][0]["url"] == BASE


def test_what_holds_no_images_goes_to_no_archive_of_images() -> None:
    bare = a_derived_record().model_copy(update={"imaging": None})
    document = written(bare)

    assert "AttachTo" not in attributes(document)
    assert sections(document, "Image acquisition") == []


def release_date(**changes: Any) -> str | None:
    record = a_full_record().model_copy(update={"access": Access.OPEN, "embargo_until": None, **changes})
    document: Any = pagetab_document(Described(record, base_url=BASE, published_at=NOW))
    return attributes(document).get("ReleaseDate", {}).get("value")


def test_an_archive_that_is_given_a_description_makes_public_nothing_that_is_kept_back() -> None:
    late = date(2027, 6, 30)

    assert release_date() == NOW.date().isoformat()
    assert release_date(access=Access.EMBARGOED, embargo_until=late) == "2027-06-30"
    assert [release_date(access=one) for one in (Access.EMBARGOED, Access.RESTRICTED, Access.CLOSED)] == [None] * 3
