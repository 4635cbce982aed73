"""The landing page's JSON-LD is one Dataset that harvesters take as it is, and cannot break out of its page."""

import json
from datetime import timedelta
from typing import Any

from hypothesis import given, settings

from cisterna.domain.credit import Contributor, ContributorRole, Creator, Funding, Reference, ReferenceKind, Subject
from cisterna.metadata.described import Described
from cisterna.metadata.record import Dates, MetadataRecord, Related
from cisterna.metadata.schema_org import PROFILE, as_script_text, schema_org_document
from tests.metadata.described import NOW, a_derived_record, a_description, a_record, listed
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"


def test_there_is_one_top_level_dataset_and_its_context_needs_no_network() -> None:
    document: Any = schema_org_document(Described(a_record(), [listed("data/a.tiff")], base_url=BASE))

    assert document["@type"] == "Dataset"
    assert document["@context"]["@vocab"] == "https://schema.org/"
    assert set(document["@context"]) == {"@vocab", "dct", "sha512"}
    assert "@graph" not in document
    assert document["@id"] == document["url"] == BASE


@settings(max_examples=10, deadline=None)
@given(record=records())
def test_every_published_record_has_what_bioschemas_asks_of_a_dataset(record: MetadataRecord) -> None:
    document: Any = schema_org_document(Described(record, base_url=BASE, published_at=NOW))

    assert document["dct:conformsTo"] == {"@id": PROFILE, "@type": "CreativeWork"}
    for name in ("@id", "name", "description", "identifier", "keywords", "url"):
        assert document[name]
    assert ("license" in document) == (record.licence is not None)
    assert len(document["description"]) <= 5000


def test_downloads_have_absolute_encoded_addresses_below_their_own_version() -> None:
    file = listed("data/a b/ü#1.tiff", b"12345")
    document: Any = schema_org_document(Described(a_record(), [file], base_url=BASE))

    assert document["distribution"] == [
        {
            "@type": "DataDownload",
            "name": "data/a b/ü#1.tiff",
            "contentUrl": f"{BASE}/v1/files/data/a%20b/%C3%BC%231.tiff",
            "encodingFormat": "image/tiff",
            "contentSize": "5",
            "sha512": file.sha512,
        }
    ]
    assert document["encodingFormat"] == ["image/tiff"]


def test_a_dataset_of_many_files_lists_some_and_leaves_the_rest_to_the_crate() -> None:
    files = [listed(f"data/{number}.tiff") for number in range(1_500)]

    document: Any = schema_org_document(Described(a_record(), files, base_url=BASE))

    assert len(document["distribution"]) == 1_000


def test_what_is_not_public_has_no_address_and_says_draft() -> None:
    document = schema_org_document(Described(a_record(), [listed("data/a.tiff")]))

    assert document["@id"] == a_record().pid
    assert document["creativeWorkStatus"] == "Draft"
    assert "url" not in document
    assert "distribution" not in document


def test_a_derived_dataset_names_what_it_is_based_on() -> None:
    document: Any = schema_org_document(Described(a_derived_record(), base_url=BASE))

    assert document["isBasedOn"][0]["identifier"] == a_record().pid


def test_who_helped_who_paid_and_what_it_is_about_are_entities() -> None:
    record = a_record().model_copy(
        update={
            "creators": (Creator(name="Brown University", ror="https://ror.org/05gq02987"),),
            "contributors": (Contributor(name="Curie, Marie", role=ContributorRole.DATA_CURATOR),),
            "funding": (Funding(funder="The Council", award_number="2026-1", award_uri="https://example.org/2026-1"),),
            "subjects": (Subject(label="Homo sapiens", curie="NCBITaxon:9606"), Subject(label="mitosis")),
            "references": (
                Reference(kind=ReferenceKind.PAPER, identifier="10.5555/12345678", title="A paper"),
                Reference(kind=ReferenceKind.ETHICS_APPROVAL, identifier="Dnr 2026-00001"),
            ),
        }
    )

    document: Any = schema_org_document(Described(record, base_url=BASE, doi="10.5555/abc"))

    [creator], [helper], [grant] = document["creator"], document["contributor"], document["funding"]
    assert creator == {"@type": "Organization", "name": "Brown University", "@id": "https://ror.org/05gq02987"}
    assert (helper["@type"], helper["familyName"], helper["givenName"]) == ("Person", "Curie", "Marie")
    assert (grant["@type"], grant["identifier"], grant["funder"]["name"]) == ("Grant", "2026-1", "The Council")
    assert [(one["@type"], one["termCode"]) for one in document["about"]] == [("DefinedTerm", "NCBITaxon:9606")]
    assert document["keywords"] == ["Homo sapiens", "mitosis", "nuclei", "DAPI"]
    assert [(one["@type"], one["url"]) for one in document["citation"]] == [
        ("ScholarlyArticle", "https://doi.org/10.5555/12345678")
    ]
    assert [one["propertyID"] for one in document["identifier"]] == ["DOI", "ARK"]
    assert document["sameAs"] == "https://doi.org/10.5555/abc"


def test_a_run_that_ended_before_it_began_covers_the_moment_of_its_begin() -> None:
    dates = Dates(acquired_from=NOW, acquired_to=NOW - timedelta(hours=2), described=NOW)
    document = schema_org_document(Described(a_record().model_copy(update={"dates": dates})))

    assert document["temporalCoverage"] == NOW.isoformat()


def test_a_long_description_is_cut_to_what_harvesters_take() -> None:
    record = a_record().model_copy(update={"description": "x" * 20_000})

    document: Any = schema_org_document(Described(record))

    assert document["description"] == "x" * 4999 + "…"


def test_no_text_ends_the_script_element_it_stands_in() -> None:
    title = "</script><script>alert(1)</script> & <!-- \u2028"
    record = a_record(described=a_description(title=title))
    text = as_script_text(schema_org_document(Described(record, base_url=BASE)))

    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["name"] == "</script><script>alert(1)</script> & <!--"


def test_parts_and_the_whole_that_they_are_of_are_named_for_search_engines_too() -> None:
    parts = tuple(Related(kind="HasPart", pid=f"ark:/12345/p{at}", version="v1", title=f"Part {at}") for at in (1, 2))
    whole = Related(kind="IsPartOf", pid="ark:/12345/whole", version="v1", title="A plate")
    record = a_record(related=(*parts, whole))

    document: Any = schema_org_document(Described(record))

    assert [one["@id"] for one in document["hasPart"]] == ["ark:/12345/p1", "ark:/12345/p2"]
    assert [(one["@type"], one["name"]) for one in document["isPartOf"]] == [("Dataset", "A plate")]
    assert "isBasedOn" not in document
