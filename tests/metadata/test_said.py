"""Who helped, who paid, what it is about and until when it is kept back: each is weighed with who said it."""

from datetime import date
from typing import Any

import pytest

from cisterna.domain.credit import Reference, Subject
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.build import joined, steward_said
from cisterna.metadata.record import Given, MetadataRecord, Origin, SampleFacts, missing
from tests.metadata.described import a_derived_record, a_description, a_project, a_record, an_instrument
from tests.metadata.strategies import a_ror

EARLY, LATE = date(2027, 1, 1), date(2028, 1, 1)
FIELDS: dict[str, Any] = {
    "contributors": ("DataCollector: Ek, Bo",),
    "funding": ("Research Council; 2026-01",),
    "subjects": ("Homo sapiens; NCBITaxon:9606",),
    "language": "en",
}


def said(**fields: Any) -> Given:
    return Given.model_validate(fields)


@pytest.mark.parametrize("name", FIELDS)
def test_steward_file_and_project_are_asked_in_that_order(name: str) -> None:
    word = said(**{name: FIELDS[name]})
    other = said(**{name: "sv" if name == "language" else ("DataManager: other" if name == "contributors" else "x",)})
    project = a_project(**{name: FIELDS[name]})

    by_project = a_record(project=project)
    by_file = a_record(project=a_project(**{name: getattr(other, name)}), given=word)
    by_steward = a_record(project=project, given=other, steward=word)

    for record, origin in ((by_project, Origin.PROJECT), (by_file, Origin.FILE), (by_steward, Origin.STEWARD)):
        assert getattr(record, name) == getattr(word, name)
        assert record.origins[name] is origin


def test_a_field_that_nobody_said_has_no_origin() -> None:
    record = a_record()

    assert (record.contributors, record.funding, record.subjects, record.references) == ((), (), (), ())
    assert (record.language, record.samples, record.publisher_ror, record.embargo_until) == (None, None, None, None)
    assert not set(FIELDS) & set(record.origins)


def test_contributors_are_cleaned_wherever_they_come_from() -> None:
    project = a_project(contributors=("DataCollector: Eve \u202ekcirt; A\x07B",))

    assert a_record(project=project).contributors[0].line == "DataCollector: Eve kcirt; AB"


ONE, OTHER = a_ror(1), a_ror(2)


@pytest.mark.parametrize(
    ("steward", "file", "project", "expected"),
    [
        ({}, {}, {"publisher_ror": ONE}, ONE),
        ({}, {"publisher": "Else"}, {"publisher_ror": ONE}, None),
        ({}, {"publisher": "The Imaging Farm"}, {"publisher_ror": ONE}, ONE),
        ({}, {"publisher": "Else", "publisher_ror": OTHER}, {"publisher_ror": ONE}, OTHER),
        ({"publisher": "Else"}, {"publisher_ror": OTHER}, {"publisher_ror": ONE}, None),
        ({"publisher_ror": OTHER}, {}, {"publisher_ror": ONE}, OTHER),
        ({"publisher_ror": OTHER}, {"publisher": "Else"}, {"publisher_ror": ONE}, OTHER),
    ],
)
def test_a_ror_is_put_to_no_publisher_but_its_own(
    steward: dict[str, str], file: dict[str, str], project: dict[str, str], expected: str | None
) -> None:
    record = a_record(project=a_project(**project), given=said(**file), steward=said(**steward))

    assert record.publisher_ror == expected


def test_a_ror_without_a_publisher_is_nobodys() -> None:
    assert a_record(project=a_project(publisher=None), given=said(publisher_ror=ONE)).publisher_ror is None


@pytest.mark.parametrize(
    ("project", "file", "expected", "origin"),
    [
        ({"embargo_until": EARLY}, {}, EARLY, Origin.PROJECT),
        ({"embargo_until": EARLY}, {"embargo_until": LATE}, LATE, Origin.FILE),
        ({"embargo_until": LATE}, {"embargo_until": EARLY}, LATE, Origin.PROJECT),
        ({"embargo_until": EARLY}, {"access": "embargoed"}, None, None),
        ({}, {"embargo_until": EARLY}, None, None),
    ],
    ids=["the project's", "prolonged", "not shortened", "without an end is longer", "no end is not ended"],
)
def test_the_file_beside_the_data_prolongs_an_embargo_and_never_shortens_it(
    project: dict[str, Any], file: dict[str, Any], expected: date | None, origin: Origin | None
) -> None:
    record = a_record(project=a_project(access=Access.EMBARGOED, **project), given=said(**file))

    assert (record.access, record.embargo_until) == (Access.EMBARGOED, expected)
    assert record.origins.get("embargo_until") is origin


def test_the_file_may_ask_for_an_embargo_of_open_data() -> None:
    record = a_record(given=said(embargo_until=EARLY))

    assert (record.access, record.embargo_until) == (Access.EMBARGOED, EARLY)
    assert record.origins["access"] is Origin.FILE
    assert record.is_restricted


@pytest.mark.parametrize("access", [Access.RESTRICTED, Access.CLOSED])
def test_an_embargo_opens_nothing_that_is_stricter(access: Access) -> None:
    by_file = a_record(project=a_project(access=access), given=said(embargo_until=EARLY))
    by_steward = a_record(project=a_project(access=access), steward=said(embargo_until=EARLY))

    for record in (by_file, by_steward):
        assert (record.access, record.embargo_until) == (access, None)


def test_a_steward_sets_the_day_whatever_the_others_say() -> None:
    project = a_project(access=Access.EMBARGOED, embargo_until=LATE)

    record = a_record(project=project, given=said(embargo_until=LATE), steward=said(embargo_until=EARLY))

    assert record.embargo_until == EARLY
    assert record.origins["embargo_until"] is Origin.STEWARD


def test_what_a_steward_says_of_an_embargo_later_goes_before_what_was_said_of_access() -> None:
    opened, kept_back = said(access="open"), said(embargo_until=EARLY)

    assert joined(kept_back, opened) == said(access="embargoed", embargo_until=EARLY)
    assert joined(opened, kept_back) == opened
    assert joined(kept_back, said(access="closed")) == said(access="closed").model_copy(update={"embargo_until": EARLY})
    assert a_record(steward=joined(kept_back, opened)).embargo_until == EARLY


def test_derived_data_are_kept_back_as_long_as_the_last_of_their_sources() -> None:
    early, late = (a_record(project=a_project(access="embargoed", embargo_until=day)) for day in (EARLY, LATE))
    endless = a_record(project=a_project(access="embargoed"))

    assert a_derived_record(sources=[early, late]).embargo_until == LATE
    assert a_derived_record(sources=[early, endless]).embargo_until is None
    assert a_derived_record(sources=[early, None]).access is Access.CLOSED


SOURCE_WORDS: dict[str, Any] = {
    "funding": ("Research Council; 2026-01",),
    "subjects": ("Homo sapiens; NCBITaxon:9606",),
    "samples": {"organisms": ("Homo sapiens; NCBITaxon:9606",), "wells": 96},
    "references": ("ethics-approval: Dnr 1", "agreement: A-7", "paper: 10.5555/1"),
}


def a_source(**changes: Any) -> MetadataRecord:
    return a_record(given=said(**{**SOURCE_WORDS, **changes}))


def test_derived_data_go_on_to_owe_and_to_be_about_what_their_source_does() -> None:
    source = a_source()

    derived = a_derived_record(sources=[source], project=a_project(funding=("Project Fund",), subjects=("x",)))

    assert (derived.funding, derived.subjects, derived.samples) == (source.funding, source.subjects, source.samples)
    assert [one.line for one in derived.references] == ["ethics-approval: Dnr 1", "agreement: A-7"]
    assert {derived.origins[name] for name in ("funding", "subjects", "samples.organisms")} == {Origin.SOURCE}


def test_what_several_sources_say_is_put_together_each_once() -> None:
    other = a_source(funding=("Fund B", "Research Council; 2026-01"), references=("agreement: B-1", "agreement: A-7"))

    derived = a_derived_record(sources=[a_source(), other])

    assert [one.funder for one in derived.funding] == ["Research Council", "Fund B"]
    assert [one.identifier for one in derived.references] == ["Dnr 1", "A-7", "B-1"]
    assert derived.samples is not None
    assert [one.label for one in derived.samples.organisms] == ["Homo sapiens"]
    assert derived.samples.wells is None


def test_nobody_takes_back_what_binds_project_or_source() -> None:
    project = a_project(references=("ethics-approval: Dnr 9", "data-management-plan: https://dmp.example/1"))
    own = said(references=("ethics-approval: Dnr 2", "paper: 10.5555/2"))

    derived = a_derived_record(sources=[a_source()], project=project, steward=own)

    assert {one.line for one in derived.references} == {
        "ethics-approval: Dnr 1",
        "ethics-approval: Dnr 2",
        "ethics-approval: Dnr 9",
        "agreement: A-7",
        "data-management-plan: https://dmp.example/1",
        "paper: 10.5555/2",
    }
    assert derived.origins["references.paper"] is Origin.STEWARD
    assert derived.origins["references.agreement"] is Origin.SOURCE


def test_more_than_a_record_takes_is_told_and_nothing_that_binds_is_left_out() -> None:
    papers = tuple(f"paper: 10.5555/{number}" for number in range(499))
    project = a_project(references=(*papers, "agreement: A-1"))

    derived = a_derived_record(sources=[a_source()], project=project)

    assert len(derived.references) == 500
    assert [one.identifier for one in derived.references if one.kind.is_binding] == ["Dnr 1", "A-1", "A-7"]
    assert "the first 500 are kept" in derived.problems[0]
    assert missing(derived) == ("problems",)


def test_each_kind_of_sample_is_weighed_by_itself() -> None:
    file = said(samples={"organisms": ("Mus musculus",), "treatments": ("DMSO",), "wells": 12})
    steward = said(samples={"organisms": ("Homo sapiens; NCBITaxon:9606",)})

    record = a_record(given=file, steward=steward)

    human = Subject(label="Homo sapiens", curie="NCBITaxon:9606")
    assert record.samples == SampleFacts(organisms=(human,), treatments=(Subject(label="DMSO"),), wells=12)
    assert record.origins["samples.organisms"] is Origin.STEWARD
    assert record.origins["samples.treatments"] is Origin.FILE
    assert steward_said(record) == steward


def test_what_a_steward_said_of_references_and_samples_goes_on_kind_by_kind() -> None:
    first = said(references=("paper: 10.5555/1", "protocol: P-1"), samples={"stains": ("DAPI",)})
    record = a_record(steward=first, given=said(references=("software: https://example.org/s",)))

    again = joined(said(references=("paper: 10.5555/2",), samples={"wells": 3}), steward_said(record))

    assert again is not None
    assert set(again.references or ()) == {
        Reference.model_validate("paper: 10.5555/2"),
        Reference.model_validate("protocol: P-1"),
    }
    assert again.samples == SampleFacts(stains=(Subject(label="DAPI"),), wells=3)


def test_the_declaration_of_an_instrument_goes_before_what_its_files_tell() -> None:
    settings = {"manufacturer": "Cephla", "model": "Squid+", "pid": "https://doi.org/10.5281/ZENODO.1"}
    instrument = an_instrument().model_copy(update={"settings": settings})

    record = a_record(instrument=instrument, described=a_description(instrument_serial="81"))

    assert record.instrument is not None
    assert record.instrument.model_dump(exclude={"name", "profile"}) == {
        "model": "Squid+",
        "serial": "81",
        "manufacturer": "Cephla",
        "pid": "10.5281/zenodo.1",
    }
    assert record.instrument.url == "https://doi.org/10.5281/zenodo.1"


def test_a_declaration_that_cannot_be_used_is_told() -> None:
    instrument = an_instrument().model_copy(update={"settings": {"pid": "javascript:x", "manufacturer": "Cephla"}})

    record = a_record(instrument=instrument)

    assert record.instrument is not None
    assert record.instrument.pid is None
    assert "the setting pid cannot be used" in record.problems[0]


def test_the_file_beside_the_data_ends_no_embargo_of_a_steward() -> None:
    kept_back = said(access="embargoed")
    project = a_project(access="embargoed", embargo_until=LATE)

    assert a_record(steward=kept_back, given=said(embargo_until=EARLY)).embargo_until is None
    assert a_record(steward=kept_back, project=project, given=said(embargo_until=EARLY)).embargo_until == LATE
    assert a_record(steward=kept_back, project=project).embargo_until == LATE


def test_a_steward_who_takes_back_the_answer_on_people_has_taken_it_back_of_later_versions_too() -> None:
    first = a_record(steward=said(human_data="unanswered"))
    second = a_record(steward=steward_said(first))

    assert (first.human_data, second.human_data) == (HumanData.UNANSWERED, HumanData.UNANSWERED)
    assert missing(second) == ("human_data",)


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("GPL-3.0", "GPL-3.0-only"),
        ("gpl-2.0+", "GPL-2.0-or-later"),
        ("AGPL-3.0", "AGPL-3.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("GFDL-1.3", "GFDL-1.3-only"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("MIT+", None),
        ("CC-BY-4.0+", None),
    ],
)
def test_a_licence_has_a_name_that_is_in_force_and_a_page_on_the_list(stated: str, kept: str | None) -> None:
    by_file, by_project = (
        a_record(given=said(licence=stated), project=None),
        a_record(project=a_project(licence=stated)),
    )

    for record in (by_file, by_project):
        assert record.licence == kept
        assert ("problems" in missing(record)) is (kept is None)


@pytest.mark.parametrize("access", [Access.RESTRICTED, Access.CLOSED])
def test_a_day_of_a_steward_that_the_record_cannot_keep_is_told_and_not_dropped(access: Access) -> None:
    record = a_record(project=a_project(access=access), steward=said(embargo_until=EARLY))

    assert f"access is {access.value} by word of project" in record.problems[0]
    assert missing(record) == ("problems",)
    assert (
        a_record(project=a_project(access=access), steward=said(access="embargoed", embargo_until=EARLY)).problems == ()
    )


def test_of_sources_under_several_licences_none_is_taken_until_a_person_says_which_holds() -> None:
    sources = [a_record(given=said(licence=licence)) for licence in ("CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0")]
    project = a_project(licence="CC0-1.0")

    silent = a_derived_record(sources=sources, project=project)
    decided = a_derived_record(sources=sources, project=project, steward=said(licence="CC-BY-NC-SA-4.0"))
    alike = a_derived_record(sources=sources[::2], project=project)

    assert silent.licence is None
    assert "CC-BY-NC-4.0 and CC-BY-SA-4.0" in " ".join(silent.problems)
    assert {"licence", "problems"} <= set(missing(silent))
    assert (decided.licence, decided.problems) == ("CC-BY-NC-SA-4.0", ())
    assert alike.licence == "CC-BY-NC-4.0"


def test_derived_data_stay_under_the_licence_of_their_source_unless_somebody_says_another() -> None:
    source = a_record(given=said(licence="CC-BY-NC-4.0"))

    derived = a_derived_record(sources=[source], project=a_project(licence="CC0-1.0"))
    decided = a_derived_record(sources=[source], steward=said(licence="CC-BY-4.0"))
    unlicensed = source.model_copy(update={"licence": None})

    assert (derived.licence, derived.origins["licence"]) == ("CC-BY-NC-4.0", Origin.SOURCE)
    assert decided.licence == "CC-BY-4.0"
    assert a_derived_record(sources=[unlicensed], project=a_project(licence="CC0-1.0")).licence == "CC0-1.0"
