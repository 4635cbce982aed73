"""A model runs on what lies in parts, and labels too many for one object lie in parts as well."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import InferenceUnavailable, InvalidInput
from cisterna.domain.manifest import Manifest
from cisterna.services.infer import COUNTS_PATH, label_path
from cisterna.services.part_table import read_part_manifest
from cisterna.testing.bright_runner import BrightRunner
from cisterna.testing.clock import SettableClock
from cisterna.testing.inference_contract import as_tiff, field_of_discs
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility
from tests.archive.test_kill import Killed, KillingCatalogue
from tests.archive.test_parts import restore
from tests.archive.whole import require_no_strangers, require_whole
from tests.models.test_infer import archived, dataset_of, files_of, infer, keys, metrics_of, runner

DISCS = as_tiff(field_of_discs())
RUN = {
    **{f"{number}/A1_{number}_DAPI.tiff": DISCS for number in range(7)},
    "1/A1_1_DAPI.tiff-2.tiff": DISCS,
    "2/A1_8_DAPI.tiff": b"II*\0 a header and no image",
    "6/A1_9_DAPI.tiff": b"II*\0 a header and no image",
    "3/A1_3_BF.tiff": DISCS,
    "notes.txt": b"notes",
}
"""Nine images for the model's reading, of which two are none; the labels of one sort before those of its neighbour."""
LABELLED = sorted(path for path, body in RUN.items() if "DAPI" in path and body is DISCS)


@pytest.fixture
def facility(catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    """Give a facility whose store is in memory and whose objects take three files."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing, image_limit_bytes=2**20, most_files=3)


def finished(facility: Facility, version: Version) -> Version:
    """Take the derived version into the archive."""
    lease = facility.lease(version.version_id)
    facility.describe(version.version_id, lease)
    facility.archive(version.version_id, lease)
    facility.verify(version.version_id, lease)
    return facility.version(version.version_id)


def require_all(facility: Facility, version: Version) -> None:
    for identifier in (version.version_id, *(part.version_id for part in version.parts)):
        require_whole(facility, identifier)
    require_no_strangers(facility)


def test_few_labels_of_many_files_lie_in_one_object_and_are_those_of_the_run_in_one(facility: Facility) -> None:
    source = archived(facility, files=RUN)
    assert len(source.parts) == 4

    version = infer(facility, source, runner(), facility.lease())

    assert version.parts == ()
    made = files_of(facility, version)
    assert set(made) == {COUNTS_PATH, *(label_path(path) for path in LABELLED)}
    facility.most_files = 100
    other = infer(facility, archived(facility, "in-one", RUN), runner(), facility.lease())
    in_one = files_of(facility, other)
    assert sorted(in_one.pop(COUNTS_PATH).splitlines()) == sorted(made.pop(COUNTS_PATH).splitlines())
    assert in_one == made


def test_labels_that_are_too_many_for_one_object_lie_in_parts_with_the_counts_first(
    facility: Facility, tmp_path: Path
) -> None:
    source = archived(facility, files=RUN)
    whole = infer(facility, source, runner(), facility.lease())
    wanted = files_of(facility, whole)
    again = BrightRunner([runner().card("bright").model_copy(update={"sha256": "f" * 64})])

    version = finished(facility, infer(facility, source, again, facility.lease(), most_files=3))

    assert [part.file_count for part in version.parts] == [1, 3, 3, 2]
    assert [part.first for part in version.parts][:1] == [COUNTS_PATH]
    assert version.manifest_digest == whole.manifest_digest
    assert restore(facility, version, tmp_path / "out") == wanted
    assert len(again.segmented) == len(set(again.segmented)) == 10
    assert metrics_of(facility, version)["image"] == sorted(
        (path for path in RUN if "DAPI" in path), key=lambda path: label_path(path).encode()
    )
    rows = list(csv.DictReader(io.StringIO(wanted[COUNTS_PATH].decode(), newline="")))
    assert [row["labels"] == "" for row in rows].count(True) == 2
    assert dataset_of(facility, version).model == "bright@1.0"
    with facility.catalogue.begin() as tx:
        for part in version.parts:
            assert all(event.restricted for event in tx.outbox.history([part.version_id]))
            assert tx.datasets.receipts(part.version_id)
    require_all(facility, version)


def test_labels_of_no_image_at_all_are_no_dataset_in_parts(facility: Facility) -> None:
    odd = {f"{number}/A1_{number}_DAPI.tiff": b"II*\0 a header and no image" for number in range(5)}
    source = archived(facility, files=odd)

    with pytest.raises(InvalidInput, match="labels of no image"):
        infer(facility, source, runner(), facility.lease(), most_files=3)


def test_a_model_that_goes_away_midway_is_not_asked_again_for_the_parts_that_are_there(facility: Facility) -> None:
    source = archived(facility, files=RUN)
    asked = runner()
    asked.before = lambda path: setattr(asked, "unavailable", 1) if path == LABELLED[4] else None
    with pytest.raises(InferenceUnavailable):
        infer(facility, source, asked, facility.lease(), most_files=3)

    again = runner()
    version = finished(facility, infer(facility, source, again, facility.lease(), most_files=3))

    assert LABELLED[0] not in again.segmented
    assert version.stage is Stage.VERIFIED
    require_all(facility, version)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.torture
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(facility: Facility, *, after: bool) -> None:
    step, was_killed = 0, True
    while was_killed:
        step += 4
        facility.store = store = MemoryStore()
        source = archived(facility, f"run-{step}", RUN)
        lease = facility.lease()
        fault = store.fail_on(WRITES, nth=step, after=after, error=Killed())
        with suppress(Killed):
            infer(facility, source, runner(), lease, most_files=3)
        was_killed = fault.fired > 0
        store.heal()

        version = finished(facility, infer(facility, source, runner(), facility.lease(), most_files=3))

        assert [part.file_count for part in version.parts] == [1, 3, 3, 2], f"step {step}"
        require_all(facility, version)
    assert step > 40


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_second_worker_finishes_what_any_transaction_interrupted(facility: Facility) -> None:
    killing, whole = KillingCatalogue(facility.catalogue), facility.catalogue
    step, was_killed = 0, True
    while was_killed:
        step += 3
        facility.store = MemoryStore()
        source, lease = archived(facility, f"run-{step}", RUN), facility.lease()
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, True
        was_killed = False
        try:
            infer(facility, source, runner(), lease, most_files=3)
        except Killed:
            was_killed = True
        facility.catalogue = whole

        version = finished(facility, infer(facility, source, runner(), facility.lease(), most_files=3))

        assert [part.file_count for part in version.parts] == [1, 3, 3, 2], f"step {step}"
        require_all(facility, version)
    assert step > 30


def test_a_second_run_finds_the_first_ones_result_and_asks_no_model(facility: Facility) -> None:
    source = archived(facility, files=RUN)
    first = infer(facility, source, runner(), facility.lease(), most_files=3)
    before, again = keys(facility), runner()

    assert infer(facility, source, again, facility.lease(), most_files=3) == first
    assert (again.segmented, keys(facility)) == ([], before)


def test_the_manifests_of_all_parts_make_the_digest_of_the_whole(facility: Facility) -> None:
    source = archived(facility, files=RUN)
    version = infer(facility, source, runner(), facility.lease(), most_files=3)

    files = []
    for part in version.parts:
        with facility.catalogue.begin() as tx:
            held, dataset = tx.datasets.get_version(part.version_id), tx.datasets.get(part.dataset_id)
        files += read_part_manifest(held, dataset=dataset, store=facility.store, tables=facility.tables).files
    assert Manifest(files=tuple(files)).digest == version.manifest_digest
    assert np.unique([file.path for file in files]).size == version.file_count
