"""Which datasets get a file in the format of their field, and what is left out of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from cisterna.domain.finding import Finding, Outcome
from cisterna.ports.quality import GateReport, MetricTable
from cisterna.services.field_export import MZQC_FILE, RUNS_MAX, exported
from cisterna.testing.factory import make_dataset

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
REPORT = GateReport(
    suite="mass_spectrometry/default",
    suite_sha512="ab" * 64,
    engine="limits 1",
    findings=(Finding(check="one", outcome=Outcome.WARNING, message="One file is short."),),
)


def table(files: int) -> MetricTable:
    return MetricTable(
        columns={
            "path": [f"{one}.mzML" for one in range(files)],
            "problem": ["cut off" if one == 1 else None for one in range(files)],
            "unmeasured": ["of its maker" if one == 2 else None for one in range(files)],
            "ms1_spectra": [float(one) for one in range(files)],
        }
    )


def written(files: int) -> dict[str, bytes]:
    dataset = make_dataset(data_type="mass_spectrometry")
    return exported(dataset, table(files), REPORT, reason="One file is short.", measured_at=AT)


def test_files_that_were_not_measured_are_left_out_and_the_judgement_is_told() -> None:
    document = json.loads(written(5)[MZQC_FILE])["mzQC"]

    assert [one["metadata"]["label"] for one in document["runQualities"]] == ["0.mzML", "3.mzML", "4.mzML"]
    assert document["description"] == (
        "Verdict: review. One file is short. Judged by the suite mass_spectrometry/default (SHA-512 abababababababab) "
        "with limits 1."
    )
    assert document["creationDate"] == "2026-03-01T10:00:00Z"


def test_of_very_many_files_the_first_are_told_of_and_the_rest_is_said() -> None:
    document = json.loads(written(RUNS_MAX + 10)[MZQC_FILE])["mzQC"]

    assert len(document["runQualities"]) == RUNS_MAX
    assert document["description"].endswith("Only the first 2,000 of 2,008 files are told of here.")


def test_other_data_have_no_such_file() -> None:
    assert exported(make_dataset(), table(5), REPORT, reason="", measured_at=AT) == {}


def test_where_nothing_was_measured_there_is_none() -> None:
    dataset = make_dataset(data_type="mass_spectrometry")
    empty = MetricTable(columns={"path": []})

    assert exported(dataset, empty, REPORT, reason="", measured_at=AT) == {}
