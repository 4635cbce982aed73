"""What the OME-Zarr profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Profile
from cisterna.profiles.ome_zarr import OmeZarr
from cisterna.services.zarr_tree import ZarrTree
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_ome_zarr import virtual_ome_zarr
from tests.profiles.folder_look import Held, complete_steps, judged, look

OME_ZARR: Profile = OmeZarr()
QUIET = OME_ZARR.quiet_seconds
PLATE = ("A/1", "B/12")


@pytest.mark.parametrize("is_v2", [True, False])
@pytest.mark.parametrize("wells", [(), PLATE], ids=["image", "plate"])
def test_a_store_is_complete_after_silence_when_every_array_is_there(
    tmp_path: Path, wells: tuple[str, ...], is_v2: bool
) -> None:
    folder = virtual_ome_zarr(wells, is_v2=is_v2).write(tmp_path)

    assert judged(OME_ZARR, folder, quiet_for=QUIET - 1).state is AcquisitionState.WRITING
    assert judged(OME_ZARR, folder, quiet_for=QUIET).state is AcquisitionState.COMPLETE


def test_a_plate_is_not_complete_before_the_last_array_of_its_last_well(tmp_path: Path) -> None:
    run = virtual_ome_zarr(PLATE)
    last = list(run.files).index("scan.ome.zarr/B/12/0/1/zarr.json")

    steps = complete_steps(OME_ZARR, run, tmp_path, quiet_for=QUIET)

    assert not any(steps[: last + 1])
    assert steps[-1]


@pytest.mark.parametrize("name", ["A/1/zarr.json", "A/1/0/zarr.json", "A/1/0/1/zarr.json"])
@pytest.mark.parametrize("mishap", [Mishap.MISSING, Mishap.EMPTY, Mishap.TRUNCATED])
def test_metadata_that_are_not_whole_are_named(tmp_path: Path, name: str, mishap: Mishap) -> None:
    run = virtual_ome_zarr(PLATE, mishap=mishap, victim=f"scan.ome.zarr/{name}")

    assessment = judged(OME_ZARR, run.write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert "scan.ome.zarr/A/1" in assessment.reason


@pytest.mark.parametrize("is_v2", [True, False])
def test_chunks_left_out_are_told_and_legal(tmp_path: Path, is_v2: bool) -> None:
    folder = virtual_ome_zarr(is_v2=is_v2).write(tmp_path)
    (folder / "scan.ome.zarr/0" / ("0/1/0/0/0" if is_v2 else "c/0/1/0/0/0")).unlink()

    assessment = judged(OME_ZARR, folder)

    assert assessment.state is AcquisitionState.COMPLETE
    assert "3 of 4 chunks are there" in assessment.reason


def test_a_folder_that_is_a_store_itself_is_one(tmp_path: Path) -> None:
    run = virtual_ome_zarr(PLATE)
    files = {path.removeprefix("scan.ome.zarr/"): body for path, body in run.files.items()}

    assert judged(OME_ZARR, ScriptedRun("plate.zarr", files).write(tmp_path)).state is AcquisitionState.COMPLETE


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_the_reference_library_are_counted_chunk_by_chunk(tmp_path: Path, version: int) -> None:
    folder = tmp_path / "zone" / "scan"
    store = zarr.storage.LocalStore(folder / "x.zarr")
    array = zarr.create_array(store, shape=(5, 4), chunks=(2, 2), dtype="uint16", zarr_format=version)
    array[:] = 7

    tree = ZarrTree(look(folder))

    assert tree.array("x.zarr").chunk_count == tree.chunks_there("x.zarr") == 6


def test_of_sharded_arrays_the_shards_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "zone" / "scan"
    store = zarr.storage.LocalStore(folder / "x.zarr")
    array = zarr.create_array(store, shape=(8, 8), chunks=(2, 2), shards=(4, 8), dtype="uint16", zarr_format=3)
    array[:] = 7

    found = ZarrTree(look(folder)).array("x.zarr")

    assert (found.is_sharded, found.grid) == (True, (2, 1))
    assert ZarrTree(look(folder)).chunks_there("x.zarr") == 2


@pytest.mark.parametrize("is_v2", [True, False])
def test_the_store_describes_itself(tmp_path: Path, is_v2: bool) -> None:
    described = OME_ZARR.describe(look(virtual_ome_zarr(PLATE, is_v2=is_v2).write(tmp_path)))

    assert described.data_type == "image_arrays"
    assert described.fields["channels"] == ["DAPI", "GFP"]
    assert described.fields["pixel_size_um"] == 0.5
    assert (described.fields["width_px"], described.fields["z_levels"]) == (8, 1)


def _wells(*paths: object) -> str:
    said = {"plate": {"wells": [{"path": path} for path in paths]}}
    return json.dumps({"node_type": "group", "zarr_format": 3, "attributes": {"ome": said}})


HOSTILE = {
    "a well that climbs out": _wells("../../etc"),
    "an absolute well": _wells("/etc"),
    "a well that is the plate": _wells("."),
    "a well that is no text": _wells(5),
    "no wells": _wells(),
    "wells without end": _wells(*(["A/1"] * 100_001)),
    "deep nesting": "[" * 100_000,
    "a list": "[]",
    "attributes that are none": '{"attributes": []}',
    "no JSON": "\0",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("content", list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_hostile_plate_is_evidence_and_no_exception(tmp_path: Path, content: str) -> None:
    folder = virtual_ome_zarr(PLATE).write(tmp_path)
    (folder / "scan.ome.zarr/zarr.json").write_text(content)

    evidence = OME_ZARR.inspect(look(folder))

    assert evidence.faults or evidence.missing
    assert OME_ZARR.describe(look(folder)).title == "scan"


pieces = st.sampled_from(
    [b'{"attributes": {"ome": ', b'{"multiscales": [{"datasets": [{"path": "0"}]}]}', b"}}", b'{"plate": {"wells": [']
)
bodies = st.lists(pieces | st.binary(max_size=8), max_size=8).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(group=bodies, array=bodies)
def test_no_content_raises_anything(group: bytes, array: bytes) -> None:
    held = Held({"s/zarr.json": group, "s/0/zarr.json": array, "s/0/c/0": b"x", "v/.zattrs": group, "v/.zgroup": array})

    assert OME_ZARR.claims(held)
    OME_ZARR.inspect(held)
    assert OME_ZARR.describe(held).title
