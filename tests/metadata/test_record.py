"""A record of an earlier schema version is read as it was meant, and one that cannot be read is refused with words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import Access, MetadataDefaults, Project, read_project
from cisterna.metadata.record import Given, MetadataRecord, SampleFacts, missing, read_record
from tests.metadata.described import NOW, a_project, a_record
from tests.metadata.strategies import records

SINCE_2 = (
    "contributors",
    "publisher_ror",
    "embargo_until",
    "subjects",
    "language",
    "funding",
    "references",
    "samples",
)


def of_version_1(**changes: Any) -> dict[str, Any]:
    """Write a record as version 1 did."""
    document = {**a_record().model_dump(mode="json"), "schema_version": 1, **changes}
    for name in SINCE_2:
        document.pop(name)
    for name in ("manufacturer", "pid"):
        document["instrument"].pop(name)
    return document


def test_a_record_of_version_1_is_read_and_lacks_what_it_did_not_have() -> None:
    assert read_record(of_version_1()) == a_record()


def test_reading_changes_nothing_of_what_is_kept() -> None:
    kept = of_version_1()
    before = json.dumps(kept)

    read_record(kept)

    assert json.dumps(kept) == before


def test_a_ror_that_nobody_checked_in_version_1_is_left_out_when_it_is_wrong() -> None:
    creators = [{"name": "A", "orcid": None, "affiliation": "B", "ror": "https://ror.org/05gq02988"}]

    record = read_record(of_version_1(creators=creators))

    assert (record.creators[0].affiliation, record.creators[0].ror) == ("B", None)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("field", "stored", "kept", "seen"),
    [
        ("language", "klingonish-xx-yy", None, "klingonish-xx-yy"),
        ("language", 7, None, "7"),
        ("licence", "No-Such-Licence", None, "No-Such-Licence"),
        ("embargo_until", "0000-00-00", None, "0000-00-00"),
        ("publisher_ror", "https://ror.org/05gq02988", None, "05gq02988"),
        ("keywords", ["cells", 5], ("cells",), "5"),
        ("references", [{"kind": "paper", "identifier": ""}], (), '"kind": "paper"'),
    ],
)
def test_a_stored_value_that_is_not_taken_any_more_leaves_the_record_readable_and_is_seen(
    version: int, field: str, stored: object, kept: object, seen: str
) -> None:
    document = of_version_1() if version == 1 else a_record().model_dump(mode="json")

    record = read_record({**document, field: stored, "problems": ["one of before"]})

    assert getattr(record, field) == kept
    assert record.problems[0] == "one of before"
    assert record.problems[1].startswith(f"{field} '")
    assert seen in record.problems[1]
    assert record.problems[1].endswith("was stored and is not taken any more; say another")
    assert "problems" in missing(record)
    assert read_record(record.model_dump(mode="json")) == record


def test_a_long_list_of_which_some_is_not_taken_keeps_the_rest() -> None:
    keywords = ["ok", {"a": 1}, "fine", "x" * 100_000]

    record = read_record({**a_record().model_dump(mode="json"), "keywords": keywords})

    assert record.keywords[:2] == ("ok", "fine")
    assert all(len(one) < 400 for one in record.problems)


@pytest.mark.parametrize(
    "document",
    [{}, {"schema_version": 1}, {"schema_version": 3}, {"schema_version": "2"}, {"schema_version": 1, "creators": 7}],
)
def test_what_is_no_record_is_refused_with_words(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_record(document)


@settings(max_examples=30, deadline=None)
@given(records())
def test_any_record_survives_its_own_json(record: MetadataRecord) -> None:
    assert read_record(json.loads(json.dumps(record.model_dump(mode="json")))) == record


@pytest.mark.parametrize("kind", [MetadataDefaults, Given])
@pytest.mark.parametrize("access", [Access.OPEN, Access.RESTRICTED, Access.CLOSED])
def test_the_end_of_an_embargo_goes_with_an_embargo(kind: type[Given], access: Access) -> None:
    with pytest.raises(ValidationError, match="embargo_until goes with access: embargoed"):
        kind.model_validate({"access": access, "embargo_until": "2027-06-30"})


@pytest.mark.parametrize(
    "day", ["0000-00-00", "2027-02-30", "2027-6-3", "1700000000", 1700000000, "2027-06-30T00:00:00", "30.6.2027", True]
)
def test_what_is_no_day_of_the_calendar_is_refused(day: object) -> None:
    with pytest.raises(ValidationError, match="write it as 2027-06-30"):
        Given.model_validate({"embargo_until": day})


def test_a_project_that_was_kept_with_a_wrong_ror_is_read_without_it() -> None:
    kept = json.loads(a_project().model_dump_json())
    kept["defaults"]["creators"][0]["ror"] = "https://ror.org/05gq02988"

    read = read_project(json.dumps(kept))

    assert read.defaults.creators[0].ror is None
    assert read.defaults.creators[0].affiliation == "Brown University"


def test_a_project_of_before_is_read_with_nothing_new_said() -> None:
    kept = json.loads(Project(slug="a", title="A", owner="o", created_at=NOW).model_dump_json())
    for name in (*SINCE_2[:-1],):
        del kept["defaults"][name]

    assert read_project(json.dumps(kept)).defaults == MetadataDefaults()


def test_samples_are_counted_in_wells_that_can_be() -> None:
    for wells in (0, -1, 10**9):
        with pytest.raises(ValidationError):
            SampleFacts(wells=wells)


def test_what_was_kept_before_anybody_looked_at_names_is_read_as_it_can_be_shown() -> None:
    creators = [
        {"name": "Eve \u202ekcirt", "orcid": None, "affiliation": "\u200b", "ror": None},
        {"name": "\u200b", "orcid": None, "affiliation": None, "ror": None},
    ]
    kept = json.loads(a_project().model_dump_json())
    kept["defaults"]["creators"] = creators

    assert [one.line for one in read_project(json.dumps(kept)).defaults.creators] == ["Eve kcirt"]
    assert [one.line for one in read_record(of_version_1(creators=creators)).creators] == ["Eve kcirt"]


def test_a_stored_text_of_nothing_but_blanks_leaves_the_record_readable() -> None:
    record = read_record({**a_record().model_dump(mode="json"), "keywords": ["cells", " " * 300]})

    assert record.keywords == ("cells",)
    assert len(record.problems) == 1


@pytest.mark.parametrize("stored", [{"label": "mouse", "curie": "not a term"}, {"label": ""}, 7])
def test_a_stored_sample_that_is_not_taken_any_more_leaves_the_others(stored: object) -> None:
    samples = {"organisms": [stored, {"label": "man"}], "stains": [{"label": "DAPI"}], "wells": 96}

    record = read_record({**a_record().model_dump(mode="json"), "samples": samples})

    assert record.samples is not None
    assert [one.line for one in (*record.samples.organisms, *record.samples.stains)] == ["man", "DAPI"]
    assert record.samples.wells == 96
    assert [one.startswith("samples.organisms '") for one in record.problems] == [True]


def test_an_end_of_an_embargo_that_cannot_be_read_keeps_the_data_back_whatever_else_is_said() -> None:
    record = read_record({**a_record().model_dump(mode="json"), "access": "open", "embargo_until": "0000-00-00"})

    assert (record.access, record.embargo_until) == (Access.EMBARGOED, None)


def test_a_record_of_a_later_version_says_what_to_do() -> None:
    later = {**a_record().model_dump(mode="json"), "schema_version": 9}

    with pytest.raises(InvalidInput, match=r"of a later version .* use that one, or describe it anew"):
        read_record(later)
