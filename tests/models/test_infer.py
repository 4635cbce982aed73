"""A model's labels become a dataset of their own, whatever dies on the way, and nothing else changes."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import (
    CisternaError,
    Conflict,
    IllegalTransition,
    InferenceUnavailable,
    InvalidInput,
    LeaseLost,
    NotFound,
    StoreUnavailable,
)
from cisterna.domain.work import Attempt
from cisterna.services.data_manifest import load_manifest
from cisterna.services.infer import COUNTS_PATH, infer_version, label_path
from cisterna.services.staging import read_staged
from cisterna.testing.bright_runner import BrightRunner, make_card
from cisterna.testing.clock import SettableClock
from cisterna.testing.inference_contract import as_tiff, field_of_discs
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility
from tests.archive.test_kill import Killed, KillingCatalogue

FORMULA = "=HYPERLINK(1)"
RUN = {
    "0/A1_0_DAPI.tiff": as_tiff(field_of_discs()),
    "0/A1_1_DAPI.tiff": as_tiff(np.zeros((90, 90), np.uint16)),
    "0/A1_2_DAPI.tiff": b"II*\0 a header and no image",
    "0/A1_0_BF.tiff": as_tiff(field_of_discs()),
    f"0/{FORMULA}_0_DAPI.tiff": as_tiff(field_of_discs(140)),
    "0/notes.txt": b"notes",
}
GIVEN = 4
OBJECTS = 3


@pytest.fixture
def facility(catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    """Give a facility whose store is in memory."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing, image_limit_bytes=2**20)


def archived(facility: Facility, run: str = "run", files: dict[str, bytes] | None = None, **fields: Any) -> Version:
    facility.write(run, RUN if files is None else files)
    version = facility.detect(run, **fields)
    facility.ingest(version.version_id)
    return facility.version(version.version_id)


def infer(facility: Facility, source: Version, runner: BrightRunner, lease: Attempt, **options: Any) -> Version:
    return infer_version(
        source.version_id,
        "bright",
        lease=lease,
        catalogue=facility.catalogue,
        store=facility.store,
        inference=runner,
        tables=facility.tables,
        clock=facility.clock,
        **options,
    )


def runner(**options: Any) -> BrightRunner:
    return BrightRunner([make_card()], **options)


def dataset_of(facility: Facility, version: Version) -> Dataset:
    with facility.catalogue.begin() as tx:
        return tx.datasets.get(version.dataset_id)


def derived(facility: Facility) -> list[Dataset]:
    with facility.catalogue.begin() as tx:
        return [dataset for dataset in tx.datasets.list() if dataset.data_type == "labels"]


def files_of(facility: Facility, version: Version) -> dict[str, bytes]:
    """Give the derived data files, by path, as its manifest says."""
    dataset = dataset_of(facility, version)
    body = read_staged(version, "provenance/manifest.parquet", dataset=dataset, store=facility.store)
    manifest = load_manifest(body, tables=facility.tables)
    assert manifest.digest == version.manifest_digest
    return {one.path: facility.store.get(f"{dataset.object_root}/{one.content_path}")[0] for one in manifest.files}


def metrics_of(facility: Facility, version: Version) -> dict[str, list[object]]:
    body = read_staged(version, "quality/metrics.parquet", dataset=dataset_of(facility, version), store=facility.store)
    return {name: list(values) for name, values in facility.tables.load(body).items()}


def keys(facility: Facility) -> set[str]:
    return {one.key for one in facility.store.list("")}


def require_no_orphans(facility: Facility, version: Version) -> None:
    """Every key of the derived object is one that its staged files or its manifest name."""
    dataset = dataset_of(facility, version)
    body = read_staged(version, "provenance/manifest.parquet", dataset=dataset, store=facility.store)
    named = {one.content_path for one in load_manifest(body, tables=facility.tables).files}
    named |= {one.content_path for one in version.staged.values()}
    found = {
        key.removeprefix(f"{dataset.object_root}/") for key in keys(facility) if key.startswith(dataset.object_root)
    }
    assert found == named
    assert not list(facility.store.unfinished_uploads(""))


def test_labels_and_counts_become_a_dataset_derived_from_the_version(facility: Facility) -> None:
    source = archived(facility)

    version = infer(facility, source, runner(), facility.lease(), submitter="rosa", cause="to count them")

    dataset = dataset_of(facility, version)
    assert (version.stage, version.label) == (Stage.MEASURED, "v1")
    assert (version.submitter, version.cause) == ("rosa", "to count them")
    assert dataset.model == "bright@1.0"
    assert (dataset.data_type, dataset.project) == ("labels", "cells")
    assert [(one.kind, one.dataset_id, one.version) for one in dataset.relations] == [
        ("IsDerivedFrom", source.dataset_id, "v1")
    ]
    assert dataset.pid != dataset_of(facility, source).pid
    files = files_of(facility, version)
    first = label_path("0/A1_0_DAPI.tiff")
    assert set(files) == {COUNTS_PATH, first, label_path("0/A1_1_DAPI.tiff"), label_path(f"0/{FORMULA}_0_DAPI.tiff")}
    assert np.unique(tifffile.imread(io.BytesIO(files[first]))).tolist() == [0, 1, 2, 3]
    assert (version.file_count, version.total_bytes) == (4, sum(map(len, files.values())))
    require_no_orphans(facility, version)


def test_a_model_sees_only_readable_images_of_its_channels(facility: Facility) -> None:
    asked = runner()

    infer(facility, archived(facility), asked, facility.lease())

    assert sorted(asked.segmented) == sorted(path for path in RUN if path.endswith("_DAPI.tiff"))
    assert len(asked.segmented) == GIVEN


def test_an_image_that_does_not_fit_is_a_row_with_its_problem_and_the_others_are_done(facility: Facility) -> None:
    version = infer(facility, archived(facility), runner(), facility.lease())

    metrics = metrics_of(facility, version)
    by_image = dict(zip(metrics["image"], zip(metrics["object_count"], metrics["problem"], strict=True), strict=True))
    assert by_image["0/A1_0_DAPI.tiff"] == (OBJECTS, None)
    assert by_image["0/A1_1_DAPI.tiff"] == (0, None)
    count, problem = by_image["0/A1_2_DAPI.tiff"]
    assert count is None
    assert "0/A1_2_DAPI.tiff" in str(problem)


def test_counts_are_rfc_4180_and_no_spreadsheet_runs_them(facility: Facility) -> None:
    hostile = {**RUN, '0/A1 "quoted", yes_7_DAPI.tiff': as_tiff(field_of_discs()), "0/  @SUM_0_DAPI.tiff": b"II*\0"}
    version = infer(facility, archived(facility, files=hostile), runner(), facility.lease())

    body = files_of(facility, version)[COUNTS_PATH].decode("utf-8")

    assert body.endswith("\r\n")
    assert body.count("\r\n") == body.count("\n") == len(hostile) - 1  # a header, and neither the notes nor BF
    rows = list(csv.DictReader(io.StringIO(body, newline=""), strict=True))
    assert list(rows[0]) == [
        "image", "labels", "region", "field", "channel", "z", "t", "object_count", "area_px_mean", "problem",
    ]  # fmt: skip
    assert {row["image"] for row in rows} == {path for path in hostile if path.endswith("_DAPI.tiff")}
    for row in rows:
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row.values())
        assert bool(row["labels"]) != bool(row["problem"])
    assert f"'{FORMULA}" in {row["region"] for row in rows}


def test_images_whose_names_differ_only_in_their_ending_keep_labels_of_their_own() -> None:
    paths = ["a/b.tif", "a/b.tiff", "a/b", "a/b.ome.tiff", "b.tif", "labels/a/b.tif"]

    assert len({label_path(path) for path in paths}) == len(paths)


def test_a_second_run_finds_the_first_ones_result_and_asks_no_model(facility: Facility) -> None:
    source = archived(facility)
    first = infer(facility, source, runner(), facility.lease())
    before, again = keys(facility), runner()

    second = infer(facility, source, again, facility.lease(), submitter="sten")

    assert second == first
    assert again.segmented == []
    assert keys(facility) == before
    assert len(derived(facility)) == 1


def test_another_package_makes_another_dataset(facility: Facility) -> None:
    source = archived(facility)
    first = infer(facility, source, runner(), facility.lease())

    other = infer(facility, source, BrightRunner([make_card(sha256="f" * 64)]), facility.lease())

    assert other.dataset_id != first.dataset_id
    assert len(derived(facility)) == 2


def test_its_stages_are_told_once_each_and_in_order(facility: Facility) -> None:
    version = infer(facility, archived(facility), runner(), facility.lease())

    with facility.catalogue.begin() as tx:
        events = tx.outbox.history([version.version_id])
    assert [(event.data["from"], event.data["stage"]) for event in events] == [
        (None, "detected"),
        ("detected", "measured"),
    ]
    assert {event.data.get("model") for event in events} == {"bright@1.0"}


def test_what_is_made_from_something_restricted_is_not_told_in_the_open(facility: Facility) -> None:
    """The project is open; the source's own record is not, and nobody has described the derived version yet."""
    source = archived(facility)
    with facility.catalogue.begin() as tx:
        now = tx.datasets.get_version(source.version_id)
        tx.datasets.save_version(now.model_copy(update={"metadata": {"human_data": "yes", "access": "restricted"}}))

    version = infer(facility, source, runner(), facility.lease())

    with facility.catalogue.begin() as tx:
        assert [event.restricted for event in tx.outbox.history([version.version_id])] == [True, True]


@pytest.mark.parametrize("stage", [Stage.DETECTED, Stage.MEASURED, Stage.GATED, Stage.DESCRIBED, Stage.WITHDRAWN])
def test_what_is_not_archived_or_withdrawn_is_not_read(facility: Facility, stage: Stage) -> None:
    facility.write("run", RUN)
    version = facility.detect("run", stage=stage)

    with pytest.raises(IllegalTransition, match=stage.value):
        infer(facility, version, runner(), facility.lease())
    assert derived(facility) == []


@pytest.mark.parametrize(
    "files", [{"0/A1_0_BF.tiff": RUN["0/A1_0_BF.tiff"]}, {"0/A1_0_DAPI.tiff": b"bad"}], ids=["bf", "bad"]
)
def test_a_version_without_an_image_for_the_model_is_refused_and_nothing_is_opened(
    facility: Facility, files: dict[str, bytes]
) -> None:
    source = archived(facility, files={**files, "notes.txt": b"notes"})

    with pytest.raises(InvalidInput, match="no readable image of a channel"):
        infer(facility, source, runner(), facility.lease())
    assert derived(facility) == []


def test_a_model_or_version_that_is_not_there_is_not_found(facility: Facility) -> None:
    source = archived(facility)

    with pytest.raises(NotFound):
        infer(facility, source, BrightRunner([make_card("other")]), facility.lease())
    with pytest.raises(NotFound):
        infer(facility, source.model_copy(update={"version_id": "ds-none:v1"}), runner(), facility.lease())


def test_channels_that_are_no_pattern_are_refused(facility: Facility) -> None:
    with pytest.raises(InvalidInput, match="no pattern"):
        infer(facility, archived(facility), BrightRunner([make_card(channels="(")]), facility.lease())


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda asked: setattr(asked, "unavailable", 1), InferenceUnavailable),
        (lambda asked: asked.admitted.update(bright=make_card(sha256="f" * 64)), Conflict),
    ],
    ids=["no answer", "replaced"],
)
def test_a_process_or_package_that_goes_away_midway_leaves_nothing_staged_and_is_no_odd_image(
    facility: Facility, spoil: Callable[[BrightRunner], None], error: type[CisternaError]
) -> None:
    source, before = archived(facility), set[str]()
    before = keys(facility)
    asked = runner()
    asked.before = lambda path: spoil(asked) if path == "0/A1_1_DAPI.tiff" else None

    with pytest.raises(error):
        infer(facility, source, asked, facility.lease())

    assert keys(facility) == before
    version = infer(facility, source, runner(), facility.lease())
    assert version.stage is Stage.MEASURED
    require_no_orphans(facility, version)


def test_whoever_lost_the_lease_writes_nothing(facility: Facility) -> None:
    source = archived(facility)
    before, lease = keys(facility), facility.lease()
    facility.lease()  # somebody else has it now

    with pytest.raises(LeaseLost):
        infer(facility, source, runner(), lease)

    assert derived(facility) == []
    assert keys(facility) == before


@pytest.mark.parametrize("path", ["0/A1_0_DAPI.tiff", "0/A1_2_DAPI.tiff"])
def test_a_lease_lost_midway_stops_the_work_and_the_next_worker_ends_it(facility: Facility, path: str) -> None:
    source, lease = archived(facility), facility.lease()
    before = keys(facility)
    asked = runner(before=lambda seen: facility.lease() if seen == path else None)  # type: ignore[arg-type, return-value]

    with pytest.raises(LeaseLost):
        infer(facility, source, asked, lease)

    assert keys(facility) == before
    assert asked.segmented[-1] == path  # it looked at its lease before the next image
    version = infer(facility, source, runner(), facility.lease())
    assert version.stage is Stage.MEASURED
    require_no_orphans(facility, version)


def final_state(facility: Facility, version: Version) -> tuple[dict[str, bytes], dict[str, list[object]], int]:
    return files_of(facility, version), metrics_of(facility, version), len(derived(facility))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("death", [Killed, StoreUnavailable], ids=["kill", "store fails"])
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(
    facility: Facility, death: type[BaseException], *, after: bool
) -> None:
    reference = infer(facility, archived(facility, "reference"), runner(), facility.lease())
    expected_files, expected_metrics, _ = final_state(facility, reference)

    step, fired = 0, True
    while fired:
        step += 1
        facility.store = MemoryStore()
        source = archived(facility, f"run-{step}")
        fault = facility.store.fail_on(WRITES, nth=step, after=after, error=death("at this step"))
        with contextlib.suppress(Killed, StoreUnavailable):
            infer(facility, source, runner(), facility.lease())
        fired = fault.fired > 0
        facility.store.heal()

        version = infer(facility, source, runner(), facility.lease())

        files, metrics, count = final_state(facility, version)
        assert (files, metrics, count) == (expected_files, expected_metrics, step + 1)
        require_no_orphans(facility, version)
    assert step > 6  # three label images, counts, three tables


@pytest.mark.parametrize("after", [False, True], ids=["before commit", "after commit"])
def test_a_second_worker_finishes_what_any_transaction_interrupted(facility: Facility, *, after: bool) -> None:
    whole, killing = facility.catalogue, KillingCatalogue(facility.catalogue)
    step, was_killed = 0, True
    while was_killed:
        step += 1
        source, lease = archived(facility, f"run-{step}"), facility.lease()
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, after
        was_killed = False
        try:
            infer(facility, source, runner(), lease)
        except Killed:
            was_killed = True
        facility.catalogue = whole

        version = infer(facility, source, runner(), facility.lease())

        assert version.stage is Stage.MEASURED
        require_no_orphans(facility, version)
        with facility.catalogue.begin() as tx:
            stages = [event.data["stage"] for event in tx.outbox.history([version.version_id])]
        assert stages == ["detected", "measured"]
    assert step > 3


def test_a_derived_version_goes_the_whole_way_into_an_object_of_its_own(facility: Facility) -> None:
    source = archived(facility)
    before = facility.keys(source.version_id)
    lease = facility.lease()
    version = infer(facility, source, runner(), lease)

    facility.describe(version.version_id, lease)
    facility.archive(version.version_id, lease)
    receipt = facility.verify(version.version_id, lease)

    assert receipt.files_read > GIVEN
    assert facility.keys(source.version_id) == before
    again = infer(facility, source, runner(), facility.lease())
    assert again.stage is Stage.VERIFIED
