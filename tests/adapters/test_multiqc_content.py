"""MultiQC's custom content: the keys that it documents, and what it makes of them where it is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.multiqc_content import SETTINGS, multiqc_files
from cisterna.domain.finding import Outcome, Verdict
from cisterna.services.quality_export import JudgedDataset
from cisterna.testing.factory import make_finding

_SECTION_KEYS = {"id", "section_name", "description", "plot_type", "pconfig", "headers", "data"}
_TABLE_KEYS = {"id", "title", "col1_header", "namespace", "no_violin"}
_HEADER_KEYS = {"title", "description", "format", "scale", "min", "max", "cond_formatting_rules"}
EVIL = "<script>alert(1)</script>\"'&\u202e\x00"


def judged(name: str, *, data_type: str = "microscopy", title: str | None = None, **summary: Any) -> JudgedDataset:
    return JudgedDataset(
        dataset_id=name,
        version="v1.2",
        title=title or name,
        data_type=data_type,
        verdict=Verdict.QUARANTINED,
        findings=(make_finding("a", Outcome.FAILED), make_finding("b"), make_finding("c", Outcome.FAILED)),
        summary=summary,
    )


def read(*datasets: JudgedDataset) -> dict[str, Any]:
    return {name: json.loads(body) for name, body in multiqc_files(datasets).items() if name.endswith(".json")}


def test_there_are_general_statistics_and_a_section_for_each_data_type() -> None:
    files = read(judged("a", focus_median=0.04), judged("b", data_type="sequencing", reads_total=7))

    assert set(files) == {"cisterna_general_mqc.json", "cisterna_microscopy_mqc.json", "cisterna_sequencing_mqc.json"}
    general = files["cisterna_general_mqc.json"]
    assert general["plot_type"] == "generalstats"
    assert general["data"]["a v1·2"] == {"verdict": "quarantined", "failed": 2, "warning": 0, "not_assessed": 0}
    assert files["cisterna_sequencing_mqc.json"]["data"] == {"b v1·2": {"reads_total": 7}}


def test_only_keys_that_multiqc_documents_are_used_and_every_column_has_a_header() -> None:
    for name, content in read(judged("a", focus_median=0.04, empty_share=0.5)).items():
        assert set(content) <= _SECTION_KEYS | {"namespace"}, name
        assert set(content.get("pconfig", {})) <= _TABLE_KEYS
        for header in content["headers"].values():
            assert set(header) <= _HEADER_KEYS
        for row in content["data"].values():
            assert set(row) <= set(content["headers"])


def test_what_is_no_finite_number_is_left_out() -> None:
    values = {"a": None, "b": "x", "c": float("nan"), "d": float("inf"), "e": 1}

    (content,) = (one for name, one in read(judged("a", **values)).items() if "general" not in name)

    assert content["data"] == {"a v1·2": {"e": 1}}
    assert set(content["headers"]) == {"e"}


def test_no_name_can_leave_its_place_in_a_page() -> None:
    written = multiqc_files([judged("a", title=EVIL, data_type=f"x{EVIL}", **{EVIL: 1.0})])

    text = b"".join(written.values()).decode()
    assert not re.search(r"[<>&'\u202e\x00]|\\u0000", text)
    assert all(re.fullmatch(r"cisterna_[a-z0-9_]+_mqc\.json|multiqc_config\.yaml", name) for name in written)


@pytest.mark.parametrize("titles", [("same", "same"), ("x.fastq.gz", "x.fastq.gz"), ("p/a", "p_a"), ("", " ")])
def test_two_datasets_never_become_one(titles: tuple[str, str]) -> None:
    datasets = [judged(f"ds-{number}", title=title or None, n=number) for number, title in enumerate(titles)]

    assert len(read(*datasets)["cisterna_general_mqc.json"]["data"]) == 2


def test_two_versions_of_a_dataset_are_two_rows() -> None:
    first = judged("a", focus_median=0.04)

    files = read(first, first.model_copy(update={"version": "v2", "summary": {"focus_median": 0.05}}))

    assert set(files["cisterna_general_mqc.json"]["data"]) == {"a v1·2", "a v2"}
    rows = files["cisterna_microscopy_mqc.json"]["data"]
    assert rows == {"a v1·2": {"focus_median": 0.04}, "a v2": {"focus_median": 0.05}}


def test_no_data_type_takes_the_place_of_another_or_of_the_general_statistics() -> None:
    files = read(*(judged(name, data_type=name, n=1) for name in ("general", "ome-zarr", "ome_zarr", "OME")))

    assert len(files) == 5
    assert set(files["cisterna_general_mqc.json"]["data"]) == {
        "general v1·2",
        "ome-zarr v1·2",
        "ome zarr v1·2",
        "OME v1·2",
    }
    assert len({content["id"] for content in files.values()}) == 5


def test_the_same_datasets_give_the_same_bytes() -> None:
    datasets = [judged("a", b=1.0, a=2.0), judged("b", c=0.5)]

    assert multiqc_files(datasets) == multiqc_files(datasets)


def test_multiqc_draws_every_dataset(tmp_path: Path) -> None:
    program = os.environ.get("MULTIQC")
    if not program:
        pytest.skip("MULTIQC names no multiqc: the export is NOT drawn by MultiQC here")
    datasets = [
        judged("a", title="Plate 7 Aligned.fastq.gz", focus_median=0.04),
        judged("b", title="Plate 7 Aligned.fastq.gz", focus_median=0.05),
        judged("c", title=EVIL, data_type="sequencing", reads_total=12_345_678),
    ]
    for name, body in multiqc_files(datasets).items():
        (tmp_path / name).write_bytes(body)

    done = subprocess.run(
        [program, "--strict", "-o", "out", "."], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    drawn = json.loads((tmp_path / "out" / "multiqc_data" / "multiqc_data.json").read_text())
    (rows,) = drawn["report_general_stats_data"].values()
    assert len(rows) == 3
    assert SETTINGS in done.stderr
    assert "<script>alert(1)" not in (tmp_path / "out" / "multiqc_report.html").read_text()
