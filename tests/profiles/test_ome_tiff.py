"""What the OME-TIFF profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.ports.profile import Profile
from cisterna.profiles.ome_tiff import OmeTiff
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_ome_tiff import ome_tiff, set_xml, virtual_ome_tiff
from tests.profiles.folder_look import Held, complete_steps, judged, look

OME_TIFF: Profile = OmeTiff()
QUIET = OME_TIFF.quiet_seconds


def folder_of(tmp_path: Path, **files: bytes) -> Path:
    named = {name.replace("__", "."): body for name, body in files.items()}
    return ScriptedRun("scan", named).write(tmp_path)


def test_a_set_is_complete_only_when_every_file_that_its_xml_names_is_there(tmp_path: Path) -> None:
    run = virtual_ome_tiff(is_set=True)

    steps = complete_steps(OME_TIFF, run, tmp_path, quiet_for=QUIET)

    assert steps == [False] * (len(steps) - 1) + [True]
    assert judged(OME_TIFF, tmp_path / run.name, quiet_for=0).state is AcquisitionState.WRITING
    assert "its OME-XML names 3 files" in judged(OME_TIFF, tmp_path / run.name).reason


def test_single_files_wait_for_silence(tmp_path: Path) -> None:
    folder = virtual_ome_tiff().write(tmp_path)

    assert judged(OME_TIFF, folder, quiet_for=QUIET - 1).state is AcquisitionState.WRITING
    assert judged(OME_TIFF, folder, quiet_for=QUIET).state is AcquisitionState.COMPLETE


@pytest.mark.parametrize("is_set", [True, False])
@pytest.mark.parametrize("mishap", [Mishap.EMPTY, Mishap.TRUNCATED])
def test_a_file_that_is_not_whole_is_named(tmp_path: Path, mishap: Mishap, is_set: bool) -> None:
    run = virtual_ome_tiff(is_set=is_set, mishap=mishap, victim="scan_T1.ome.tif")

    assessment = judged(OME_TIFF, run.write(tmp_path))

    assert assessment.state is AcquisitionState.PARTIAL
    assert "scan_T1.ome.tif" in assessment.reason


def test_a_file_of_a_set_that_never_came_is_named(tmp_path: Path) -> None:
    run = virtual_ome_tiff(is_set=True, mishap=Mishap.MISSING, victim="scan_T2.ome.tif")

    reason = judged(OME_TIFF, run.write(tmp_path)).reason

    assert "1 files are missing (scan_T2.ome.tif)" in reason


def test_a_file_with_fewer_planes_than_its_xml_tells_is_named_with_both_sizes(tmp_path: Path) -> None:
    short = ome_tiff(levels=1, xml=set_xml(("a.ome.tif",), levels=50))

    assert "where its 100 planes need 204800" in judged(OME_TIFF, folder_of(tmp_path, a__ome__tif=short)).reason


def test_a_single_file_that_was_renamed_is_whole_all_the_same(tmp_path: Path) -> None:
    body = ome_tiff(xml=set_xml(("before.ome.tif",)))

    assert judged(OME_TIFF, folder_of(tmp_path, after__ome__tif=body)).state is AcquisitionState.COMPLETE


def test_a_companion_names_its_files(tmp_path: Path) -> None:
    files = {"run.companion.ome": set_xml(("a.ome.tif", "b.ome.tif")).encode()}
    pointer = '<OME><BinaryOnly MetadataFile="run.companion.ome" UUID="urn:uuid:0"/></OME>'
    files["a.ome.tif"] = ome_tiff(xml=pointer)

    lacking = OME_TIFF.inspect(look(ScriptedRun("one", files).write(tmp_path)))
    whole = OME_TIFF.inspect(look(ScriptedRun("two", {**files, "b.ome.tif": files["a.ome.tif"]}).write(tmp_path)))

    assert lacking.missing == ("b.ome.tif",)
    assert (whole.missing, whole.faults) == ((), ())


def test_a_pointer_to_a_companion_that_is_not_there_lacks_it(tmp_path: Path) -> None:
    body = ome_tiff(xml='<OME><BinaryOnly MetadataFile="run.companion.ome" UUID="urn:uuid:0"/></OME>')

    assert OME_TIFF.inspect(look(folder_of(tmp_path, a__ome__tif=body))).missing == ("run.companion.ome",)


def test_xml_that_was_appended_at_the_end_of_a_large_file_is_read(tmp_path: Path) -> None:
    body = bytearray(ome_tiff(xml="<OME/>" + " " * 200))
    at = body.index(b"<OME/>")
    xml = set_xml(("a.ome.tif", "b.ome.tif")).encode() + b"\0"
    entry = body.index((270).to_bytes(2, "little") + (2).to_bytes(2, "little"))
    body[at : at + 6] = b"      "
    end = 3 * 1024 * 1024
    body[entry + 4 : entry + 12] = len(xml).to_bytes(4, "little") + end.to_bytes(4, "little")

    evidence = OME_TIFF.inspect(look(folder_of(tmp_path, a__ome__tif=bytes(body).ljust(end, b"\0") + xml)))

    assert evidence.missing == ("b.ome.tif",)


def test_a_file_that_was_renamed_tells_of_its_own_planes_and_a_companion_of_its_files(tmp_path: Path) -> None:
    renamed = {"after.ome.tif": ome_tiff(xml=set_xml(("before.ome.tif",)))}
    pointer = ome_tiff(xml='<OME><BinaryOnly MetadataFile="run.companion.ome" UUID="urn:uuid:0"/></OME>')
    files = {"run.companion.ome": set_xml(("a.ome.tif", "b.ome.tif")).encode(), "a.ome.tif": pointer}

    own, of_set = OmeTiff().planes(Held(renamed)), OmeTiff().planes(Held({**files, "b.ome.tif": pointer}))

    assert [told.is_of_run for told in own.values()] == [False]
    assert {path: (len(told.pages), told.is_of_run) for path, told in of_set.items()} == {
        "a.ome.tif": (4, True),
        "b.ome.tif": (4, True),
    }


def test_a_look_tells_of_no_more_planes_than_a_run_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.profiles.ome_tiff.MOST_PLANES", 5)
    bodies = {f"{number}.ome.tif": ome_tiff(xml=set_xml((f"{number}.ome.tif",))) for number in range(9)}

    assert len(OmeTiff().planes(Held(bodies))) == 2


def test_the_folder_describes_itself(tmp_path: Path) -> None:
    described = OME_TIFF.describe(look(virtual_ome_tiff(is_set=True).write(tmp_path)))

    assert described.data_type == "microscopy"
    assert described.instrument_model == "Nobody M1"
    assert described.started_at == datetime(2026, 11, 22, 8, 30, 1, tzinfo=UTC)
    assert described.fields["channels"] == ["DAPI", "GFP"]
    assert described.fields["pixel_size_um"] == 0.325
    assert described.fields["objective"] == "Plan Apo"
    assert described.fields["z_levels"] == 2
    assert described.fields["time_points"] == 3


ENTITIES = "<!DOCTYPE o [<!ENTITY a 'x'>" + "".join(f"<!ENTITY a{n} '{'&a;' * 9}'>" for n in range(9)) + "]>"
HOSTILE = {
    "entities": f"{ENTITIES}<OME><Image Name='&a8;'/></OME>",
    "a file of the machine": "<!DOCTYPE o [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><OME Creator='&x;'/>",
    "a file outside": set_xml(("../../etc/passwd", "b.ome.tif")),
    "an absolute file": set_xml(("/etc/passwd", "b.ome.tif")),
    "deep": "<a>" * 100_000,
    "no XML": "ImageJ=1.53",
    "an unknown encoding": '<?xml version="1.0" encoding="ruritanian"?><OME/>',
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("xml", list(HOSTILE.values()), ids=list(HOSTILE))
def test_hostile_xml_is_evidence_and_no_exception(tmp_path: Path, xml: str) -> None:
    folder = folder_of(tmp_path, a__ome__tif=ome_tiff(xml=xml))

    evidence = OME_TIFF.inspect(look(folder))

    assert len(evidence.faults) == 1
    assert OmeTiff().planes(look(folder)) == {}
    assert "root:" not in evidence.model_dump_json() + OME_TIFF.describe(look(folder)).model_dump_json()


LYING = ('SizeZ="99999999999999"', 'SizeZ="-1"', 'SizeZ="1e9"', 'SizeZ=""', 'SizeZ="²"', 'PhysicalSizeX="nan"')


@pytest.mark.parametrize("said", LYING)
def test_sizes_that_are_none_are_left_out(tmp_path: Path, said: str) -> None:
    name = said.partition("=")[0]
    xml = set_xml(("a.ome.tif",)).replace(f' {name}="', f' {said} was_{name}="')

    fields = OME_TIFF.describe(look(folder_of(tmp_path, a__ome__tif=ome_tiff(xml=xml)))).fields

    assert {"SizeZ": "z_levels", "PhysicalSizeX": "pixel_size_um"}[name] not in fields


pieces = st.sampled_from(
    [b"<OME>", b"<Image>", b"<Pixels SizeZ='9'>", b"<TiffData>", b"<UUID FileName='a'/>", b"</OME>"]
)
bodies = st.lists(pieces | st.binary(max_size=8), max_size=10).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(companion=bodies, head=st.binary(max_size=60))
def test_no_content_raises_anything(companion: bytes, head: bytes) -> None:
    held = Held({"x.companion.ome": companion, "a.ome.tif": b"II*\0\x08\0\0\0" + head, "b.ome.tf8": b"MM\0+" + head})

    assert OME_TIFF.claims(held)
    OME_TIFF.inspect(held)
    assert set(OmeTiff().planes(held)) <= held.bodies.keys()
    assert OME_TIFF.describe(held).title
