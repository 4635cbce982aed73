"""What the ND2 profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Profile
from cisterna.profiles.nd2 import Nd2
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


def test_the_folder_is_not_judged_as_images_that_were_measured(tmp_path: Path) -> None:
    described = ND2.describe(look(virtual_nd2().write(tmp_path)))

    assert (described.title, described.data_type, described.fields["files"]) == ("fields", "image_arrays", 2)
    assert not ND2.is_image("field-00.nd2")


@settings(max_examples=200, deadline=None)
@given(head=st.binary(max_size=60), end=st.binary(max_size=60))
def test_no_content_raises_anything(head: bytes, end: bytes) -> None:
    held = Held({"a.nd2": nd2()[:4] + head + nd2()[-40:-8] + end, "b.nd2": head})

    assert ND2.claims(held)
    ND2.inspect(held)
    assert ND2.describe(held).title
