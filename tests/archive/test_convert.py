"""Images written once more for viewing: a dataset of its own, equal to its source, whatever dies on the way."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.view_zarr import ZarrViews
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import ChecksumMismatch, IllegalTransition, InvalidInput, LeaseLost, StoreUnavailable
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.work import Attempt
from cisterna.ports.object_store import StoredObject
from cisterna.ports.profile import Plane
from cisterna.ports.quality import MetricTable
from cisterna.ports.view import Block, FieldOfView
from cisterna.services.convert import convert_version
from cisterna.services.data_manifest import load_manifest
from cisterna.services.staging import read_staged
from cisterna.services.summary import Facts
from cisterna.services.summary_derived import summarise_views
from cisterna.services.view_field import FOLDER
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility, TiffProfile
from tests.archive.test_kill import Killed
from tests.testing.zarr_reading import opened, require_image, require_plate


class StackProfile(TiffProfile):
    """Images are `<t>/<region>_<field>_<z>_<channel>.tiff`."""

    def plane(self, path: str) -> Plane | None:
        folder, _, name = path.partition("/")
        parts = name.removesuffix(".tiff").split("_")
        if len(parts) != 4:
            return None
        return Plane(region=parts[0], field=parts[1], z=int(parts[2]), channel=parts[3], t=int(folder))


def tiff(pixels: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels)
    return file.getvalue()


def run(regions: tuple[str, ...] = ("A1", "B10"), fields: int = 2) -> dict[str, bytes]:
    """Make a run of two channels, two levels and two times, no image like another."""
    chance = np.random.default_rng(3)
    names = [
        f"{t}/{region}_{field}_{z}_{channel}.tiff"
        for t in (0, 1)
        for region in regions
        for field in range(fields)
        for z in (0, 1)
        for channel in ("BF", "DAPI")
    ]
    return {name: tiff(chance.integers(0, 65535, (40, 60), dtype=np.uint16)) for name in names}


@pytest.fixture
def facility(catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    """Give a facility whose store is in memory."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing, image_limit_bytes=2**20, profile=StackProfile())


def archived(facility: Facility, name: str = "run", files: Mapping[str, bytes] | None = None) -> Version:
    facility.write(name, run() if files is None else files)
    version = facility.detect(name)
    facility.ingest(version.version_id)
    return facility.version(version.version_id)


def convert(facility: Facility, source: Version, lease: Attempt, **options: Any) -> Version:
    return convert_version(
        source.version_id,
        lease=lease,
        catalogue=facility.catalogue,
        store=facility.store,
        views=options.pop("views", ZarrViews()),
        tables=facility.tables,
        clock=facility.clock,
        **options,
    )


def dataset_of(facility: Facility, version: Version) -> Dataset:
    with facility.catalogue.begin() as tx:
        return tx.datasets.get(version.dataset_id)


def written(facility: Facility, version: Version, folder: Path) -> Path:
    """Write the derived data files to disk, as a restore would, and return the view's folder."""
    dataset = dataset_of(facility, version)
    body = read_staged(version, "provenance/manifest.parquet", dataset=dataset, store=facility.store)
    manifest = load_manifest(body, tables=facility.tables)
    assert manifest.digest == version.manifest_digest
    for entry in manifest.files:
        to = folder / entry.path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(facility.store.get(f"{dataset.object_root}/{entry.content_path}")[0])
    return folder / FOLDER


def table_of(facility: Facility, version: Version) -> MetricTable:
    body = read_staged(version, "quality/metrics.parquet", dataset=dataset_of(facility, version), store=facility.store)
    return MetricTable(columns={name: list(values) for name, values in facility.tables.load(body).items()})


def derived(facility: Facility) -> list[Dataset]:
    with facility.catalogue.begin() as tx:
        return [dataset for dataset in tx.datasets.list() if dataset.data_type == "ome-zarr"]


def test_a_plate_is_a_plate_for_others_and_every_pixel_is_where_it_belongs(facility: Facility, tmp_path: Path) -> None:
    source = archived(facility)

    version = convert(facility, source, facility.lease(), submitter="rosa", cause="to look at them")

    dataset = dataset_of(facility, version)
    assert (version.stage, version.submitter, version.cause) == (Stage.MEASURED, "rosa", "to look at them")
    assert (dataset.model, dataset.project, dataset.title) == (None, "cells", "OME-Zarr of run")
    assert [(one.kind, one.dataset_id, one.version) for one in dataset.relations] == [
        ("IsDerivedFrom", source.dataset_id, "v1")
    ]
    plate = opened(written(facility, version, tmp_path / "out"))
    require_plate(plate)
    assert [well["path"] for well in plate.attrs["ome"]["plate"]["wells"]] == ["A/1", "B/10"]
    require_image(plate["B/10/1"])
    assert plate["B/10/1"].attrs["ome"]["omero"]["channels"][1]["label"] == "DAPI"
    for path, body in run().items():
        t, name = path.split("/")
        region, field, z, channel = name.removesuffix(".tiff").split("_")
        image = plate[f"{region[0]}/{region[1:]}/{field}/0"]
        pixels = image[int(t), ("BF", "DAPI").index(channel), int(z)]
        assert np.array_equal(pixels, tifffile.imread(io.BytesIO(body))), path


def test_regions_that_are_no_wells_become_numbered_images(facility: Facility, tmp_path: Path) -> None:
    version = convert(facility, archived(facility, files=run(("left", "A1"))), facility.lease())

    group = opened(written(facility, version, tmp_path / "out"))
    assert group.attrs["ome"]["bioformats2raw.layout"] == 3
    assert group["OME"].attrs["ome"]["series"] == ["0", "1", "2", "3"]
    for number in range(4):
        require_image(group[str(number)])


def test_a_field_with_an_image_missing_or_odd_is_left_out_and_named_and_the_others_are_written(
    facility: Facility, tmp_path: Path
) -> None:
    files = run()
    del files["1/A1_0_1_DAPI.tiff"]
    files["0/B10_1_0_BF.tiff"] = tiff(np.zeros((9, 9), np.uint16))

    version = convert(facility, archived(facility, files=files), facility.lease())

    plate = opened(written(facility, version, tmp_path / "out"))
    require_plate(plate)
    assert [image["path"] for image in plate["A/1"].attrs["ome"]["well"]["images"]] == ["1"]
    assert [image["path"] for image in plate["B/10"].attrs["ome"]["well"]["images"]] == ["0"]
    table = table_of(facility, version)
    problems = {str(problem) for problem in table.columns["problem"] if problem}
    assert problems == {
        "its field has no readable image of channel DAPI, z 1, time 1",
        "the image of channel BF, plane 1, time 0 is 40 x 60 uint16, and the first one is 9 x 9 uint16",
    }
    row = summarise_views(table, Facts()).row
    assert row == {"images_in": 31, "images_equal": 16, "view_problems": 15}


def test_the_table_of_a_whole_run_says_that_every_image_is_equal(facility: Facility) -> None:
    version = convert(facility, archived(facility), facility.lease())

    assert summarise_views(table_of(facility, version), Facts()).row == {
        "images_in": 32,
        "images_equal": 32,
        "view_problems": 0,
    }


class WatchedStore(MemoryStore):
    """Notes what is read whole."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        self.read[key] += 1
        return super().get(key)


def test_each_image_is_read_from_the_archive_once(facility: Facility) -> None:
    facility.store = store = WatchedStore()
    source = archived(facility)
    dataset = dataset_of(facility, source)
    body = read_staged(source, "provenance/manifest.parquet", dataset=dataset, store=store)
    images = [one.content_path for one in load_manifest(body, tables=facility.tables).files if one.path in run()]
    store.read.clear()

    convert(facility, source, facility.lease())

    assert [store.read[f"{dataset.object_root}/{path}"] for path in images] == [1] * 32


@pytest.mark.parametrize(
    "files", [{"notes.txt": b"notes"}, {"0/x.tiff": tiff(np.zeros((8, 8), np.uint8))}], ids=["none", "unplaced"]
)
def test_images_that_do_not_say_where_they_belong_are_refused_and_nothing_is_opened(
    facility: Facility, files: dict[str, bytes]
) -> None:
    source = archived(facility, files=files)

    with pytest.raises(InvalidInput, match="where it belongs"):
        convert(facility, source, facility.lease())
    assert derived(facility) == []


def test_when_not_one_field_can_be_written_it_is_refused_with_the_reason_and_nothing_stays(facility: Facility) -> None:
    source = archived(facility, files={"0/A1_0_0_BF.tiff": b"II*\0 a header and no image"})
    before = {one.key for one in facility.store.list("")}

    with pytest.raises(InvalidInput, match=r"no field .* could be written.*no image in it"):
        convert(facility, source, facility.lease())
    assert {one.key for one in facility.store.list("")} == before


@pytest.mark.parametrize("stage", [Stage.DETECTED, Stage.DESCRIBED, Stage.WITHDRAWN])
def test_what_is_not_archived_or_withdrawn_is_not_read(facility: Facility, stage: Stage) -> None:
    facility.write("run", run())
    version = facility.detect("run", stage=stage)

    with pytest.raises(IllegalTransition, match=stage.value):
        convert(facility, version, facility.lease())


def test_a_chunk_that_came_back_otherwise_fails_the_work_and_names_the_image(facility: Facility) -> None:
    """The store keeps other bytes than it was given, as a broken disk may: they are read, not believed."""
    source = archived(facility)
    before = {one.key for one in facility.store.list("")}

    class Blind(ZarrViews):
        def begin(self, field: FieldOfView) -> Any:
            view = super().begin(field)
            honest = view.differing

            def differing(block: Block, bodies: Any, stored: Mapping[str, bytes]) -> int | None:
                other = super(Blind, self).begin(field)
                swapped = list(reversed(bodies))
                return honest(block, bodies, other.write(block, swapped))

            view.differing = differing  # type: ignore[method-assign]
            return view

    with pytest.raises(ChecksumMismatch, match=r"0/A1_0_0_BF\.tiff did not come back"):
        convert(facility, source, facility.lease(), views=Blind())
    assert {one.key for one in facility.store.list("")} == before


def test_whoever_lost_the_lease_writes_nothing(facility: Facility) -> None:
    source, lease = archived(facility), facility.lease()
    facility.lease()

    with pytest.raises(LeaseLost):
        convert(facility, source, lease)
    assert derived(facility) == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("death", [Killed, StoreUnavailable], ids=["kill", "store fails"])
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(
    facility: Facility, death: type[BaseException], *, after: bool
) -> None:
    small = run(("A1",), fields=1)
    expected = convert(facility, archived(facility, "reference", small), facility.lease())

    step, fired = 0, True
    while fired:
        step += 1
        facility.store = MemoryStore()
        source = archived(facility, f"run-{step}", small)
        fault = facility.store.fail_on(WRITES, nth=step, after=after, error=death("at this step"))
        with contextlib.suppress(Killed, StoreUnavailable):
            convert(facility, source, facility.lease())
        fired = fault.fired > 0
        facility.store.heal()

        version = convert(facility, source, facility.lease())

        assert (version.stage, version.manifest_digest) == (Stage.MEASURED, expected.manifest_digest)
        assert len(derived(facility)) == step + 1
    assert step > 8


def test_a_view_goes_the_whole_way_into_an_object_of_its_own(facility: Facility) -> None:
    source = archived(facility)
    before = facility.keys(source.version_id)
    lease = facility.lease()
    version = convert(facility, source, lease)

    facility.describe(version.version_id, lease)
    facility.archive(version.version_id, lease)
    receipt = facility.verify(version.version_id, lease)

    assert receipt.files_read > 8
    assert facility.keys(source.version_id) == before
    again = convert(facility, source, facility.lease())
    assert (again.version_id, again.stage) == (version.version_id, Stage.VERIFIED)


def test_a_view_is_made_of_what_the_archive_s_profile_says(facility: Facility) -> None:
    source, lease = archived(facility), facility.lease()

    version = convert(facility, source, lease, digest="sha256")
    facility.describe(version.version_id, lease)
    facility.archive(version.version_id, lease)
    facility.verify(version.version_id, lease)

    found = parse_inventory(facility.keys(version.version_id)["inventory.json"])
    assert (found.algorithm, found.sha256.keys()) == ("sha256", found.manifest.keys())
