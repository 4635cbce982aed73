"""What the FCS profile makes of cytometry, good, bad and hostile."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.profiles.fcs import Fcs
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_cytometer import fcs, virtual_cytometer
from tests.profiles.folder_look import Held, judged, look

FCS = Fcs()


def test_an_export_is_complete_after_ten_quiet_minutes(tmp_path: Path) -> None:
    folder = virtual_cytometer().write(tmp_path)

    fresh, quiet = (judged(FCS, folder, quiet_for=seconds) for seconds in (599.0, 600.0))

    assert (fresh.state, quiet.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)


@pytest.mark.parametrize(
    ("mishap", "says"), [(Mishap.TRUNCATED, "and says that DATA ends at 4707"), (Mishap.EMPTY, "is empty")]
)
def test_a_file_that_cannot_be_whole_is_told_and_holds_the_run(tmp_path: Path, mishap: Mishap, says: str) -> None:
    folder = virtual_cytometer(mishap=mishap).write(tmp_path)

    assessment = judged(FCS, folder)

    assert assessment.state is AcquisitionState.PARTIAL
    assert says in assessment.reason


def test_a_list_closes_the_folder_and_its_digests_are_delivered(tmp_path: Path) -> None:
    run = virtual_cytometer(mishap=Mishap.MISSING)
    folder = run.write(tmp_path)
    digests = {path: hashlib.sha256(body).hexdigest() for path, body in run.files.items()}
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {path}\n" for path, digest in digests.items()))

    assert FCS.inspect(look(folder)).missing == ("plate_A02.fcs",)
    assert FCS.delivered(look(folder))["plate_A01.fcs"] == {"sha256": digests["plate_A01.fcs"]}


MAY_BE_WHOLE = {
    "FCS 2.0": fcs(version="FCS2.0"),
    "FCS 3.0": fcs(version="FCS3.0"),
    "FCS 3.2": fcs(version="FCS3.2"),
    "offsets in TEXT": fcs(is_large=True),
    "no events": fcs(0),
    "a checksum after it": fcs() + b"00000000",
    "the end of DATA counted one too far": fcs().replace(b"    4695", b"    4696", 1),
    "another mark": fcs(mark="\x0c"),
    "events as text": fcs(said={"$P1B": "*", "$TOT": "9000"}),
    "a histogram": fcs(said={"$MODE": "U", "$TOT": "9000"}),
}


@pytest.mark.parametrize("body", list(MAY_BE_WHOLE.values()), ids=list(MAY_BE_WHOLE))
def test_a_file_that_may_be_whole_is_not_told(body: bytes) -> None:
    assert FCS.inspect(Held({"a.fcs": body})).faults == ()


CANNOT_BE_WHOLE = {
    "something else": (b"RIFF" * 100, "does not begin like FCS"),
    "nine bytes": (b"FCS3.1   ", "where its parts lie"),
    "words for offsets": (b"FCS3.1    " + b"somewhere " * 10, "where its parts lie"),
    "TEXT beyond the end": (fcs()[:60], "says that TEXT ends at"),
    "more events than bytes": (fcs(said={"$TOT": "5000"}), "where 5000 events of 3 channels need 64096"),
    "more events than bytes, large": (fcs(is_large=True)[:-1], "where 50 events of 3 channels need 4696"),
    "events without end": (fcs(said={"$TOT": "9" * 18}), "does not tell in TEXT"),
    "no events told": (fcs(said={"$TOT": "many"}), "does not tell in TEXT"),
    "channels without end": (fcs(said={"$PAR": "999999999"}), "does not tell in TEXT"),
    "more data beyond the end": (fcs(said={"$NEXTDATA": "4696"}), "says that more data begin at 4696"),
    "a part that ends before it begins": (fcs().replace(b"    4096    4695", b"    4695    4096"), "begins at 4695"),
}


@pytest.mark.parametrize(("body", "says"), list(CANNOT_BE_WHOLE.values()), ids=list(CANNOT_BE_WHOLE))
def test_a_header_that_lies_or_was_cut_off_is_evidence(body: bytes, says: str) -> None:
    (fault,) = FCS.inspect(Held({"a.fcs": body})).faults

    assert fault.startswith("a.fcs ")
    assert says in fault


def test_the_export_describes_itself(tmp_path: Path) -> None:
    described = FCS.describe(look(virtual_cytometer().write(tmp_path)))

    assert (described.title, described.data_type) == ("plate 7", "cytometry")
    assert described.instrument_model == "Virtual/Cytometer"
    assert described.fields["channels"] == ["FSC-A", "SSC-A", "FITC-A"]
    assert (described.fields["events"], described.fields["files"]) == (50, 2)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 200), st.binary(max_size=30), st.integers(0, 5000))
def test_no_content_raises_anything(at: int, patch: bytes, keep: int) -> None:
    whole = fcs()
    held = Held({"a.fcs": (whole[:at] + patch + whole[at + len(patch) :])[:keep]})

    FCS.inspect(held)
    assert FCS.describe(held).title
