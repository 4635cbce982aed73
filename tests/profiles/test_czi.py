"""What the CZI profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Profile
from cisterna.profiles.czi import Czi
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_czi import XML, czi, virtual_czi
from tests.profiles.folder_look import Held, judged, look

CZI: Profile = Czi()
QUIET = CZI.quiet_seconds


def folder_of(tmp_path: Path, body: bytes) -> Path:
    return ScriptedRun("slides", {"a.czi": body}).write(tmp_path)


def test_closed_files_wait_for_silence(tmp_path: Path) -> None:
    folder = virtual_czi().write(tmp_path)

    assert judged(CZI, folder, quiet_for=QUIET - 1).state is AcquisitionState.WRITING
    assert judged(CZI, folder, quiet_for=QUIET).state is AcquisitionState.COMPLETE


@pytest.mark.parametrize("mishap", [Mishap.EMPTY, Mishap.TRUNCATED])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, mishap: Mishap) -> None:
    run = virtual_czi(mishap=mishap, victim="slide-01.czi")

    assessment = judged(CZI, run.write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert "slide-01.czi" in assessment.reason


@pytest.mark.parametrize("kept", range(1, 100, 7))
def test_a_file_cut_off_anywhere_is_not_whole(tmp_path: Path, kept: int) -> None:
    whole = czi()

    assert CZI.inspect(look(folder_of(tmp_path, whole[: len(whole) * kept // 100]))).faults


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(czi(is_closed=False), "was not closed: its header does not tell yet", id="open"),
        pytest.param(czi(is_changing=True), "was not closed: its header says that it is being changed", id="changing"),
        pytest.param(b"PK\3\4" + bytes(600), "does not begin like a CZI file", id="foreign"),
        pytest.param(
            czi().replace(b"ZISRAWDIRECTORY", b"ZISRAWSUBBLOCK2"), "has no directory where", id="no directory"
        ),
        pytest.param(czi().replace(b"ZISRAWMETADATA", b"ZISRAWSUBBLOCK"), "has no metadata where", id="no metadata"),
    ],
)
def test_a_file_that_contradicts_itself_is_named_with_the_reason(tmp_path: Path, body: bytes, words: str) -> None:
    assert words in judged(CZI, folder_of(tmp_path, body)).reason


@pytest.mark.parametrize("place", [-1, 2**62, 1])
def test_a_header_that_points_nowhere_is_evidence_and_no_exception(tmp_path: Path, place: int) -> None:
    body = bytearray(czi())
    struct.pack_into("<qq", body, 84, place, place)

    evidence = CZI.inspect(look(folder_of(tmp_path, bytes(body))))

    assert len(evidence.faults) == 1
    assert CZI.describe(look(tmp_path / "slides")).title == "slides"


def test_the_folder_describes_itself(tmp_path: Path) -> None:
    described = CZI.describe(look(virtual_czi().write(tmp_path)))

    assert described.data_type == "microscopy"
    assert described.fields["metadata_source"] == "slide-00.czi: ImageDocument/Metadata"
    assert CZI.is_image("slide-00.czi")
    assert not CZI.is_image("notes.txt")
    assert described.instrument_model == "Nobody LSM 1"
    assert described.started_at == datetime(2026, 11, 22, 8, 30, 1, 123_456, tzinfo=UTC)
    assert described.fields["objective"] == "Plan-Apochromat 20x/0.8"
    assert described.fields["channels"] == ["DAPI"]
    assert (described.fields["pixel_size_um"], described.fields["z_step_um"]) == (0.5, 1.0)
    assert (described.fields["width_px"], described.fields["z_levels"]) == (16, 2)


@pytest.mark.parametrize(
    "microscope",
    [
        '<Microscope Name="LSM 1" SerialNumber="4711"/>',
        '<Microscope Name="LSM 1"><Manufacturer><SerialNumber>4711</SerialNumber></Manufacturer></Microscope>',
    ],
)
def test_the_serial_number_is_read_wherever_it_stands(tmp_path: Path, microscope: str) -> None:
    xml = XML.replace('<Microscope Name="Nobody LSM 1"/>', microscope).replace("<SizeT>", "<SizeS>3</SizeS><SizeT>")

    described = CZI.describe(look(folder_of(tmp_path, czi(xml=xml))))

    assert described.instrument_serial == "4711"
    assert described.fields["scenes"] == 3


ENTITIES = "<!DOCTYPE o [<!ENTITY a 'x'>" + "".join(f"<!ENTITY a{n} '{'&a;' * 9}'>" for n in range(9)) + "]>"
HOSTILE = {
    "entities": ENTITIES + XML,
    "a file of the machine": "<!DOCTYPE o [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    "deep": "<a>" * 100_000,
    "no XML": "nothing",
    "sizes that are none": XML.replace(">16<", ">²<").replace(">5e-07<", ">nan<").replace("T08:", "T99:"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("xml", list(HOSTILE.values()), ids=list(HOSTILE))
def test_hostile_metadata_are_left_out_and_raise_nothing(tmp_path: Path, xml: str) -> None:
    described = CZI.describe(look(folder_of(tmp_path, czi(xml=xml))))

    assert "pixel_size_um" not in described.fields
    assert "root:" not in described.model_dump_json()


@settings(max_examples=200, deadline=None)
@given(places=st.binary(min_size=28, max_size=28), rest=st.binary(max_size=200))
def test_no_content_raises_anything(places: bytes, rest: bytes) -> None:
    held = Held({"a.czi": czi()[:84] + places + rest, "b.czi": rest})

    assert CZI.claims(held)
    CZI.inspect(held)
    assert CZI.describe(held).title
