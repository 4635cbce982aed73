"""The object is an RO-Crate 1.2: valid, linear in its files, and readable for whom it says nothing false."""

import base64
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cisterna.metadata.crate import FILE_NAME, crate_json, crate_with_doi
from cisterna.metadata.listing import ListedFile, iri_path, media_type, uri_path
from cisterna.metadata.record import Given, MetadataRecord, ModelFacts
from tests.metadata.crate_reading import entities
from tests.metadata.described import (
    CREDIT,
    a_derived_record,
    a_description,
    a_full_record,
    a_project,
    a_record,
    an_instrument,
    listed,
)
from tests.metadata.rocrate import issues, required_issues

PATHS = [
    "README.md",
    "metadata/record.json",
    "quality/metrics.parquet",
    "data/0/A1_0_0_BF.tiff",
    "data/with space/50%.csv",
    "data/面试 ü e\u0301.txt",
    "data/back\\slash.txt",
    'data/<b>"quoted"{}|^`#?.txt',
    "data/evil \u202efdp.txt",
    "data/a:b@c.bmp",
]
RECORDS: dict[str, Callable[[], MetadataRecord]] = {
    "raw": a_full_record,
    "derived": a_derived_record,
    "bare": lambda: a_record(project=None, instrument=None, described=None, findings=(), planes=(), images=None),
}


PLAIN_PATHS = [path for path in PATHS if "\u202e" not in path]
"""Without a mark that no identifier may show, whose encoding the validator advises against."""
NO_ROR = {
    "The organization SHOULD have a URL.",
    "An Organization entity SHOULD have a ROR identifier as its @id (e.g., https://ror.org/03f0f6041)",
    "An Organization's contactPoint SHOULD reference a ContactPoint contextual entity",
    "An Organization referenced as `funder` from the Root Data Entity SHOULD itself reference an external `funder`",
}
"""What is said of an organisation whose ROR nobody has given; nothing is made up to silence it."""


def a_known_record() -> MetadataRecord:
    """Describe data of which every organisation is known by its ROR."""
    credit = {
        "contributors": [
            "DataCollector: Ek, Bo; 0000-0001-5109-3700; Brown University; https://ror.org/05gq02987",
            "HostingInstitution: Brown University; https://ror.org/05gq02987",
        ],
        "funding": ["Brown University; 2026-01234; Cells in time; https://ror.org/05gq02987"],
    }
    return a_full_record(given=Given.model_validate({**CREDIT, **credit}), instrument=an_instrument())


def write_crate(folder: Path, record: MetadataRecord, paths: Sequence[str] = PATHS) -> Path:
    files = [listed(path, f"bytes of {path}".encode()) for path in paths]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(f"bytes of {path}".encode())
    (folder / FILE_NAME).write_bytes(crate_json(record, files))
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["derived", "bare"])
def test_rocrate_validator_finds_nothing_required_amiss(kind: str, tmp_path: Path) -> None:
    crate = write_crate(tmp_path / kind, RECORDS[kind]())

    assert required_issues(crate, scratch=tmp_path) == []


@pytest.mark.timeout(300)
def test_of_all_that_is_recommended_nothing_is_amiss_but_what_nobody_has_said(tmp_path: Path) -> None:
    crate = write_crate(tmp_path / "raw", RECORDS["raw"](), PLAIN_PATHS)

    assert set(issues(crate, scratch=tmp_path, severity="RECOMMENDED")) == NO_ROR


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_where_every_organisation_has_a_ror_all_that_is_recommended_is_so(tmp_path: Path) -> None:
    crate = write_crate(tmp_path / "known", a_known_record(), PLAIN_PATHS)

    assert issues(crate, scratch=tmp_path, severity="RECOMMENDED") == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("made_by", ["model", pytest.param("conversion", marks=pytest.mark.torture)])
def test_a_derived_crate_is_a_process_run_crate(made_by: str, tmp_path: Path) -> None:
    record = a_derived_record() if made_by == "model" else a_derived_record(model=None)
    crate = write_crate(tmp_path / made_by, record)

    # The validator's profile builds on RO-Crate 1.1; this is one of 1.2, as which it is validated above.
    assert issues(crate, scratch=tmp_path, profile="process-run-crate", alone=True) == []


@pytest.mark.timeout(300)
def test_the_validator_would_have_told(tmp_path: Path) -> None:
    crate = write_crate(tmp_path / "spoiled", a_record())
    document = json.loads((crate / FILE_NAME).read_text("utf-8"))
    del document["@graph"][1]["license"]
    (crate / FILE_NAME).write_text(json.dumps(document), "utf-8")
    (crate / "README.md").unlink()

    told = required_issues(crate, scratch=tmp_path)

    assert any("license" in issue for issue in told)
    assert any("README.md" in issue for issue in told)


ODD = {"data/caf%E9.tiff": b"caf\xe9.tiff", "data/two%0Alines/%2541": b"two\nlines/%41"}


@pytest.mark.timeout(300)
def test_a_crate_with_names_that_are_no_plain_text_is_valid_and_says_how_they_are_written(tmp_path: Path) -> None:
    crate = write_crate(tmp_path / "odd", a_record())
    files = [listed(path, f"bytes of {path}".encode()) for path in PATHS]
    for path, source in ODD.items():
        (crate / path).parent.mkdir(parents=True, exist_ok=True)
        (crate / path).write_bytes(source)
        named = {"source_path_base64": base64.b64encode(source).decode()}
        files.append(listed(path, source).model_copy(update=named))
    document = crate_json(a_record(), files)
    (crate / FILE_NAME).write_bytes(document)

    assert required_issues(crate, scratch=tmp_path) == []
    found = entities(document)
    assert "Percent-decoding" in found["#fact-path-encoding"]["value"]
    assert found["#fact-path-encoding-count"]["value"] == 2
    for path, source in ODD.items():
        described = found[iri_path(path)]["description"]
        assert base64.b64decode(described.rpartition(" ")[2]) == source


def test_a_crate_of_plain_names_says_nothing_of_them() -> None:
    assert b"path-encoding" not in crate_json(a_record(), [listed(path) for path in PATHS])


def test_the_root_says_who_what_when_and_under_which_licence() -> None:
    found = entities(crate_json(a_record(), [listed(path) for path in PATHS]))
    root = found["./"]

    assert found[root["identifier"]["@id"]]["value"] == a_record().pid
    assert found[root["license"]["@id"]]["name"] == "CC-BY-4.0"
    assert [found[author["@id"]]["name"] for author in root["author"]] == ["Carberry, Josiah"]
    assert found["https://orcid.org/0000-0002-1825-0097"]["affiliation"] == {"@id": "https://ror.org/05gq02987"}
    assert found[root["publisher"]["@id"]]["name"] == "The Imaging Farm"
    assert root["datePublished"] == "2026-11-22T09:30:00Z"


def test_acquisition_and_quality_are_acts_with_their_instrument_and_result() -> None:
    found = entities(crate_json(a_record(), [listed(path) for path in PATHS]))

    assert found["#acquisition"]["@type"] == "CreateAction"
    assert found[found["#acquisition"]["instrument"]["@id"]]["model"] == "Squid"
    assert {"@id": "quality/metrics.parquet"} in found["#quality-assessment"]["result"]
    assert found["#fact-quality-verdict"]["value"] == "passed"


def test_the_instrument_has_the_serial_number_that_its_files_tell() -> None:
    record = a_record(described=a_description(instrument_serial="8100000201"))

    found = entities(crate_json(record, [listed(path) for path in PATHS]))

    assert record.instrument is not None
    assert record.instrument.serial == "8100000201"
    assert found["#instrument"]["serialNumber"] == "8100000201"
    assert "serialNumber" not in entities(crate_json(a_record(), []))["#instrument"]


def test_a_derived_crate_names_source_and_model() -> None:
    record = a_derived_record()
    found = entities(crate_json(record, [listed(path) for path in PATHS]))

    assert found["./"]["isBasedOn"] == [{"@id": record.relations[0].pid}]
    assert [found[one["@id"]]["name"] for one in found["#derivation"]["object"]] == ["Nuclei, plate 7", "nuclei"]
    assert found[found["#derivation"]["instrument"]["@id"]]["@type"] == "SoftwareApplication"


def test_the_licence_of_a_model_is_an_entity_where_it_is_one_of_the_list() -> None:
    def licence_of_model(licence: str) -> Any:
        model = ModelFacts(name="nuclei", version="1.0", licence=licence)
        found = entities(crate_json(a_derived_record(model=model), []))
        said = found["#model"]["license"]
        return found[said["@id"]]["name"] if isinstance(said, dict) else said

    assert licence_of_model("mit") == "MIT"
    assert licence_of_model("CC-BY-4.0") == "CC-BY-4.0"
    assert licence_of_model("ask the author") == "ask the author"


def test_only_a_derived_crate_whose_program_is_known_says_that_it_is_a_process_run() -> None:
    derived, raw = (entities(crate_json(RECORDS[kind](), [])) for kind in ("derived", "raw"))
    earlier = entities(crate_json(a_derived_record(software=None), []))

    assert found_profiles(derived) == ["Process Run Crate"]
    assert (derived["#software"]["version"], derived["#software"]["url"]) == ("0.1.0", "pkg:generic/cisterna@0.1.0")
    for found in (raw, earlier):
        assert "conformsTo" not in found["./"]
        assert "#software" not in found
    assert earlier["#derivation"]["instrument"] == {"@id": "#model"}


def found_profiles(found: dict[str, Any]) -> list[str]:
    said = found["./"]["conformsTo"]
    return [found[one["@id"]]["name"] for one in (said if isinstance(said, list) else [said])]


def test_every_file_says_what_it_is_and_no_more_than_is_known() -> None:
    paths = ["README.md", "data/a.tiff", "data/table.csv", "data/.done", "quality/metrics.parquet"]
    raw, derived = (
        entities(crate_json(RECORDS[kind](), [listed(path) for path in paths])) for kind in ("raw", "derived")
    )

    assert all(raw[path]["description"] for path in paths)
    assert raw["data/a.tiff"]["description"] == "Data file as acquired: a TIFF image."
    assert raw["data/.done"]["description"] == "Data file as acquired: of a format that its name does not tell."
    assert derived["data/table.csv"]["description"] == (
        "Data file as made from another dataset: a table of comma-separated values."
    )


def test_an_organisation_with_a_ror_is_reached_by_its_entry_there_and_another_by_nothing() -> None:
    found = entities(crate_json(a_full_record(), []))
    contact = found[found["https://ror.org/05gq02987"]["contactPoint"]["@id"]]

    assert (contact["@type"], contact["url"]) == ("ContactPoint", "https://ror.org/05gq02987")
    assert "contactPoint" not in found["#manufacturer"]


def test_the_crate_says_itself_that_its_date_is_that_of_the_description() -> None:
    found = entities(crate_json(a_record(), []))

    assert found["./"]["datePublished"] == found["./"]["sdDatePublished"] == "2026-11-22T09:30:00Z"
    assert "when the data were described" in found[FILE_NAME]["description"]


def test_who_helped_and_who_paid_are_people_and_organisations_with_what_they_did() -> None:
    found = entities(crate_json(a_full_record(), []))
    root = found["./"]

    roles = [found[one["@id"]] for one in root["contributor"]]
    helpers = [(one["roleName"], found[one["contributor"]["@id"]]) for one in roles]
    assert [(role, who["@type"], who["name"]) for role, who in helpers] == [
        ("DataCollector", "Person", "Ek, Bo"),
        ("ProjectLeader", "Person", "Carberry, Josiah"),
        ("HostingInstitution", "Organization", "Brown University"),
    ]
    assert root["author"] == [{"@id": "https://orcid.org/0000-0002-1825-0097"}]
    funders = [found[one["@id"]]["name"] for one in root["funder"]]
    assert funders == ["Brown University", "Research Council", "A friend of science"]
    grant = found[root["funding"][0]["@id"]]
    assert (grant["@type"], grant["name"], grant["identifier"]) == ("Grant", "Cells in time", "2026-01234")
    assert grant["funder"] == root["funder"][0] == {"@id": "https://ror.org/05gq02987"}
    assert root["publisher"] == {"@id": "https://ror.org/01cwqze88"}


def test_what_it_is_about_are_terms_and_each_kind_of_sample_is_a_fact() -> None:
    record = a_full_record()
    found = entities(crate_json(record, []))
    about = [found[one["@id"]] for one in found["./"]["about"]]

    assert {one["@type"] for one in about} == {"DefinedTerm"}
    assert found["http://purl.obolibrary.org/obo/NCBITaxon_9606"]["termCode"] == "NCBITaxon:9606"
    assert found["#fact-treatments"]["value"] == ["DMSO", "staurosporine"]
    linked = [found[one["@id"]]["name"] for one in found["#fact-treatments"]["valueReference"]]
    assert linked == ["DMSO", "staurosporine"]
    assert {"@id": "#fact-wells"} in found["./"]["additionalProperty"]
    assert found["#fact-wells"]["value"] == 96


def test_papers_are_cited_and_other_references_mentioned_with_their_kind() -> None:
    found = entities(crate_json(a_full_record(), []))
    root = found["./"]

    assert [found[one["@id"]]["@type"] for one in root["citation"]] == ["ScholarlyArticle"]
    mentioned = [found[one["@id"]] for one in root["mentions"]]
    assert {one["additionalType"] for one in mentioned if "additionalType" in one} == {
        "data-management-plan",
        "ethics-approval",
        "agreement",
        "lab-notebook",
        "software",
        "dataset",
        "protocol",
    }
    assert {"#acquisition", "#quality-assessment"} <= {one["@id"] for one in mentioned}


def test_the_device_has_its_own_identifier_and_maker() -> None:
    found = entities(crate_json(a_full_record(), []))
    device = found["#instrument"]

    assert (device["identifier"], device["url"]) == ("10.5281/zenodo.1", "https://doi.org/10.5281/zenodo.1")
    assert (device["model"], device["serialNumber"]) == ("Squid+", "S-7")
    assert found[device["manufacturer"]["@id"]]["name"] == "Cephla"


def test_language_and_the_end_of_an_embargo_are_said_of_the_root() -> None:
    root = entities(crate_json(a_full_record(), []))["./"]

    assert root["inLanguage"] == "en"
    assert "embargoed until 2027-06-30" in root["conditionsOfAccess"]


def test_one_identifier_of_two_names_is_one_entity_and_of_two_kinds_of_things_two() -> None:
    creators = [
        {"name": "A", "affiliation": "Brown University", "ror": "https://ror.org/05gq02987"},
        {"name": "B", "affiliation": "Brown Univ.", "ror": "https://ror.org/05gq02987"},
    ]
    references = ["paper: https://spdx.org/licenses/CC-BY-4.0", "paper: 10.5555/1", "protocol: 10.5555/1"]
    found = entities(crate_json(a_record(project=a_project(creators=creators, references=references)), []))

    assert found["https://ror.org/05gq02987"]["alternateName"] == "Brown Univ."
    assert found["https://spdx.org/licenses/CC-BY-4.0"]["@type"] == "CreativeWork"
    assert found["https://doi.org/10.5555/1"]["@type"] == "ScholarlyArticle"
    assert found["#reference-1"]["url"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert found["#reference-3"]["identifier"] == "10.5555/1"


@pytest.mark.parametrize("kind", RECORDS)
def test_a_single_value_is_written_without_a_list(kind: str) -> None:
    graph = json.loads(crate_json(RECORDS[kind](), [listed("data/a.tiff")]))["@graph"]

    lists = [value for entity in graph for value in entity.values() if isinstance(value, list)]
    assert [value for value in lists if len(value) == 1] == []


def test_no_licence_is_said_to_be_none() -> None:
    found = entities(crate_json(RECORDS["bare"](), []))

    assert "all rights are reserved" in found[found["./"]["license"]["@id"]]["description"]


def test_every_entity_is_there_once_and_every_reference_leads_to_one() -> None:
    document = json.loads(crate_json(a_full_record(), [listed(path) for path in PATHS]))
    ids = [entity["@id"] for entity in document["@graph"]]
    known = {*ids, "https://w3id.org/ro/crate/1.2"}

    def references(value: Any) -> list[str]:
        if isinstance(value, list):
            return [one for item in value for one in references(item)]
        return [value["@id"]] if isinstance(value, dict) and set(value) == {"@id"} else []

    assert len(ids) == len(set(ids))
    assert not {one for entity in document["@graph"] for one in references(list(entity.values()))} - known


def test_creators_without_orcid_and_shared_institutes_stay_apart_and_together() -> None:
    creator = a_record().creators[0]
    pair = (
        creator.model_copy(update={"name": "A", "orcid": None}),
        creator.model_copy(update={"name": "B", "orcid": None}),
    )
    found = entities(crate_json(a_record().model_copy(update={"creators": pair}), []))

    assert [one["@id"] for one in found["./"]["author"]] == ["#creator-1", "#creator-2"]
    assert [entity["@type"] for entity in found.values()].count("Organization") == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/with space/50%.csv", "data/with%20space/50%25.csv"),
        ("data/面试 ü.txt", "data/面试%20ü.txt"),
        ("data/\u202ex#?.txt", "data/%E2%80%AEx%23%3F.txt"),
        ("data/a\\b", "data/a%5Cb"),
    ],
)
def test_identifiers_are_percent_encoded_as_the_specification_says(path: str, expected: str) -> None:
    assert iri_path(path) == expected
    assert unquote(iri_path(path)) == path
    assert unquote(uri_path(path)) == path
    assert uri_path(path).isascii()


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a/B.TIFF", "image/tiff"), ("a.b/.done", "application/octet-stream"), ("x.jsonld", "application/ld+json")],
)
def test_media_types_come_from_extensions(path: str, expected: str) -> None:
    assert media_type(path) == expected


def test_files_carry_size_and_digest() -> None:
    found = entities(crate_json(a_record(), [listed("data/a b.tiff", b"12345")]))

    assert found["data/a%20b.tiff"]["contentSize"] == "5"
    assert found["data/a%20b.tiff"]["sha512"] == listed("data/a b.tiff", b"12345").sha512


def test_ten_thousand_files_are_described_one_by_one(record_property: Callable[[str, object], None]) -> None:
    record = a_record()
    files = [
        ListedFile(path=f"data/0/R{number:06}_面_{number} {number}.tiff", size_bytes=number, sha512="0a" * 64)
        for number in range(10_000)
    ]
    seconds = {}
    for count in (1_000, 10_000):
        begun = time.process_time()
        document = crate_json(record, files[:count])
        seconds[count] = time.process_time() - begun

    record_property("seconds", seconds)
    found = entities(document)
    assert len(found["data/"]["hasPart"]) == 10_000
    assert len(found["./"]["hasPart"]) == 1


def test_a_doi_that_came_later_is_named_beside_the_ark_and_nothing_else_changes() -> None:
    archived = crate_json(a_full_record(), [listed("data/a.tiff")])

    named = entities(crate_with_doi(archived, "10.1234/abc"))

    doi = named.pop("https://doi.org/10.1234/abc")
    assert doi["value"] == "10.1234/abc"
    assert named["./"]["identifier"] == [{"@id": "#pid"}, {"@id": "https://doi.org/10.1234/abc"}]
    before = entities(archived)
    assert {**named, "./": {**named["./"], "identifier": before["./"]["identifier"]}} == before
