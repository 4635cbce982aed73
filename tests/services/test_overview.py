"""The rows that the command line, the API and the pages share."""

from __future__ import annotations

import json

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import ORDER, Stage, Version
from cisterna.domain.errors import NotFound
from cisterna.services.detail import detail_of
from cisterna.services.overview import Overview, list_overviews, overview_of
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_version
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def row_of(site: Site, version: Version) -> Overview:
    return overview_of(version.dataset_id, catalogue=site.catalogue, bucket="cisterna-archive")


@pytest.mark.parametrize("stage", ORDER[: ORDER.index(Stage.IN_REVIEW) + 1])
def test_pid_and_object_are_there_from_the_stage_that_makes_them(site: Site, stage: Stage) -> None:
    version = site.lay_version("plate-7", stage=stage)

    row = row_of(site, version)

    dataset = site.dataset(version)
    is_described = ORDER.index(stage) >= ORDER.index(Stage.DESCRIBED)
    is_archived = ORDER.index(stage) >= ORDER.index(Stage.ARCHIVED)
    assert row.pid == (dataset.pid if is_described else None)
    assert row.object_url == (f"s3://cisterna-archive/{dataset.object_root}" if is_archived else None)
    assert row.stage is stage


def test_a_second_version_on_its_way_does_not_hide_that_the_first_is_archived(site: Site) -> None:
    version = site.lay_version("plate-7")
    with site.catalogue.begin() as tx:
        tx.datasets.add_version(make_version(site.dataset(version), number=2))

    row = row_of(site, version)

    assert (row.version, row.stage) == ("v2", Stage.DETECTED)
    assert row.pid == site.dataset(version).pid
    assert row.object_url is not None


def test_the_reason_says_why_it_is_held_else_what_the_gate_said_else_what_was_seen(site: Site) -> None:
    held = site.lay_acquisition("a", held="a symlink", reason="complete", state=AcquisitionState.COMPLETE)
    seen = site.lay_acquisition("b", reason="17 of 48 images are there")
    judged = site.lay_version("c", reason="out of focus")

    reasons = [
        overview_of(name, catalogue=site.catalogue, bucket="b").reason
        for name in (held.acquisition_id, seen.acquisition_id, judged.dataset_id)
    ]

    assert reasons == ["a symlink", "17 of 48 images are there", "out of focus"]


def test_the_list_has_each_acquisition_once_and_each_derived_dataset(site: Site) -> None:
    source = site.lay_version("plate-7")
    derived = site.lay_version("labels", source=source, model="m@1")
    site.lay_acquisition("plate-9")

    rows = list_overviews(catalogue=site.catalogue, bucket="b")

    assert len(rows) == 3
    by_id = {row.dataset_id: row for row in rows}
    assert by_id[source.dataset_id].derived == (derived.dataset_id,)
    assert by_id[derived.dataset_id].derived_from == (source.dataset_id,)
    assert by_id[derived.dataset_id].acquisition_id is None


def test_one_row_is_the_same_alone_and_in_the_list(site: Site) -> None:
    published = site.lay_published("plate-7")
    site.lay_version("labels", source=published, model="m@1")

    for row in list_overviews(catalogue=site.catalogue, bucket="cisterna-archive"):
        assert overview_of(row.identifier, catalogue=site.catalogue, bucket="cisterna-archive") == row


def test_a_row_is_json_with_times_in_utc(site: Site) -> None:
    row = json.loads(row_of(site, site.lay_version("plate-7")).model_dump_json())

    assert row["changed_at"].endswith("Z")
    assert isinstance(row["total_bytes"], int)


@pytest.mark.parametrize(
    "name", ["", "x", "ds-unknown", "acq-unknown", "ark:/99999/unknown", "ds-1:v1", "ds-\x00", "'" * 999]
)
def test_an_unknown_name_is_not_found(site: Site, name: str) -> None:
    with pytest.raises(NotFound):
        overview_of(name, catalogue=site.catalogue, bucket="b")


def test_what_a_person_may_not_see_is_told_in_the_words_for_what_is_not_there(site: Site) -> None:
    secret = site.lay_version("secret", project="other")
    with site.catalogue.begin() as tx:
        stina = tx.accounts.find("stina")

    with pytest.raises(NotFound) as hidden:
        detail_of(secret.dataset_id, catalogue=site.catalogue, bucket="b", account=stina)
    with pytest.raises(NotFound) as missing:
        detail_of("ds-" + "0" * 26, catalogue=site.catalogue, bucket="b", account=stina)

    assert str(hidden.value).replace(secret.dataset_id, "") == str(missing.value).replace("ds-" + "0" * 26, "")


def test_relatives_of_another_project_are_left_out(site: Site) -> None:
    source = site.lay_version("secret", project="other")
    derived = site.lay_version("labels", source=source, project="atlas", model="m@1")
    with site.catalogue.begin() as tx:
        stina, sten = tx.accounts.find("stina"), tx.accounts.find("sten")

    def related(account: object) -> list[str]:
        found = detail_of(derived.dataset_id, catalogue=site.catalogue, bucket="b", account=account)
        return [row.title for row in found.related]

    assert related(stina) == []
    assert related(sten) == ["secret"]
