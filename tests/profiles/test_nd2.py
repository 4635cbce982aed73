"""What the ND2 profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nd2 import ND2File

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Profile
from cisterna.profiles.nd2 import Nd2
from cisterna.services import nd2_chunks as trees
from cisterna.testing.nd2_planes import nd2_of, tree
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_nd2 import nd2, virtual_nd2
from tests.profiles.folder_look import Held, judged, look

ND2: Profile = Nd2()
QUIET = ND2.quiet_seconds


def folder_of(tmp_path: Path, body: bytes) -> Path:
    return ScriptedRun("fields", {"a.nd2": body}).write(tmp_path)


def test_closed_files_wait_for_silence(tmp_path: Path) -> None:
    folder = virtual_nd2().write(tmp_path)

    assert judged(ND2, folder, quiet_for=QUIET - 1).state is AcquisitionState.WRITING
    assert judged(ND2, folder, quiet_for=QUIET).state is AcquisitionState.COMPLETE


@pytest.mark.parametrize("mishap", [Mishap.EMPTY, Mishap.TRUNCATED])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, mishap: Mishap) -> None:
    assessment = judged(ND2, virtual_nd2(mishap=mishap, victim="field-01.nd2").write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert "field-01.nd2" in assessment.reason


@pytest.mark.parametrize("kept", range(1, 100, 7))
def test_a_file_cut_off_anywhere_is_not_whole(tmp_path: Path, kept: int) -> None:
    whole = nd2()

    assert ND2.inspect(look(folder_of(tmp_path, whole[: len(whole) * kept // 100]))).faults


@pytest.mark.parametrize("place", [0xFFFF_FFFF_FFFF_FFFF, 10_000, 1])
def test_a_map_that_is_not_where_the_file_says_is_evidence_and_no_exception(tmp_path: Path, place: int) -> None:
    body = nd2()[:-8] + struct.pack("<Q", place)

    assert "chunk map" in ND2.inspect(look(folder_of(tmp_path, body))).faults[0]


def test_a_foreign_file_of_that_name_is_named(tmp_path: Path) -> None:
    assert "does not begin like an ND2 file" in judged(ND2, folder_of(tmp_path, b"PK\3\4" + bytes(99))).reason


def test_files_of_the_old_format_are_kept_after_silence(tmp_path: Path) -> None:
    body = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99)

    assert judged(ND2, folder_of(tmp_path, body)).state is AcquisitionState.COMPLETE


def test_a_folder_whose_files_tell_nothing_is_named_and_counted(tmp_path: Path) -> None:
    described = ND2.describe(look(virtual_nd2().write(tmp_path)))

    assert (described.title, described.data_type, described.fields["files"]) == ("fields", "microscopy", 2)
    assert ND2.is_image("field-00.nd2")


PIXELS = np.zeros((2, 3, 4, 2, 8, 16), np.uint16)


def test_the_folder_describes_itself(tmp_path: Path) -> None:
    described = ND2.describe(look(folder_of(tmp_path, nd2_of(PIXELS, channels=["DAPI", "GFP"]))))

    assert described.fields == {
        "experiment_id": "fields",
        "files": 1,
        "objective": "Plan Apo 20x DIC M",
        "magnification": 20,
        "numerical_aperture": 0.75,
        "pixel_size_um": 0.325,
        "width_px": 16,
        "height_px": 8,
        "channels": ["DAPI", "GFP"],
        "camera": "Nobody Flash 1",
        "software": "NIS-Elements AR 5.30",
        "time_points": 2,
        "scenes": 3,
        "z_levels": 4,
        "z_step_um": 2,
        "metadata_source": "a.nd2: ImageAttributesLV!, ImageMetadataSeqLV|0!, ImageMetadataLV!, ImageTextInfoLV!",
    }
    assert described.instrument_model == "Nobody Ti2"
    assert described.started_at == datetime(2026, 11, 22, 6, tzinfo=UTC)


def test_what_we_read_of_a_file_is_what_the_package_nd2_reads(tmp_path: Path) -> None:
    file = tmp_path / "a.nd2"
    file.write_bytes(nd2_of(PIXELS, channels=["DAPI", "GFP"]))
    ours = ND2.describe(Held({"a.nd2": file.read_bytes()}))

    with ND2File(file) as theirs:
        channels = theirs.metadata.channels or []
        microscope = channels[0].microscope
        assert ours.fields["channels"] == [one.channel.name for one in channels]
        assert ours.fields["objective"] == microscope.objectiveName
        assert ours.fields["magnification"] == microscope.objectiveMagnification
        assert (ours.fields["pixel_size_um"], ours.fields["z_step_um"]) == theirs.voxel_size()[1:]
        sizes = theirs.sizes
    told = [ours.fields[name] for name in ("time_points", "scenes", "z_levels", "height_px", "width_px")]
    assert told == [sizes[axis] for axis in "TPZYX"]


LOOP = b"\x0b\x01\0\0" + struct.pack("<IQ", 2**32 - 1, 0) + b"\x08\x01\0\0" + b"a" * (4 << 20)
WHOLE_TREE = tree({"SLxPictureMetadata": {"dCalibration": 0.3, "wsObjectiveName": "x"}})


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        lambda: LOOP,
        lambda: b"L" + bytes(11) + zlib.compress(bytes(1 << 28), 1),
        lambda: b"\x0b" * 10_000,
        lambda: b"\x0b\x01\0\0" + b"\xff" * 100,
        lambda: WHOLE_TREE[:-20],
        lambda: b"\x08\x01\0\0" + b"a" * 999,
        lambda: b"",
    ],
    ids=["back to its beginning", "bomb", "deep", "endless", "cut off", "no end of text", "empty"],
)
def test_a_tree_that_is_none_ends_where_it_stops_making_sense(body: Callable[[], bytes]) -> None:
    assert isinstance(trees.tree(body()), dict)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(WHOLE_TREE) - 5), damage=st.binary(min_size=4, max_size=4))
def test_a_damaged_tree_raises_nothing(at: int, damage: bytes) -> None:
    trees.tree(WHOLE_TREE[:at] + damage + WHOLE_TREE[at + 4 :])


@settings(max_examples=200, deadline=None)
@given(head=st.binary(max_size=60), end=st.binary(max_size=60))
def test_no_content_raises_anything(head: bytes, end: bytes) -> None:
    held = Held({"a.nd2": nd2()[:4] + head + nd2()[-40:-8] + end, "b.nd2": head})

    assert ND2.claims(held)
    ND2.inspect(held)
    assert ND2.describe(held).title
