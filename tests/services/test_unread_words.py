"""What a stored description cannot tell any more is never taken for leave: it holds until somebody says it anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Version
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.record import Given, MetadataRecord, read_record
from cisterna.services.publish import bars_to_publication
from cisterna.testing.clock import SettableClock
from tests.services.test_describe import Bench
from tests.services.world import FILES, add_version

UNREADABLE: list[dict[str, JsonValue]] = [{"schema_version": 9}, {"access": "ajar"}, {"dates": None}]


def stored_as(bench: Bench, version: Version, **changes: JsonValue) -> Version:
    """Keep a description as rules of another day left it."""
    with bench.catalogue.begin() as tx:
        kept = tx.datasets.get_version(version.version_id)
        return tx.datasets.save_version(kept.model_copy(update={"metadata": {**(kept.metadata or {}), **changes}}))


def next_version(bench: Bench, number: int = 2) -> Version:
    files = {**FILES, f"new-{number}.txt": b"new"}
    return add_version(
        bench.catalogue, bench.clock, bench.store, acquisition=bench.acquisition, files=files, number=number
    )


def described(bench: Bench, version: Version, **more: Any) -> MetadataRecord:
    return read_record(bench.describe(version, **more).metadata or {})


@pytest.mark.parametrize("changes", UNREADABLE, ids=["later-schema", "unknown-access", "no-dates"])
def test_a_description_that_cannot_be_read_may_have_closed_the_data_and_closes_the_next_one(
    catalogue: SqlCatalogue, clock: SettableClock, changes: dict[str, JsonValue]
) -> None:
    bench = Bench(catalogue, clock)
    first = bench.describe(edits=Given(access=Access.OPEN, human_data=HumanData.NO))
    second = bench.describe(next_version(bench), edits=Given(access=Access.CLOSED, human_data=HumanData.YES))
    stored_as(bench, second, **changes)

    third = described(bench, next_version(bench, 3))
    fourth = described(bench, next_version(bench, 4))

    assert first.metadata is not None
    assert [(one.access, one.human_data) for one in (third, fourth)] == [(Access.CLOSED, HumanData.UNANSWERED)] * 2
    assert third.problems[0].startswith("what stewards said of v2 cannot be read")
    assert "say access and human_data anew" in third.problems[0]


def test_a_steward_may_say_anew_what_cannot_be_read(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    stored_as(bench, bench.describe(edits=Given(access=Access.CLOSED)), schema_version=9)

    record = described(bench, next_version(bench), edits=Given(access=Access.OPEN, human_data=HumanData.NO))

    assert (record.access, record.human_data, record.problems) == (Access.OPEN, HumanData.NO, ())


def test_a_licence_of_a_stewards_that_is_not_taken_any_more_is_not_changed_for_the_projects_in_silence(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    stored_as(bench, bench.describe(edits=Given(licence="CC-BY-NC-ND-4.0")), licence="FARM-PRIVATE-1")

    second = described(bench, next_version(bench))
    third = described(bench, next_version(bench, 3))
    fourth = described(bench, next_version(bench, 4), edits=Given(licence="CC0-1.0"))

    told = "licence 'FARM-PRIVATE-1' was stored and is not taken any more; say another"
    assert (second.licence, second.problems) == (None, (told,))
    assert (third.licence, third.problems) == (None, (told,))
    assert (fourth.licence, fourth.problems) == ("CC0-1.0", ())


def test_what_is_left_out_of_a_stewards_list_is_told_until_somebody_says_the_list_anew(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    stored_as(bench, bench.describe(edits=Given(keywords=("nuclei", "brain"))), keywords=["nuclei", " " * 300])

    second = described(bench, next_version(bench))
    third = described(bench, next_version(bench, 3), edits=Given(keywords=("nuclei", "mouse")))

    assert second.keywords == ("nuclei",)
    assert len(second.problems) == 1
    assert (third.keywords, third.problems) == (("nuclei", "mouse"), ())


def test_what_is_made_of_data_whose_licence_cannot_be_read_takes_no_other_one(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    source = stored_as(bench, bench.describe(edits=Given(licence="CC-BY-NC-ND-4.0")), licence="FARM-PRIVATE-1")
    made = add_version(catalogue, clock, bench.store, acquisition=None, source=source)

    record = described(bench, made, profile=None)

    assert record.licence is None
    assert "of what it was made from, licence 'FARM-PRIVATE-1' was stored" in record.problems[0]


def test_what_the_project_said_and_is_not_taken_any_more_is_as_the_project_says_now(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    stored_as(bench, first := bench.describe(), licence="FARM-PRIVATE-1")

    record = described(bench, next_version(bench))

    assert record.licence == (first.metadata or {})["licence"]
    assert record.problems == ()


def test_an_end_of_an_embargo_that_nobody_can_read_is_not_taken_for_the_projects_earlier_one(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    soon, late = clock.now().date() + timedelta(days=10), clock.now().date() + timedelta(days=900)
    bench = Bench(catalogue, clock, access=Access.EMBARGOED, embargo_until=soon)
    stored_as(bench, bench.describe(edits=Given(embargo_until=late)), embargo_until="0000-00-00")

    second = described(bench, next_version(bench))
    third = described(bench, next_version(bench, 3), edits=Given(embargo_until=late))
    fourth = described(bench, next_version(bench, 4), edits=Given(access=Access.OPEN))

    assert [one.access for one in (second, third, fourth)] == [Access.EMBARGOED, Access.EMBARGOED, Access.OPEN]
    assert [one.embargo_until for one in (second, third, fourth)] == [None, late, None]
    assert [len(one.problems) for one in (second, third, fourth)] == [1, 0, 0]


def test_a_version_whose_record_cannot_be_read_says_what_bars_it_and_what_to_do(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    version = stored_as(bench, bench.describe(), schema_version=9)

    bars = bars_to_publication(version.version_id, person="ada", catalogue=catalogue, clock=clock)

    told = next(one for one in bars if "cannot be read" in one.condition)
    assert "of a later version of Cisterna" in told.condition
    assert told.remedy == "describe it anew"
