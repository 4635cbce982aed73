"""Whatever a record says, every serialisation says the same."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.credit import Creator
from cisterna.domain.errors import HostileInput
from cisterna.domain.text import clean_line
from cisterna.metadata.crate import crate_json
from cisterna.metadata.datacite import UNAVAILABLE, datacite_document
from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import ListedFile, iri_path
from cisterna.metadata.readme import readme_text
from cisterna.metadata.record import MetadataRecord
from cisterna.metadata.schema_org import as_script_text, schema_org_document
from tests.metadata.described import a_record


def is_line(text: str) -> bool:
    try:
        return clean_line(text) == text
    except HostileInput:
        return False


lines = st.text(min_size=1, max_size=60).filter(is_line)
creators = st.builds(
    Creator,
    name=lines,
    orcid=st.sampled_from([None, "0000-0002-1825-0097", "0000-0001-5109-3700"]),
    affiliation=st.none() | lines,
    ror=st.sampled_from([None, "https://ror.org/05gq02987"]),
).filter(lambda creator: is_line(creator.name) and (creator.affiliation is None or is_line(creator.affiliation)))
paths = st.lists(
    st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
        lambda name: "/" not in name and name not in {".", ".."}
    ),
    max_size=5,
    unique=True,
)


@st.composite
def records(draw: st.DrawFn) -> MetadataRecord:
    return a_record().model_copy(
        update={
            "title": draw(st.none() | lines),
            "creators": tuple(draw(st.lists(creators, max_size=4, unique_by=lambda one: one.orcid or one.name))),
            "publisher": draw(st.none() | lines),
            "licence": draw(st.sampled_from([None, "CC0-1.0", "MIT", "CC-BY-4.0"])),
            "file_count": draw(st.integers(0, 10**9)),
            "total_bytes": draw(st.integers(0, 10**18)),
            "manifest_digest": draw(st.sampled_from(["ab" * 64, "0f" * 64])),
            "pid": draw(st.sampled_from(["ark:/99999/abc", "ark:/12345/xyz0"])),
        }
    )


@settings(max_examples=60, deadline=None)
@given(record=records(), names=paths)
def test_all_forms_agree(record: MetadataRecord, names: list[str]) -> None:
    files = [
        ListedFile(path=f"data/{name}", size_bytes=number, sha512=f"{number:0128x}")
        for number, name in enumerate(names)
    ]
    crate = {one["@id"]: one for one in json.loads(crate_json(record, files))["@graph"]}
    root = crate["./"]
    datacite: Any = datacite_document(record)
    page: Any = json.loads(as_script_text(schema_org_document(record, files, base_url="https://f.example/x")))
    readme = readme_text(record)

    assert root["name"] == datacite["titles"][0]["title"] == page["name"] == record.name
    assert crate["#pid"]["value"] == record.pid
    assert datacite["alternateIdentifiers"][0]["alternateIdentifier"] == record.pid
    assert page["identifier"][0]["value"] == record.pid
    assert record.pid in readme

    people = [creator.name for creator in record.creators]
    assert [crate[one["@id"]]["name"] for one in root.get("author", [])] == people
    assert [one["name"] for one in datacite["creators"]] == (people or [UNAVAILABLE])
    assert [one["name"] for one in page.get("creator", [])] == people

    address = licence_url(record.licence) if record.licence else None
    assert root["license"]["@id"] == (address or "#no-licence")
    assert page.get("license") == address
    assert [one["rightsUri"] for one in datacite["rightsList"][1:]] == ([address] if address else [])

    assert crate["#fact-total-bytes"]["value"] == record.total_bytes
    assert datacite["sizes"] == [f"{record.total_bytes} bytes", f"{record.file_count} files"]
    assert page["size"] == f"{record.total_bytes} bytes"
    assert f"{record.total_bytes:,} bytes" in readme

    assert crate["#fact-manifest-sha512"]["value"] == record.manifest_digest
    assert record.manifest_digest in datacite["descriptions"][1]["description"]
    assert any(one["value"] == record.manifest_digest for one in page["variableMeasured"])
    assert record.manifest_digest in readme
    for number, name in enumerate(names):
        assert crate[iri_path(f"data/{name}")]["contentSize"] == str(number)
