"""What the Illumina profile makes of a run folder, good, bad and hostile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState, EndReason
from cisterna.profiles.illumina import Illumina
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_illumina import Platform, cbcl, run_info, virtual_aviti, virtual_illumina
from cisterna.testing.writer_pattern import WriterPattern
from tests.profiles.folder_look import FOR_EVER, Held, complete_steps, judged, look

ILLUMINA = Illumina()
CALLS = "Data/Intensities/BaseCalls"
HOUR = 3600.0


@pytest.mark.parametrize(
    ("platform", "version", "marker"),
    [
        (Platform.NOVASEQ_X, None, "CopyComplete.txt"),
        (Platform.NOVASEQ, None, "CopyComplete.txt"),
        (Platform.NEXTSEQ_2000, None, "CopyComplete.txt"),
        (Platform.NEXTSEQ_550, "4.0.1.41", "CopyComplete.txt"),
        (Platform.MISEQ, "4.1.0.656", "CopyComplete.txt"),
        (Platform.NEXTSEQ_550, None, "RTAComplete.txt"),
        (Platform.MISEQ, None, "RTAComplete.txt"),
        (Platform.HISEQ, None, "RTAComplete.txt"),
    ],
)
def test_each_platform_waits_for_the_marker_that_it_writes_last(
    tmp_path: Path, platform: Platform, version: str | None, marker: str
) -> None:
    folder = virtual_illumina(platform, version=version).write(tmp_path)
    whole = ILLUMINA.inspect(look(folder))
    (folder / marker).unlink()

    lacking = ILLUMINA.inspect(look(folder))

    assert (whole.markers_missing, whole.missing_files, whole.plan_fault) == ((), 0, None)
    assert lacking.markers_missing == (marker,)


def test_a_run_that_has_all_and_says_so_is_complete_at_its_last_file_and_not_before(tmp_path: Path) -> None:
    run = virtual_illumina(Platform.NOVASEQ_X, lanes=2, reads=(3, 1, 3), status="RunCompleted")

    seen = complete_steps(ILLUMINA, run, tmp_path)

    assert seen == [False] * (len(seen) - 1) + [True]


def test_however_long_it_is_quiet_no_run_is_complete_before_its_marker(tmp_path: Path) -> None:
    seen = complete_steps(ILLUMINA, virtual_illumina(Platform.NOVASEQ), tmp_path, quiet_for=1e9)

    assert seen == [False] * (len(seen) - 1) + [True]


def test_a_platform_without_a_copy_marker_is_given_an_hour(tmp_path: Path) -> None:
    folder = virtual_illumina(Platform.HISEQ, status="CompletedAsPlanned").write(tmp_path)

    early, late = (judged(ILLUMINA, folder, quiet_for=quiet) for quiet in (HOUR - 1, HOUR))

    assert (early.state, late.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)
    assert "no marker that says that all was copied" in early.reason


@pytest.mark.parametrize("platform", [Platform.NOVASEQ, Platform.NEXTSEQ_550, Platform.MISEQ])
def test_a_base_call_file_that_is_missing_is_named_whatever_the_markers_say(tmp_path: Path, platform: Platform) -> None:
    run = virtual_illumina(platform, lanes=2, mishap=Mishap.MISSING)
    folder = run.write(tmp_path)

    evidence = ILLUMINA.inspect(look(folder))

    assert (evidence.missing, evidence.missing_files) == ((run.victim,), 1)
    assert judged(ILLUMINA, folder).state is AcquisitionState.PARTIAL


def test_a_lane_without_base_calls_and_a_cycle_without_folder_are_missing(tmp_path: Path) -> None:
    folder = virtual_illumina(lanes=2).write(tmp_path)
    for path in sorted((folder / CALLS / "L002").rglob("*.cbcl")):
        path.unlink()

    evidence = ILLUMINA.inspect(look(folder))

    assert evidence.missing == tuple(f"{CALLS}/L002/C{cycle}.1/" for cycle in (1, 2, 3))
    assert evidence.expected_files == 9


def test_a_late_base_call_file_is_waited_for(tmp_path: Path) -> None:
    run = virtual_illumina(mishap=Mishap.LATE, status="CompletedAsPlanned")

    seen = complete_steps(ILLUMINA, run, tmp_path)

    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize(
    ("mishap", "says"), [(Mishap.TRUNCATED, "where its header tells of 129"), (Mishap.EMPTY, "is empty")]
)
def test_base_calls_that_cannot_be_whole_are_told(tmp_path: Path, mishap: Mishap, says: str) -> None:
    run = virtual_illumina(mishap=mishap)
    folder = run.write(tmp_path)

    evidence = ILLUMINA.inspect(look(folder))

    assert len(evidence.faults) == 1
    assert run.victim in evidence.faults[0]
    assert says in evidence.faults[0]
    assert judged(ILLUMINA, folder).state is AcquisitionState.PARTIAL


@pytest.mark.parametrize(
    ("platform", "status", "reason"),
    [
        (Platform.NEXTSEQ_550, "CompletedAsPlanned", EndReason.COMPLETED),
        (Platform.NOVASEQ_X, "RunErrored", EndReason.ERROR),
        (Platform.NOVASEQ_X, "Sunspots", None),
    ],
)
def test_the_end_reason_is_the_instruments_own_word(
    tmp_path: Path, platform: Platform, status: str, reason: EndReason | None
) -> None:
    evidence = ILLUMINA.inspect(look(virtual_illumina(platform, status=status).write(tmp_path)))

    assert evidence.end_reason is reason
    assert any("Sunspots" in note for note in evidence.notes) == (status == "Sunspots")


def test_an_analysis_that_goes_on_in_the_run_folder_is_waited_for(tmp_path: Path) -> None:
    folder = virtual_illumina(Platform.NOVASEQ_X).write(tmp_path)
    (folder / "Analysis/1/Data").mkdir(parents=True)
    (folder / "Analysis/1/Data/summary.csv").write_text("a")
    going_on = ILLUMINA.inspect(look(folder))
    (folder / "Analysis/1/CopyComplete.txt").touch()

    assert going_on.markers_missing == ("Analysis/1/CopyComplete.txt",)
    assert ILLUMINA.inspect(look(folder)).markers_missing == ()


def test_a_platform_that_is_not_known_waits_for_the_copy_marker_or_for_the_one_that_is_set(tmp_path: Path) -> None:
    folder = virtual_illumina(Platform.HISEQ).write(tmp_path)
    (folder / "RunParameters.xml").unlink()
    (folder / "RunInfo.xml").write_bytes(run_info("r", "XYZ1", lanes=1, reads=(2, 1)))

    assert ILLUMINA.inspect(look(folder)).markers_missing == ("CopyComplete.txt",)
    assert ILLUMINA.inspect(look(folder, marker="RTAComplete.txt")).markers_missing == ()


def test_the_serial_number_tells_the_platform_when_its_parameters_do_not(tmp_path: Path) -> None:
    folder = virtual_illumina(Platform.HISEQ).write(tmp_path)
    (folder / "RunParameters.xml").write_text("<RunParameters/>")

    assert ILLUMINA.inspect(look(folder)).markers_missing == ()


def test_an_aviti_run_is_complete_with_its_last_file_and_not_before(tmp_path: Path) -> None:
    seen = complete_steps(ILLUMINA, virtual_aviti(), tmp_path)

    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize("pattern", list(WriterPattern))
@pytest.mark.parametrize("run", [virtual_illumina(Platform.NOVASEQ_X, status="RunCompleted"), virtual_aviti()])
def test_no_pattern_of_writing_is_taken_for_complete_too_early(
    tmp_path: Path, run: ScriptedRun, pattern: WriterPattern
) -> None:
    seen = complete_steps(ILLUMINA, replace(run, pattern=pattern), tmp_path, quiet_for=FOR_EVER)

    assert seen == [False] * (len(seen) - 1) + [True]


def test_reads_without_cycles_are_no_fault_of_the_plan(tmp_path: Path) -> None:
    folder = virtual_illumina(reads=(3,)).write(tmp_path)
    (folder / "RunInfo.xml").write_bytes(run_info("r", "A00291", lanes=1, reads=(3, 0)))

    assert ILLUMINA.inspect(look(folder)).plan_fault is None


def test_a_marker_that_is_set_and_only_says_that_sequencing_ended_is_given_its_hour(tmp_path: Path) -> None:
    folder = virtual_illumina().write(tmp_path)

    assert ILLUMINA.inspect(look(folder, marker="RTAComplete.txt")).settle_seconds == HOUR
    assert ILLUMINA.inspect(look(folder, marker="CopyComplete.txt")).settle_seconds == 0


@pytest.mark.parametrize(
    ("run", "state", "says"),
    [
        (virtual_aviti(outcome="OutcomeStopped"), AcquisitionState.ABORTED, "somebody stopped"),
        (virtual_aviti(outcome="OutcomeFailed"), AcquisitionState.ABORTED, "because of an error"),
        (virtual_aviti(mishap=Mishap.MISSING), AcquisitionState.PARTIAL, "1 of 5 planned files are missing"),
        (virtual_aviti(mishap=Mishap.EMPTY), AcquisitionState.PARTIAL, "R2_C002.zip is empty"),
    ],
    ids=["stopped", "failed", "missing", "empty"],
)
def test_an_aviti_run_that_is_not_whole_is_held_with_the_reason(
    tmp_path: Path, run: ScriptedRun, state: AcquisitionState, says: str
) -> None:
    assessment = judged(ILLUMINA, run.write(tmp_path))

    assert assessment.state is state
    assert says in assessment.reason


def test_the_run_describes_itself(tmp_path: Path) -> None:
    described = ILLUMINA.describe(look(virtual_illumina(Platform.NOVASEQ, lanes=2).write(tmp_path)))

    assert (described.title, described.data_type) == ("Yeast pool", "sequencing_run")
    assert described.instrument_model == "Illumina NovaSeq 6000"
    assert described.started_at == datetime(2024, 7, 22, 8, tzinfo=UTC)
    assert described.fields["flow_cell"] == "HVHL5DMXY"
    assert described.fields["reads"] == ["2", "1 (index)"]
    assert (described.fields["lanes"], described.fields["cycles"]) == (2, 3)


def test_an_aviti_run_describes_itself(tmp_path: Path) -> None:
    described = ILLUMINA.describe(look(virtual_aviti().write(tmp_path)))

    assert (described.title, described.instrument_model) == ("Yeast pool", "Element AVITI")
    assert described.fields["flow_cell"] == "2345678901"


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><RunInfo>&b;</RunInfo>'
HOSTILE = {
    "an entity bomb": BOMB,
    "an outside entity": '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><RunInfo>&e;</RunInfo>',
    "deep nesting": "<a>" * 100_000,
    "no XML": "lanes: 2",
    "an encoding nobody has": '<?xml version="1.0" encoding="klingon"?><RunInfo/>',
    "no reads": '<RunInfo><Run><FlowcellLayout LaneCount="2"/></Run></RunInfo>',
    "no lanes": '<RunInfo><Read NumCycles="2"/></RunInfo>',
    "a million lanes": '<RunInfo><Read NumCycles="2"/><FlowcellLayout LaneCount="999999"/></RunInfo>',
    "cycles of words": '<RunInfo><Read NumCycles="many"/><FlowcellLayout LaneCount="1"/></RunInfo>',
    "cycles in other digits": '<RunInfo><Read NumCycles="٣"/><FlowcellLayout LaneCount="1"/></RunInfo>',
    "cycles without end": "<RunInfo>" + '<Read NumCycles="4999"/>' * 9 + '<FlowcellLayout LaneCount="1"/></RunInfo>',
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("content", list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_hostile_plan_is_evidence_and_no_exception(tmp_path: Path, content: str) -> None:
    folder = virtual_illumina().write(tmp_path)
    (folder / "RunInfo.xml").write_text(content)

    evidence = ILLUMINA.inspect(look(folder))
    described = ILLUMINA.describe(look(folder))

    assert evidence.plan_fault
    assert "root:" not in evidence.model_dump_json() + described.model_dump_json()
    assert judged(ILLUMINA, folder).state is AcquisitionState.PARTIAL


@pytest.mark.parametrize("name", ["RunInfo.xml", "RunParameters.xml", "RunCompletionStatus.xml"])
def test_a_file_behind_a_link_is_not_read(tmp_path: Path, name: str) -> None:
    folder = virtual_illumina(status="CompletedAsPlanned").write(tmp_path)
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    glance = look(folder)

    evidence = ILLUMINA.inspect(glance)

    assert glance.listing.obstacles
    assert "root:" not in evidence.model_dump_json() + ILLUMINA.describe(glance).model_dump_json()


words = st.sampled_from([b"<Run", b"<Read NumCycles='2'/>", b"<FlowcellLayout LaneCount='1'/>", b"</Run>", b"&", b"\0"])
bodies = st.lists(words | st.binary(max_size=8), max_size=10).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(info=bodies, parameters=bodies, status=bodies, calls=st.binary(max_size=60))
def test_no_content_raises_anything(info: bytes, parameters: bytes, status: bytes, calls: bytes) -> None:
    wrong = {"RunInfo.xml": info, "RunParameters.xml": parameters, "RunCompletionStatus.xml": status}
    right = {"RunInfo.xml": run_info("r", "A00291", lanes=1, reads=(1,))}
    marks = {f"{CALLS}/L001/C1.1/L001_1.cbcl": calls, "CopyComplete.txt": b""}
    for held in (Held(wrong | marks), Held(wrong | right | marks), Held({"RunParameters.json": info} | marks)):
        ILLUMINA.claims(held)
        ILLUMINA.inspect(held)
        assert ILLUMINA.describe(held).title


def test_a_cbcl_that_is_whole_has_no_fault_and_one_that_lies_has(tmp_path: Path) -> None:
    folder = virtual_illumina().write(tmp_path)
    victim = folder / CALLS / "L001/C1.1/L001_1.cbcl"
    assert ILLUMINA.inspect(look(folder)).faults == ()

    victim.write_bytes(cbcl()[:11])
    short = ILLUMINA.inspect(look(folder)).faults
    victim.write_bytes(b"\1\0" + b"\xff" * 200)
    lying = ILLUMINA.inspect(look(folder)).faults

    assert "within its own header" in short[0]
    assert "within its own header" in lying[0]
