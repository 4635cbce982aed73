"""The landing page's JSON-LD is one Dataset that harvesters take as it is, and cannot break out of its page."""

import json
from typing import Any

from cisterna.metadata.schema_org import as_script_text, schema_org_document
from tests.metadata.described import a_derived_record, a_description, a_record, listed

BASE = "https://data.facility.example/ark:/99999/abc"


def test_there_is_one_top_level_dataset_and_its_context_needs_no_network() -> None:
    document = schema_org_document(a_record(), [listed("data/a.tiff")], base_url=BASE)

    assert document["@type"] == "Dataset"
    assert document["@context"] == {"@vocab": "https://schema.org/"}
    assert "@graph" not in document
    assert document["@id"] == document["url"] == BASE


def test_downloads_have_absolute_encoded_addresses() -> None:
    document: Any = schema_org_document(a_record(), [listed("data/a b/ü#1.tiff", b"12345")], base_url=BASE)

    assert document["distribution"] == [
        {
            "@type": "DataDownload",
            "name": "data/a b/ü#1.tiff",
            "contentUrl": f"{BASE}/files/data/a%20b/%C3%BC%231.tiff",
            "encodingFormat": "image/tiff",
            "contentSize": "5",
        }
    ]


def test_a_dataset_of_many_files_lists_some_and_leaves_the_rest_to_the_crate() -> None:
    files = [listed(f"data/{number}.tiff") for number in range(1_500)]

    document: Any = schema_org_document(a_record(), files, base_url=BASE)

    assert len(document["distribution"]) == 1_000


def test_what_is_not_public_has_no_address_and_says_draft() -> None:
    document = schema_org_document(a_record(), [listed("data/a.tiff")])

    assert document["@id"] == a_record().pid
    assert document["creativeWorkStatus"] == "Draft"
    assert "url" not in document
    assert "distribution" not in document


def test_a_derived_dataset_names_what_it_is_based_on() -> None:
    document: Any = schema_org_document(a_derived_record(), base_url=BASE)

    assert document["isBasedOn"][0]["identifier"] == a_record().pid


def test_no_text_ends_the_script_element_it_stands_in() -> None:
    title = "</script><script>alert(1)</script> & <!-- \u2028"
    text = as_script_text(schema_org_document(a_record(described=a_description(title=title)), base_url=BASE))

    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["name"] == "</script><script>alert(1)</script> & <!--"
