"""What the mzML profile makes of mass spectra, good, bad and hostile."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import InvalidInput
from cisterna.profiles.mzml import Mzml
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_spectrometer import THERMO, imzml, mzml, tdf, virtual_spectrometer
from tests.profiles.folder_look import Held, judged, look

MZML = Mzml()


def test_a_whole_batch_is_complete_after_ten_quiet_minutes(tmp_path: Path) -> None:
    folder = virtual_spectrometer().write(tmp_path)

    fresh, quiet = (judged(MZML, folder, quiet_for=seconds) for seconds in (599.0, 600.0))

    assert (fresh.state, quiet.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)


@pytest.mark.parametrize(
    ("victim", "says"),
    [
        ("yeast_01.mzML", "does not end with </indexedmzML>"),
        ("yeast_02.mzML", "does not end with </mzML>"),
        ("tissue.imzML", "does not end with </mzML>"),
        ("serum.d/analysis.tdf", "holds 4915 bytes where its header tells of 8192"),
    ],
)
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, victim: str, says: str) -> None:
    folder = virtual_spectrometer(mishap=Mishap.TRUNCATED, victim=victim).write(tmp_path)

    assert MZML.inspect(look(folder)).faults == (f"{victim} {says}",)
    assert judged(MZML, folder).state is AcquisitionState.PARTIAL


@pytest.mark.parametrize("victim", ["tissue.ibd", "tissue.imzML", "serum.d/analysis.tdf", "serum.d/analysis.tdf_bin"])
def test_half_of_a_pair_is_missing(tmp_path: Path, victim: str) -> None:
    folder = virtual_spectrometer(mishap=Mishap.MISSING, victim=victim).write(tmp_path)

    assert MZML.inspect(look(folder)).missing == (victim,)


def test_a_wiff_without_its_scans_is_told_since_old_ones_have_none(tmp_path: Path) -> None:
    folder = virtual_spectrometer(mishap=Mishap.MISSING, victim="plasma.wiff.scan").write(tmp_path)

    assert "1 .wiff files have no .wiff.scan beside them (plasma.wiff)" in judged(MZML, folder).reason


def test_an_ibd_of_another_run_is_told(tmp_path: Path) -> None:
    folder = virtual_spectrometer().write(tmp_path)
    (folder / "tissue.ibd").write_bytes(uuid.UUID(int=7).bytes + bytes(64))

    (fault,) = MZML.inspect(look(folder)).faults

    assert "its .ibd begins with 00000000000000000000000000000007" in fault


def test_the_digest_that_an_imzml_tells_is_delivered(tmp_path: Path) -> None:
    run = virtual_spectrometer()
    folder = run.write(tmp_path)
    sha1 = hashlib.sha1(run.files["tissue.ibd"], usedforsecurity=False).hexdigest()

    assert MZML.delivered(look(folder)) == {"tissue.ibd": {"sha1": sha1}}


def test_a_digest_that_a_checksum_file_contradicts_is_a_fault_of_the_plan(tmp_path: Path) -> None:
    folder = virtual_spectrometer().write(tmp_path)
    (folder / "tissue.ibd.sha1").write_text("0" * 40)

    assert "disagree about the sha1 of tissue.ibd" in (MZML.inspect(look(folder)).plan_fault or "")
    with pytest.raises(InvalidInput):
        MZML.delivered(look(folder))


WHOLE = mzml()
CANNOT_BE_WHOLE = {
    "something else": ("a.mzML", b"<html></html>", "does not begin like mzML"),
    "empty": ("a.mzML", b"", "is empty"),
    "allocated": ("a.mzML", WHOLE[:500] + bytes(500), "does not end with </indexedmzML>"),
    "an index beyond the end": ("a.mzML", WHOLE.replace(b"Offset>", b"Offset>9", 1), "says that its index begins at"),
    "an index elsewhere": ("a.mzML", WHOLE.replace(b"<run id", b"<run    id"), "has no index at"),
    "no index": ("a.mzML", WHOLE.replace(b"indexListOffset>", b"offset>"), "does not tell where its index begins"),
    "no gzip": ("a.mzML.gz", WHOLE, "does not begin like a gzip file"),
    "an empty raw file": ("a.raw", b"", "is empty"),
    "a raw file of zeros": ("a.raw", bytes(900), "begins with zeros"),
    "no UUID": ("a.imzML", mzml(is_indexed=False), "does not tell the UUID"),
    "no SQLite": ("a.d/analysis.tdf", b"tdf" * 90, "does not begin like SQLite"),
}


@pytest.mark.parametrize(("name", "body", "says"), list(CANNOT_BE_WHOLE.values()), ids=list(CANNOT_BE_WHOLE))
def test_a_file_that_cannot_be_whole_is_told(name: str, body: bytes, says: str) -> None:
    partners = (
        {"a.ibd": bytes(16)} if name.endswith("imzML") else {"a.d/analysis.tdf_bin": b"x"} if "tdf" in name else {}
    )

    (fault,) = MZML.inspect(Held({name: body, **partners})).faults

    assert fault.startswith(f"{name} ")
    assert says in fault


def test_a_run_that_is_still_open_has_a_journal(tmp_path: Path) -> None:
    folder = virtual_spectrometer().write(tmp_path)
    (folder / "serum.d" / "analysis.tdf-journal").touch()

    assert MZML.inspect(look(folder)).faults == (
        "serum.d/analysis.tdf was not closed: serum.d/analysis.tdf-journal is there",
    )


@pytest.mark.parametrize(
    ("folder", "files", "claimed"),
    [
        ("serum.d", {"analysis.tdf": tdf(), "analysis.tdf_bin": b"x"}, True),
        ("serum.d", {"AcqData/MSScan.bin": b"x"}, True),
        ("water.raw", {"_FUNC001.DAT": b"x"}, True),
        ("batch", {"water.raw/_HEADER.TXT": b"x"}, True),
        ("batch", {"a.wiff": b"x"}, True),
        ("batch", {"sub/a.raw": THERMO}, True),
        ("batch", {"a.MZML": b""}, True),
        ("batch", {"a.raw": b"camera"}, False),
        ("conf.d", {"a.conf": b"x"}, False),
        ("batch", {"conf.d/a.conf": b"x"}, False),
    ],
)
def test_spectra_are_told_by_names_and_raw_files_by_their_beginning(
    folder: str, files: dict[str, bytes], claimed: bool
) -> None:
    assert MZML.claims(Held(files, folder=folder)) == claimed


def test_the_batch_describes_itself(tmp_path: Path) -> None:
    described = MZML.describe(look(virtual_spectrometer().write(tmp_path)))

    assert (described.title, described.data_type) == ("batch 7", "mass_spectrometry")
    assert described.started_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert described.fields["raw_files"] == ["plasma.wiff", "serum.d", "yeast_01.raw"]
    assert described.fields["imaging_mode"] == "continuous"
    assert described.fields["instrument_serial"] == "Exactive 7"


ends = st.lists(
    st.sampled_from([b"<mzML", b"<indexedmzML", b"<indexListOffset>7</indexListOffset>", b"</mzML>", b"<cvParam ",
                     b'accession="IMS:1000080"', b' value="', b'"', b">", b"\xff"])
    | st.binary(max_size=9)
).map(b"".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(ends, ends, st.binary(max_size=120))
def test_no_content_raises_anything(first: bytes, second: bytes, third: bytes) -> None:
    held = Held(
        {
            "a.mzML": first,
            "b.imzML": second,
            "b.ibd": third,
            "c.raw": third,
            "d.d/analysis.tdf": b"SQLite format 3\0" + third,
            "e.mzML.gz": first,
        }
    )

    assert MZML.claims(held)
    MZML.inspect(held)
    assert MZML.describe(held).title
    MZML.delivered(held)


@pytest.mark.timeout(20)
def test_a_head_full_of_openings_is_read_in_time() -> None:
    body = (b"<mzML " + b"<cvParam " * 8000)[:65536]

    MZML.inspect(Held({"a.imzML": body, "a.ibd": b"x"}))
    MZML.describe(Held({"a.imzML": body + imzml(b"")}))
