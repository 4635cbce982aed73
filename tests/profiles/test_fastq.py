"""What the FASTQ profile makes of a delivery, good, bad and hostile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.profiles.fastq import Fastq
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_fastq import Checksums, fastq, packed, virtual_fastq
from tests.profiles.folder_look import FOR_EVER, Held, complete_steps, judged, look

FASTQ = Fastq()


def write(tmp_path: Path, *names: str, body: bytes | None = None) -> Path:
    folder = tmp_path / "zone" / "reads"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(packed(fastq()) if body is None else body)
    return folder


def test_without_checksums_silence_decides_and_the_reason_says_what_was_looked_at(tmp_path: Path) -> None:
    folder = virtual_fastq().write(tmp_path)

    fresh, quiet = (judged(FASTQ, folder, quiet_for=seconds) for seconds in (299.0, 300.0))

    assert (fresh.state, quiet.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)
    assert "only the beginning and the end were looked at" in quiet.reason


@pytest.mark.parametrize("checksums", [Checksums.SIDECARS, Checksums.LIST])
def test_with_checksums_every_digest_is_delivered_and_nothing_is_said_of_ends(
    tmp_path: Path, checksums: Checksums
) -> None:
    folder = virtual_fastq(checksums=checksums).write(tmp_path)

    assessment = judged(FASTQ, folder)

    assert assessment.state is AcquisitionState.COMPLETE
    assert "beginning" not in assessment.reason
    assert len(FASTQ.delivered(look(folder))) == 4


def test_a_file_whose_checksum_file_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    run = virtual_fastq(checksums=Checksums.SIDECARS, reads=("R1",))

    seen = complete_steps(FASTQ, run, tmp_path, quiet_for=FOR_EVER)

    assert seen == [False, True, True, False, True]  # a first file alone is a delivery of one; then all must have one


def test_a_file_that_the_list_names_and_that_is_not_there_is_missing_once(tmp_path: Path) -> None:
    run = virtual_fastq(checksums=Checksums.LIST, mishap=Mishap.MISSING)

    evidence = FASTQ.inspect(look(run.write(tmp_path)))

    assert (evidence.missing, evidence.missing_files) == ((run.victim,), 1)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("a_R1.fastq.gz", "a_R2.fastq.gz", "b_R1.fastq.gz"), ("b_R2.fastq.gz",)),
        (("a_R2_001.fq.gz",), ("a_R1_001.fq.gz",)),
        (("a_R1.fq", "b_R1.fq", "c_R1.fq"), ()),
        (("a_R1.fq", "b_R1.fq", "c_R1.fq", "c_R2.fq"), ()),
        (("a_1.fq", "a_2.fq", "b_1.fq", "b_2.fq", "c_1.fq"), ("c_2.fq",)),
        (("sample_1.fq", "sample_2.fq", "control_1.fq"), ()),
        (("x/a_L001_R1.fq", "x/a_L001_R2.fq", "x/a_L002_R1.fq"), ("x/a_L002_R2.fq",)),
        (("x/a_R1.fq", "x/a_R2.fq", "y/b_R1.fq"), ()),
        (("a_R1.fq", "a_R2.fq", "a_I1.fq", "b_R1.fq", "b_R2.fq"), ("b_I1.fq",)),
        (("reads.fastq.gz",), ()),
    ],
)
def test_mates_of_which_one_is_not_there_are_missing(
    tmp_path: Path, names: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    folder = write(tmp_path, *names)

    assert FASTQ.inspect(look(folder)).missing == missing


def test_an_odd_sample_among_many_is_told_and_holds_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, "a_R1.fq", "b_R1.fq", "c_R1.fq", "c_R2.fq", body=fastq())

    assert "1 samples have reads that most others do not have" in judged(FASTQ, folder).reason


WHOLE = fastq(4)
CANNOT_BE_WHOLE = {
    "packed and empty": ("a.fastq.gz", b"", "is empty"),
    "no gzip": ("a.fastq.gz", b"@A\nAC\n+\nFF\n", "does not begin like a gzip file"),
    "something else, packed": ("a.fastq.gz", packed(b">A\nACGT\n"), "does not unpack to FASTQ"),
    "broken from the start": ("a.fastq.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff\xff\xff", "does not unpack to FASTQ"),
    "allocated": ("a.fastq.gz", packed(WHOLE)[:30] + bytes(100), "ends in zeros"),
    "BGZF cut off": ("a.fastq.gz", packed(WHOLE, is_bgzf=True)[:-1], "last block of a BGZF file"),
    "plain, something else": ("a.fastq", b">A\nACGT\n", "does not begin like FASTQ"),
    "plain, allocated": ("a.fastq", WHOLE + b"\0" * 9, "ends in zeros"),
    "plain, cut off in its qualities": ("a.fastq", WHOLE[:-5], "does not end with a whole record"),
    "plain, cut off in its bases": ("a.fastq", WHOLE[:-50], "does not end with a whole record"),
    "plain, cut off after a name": ("a.fastq", WHOLE[:-63], "does not end with a whole record"),
    "plain, one record cut off": ("a.fastq", fastq(1)[:-3], "does not end with a whole record"),
}


@pytest.mark.parametrize(("name", "body", "says"), list(CANNOT_BE_WHOLE.values()), ids=list(CANNOT_BE_WHOLE))
def test_a_file_that_cannot_be_whole_is_told(tmp_path: Path, name: str, body: bytes, says: str) -> None:
    folder = write(tmp_path, name, body=body)

    (fault,) = FASTQ.inspect(look(folder)).faults

    assert fault.startswith(f"{name} ")
    assert says in fault


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.fastq.gz", packed(WHOLE)),
        ("a.fastq.gz", packed(WHOLE, is_bgzf=True)),
        ("a.fastq.gz", packed(b"")),
        ("a.fastq.gz", packed(WHOLE) + packed(WHOLE)),
        ("a.fq", WHOLE),
        ("a.fq", WHOLE.removesuffix(b"\n")),
        ("a.fq", WHOLE.replace(b"\n", b"\r\n")),
        ("a.fq", fastq(1)),
        ("a.fq", fastq(2, length=200_000)),
        ("a.fq", b"@A\nAC\nGT\n+\nFF\nFF\n"),
        ("a.fq", b""),
    ],
    ids=[
        "gzip",
        "bgzf",
        "no reads",
        "two members",
        "plain",
        "no last line end",
        "dos",
        "one",
        "long",
        "broken",
        "empty",
    ],
)
def test_a_file_that_may_be_whole_is_not_told(tmp_path: Path, name: str, body: bytes) -> None:
    assert FASTQ.inspect(look(write(tmp_path, name, body=body))).faults == ()


def test_a_run_folder_of_a_sequencer_is_no_delivery(tmp_path: Path) -> None:
    folder = write(tmp_path, "a_R1.fq.gz")
    assert FASTQ.claims(look(folder))
    (folder / "RunInfo.xml").touch()

    assert not FASTQ.claims(look(folder))


def test_the_delivery_describes_itself(tmp_path: Path) -> None:
    described = FASTQ.describe(look(virtual_fastq().write(tmp_path)))

    assert (described.title, described.data_type) == ("delivery-41", "sequencing")
    assert described.fields["samples"] == ["fly", "yeast"]
    assert (described.fields["paired"], described.fields["lanes"]) == (True, 1)
    assert described.fields["flow_cell"] == "HVHL5DMXY"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80), st.sampled_from([packed(WHOLE), WHOLE, b"\x1f\x8b\x08\x04"]))
def test_no_content_raises_anything(before: bytes, after: bytes, whole: bytes) -> None:
    held = Held({"a_R1.fastq.gz": whole + after, "a_R2.fastq": before + whole, "b.fq": before, "c.fq.gz": after})

    FASTQ.inspect(held)
    assert FASTQ.describe(held).title
