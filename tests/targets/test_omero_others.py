"""An OMERO in which other people have things too: what Cisterna may touch there, and what it leaves and says."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import ReviewPending, TargetRefused, TargetUnavailable
from cisterna.ports.target import DepositRequest
from cisterna.testing.fault_proxy import Effect, Rule
from cisterna.testing.omero_server import GROUP, OTHER_GROUP, OTHER_USER
from cisterna.testing.outside_server import Fault, said
from cisterna.testing.target_request import FILES, REASON, MemoryBytes, deposit_request, tombstone_of
from tests.targets.omero_stage import ZARR, OmeroStage, called, label


@pytest.fixture
def stage(stack: ExitStack, tmp_path: Path) -> OmeroStage:
    return OmeroStage(stack, tmp_path, images="in-place", folder="/srv/omero/data")


def begin_withdrawal(stage: OmeroStage, request: DepositRequest) -> str:
    """Withdraw what images are of, and return what it says that is in the way."""
    with pytest.raises(ReviewPending) as pending:
        stage.plain.withdraw(tombstone_of(request), known=None, reason=REASON)
    return str(pending.value)


def test_a_withdrawal_deletes_the_images_that_it_brought_and_no_others(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    (ours,) = stage.server.images
    dataset, omero = int(done.outside_id), stage.server
    theirs = {
        omero.import_image(dataset, "my own.tif", owner=OTHER_USER),
        omero.import_image(dataset, called("data/0/A1 0.tiff", request), owner=OTHER_USER),
        omero.import_image(dataset, "renamed by hand"),
        omero.import_image(dataset, called("data/0/A1 0.tiff", deposit_request("omero", number=2))),
    }

    words = begin_withdrawal(stage, request)

    (script,) = stage.lists.glob("*/*")
    assert f"omero delete --force Image:{ours} " in script.read_text("utf-8")
    assert "Dataset" not in script.read_text("utf-8")
    assert "1 images of it are to be seen" in words
    assert "4 images there are not of it and stay" in words
    stage.operator()
    assert set(omero.images) == theirs
    gone = stage.plain.withdraw(tombstone_of(request), known=done, reason=REASON)
    assert gone is not None
    assert gone.state is DepositState.WITHDRAWN
    assert gone.remark == (
        f"dataset {dataset} stays at OMERO and says that it was withdrawn: it holds 4 images that are not of it"
    )
    assert omero.datasets[dataset]["Name"] == "Withdrawn: Nuclei of plate (v1)"
    assert {image for where, image in omero.places if where == dataset} == theirs
    assert list(stage.lists.glob("*/*")) == []


def test_a_dataset_that_was_kept_for_others_images_is_deleted_once_they_have_gone(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    theirs = stage.server.import_image(int(done.outside_id), "my own.tif", owner=OTHER_USER)
    kept = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)
    stage.server.delete_images([theirs])

    gone = stage.target.withdraw(tombstone_of(request), known=kept, reason=REASON)

    assert gone is not None
    assert gone.remark is None
    assert stage.server.datasets == {}


def test_images_that_people_took_elsewhere_are_withdrawn_there_too(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    (ours,) = stage.server.images
    theirs = stage.server.add_dataset("My favourites", "", owner=OTHER_USER)
    stage.server.places = {(theirs, ours)}

    words = begin_withdrawal(stage, request)

    assert "1 images of it are to be seen" in words
    stage.operator()
    gone = stage.plain.withdraw(tombstone_of(request), known=done, reason=REASON)
    assert gone is not None
    assert stage.server.images == {}
    assert set(stage.server.datasets) == {theirs}


def test_images_that_people_took_elsewhere_are_withdrawn_also_when_the_dataset_is_gone(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.server.places, stage.server.datasets = set(), {}

    with pytest.raises(ReviewPending, match="1 images of it are to be seen"):
        stage.plain.withdraw(tombstone_of(request), known=done, reason=REASON)


def test_every_dataset_that_says_it_is_the_version_is_withdrawn(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    held = stage.server.datasets[int(done.outside_id)]
    stage.server.add_dataset(held["Name"], held["Description"])

    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert gone is not None
    assert gone.outside_id == done.outside_id
    assert stage.server.datasets == {}


def test_images_of_one_file_are_deleted_together_and_many_in_commands_of_bounded_length(stage: OmeroStage) -> None:
    bodies = {f"data/{number}.czi": b"" for number in range(3)}
    request = deposit_request("omero", bodies=bodies)
    with pytest.raises(ReviewPending):
        stage.plain.deposit(request, known=None, files=MemoryBytes(bodies))
    for scene in range(400):
        for number in range(3):
            name = f"{called(f'data/{number}.czi', request)} [scene {scene}]"
            stage.server.import_image(1, name, fileset=number + 1)
    done = stage.plain.deposit(request, known=None, files=MemoryBytes(bodies))
    assert done.remark is not None
    assert done.remark.endswith("shows 3 of 3 images")

    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert gone is not None
    assert stage.server.images == {}


def test_images_of_others_do_not_count_as_shown_and_are_told(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    with pytest.raises(ReviewPending):
        stage.plain.deposit(request, known=None, files=FILES)
    stage.server.import_image(1, called("data/0/A1 0.tiff", request), owner=OTHER_USER)
    stage.server.import_image(1, "data/0/A1 0.tiff")

    with pytest.raises(ReviewPending, match="0 of 1 images") as pending:
        stage.plain.deposit(request, known=None, files=FILES)

    assert "1 that another account imported do not count: log in as cisterna" in str(pending.value)


def test_images_that_were_imported_twice_are_told(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    stage.target.deposit(request, known=None, files=FILES)
    stage.server.import_image(1, called("data/0/A1 0.tiff", request))

    again = stage.plain.deposit(request, known=None, files=FILES)

    assert again.remark is not None
    assert again.remark.endswith("shows 1 of 1 images; 1 of them more than once")


def test_a_changed_description_takes_a_dataset_out_of_nobodys_project(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    dataset = int(done.outside_id)
    stage.server.projects[77], stage.server.project_groups[77] = {dataset}, GROUP
    with_doi = deposit_request("omero", doi="10.1234/abc")

    stage.plain.deposit(with_doi, known=done, files=FILES)

    assert "https://doi.org/10.1234/abc" in stage.server.datasets[dataset]["Description"]
    assert stage.server.projects == {3: {dataset}, 77: {dataset}}


@pytest.mark.parametrize("skip", range(3, 7))
def test_a_change_that_breaks_off_anywhere_takes_a_dataset_out_of_nobodys_project(stage: OmeroStage, skip: int) -> None:
    done = stage.target.deposit(deposit_request("omero"), known=None, files=FILES)
    dataset = int(done.outside_id)
    stage.server.projects[77], stage.server.project_groups[77] = {dataset}, GROUP
    stage.strike(Fault.LOST, skip=skip)

    try:
        stage.plain.deposit(deposit_request("omero", doi="10.1234/abc"), known=done, files=FILES)
    except TargetUnavailable:
        stage.heal()

    assert stage.server.projects[77] == {dataset}


def test_a_dataset_in_a_group_that_is_not_the_accounts_own_is_changed_there(stack: ExitStack, tmp_path: Path) -> None:
    stage = OmeroStage(stack, tmp_path, images="none", group=OTHER_GROUP, project=None)
    stage.server.groups.append(OTHER_GROUP)
    done = stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)

    stage.plain.deposit(deposit_request("omero", doi="10.1234/abc"), known=done, files=FILES)

    held = stage.server.datasets[int(done.outside_id)]
    assert held["omero:details"]["group"]["@id"] == OTHER_GROUP
    assert "https://doi.org/10.1234/abc" in held["Description"]


def test_a_project_of_another_group_takes_no_dataset_and_that_is_said(stage: OmeroStage) -> None:
    stage.server.project_groups[3] = OTHER_GROUP
    stage.server.groups.append(OTHER_GROUP)

    looked = stage.plain.test()
    with pytest.raises(TargetRefused, match="does not take dataset 1 into project 3"):
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)

    assert (looked.is_usable, f"is of group {OTHER_GROUP}" in looked.words) == (False, True)


def test_an_account_that_lost_its_group_takes_nothing_for_gone(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.server.groups[:] = [OTHER_GROUP]
    elsewhere = stage.with_group(GROUP)

    with pytest.raises(TargetRefused, match="is not in its group 5"):
        elsewhere.withdraw(tombstone_of(request), known=done, reason=REASON)
    with pytest.raises(TargetRefused, match="is not in its group 5"):
        elsewhere.deposit(request, known=done, files=FILES)

    assert len(stage.server.datasets) == 1


def test_a_dataset_with_the_same_words_in_another_group_or_of_another_account_is_left_alone(
    stage: OmeroStage,
) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    held = dict(stage.server.datasets[int(done.outside_id)])
    stage.server.groups.append(OTHER_GROUP)
    strange = [
        stage.server.add_dataset(held["Name"], held["Description"], owner=owner, group=group)
        for owner, group in ((OTHER_USER, GROUP), (OTHER_USER, OTHER_GROUP))
    ]

    stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert sorted(stage.server.datasets) == strange
    assert {one["Description"] for one in stage.server.datasets.values()} == {held["Description"]}


def test_images_that_differ_by_capitals_alone_are_all_seen_over_several_pages(stage: OmeroStage) -> None:
    bodies = {f"data/{name}.tif": b"" for name in ("a", "A", "b", "B")}
    request = deposit_request("omero", bodies=bodies)
    stage.server.page_most = 3

    done = stage.target.deposit(request, known=None, files=MemoryBytes(bodies))

    assert done.remark is not None
    assert done.remark.endswith("shows 4 of 4 images")


def test_a_list_that_names_the_same_images_again_and_again_is_read_no_further(stage: OmeroStage) -> None:
    details = {"owner": {"@id": 7}, "group": {"@id": GROUP}}
    same = said(200, {"data": [{"@id": 9, "Name": "a", "omero:details": details}], "meta": {"totalCount": 3}})
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: same, times=99, when=lambda asked: "/images/" in asked.path))

    with pytest.raises(TargetUnavailable, match="changed while it was read"):
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)


def test_a_name_of_any_length_from_the_server_costs_no_memory(stage: OmeroStage) -> None:
    request = deposit_request("omero", bodies=ZARR)
    with pytest.raises(ReviewPending):
        stage.plain.deposit(request, known=None, files=MemoryBytes(ZARR))
    stage.server.import_image(1, f" ({label(request)}) [" * 20_000)

    with pytest.raises(ReviewPending, match="0 of 2 images"):
        stage.plain.deposit(request, known=None, files=MemoryBytes(ZARR))
