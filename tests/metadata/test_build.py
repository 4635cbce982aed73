"""One record joins what everybody says, names who said it, and never makes access wider."""

from typing import Any

import pytest

from cisterna.domain.credit import Creator
from cisterna.domain.errors import IllegalTransition
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.build import joined, steward_said
from cisterna.metadata.record import Given, ImagingFacts, MetadataRecord, Origin, missing
from tests.metadata.described import a_dataset, a_derived_record, a_description, a_project, a_record, a_version


def test_a_record_with_all_that_is_needed_lacks_nothing() -> None:
    assert missing(a_record()) == ()
    assert missing(a_derived_record()) == ()


def test_what_nobody_said_is_named_as_missing() -> None:
    record = a_record(
        project=None, described=None, dataset=a_dataset(title="", project=None), instrument=None, images=None, planes=()
    )

    assert missing(record) == ("title", "creators", "publisher", "licence", "human_data")
    assert record.name == f"Untitled dataset {record.pid}"
    assert record.access is Access.CLOSED
    assert record.is_restricted


def test_each_value_says_where_it_came_from() -> None:
    record = a_record(given=Given(title="By hand", keywords=("k",)), steward=Given(licence="CC0-1.0"))

    assert record.title == "By hand"
    assert record.origins["title"] is Origin.FILE
    assert record.origins["keywords"] is Origin.FILE
    assert record.origins["licence"] is Origin.STEWARD
    assert record.origins["creators"] is Origin.PROJECT
    assert record.origins["instrument"] is Origin.INSTRUMENT
    assert record.origins["imaging"] is Origin.PROFILE
    assert record.origins["pid"] is Origin.CISTERNA


def test_dimensions_are_counted_from_where_images_belong() -> None:
    assert a_record().imaging == ImagingFacts(
        channels=("DAPI", "GFP"),
        objective="20x",
        pixel_size_um=0.37,
        regions=1,
        fields=3,
        z_planes=1,
        timepoints=1,
        images=3,
    )


@pytest.mark.parametrize(
    ("project", "file", "expected"),
    [
        (Access.OPEN, Access.RESTRICTED, Access.RESTRICTED),
        (Access.RESTRICTED, Access.OPEN, Access.RESTRICTED),
        (Access.EMBARGOED, Access.CLOSED, Access.CLOSED),
        (Access.OPEN, None, Access.OPEN),
    ],
)
def test_the_file_beside_the_data_makes_access_stricter_never_wider(
    project: Access, file: Access | None, expected: Access
) -> None:
    assert a_record(project=a_project(access=project), given=Given(access=file)).access is expected


@pytest.mark.parametrize(
    ("project", "file", "expected"),
    [
        (HumanData.NO, HumanData.YES, HumanData.YES),
        (HumanData.YES, HumanData.NO, HumanData.YES),
        (HumanData.UNANSWERED, HumanData.NO, HumanData.NO),
        (HumanData.UNANSWERED, HumanData.UNANSWERED, HumanData.UNANSWERED),
        (HumanData.NO, HumanData.UNANSWERED, HumanData.NO),
    ],
)
def test_nobody_but_a_steward_takes_back_that_data_come_from_people(
    project: HumanData, file: HumanData, expected: HumanData
) -> None:
    described = a_record(project=a_project(human_data=project), given=Given(human_data=file))

    assert described.human_data is expected
    assert a_record(project=a_project(human_data=project), steward=Given(human_data=HumanData.NO)).human_data == "no"


@pytest.mark.parametrize("human_data", [HumanData.YES, HumanData.UNANSWERED])
def test_what_was_made_from_restricted_data_stays_restricted(human_data: HumanData) -> None:
    source = a_record(project=a_project(human_data=human_data, access=Access.RESTRICTED))

    derived = a_derived_record(sources=[source])

    assert derived.human_data is human_data
    assert derived.access is Access.RESTRICTED
    assert derived.is_restricted


def test_a_source_of_which_nothing_is_known_closes_what_was_made_from_it() -> None:
    derived = a_derived_record(sources=[None])

    assert derived.human_data is HumanData.UNANSWERED
    assert derived.access is Access.CLOSED


def test_a_derived_dataset_without_a_project_credits_whom_its_source_credits() -> None:
    derived = a_derived_record(project=None, sources=[a_record()])

    assert derived.creators == a_record().creators
    assert derived.licence == "CC-BY-4.0"
    assert derived.origins["creators"] is Origin.SOURCE


HOSTILE_TITLES = ["x" * 100_000, "\u202e", "a\ud800"]


@pytest.mark.parametrize("title", HOSTILE_TITLES, ids=["flood", "direction mark", "half a pair"])
def test_a_title_that_cannot_be_used_gives_way_and_is_told(title: str) -> None:
    record = a_record(described=a_description(title=title))

    assert record.title == "Nuclei, plate 7"
    assert "title from profile is not used" in record.problems[0]
    assert missing(record) == ("problems",)


@pytest.mark.parametrize(
    "fields",
    [
        {"objective": 7, "pixel_size_um": "wide", "channels": "DAPI"},
        {"objective": "\u202e", "pixel_size_um": -1, "channels": [1, None, "\x00"]},
        {"pixel_size_um": 1e308, "channels": [["x"]], "z_levels": True, "time_points": 0.5},
        {"channels": ["c" * 100_000] * 500},
    ],
)
def test_an_instrument_that_writes_nonsense_leaves_fields_out(fields: dict[str, Any]) -> None:
    imaging = a_record(described=a_description(fields=fields)).imaging

    assert imaging is not None
    assert imaging.objective is None
    assert imaging.pixel_size_um is None
    assert len(imaging.channels) <= 200


def test_creators_are_cleaned_wherever_they_come_from() -> None:
    creators = (Creator(name="Eve \u202ekcirt", affiliation="A\x07B"),)

    assert a_record(project=a_project(creators=creators)).creators[0].name == "Eve kcirt"
    assert a_record(project=a_project(creators=creators)).creators[0].affiliation == "AB"


def test_a_licence_that_is_on_no_list_is_missing_and_told() -> None:
    record = a_record(project=a_project(licence="My-Licence-1"))

    assert record.licence is None
    assert missing(record) == ("licence", "problems")


def test_what_a_steward_said_goes_on_to_the_next_version() -> None:
    first = a_record(steward=Given(title="Said once", human_data=HumanData.NO))

    again = a_record(steward=joined(Given(publisher="New"), steward_said(first)))

    assert again.title == "Said once"
    assert again.publisher == "New"
    assert again.origins["title"] is Origin.STEWARD
    assert steward_said(a_record()) == Given()


def test_a_record_survives_its_own_json() -> None:
    record = a_record()

    assert MetadataRecord.model_validate(record.model_dump(mode="json")) == record


def test_a_version_that_was_not_measured_is_not_described() -> None:
    with pytest.raises(IllegalTransition, match="manifest"):
        a_record(version=a_version(manifest_digest=None))
