"""What the Squid profile makes of the other ways of saving, and of the older squid-control, good, bad and hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Plane, Profile
from cisterna.profiles.squid import Squid
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_squid_modes import Saving, squid_control, squid_saved_as
from tests.profiles.folder_look import Held, complete_steps, judged, look

SQUID: Profile = Squid()
FILES = {
    Saving.STACKS: "0/B2_0_stack.tiff",
    Saving.OME_TIFF: "ome_tiff/B2_0.ome.tiff",
    Saving.PLATE: "plate.ome.zarr/B/2/0/0/zarr.json",
    Saving.ZARR: "zarr/B2/fov_0.ome.zarr/0/zarr.json",
    Saving.ZARR_OF_REGIONS: "zarr/B2/acquisition.zarr/zarr.json",
}


@pytest.mark.parametrize("saving", Saving)
def test_a_run_is_complete_after_silence_and_never_before_its_marker(tmp_path: Path, saving: Saving) -> None:
    run = squid_saved_as(saving, time_points=2)

    steps = complete_steps(SQUID, run, tmp_path, quiet_for=SQUID.quiet_seconds)

    assert steps == [False] * (len(steps) - 1) + [True]
    assert judged(SQUID, tmp_path / run.name, quiet_for=0).state is AcquisitionState.WRITING


@pytest.mark.parametrize("mishap", [Mishap.MISSING, Mishap.EMPTY, Mishap.TRUNCATED])
@pytest.mark.parametrize("saving", Saving)
def test_an_image_that_is_not_whole_is_named(tmp_path: Path, saving: Saving, mishap: Mishap) -> None:
    run = squid_saved_as(saving, mishap=mishap, victim=FILES[saving])

    assessment = judged(SQUID, run.write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert FILES[saving].removesuffix(".tiff") in assessment.reason


def test_a_stack_with_fewer_planes_than_planned_is_named_with_both_sizes(tmp_path: Path) -> None:
    whole, short = squid_saved_as(Saving.STACKS), squid_saved_as(Saving.STACKS, z_levels=1)
    files = dict(whole.files) | {"0/A1_0_stack.tiff": short.files["0/A1_0_stack.tiff"]}

    reason = judged(SQUID, ScriptedRun(whole.name, files).write(tmp_path)).reason

    assert "0/A1_0_stack.tiff holds" in reason
    assert "where its 4 planes need 32768" in reason


def test_an_array_whose_writing_did_not_end_is_no_whole_image(tmp_path: Path) -> None:
    folder = squid_saved_as(Saving.PLATE).write(tmp_path)
    group = folder / "plate.ome.zarr/A/1/0/zarr.json"
    group.write_text(group.read_text().replace('"acquisition_complete": true', '"acquisition_complete": false'))

    assessment = judged(SQUID, folder)

    assert assessment.state is AcquisitionState.PARTIAL
    assert "plate.ome.zarr/A/1/0 does not say that its writing ended" in assessment.reason


def test_chunks_left_out_are_told_and_legal(tmp_path: Path) -> None:
    folder = squid_saved_as(Saving.PLATE).write(tmp_path)
    (folder / "plate.ome.zarr/A/1/0/0/c/0/1/1/0/0").unlink()

    assessment = judged(SQUID, folder)

    assert assessment.state is AcquisitionState.COMPLETE
    assert "7 of 8 chunks are there" in assessment.reason


def test_arrays_are_not_judged_as_images_that_were_measured(tmp_path: Path) -> None:
    assert SQUID.describe(look(squid_saved_as(Saving.PLATE).write(tmp_path / "a"))).data_type == "image_arrays"
    assert SQUID.describe(look(squid_saved_as(Saving.STACKS).write(tmp_path / "b"))).data_type == "microscopy"
    assert not SQUID.is_image("plate.ome.zarr/A/1/0/0/c/0/0/0/0/0")


def test_a_run_of_squid_control_is_complete_when_every_time_point_left_its_coordinates(tmp_path: Path) -> None:
    run = squid_control(rows=2, levels=2, time_points=2)

    steps = complete_steps(SQUID, run, tmp_path, quiet_for=SQUID.quiet_seconds)

    assert steps == [False] * (len(steps) - 1) + [True]
    assert "all 64 planned files are there" in judged(SQUID, tmp_path / run.name).reason
    assert "nothing tells the wells" in judged(SQUID, tmp_path / run.name).reason


def test_a_run_of_squid_control_that_was_stopped_within_a_well_is_partial(tmp_path: Path) -> None:
    assessment = judged(SQUID, squid_control(stopped_after=3).write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert "2 of 8 planned files are missing (0/B2_0_1_0_BF_LED_matrix_full.bmp" in assessment.reason


@pytest.mark.parametrize("mishap", [Mishap.MISSING, Mishap.EMPTY, Mishap.CRASH])
def test_a_run_of_squid_control_with_a_mishap_is_not_complete(tmp_path: Path, mishap: Mishap) -> None:
    run = squid_control(mishap=mishap, victim="0/A1_0_0_0_BF_LED_matrix_full.bmp")

    assert judged(SQUID, run.write(tmp_path)).state in {AcquisitionState.PARTIAL, AcquisitionState.STALLED}


def test_images_of_16_bits_of_squid_control_count_as_well(tmp_path: Path) -> None:
    folder = squid_control().write(tmp_path)
    for image in (folder / "0").glob("*.bmp"):
        image.rename(image.with_suffix(".tiff"))

    assert SQUID.inspect(look(folder)).missing_files == 0


def test_squid_control_describes_its_run(tmp_path: Path) -> None:
    described = SQUID.describe(look(squid_control().write(tmp_path)))

    assert described.title == "demo"
    assert described.fields["channels"] == ["BF LED matrix full", "Fluorescence 488 nm Ex"]
    assert described.fields["objective"] == "20x"
    assert described.fields["pixel_size_um"] == 0.333
    assert described.fields["software"] == "squid-control"
    assert described.started_at is None


@pytest.mark.parametrize(
    ("path", "plane"),
    [
        ("0/A1_0_1_2_BF.bmp", Plane(region="A1", field="0_1", channel="BF", z=2)),
        ("3/0_1_2_0_BF_LED.tiff", Plane(region="0", field="1_2", channel="BF_LED", z=0, t=3)),
        ("0/A1_0_1_488_nm.bmp", Plane(region="A1", field="0", channel="488_nm", z=1)),
        ("0/region_0_3_1_BF.tiff", Plane(region="region_0", field="3", channel="BF", z=1)),
        ("0/A1_0_stack.tiff", None),
        ("ome_tiff/A1_0.ome.tiff", None),
    ],
)
def test_a_name_of_either_dialect_tells_where_an_image_belongs(path: str, plane: Plane | None) -> None:
    assert SQUID.plane(path) == plane


ENTITIES = "<!DOCTYPE m [<!ENTITY a 'x'>" + "".join(f"<!ENTITY a{n} '{'&a;' * 9}'>" for n in range(9)) + "]>"
HOSTILE = {
    "entities": ("configurations.xml", f"{ENTITIES}<modes><mode Selected='1' Name='&a8;'/></modes>"),
    "a file of the machine": (
        "configurations.xml",
        "<!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><modes><mode Selected='1' Name='&x;'/></modes>",
    ),
    "no mode": ("configurations.xml", "<modes/>"),
    "deep": ("configurations.xml", "<a>" * 100_000),
    "no XML": ("configurations.xml", b"\xff\xfe\0"),
    "an unknown encoding": ("configurations.xml", '<?xml version="1.0" encoding="ruritanian"?><modes/>'),
    "a channel that climbs out": ("configurations.xml", "<m><mode Selected='1' Name='../../x'/></m>"),
    "a thousand channels": ("configurations.xml", "<m>" + "<mode Selected='1' Name='a'/>" * 1000 + "</m>"),
    "1e15 images": ("acquisition parameters.json", json.dumps(dict.fromkeys(("Nx", "Ny", "Nz", "Nt"), 99_999))),
    "no count": ("acquisition parameters.json", "{}"),
    "a region that climbs out": ("0/coordinates.csv", "region,i,j,k\n../../x,0,0,0\n"),
    "no positions": ("0/coordinates.csv", "region,i,j,k\n"),
    "rows without end": ("0/coordinates.csv", "region,i,j,k\n" + "A1,0,0,0\n" * 300_000),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("name", "content"), list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_hostile_side_file_of_squid_control_is_evidence_and_no_exception(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    folder = squid_control().write(tmp_path)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    evidence = SQUID.inspect(look(folder))

    assert evidence.plan_fault is not None
    assert "root:" not in evidence.model_dump_json() + SQUID.describe(look(folder)).model_dump_json()


NODES = (
    '{"shape": [1e99], "node_type": "array"}',
    '{"node_type": "array", "shape": [1], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0]}}}',
    '{"node_type": "array", "shape": "x", "chunk_grid": 5}',
    '{"attributes": [], "node_type": "group"}',
    "[" * 100_000,
    "[]",
)


@pytest.mark.parametrize("body", NODES, ids=range(len(NODES)))
@pytest.mark.parametrize("name", ["0/zarr.json", "zarr.json"])
def test_hostile_metadata_of_an_array_are_evidence_and_no_exception(tmp_path: Path, name: str, body: str) -> None:
    folder = squid_saved_as(Saving.PLATE).write(tmp_path)
    (folder / "plate.ome.zarr/A/1/0" / name).write_text(body)

    assert SQUID.inspect(look(folder)).faults


pieces = st.sampled_from(
    [b"<modes>", b"<mode Selected='1' Name='a'/>", b"</modes>", b'{"Nx": 1,', b'"Ny": 1}', b"region,i,j,k\n", b"A1,0\n"]
)
bodies = st.lists(pieces | st.binary(max_size=8), max_size=8).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(modes=bodies, parameters=bodies, rows=bodies)
def test_no_content_of_squid_control_raises_anything(modes: bytes, parameters: bytes, rows: bytes) -> None:
    held = Held(
        {
            "configurations.xml": modes,
            "acquisition parameters.json": parameters,
            "0/coordinates.csv": rows,
            "0/A1_0_0_0_a.bmp": b"BM",
        },
        folder="demo-20250120T103007",
    )

    assert SQUID.claims(held)
    SQUID.inspect(held)
    assert SQUID.describe(held).title
