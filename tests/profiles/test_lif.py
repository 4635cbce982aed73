"""What the LIF profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Profile
from cisterna.profiles.lif import Lif
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_lif import lif, lif_of, lif_xml, virtual_lif
from tests.profiles.folder_look import Held, judged, look

LIF: Profile = Lif()
QUIET = LIF.quiet_seconds


def folder_of(tmp_path: Path, body: bytes) -> Path:
    return ScriptedRun("projects", {"a.lif": body}).write(tmp_path)


def test_whole_files_wait_for_silence(tmp_path: Path) -> None:
    folder = virtual_lif().write(tmp_path)

    assert judged(LIF, folder, quiet_for=QUIET - 1).state is AcquisitionState.WRITING
    assert judged(LIF, folder, quiet_for=QUIET).state is AcquisitionState.COMPLETE


@pytest.mark.parametrize("mishap", [Mishap.EMPTY, Mishap.TRUNCATED])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, mishap: Mishap) -> None:
    assessment = judged(LIF, virtual_lif(mishap=mishap, victim="project-01.lif").write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert "project-01.lif" in assessment.reason


@pytest.mark.parametrize("kept", range(1, 90, 7))
def test_a_file_cut_off_before_the_last_block_is_not_whole(tmp_path: Path, kept: int) -> None:
    whole = lif(pixels=4096)

    assert LIF.inspect(look(folder_of(tmp_path, whole[: len(whole) * kept // 100]))).faults


def test_a_file_without_the_pixels_that_its_xml_tells_of_is_named_with_both_sizes(tmp_path: Path) -> None:
    reason = judged(LIF, folder_of(tmp_path, lif(xml=lif_xml(size_bytes=10**9), pixels=10))).reason

    assert "bytes where its XML tells of 10000" in reason


def test_the_folder_names_its_images(tmp_path: Path) -> None:
    described = LIF.describe(look(virtual_lif().write(tmp_path)))

    assert described.data_type == "microscopy"
    assert described.fields["image_names"] == ["Series001"]
    assert described.fields["scenes"] == 1
    assert described.fields["metadata_source"] == "project-00.lif: LMSDataContainerHeader"
    assert LIF.is_image("project-00.LIF")


SETTINGS = (
    '<Attachment Name="HardwareSetting" SystemTypeName="TCS SP8" SystemSerialNumber="8100000201">'
    '<ATLConfocalSettingDefinition Magnification="63" ObjectiveName="HC PL APO CS2    63x/1.30 GLYC " '
    'NumericalAperture="1.3"/></Attachment><TimeStampList NumberOfTimeStamps="2">1d6f64bbab40b70 1d6f64bbba39b90'
    "</TimeStampList></Image>"
)


def test_the_folder_describes_itself(tmp_path: Path) -> None:
    """By the names that a file of LAS X has for them."""
    body = lif_of({"Series001": np.zeros((2, 3, 2, 8, 16), np.uint8)})
    xml = body[13 : 13 + 2 * struct.unpack_from("<I", body, 9)[0]].decode("utf-16-le")

    described = LIF.describe(look(folder_of(tmp_path, lif(xml=xml.replace("</Image>", SETTINGS)))))

    assert (described.instrument_model, described.instrument_serial) == ("TCS SP8", "8100000201")
    assert described.started_at == datetime(2021, 1, 29, 14, 33, 36, 935000, tzinfo=UTC)
    fields = described.fields
    assert (fields["objective"], fields["magnification"]) == ("HC PL APO CS2 63x/1.30 GLYC", 63)
    assert (fields["numerical_aperture"], fields["channels"]) == (1.3, ["Gray", "Gray"])
    assert (fields["width_px"], fields["height_px"], fields["z_levels"], fields["time_points"]) == (16, 8, 3, 2)
    assert (fields["pixel_size_um"], fields["z_step_um"]) == (pytest.approx(10 / 15), 5)


ENTITIES = "<!DOCTYPE o [<!ENTITY a 'x'>" + "".join(f"<!ENTITY a{n} '{'&a;' * 9}'>" for n in range(9)) + "]>"
HOSTILE = {
    "entities": f"{ENTITIES}<a>&a8;</a>",
    "a file of the machine": "<!DOCTYPE o [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    "deep": "<a>" * 100_000,
    "no XML": "nothing",
    "a size beyond all disks": lif_xml(size_bytes=10**18).replace("1" + "0" * 18, "9" * 19),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("xml", list(HOSTILE.values()), ids=list(HOSTILE))
def test_hostile_xml_is_evidence_and_no_exception(tmp_path: Path, xml: str) -> None:
    folder = folder_of(tmp_path, lif(xml=xml))

    assert len(LIF.inspect(look(folder)).faults) == 1
    assert "root:" not in LIF.describe(look(folder)).model_dump_json()


@settings(max_examples=200, deadline=None)
@given(head=st.binary(max_size=60), rest=st.binary(max_size=60))
def test_no_content_raises_anything(head: bytes, rest: bytes) -> None:
    held = Held({"a.lif": lif()[:13] + rest, "b.lif": head})

    assert LIF.claims(held)
    LIF.inspect(held)
    assert LIF.describe(held).title
