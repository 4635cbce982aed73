"""What the CODEX profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Plane, Profile
from cisterna.profiles.codex import Codex
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_codex import virtual_codex
from tests.profiles.folder_look import Held, complete_steps, judged, look

CODEX: Profile = Codex()
LAST = "cyc002_reg001_200210_120000/1_00002_Z001_CH2.tif"


@pytest.mark.parametrize("is_newer", [False, True])
def test_a_run_is_complete_only_when_every_image_is_there_and_silence_has_lasted(
    tmp_path: Path, is_newer: bool
) -> None:
    run = virtual_codex(is_newer=is_newer, levels=2)

    steps = complete_steps(CODEX, run, tmp_path, quiet_for=CODEX.quiet_seconds)

    assert steps == [False] * (len(steps) - 1) + [True]
    assert judged(CODEX, tmp_path / run.name, quiet_for=0).state is AcquisitionState.WRITING
    assert "all 16 planned files are there" in judged(CODEX, tmp_path / run.name).reason


@pytest.mark.parametrize("mishap", [Mishap.MISSING, Mishap.EMPTY, Mishap.TRUNCATED, Mishap.CRASH])
def test_a_run_with_a_mishap_is_partial_and_says_why(tmp_path: Path, mishap: Mishap) -> None:
    assessment = judged(CODEX, virtual_codex(mishap=mishap, victim=LAST).write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert ("1_00002_Z001_CH2.tif" in assessment.reason) or "of 8 planned files are missing" in assessment.reason


def test_the_silence_between_two_cycles_is_no_stall(tmp_path: Path) -> None:
    folder = virtual_codex(mishap=Mishap.CRASH).write(tmp_path)

    assert CODEX.inspect(look(folder)).cadence_seconds == 7200


def test_a_run_within_its_dataset_counts_as_well(tmp_path: Path) -> None:
    run = virtual_codex()
    below = ScriptedRun("HBM123", {f"src_tonsil/{path}": body for path, body in run.files.items()})

    assert judged(CODEX, below.write(tmp_path)).state is AcquisitionState.COMPLETE


def test_regions_and_cycles_are_counted_from_where_the_run_says(tmp_path: Path) -> None:
    run = virtual_codex(cycles=1)
    said = json.loads(run.files["experiment.json"]) | {"regIdx": [3], "cycle_lower_limit": 5}
    files = {path.replace("cyc001_reg001", "cyc005_reg003"): body for path, body in run.files.items()}
    files["experiment.json"] = json.dumps(said).encode()

    assert CODEX.inspect(look(ScriptedRun("src_x", files).write(tmp_path))).missing_files == 0


def test_images_beyond_the_plan_and_a_wrong_number_of_stains_are_told(tmp_path: Path) -> None:
    folder = virtual_codex().write(tmp_path)
    (folder / LAST.replace("CH2", "CH9")).write_bytes((folder / LAST).read_bytes())
    (folder / "channelNames.txt").write_text("DAPI\n")

    notes = CODEX.inspect(look(folder)).notes

    assert "1 images are beyond" in notes[0]
    assert "names 1 stains" in notes[1]


def test_the_run_describes_itself(tmp_path: Path) -> None:
    described = CODEX.describe(look(virtual_codex().write(tmp_path)))

    assert described.data_type == "microscopy"
    assert described.fields["channels"] == ["stain 1-1", "stain 1-2", "stain 2-1", "stain 2-2"]
    assert described.fields["pixel_size_um"] == 0.3775
    assert described.fields["z_step_um"] == 1.5
    assert described.fields["experiment_id"] == "tonsil"


def test_a_name_tells_where_an_image_belongs() -> None:
    assert CODEX.plane(f"src_x/{LAST}") == Plane(region="reg001", field="2", channel="cyc002_CH2", z=1)
    assert CODEX.plane("cyc002_reg001/overview.tif") is None
    assert not CODEX.is_image("NAV.tif")


HOSTILE = {
    "1e15 images": json.dumps(dict.fromkeys(("numCycles", "numRegions", "regionWidth", "regionHeight"), 9999)),
    "no counts": "{}",
    "a count that is a text": '{"numCycles": "2"}',
    "a count below one": '{"numCycles": 0}',
    "a count that is a bool": '{"numCycles": true}',
    "regions of no numbers": '{"numCycles": 1, "regIdx": ["../x"]}',
    "a list": "[1]",
    "deep nesting": "[" * 100_000,
    "a number that is none": '{"numCycles": NaN}',
}


@pytest.mark.parametrize("content", list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_hostile_plan_is_evidence_and_no_exception(tmp_path: Path, content: str) -> None:
    folder = virtual_codex().write(tmp_path)
    (folder / "experiment.json").write_text(content)

    evidence = CODEX.inspect(look(folder))

    assert evidence.plan_fault is not None
    assert CODEX.describe(look(folder)).title == "src_tonsil"


pieces = st.sampled_from([b'{"numCycles": 1,', b'"regIdx": [1]', b'"numChannels": 2', b"}", b",", b"1e999", b"\xff"])
bodies = st.lists(pieces | st.binary(max_size=8), max_size=8).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(plan=bodies, names=bodies, image=st.binary(max_size=40))
def test_no_content_raises_anything(plan: bytes, names: bytes, image: bytes) -> None:
    held = Held({"experiment.json": plan, "channelNames.txt": names, LAST: b"II*\0" + image})

    assert CODEX.claims(held)
    CODEX.inspect(held)
    assert CODEX.describe(held).title
