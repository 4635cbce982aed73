"""What the nanopore profile makes of a run, good, bad and hostile."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.profiles.nanopore import Nanopore
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_nanopore import POD5, RUN, virtual_nanopore
from cisterna.testing.writer_pattern import WriterPattern
from tests.profiles.folder_look import FOR_EVER, Held, complete_steps, judged, look

NANOPORE = Nanopore()
SUMMARY = "final_summary_PAA12345_e05460c6.txt"
HASHES = "output_hash_PAA12345_e05460c6.csv"


@pytest.mark.parametrize("within", ["", "pool7/", "pool7/yeast/"])
def test_however_long_it_is_quiet_no_run_is_complete_before_its_summary(tmp_path: Path, within: str) -> None:
    seen = complete_steps(NANOPORE, virtual_nanopore(within=within), tmp_path, quiet_for=FOR_EVER)

    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize("pattern", list(WriterPattern))
def test_no_pattern_of_writing_is_taken_for_complete_before_the_summary_is_begun(
    tmp_path: Path, pattern: WriterPattern
) -> None:
    run = replace(virtual_nanopore(), pattern=pattern)
    folder = tmp_path / run.name

    for _ in run.steps(tmp_path):
        assert judged(NANOPORE, folder).state is not AcquisitionState.COMPLETE or (folder / SUMMARY).exists()

    assert judged(NANOPORE, folder).state is AcquisitionState.COMPLETE


def test_what_somebody_made_of_the_reads_within_a_run_is_no_run_of_its_own(tmp_path: Path) -> None:
    folder = virtual_nanopore().write(tmp_path)
    (folder / "basecalled" / "bam").mkdir(parents=True)
    (folder / "basecalled" / "bam" / "a.bam").write_bytes(b"BAM")

    assert judged(NANOPORE, folder).state is AcquisitionState.COMPLETE


def test_a_whole_run_is_complete_after_a_quiet_while(tmp_path: Path) -> None:
    folder = virtual_nanopore().write(tmp_path)

    fresh, quiet = (judged(NANOPORE, folder, quiet_for=seconds) for seconds in (0.0, 120.0))

    assert (fresh.state, quiet.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)
    assert quiet.reason.startswith("all 4 planned files are there")


@pytest.mark.parametrize("hashes", [False, True])
def test_a_file_fewer_than_the_summary_counts_is_missing(tmp_path: Path, hashes: bool) -> None:
    run = virtual_nanopore(mishap=Mishap.MISSING, hashes=hashes)
    folder = run.write(tmp_path)

    evidence = NANOPORE.inspect(look(folder))

    assert evidence.missing == ((run.victim,) if hashes else ("pod5 files: 1",))
    assert evidence.missing_files == 1
    assert judged(NANOPORE, folder).state is AcquisitionState.PARTIAL


def test_a_file_that_a_slow_share_delivers_after_the_summary_is_waited_for(tmp_path: Path) -> None:
    seen = complete_steps(NANOPORE, virtual_nanopore(mishap=Mishap.LATE), tmp_path, quiet_for=121.0)

    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize(
    ("mishap", "says"), [(Mishap.TRUNCATED, "does not end like a POD5 file"), (Mishap.EMPTY, "is empty")]
)
def test_reads_that_cannot_be_whole_are_told(tmp_path: Path, mishap: Mishap, says: str) -> None:
    run = virtual_nanopore(mishap=mishap)
    folder = run.write(tmp_path)

    assert NANOPORE.inspect(look(folder)).faults == (f"{run.victim} {says}",)
    assert judged(NANOPORE, folder).state is AcquisitionState.PARTIAL


def test_a_pod5_file_that_is_something_else_is_told(tmp_path: Path) -> None:
    run = virtual_nanopore()
    folder = run.write(tmp_path)
    (folder / run.victim).write_bytes(b"something" + POD5)

    assert NANOPORE.inspect(look(folder)).faults == (f"{run.victim} does not begin like a POD5 file",)


def test_every_run_of_an_experiment_needs_its_own_summary(tmp_path: Path) -> None:
    folder = virtual_nanopore(within="pool7/yeast/").write(tmp_path)
    second = folder / "yeast" / RUN.replace("3E", "3F") / "pod5"
    second.mkdir(parents=True)
    (second / "b_0.pod5").write_bytes(POD5 + POD5)

    evidence = NANOPORE.inspect(look(folder))

    assert evidence.markers_missing == (f"yeast/{RUN.replace('3E', '3F')}/final_summary_*.txt",)
    assert evidence.missing_files == 0


def test_files_in_the_fallback_place_and_a_summary_without_counts_are_told(tmp_path: Path) -> None:
    counts = {"pod5_files_in_final_dest": 0, "fastq_files_in_final_dest": 0, "pod5_files_in_fallback": 3}
    folder = virtual_nanopore(summary=counts).write(tmp_path)

    evidence = NANOPORE.inspect(look(folder))

    assert "counts no files" in evidence.notes[0]
    assert "fallback folder, not here (pod5_files_in_fallback)" in evidence.notes[1]
    assert not evidence.expects


def test_the_digests_of_newer_versions_come_with_the_run(tmp_path: Path) -> None:
    run = virtual_nanopore(hashes=True, within="pool7/")
    folder = run.write(tmp_path)

    delivered = NANOPORE.delivered(look(folder))

    body = run.files[run.victim]
    assert delivered[run.victim] == {"sha256": hashlib.sha256(body).hexdigest()}
    assert len(delivered) == 5


def test_the_run_describes_itself(tmp_path: Path) -> None:
    described = NANOPORE.describe(look(virtual_nanopore().write(tmp_path)))

    assert (described.title, described.data_type) == ("pool 7 yeast", "sequencing")
    assert described.started_at == datetime(2025, 6, 3, 10, 1, tzinfo=UTC)
    assert described.fields["flow_cell"] == "PAA12345"
    assert described.fields["kit"] == "SQK-LSK114"


def test_a_report_describes_a_run_whose_summary_is_not_there_yet(tmp_path: Path) -> None:
    folder = tmp_path / RUN
    folder.mkdir()
    report = '{"protocol_run_info": {"user_info": {"sample_id": {"value": "yeast"}, "protocol_group_id": "pool 7"}}}'
    (folder / "report_PAA12345.json").write_text(report)

    assert NANOPORE.describe(look(folder)).title == "pool 7 yeast"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"no pairs here", b"pod5_files_in_final_dest=-1", b"pod5_files_in_final_dest=99999999",
     b"fastq_files_in_final_dest=\xd9\xa3", b"x" * 100_000],
    ids=["empty", "binary", "words", "negative", "too many", "other digits", "too long"],
)  # fmt: skip
def test_a_summary_that_cannot_be_read_is_evidence_and_no_exception(tmp_path: Path, body: bytes) -> None:
    folder = virtual_nanopore().write(tmp_path)
    (folder / SUMMARY).write_bytes(body)

    assert NANOPORE.inspect(look(folder)).plan_fault
    assert judged(NANOPORE, folder).state is AcquisitionState.PARTIAL


@pytest.mark.parametrize(
    ("row", "error"),
    [("0" * 64 + ",../../etc/passwd", HostileInput), ("abc,pod5/a.pod5", InvalidInput), ("", None)],
    ids=["a path that climbs", "no digest", "no rows"],
)
def test_a_list_of_digests_that_cannot_be_read_is_evidence(
    tmp_path: Path, row: str, error: type[Exception] | None
) -> None:
    folder = virtual_nanopore().write(tmp_path)
    (folder / HASHES).write_text(f"file_hash,file_path\n{row}\n")

    assert bool(NANOPORE.inspect(look(folder)).plan_fault) == (error is not None)
    if error is not None:
        with pytest.raises(error):
            NANOPORE.delivered(look(folder))


def test_a_summary_behind_a_link_is_not_read(tmp_path: Path) -> None:
    folder = virtual_nanopore().write(tmp_path)
    (folder / SUMMARY).unlink()
    (folder / SUMMARY).symlink_to("/etc/passwd")
    glance = look(folder)

    assert glance.listing.obstacles
    assert NANOPORE.inspect(glance).markers_missing == ("final_summary_*.txt",)


bodies = st.lists(st.sampled_from([b"=", b"\n", b"pod5_files_in_final_dest", b"7", b",", b'"']) | st.binary(max_size=8))


@settings(max_examples=200, deadline=None)
@given(
    summary=bodies.map(b"".join), sheet=bodies.map(b"".join), hashes=bodies.map(b"".join), pod5=st.binary(max_size=9)
)
def test_no_content_raises_anything(summary: bytes, sheet: bytes, hashes: bytes, pod5: bytes) -> None:
    held = Held(
        {
            SUMMARY: summary,
            "sample_sheet_x.csv": b"flow_cell_id,sample_id,experiment_id,kit\n" + sheet,
            HASHES: b"file_hash,file_path\n" + hashes,
            "report_x.json": b'{"protocol_run_info": ' + sheet + b"}",
            "pod5/a.pod5": pod5,
        }
    )

    assert NANOPORE.claims(held)
    NANOPORE.inspect(held)
    assert NANOPORE.describe(held).title
