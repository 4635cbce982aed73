"""`cisterna quality`: the report as a file, and what the gate said as MultiQC's custom content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import quality_docs, quality_export, quality_report, run
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Outcome, Verdict
from cisterna.services.validate import SUITE_FILE
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_finding
from cisterna.testing.limit_gate import LimitGate
from tests.web.quality_files import plate_metrics, quality_files
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose parts the commands find."""
    made = Site(catalogue, clock)
    made.settle_people()
    parts = SimpleNamespace(
        catalogue=catalogue, archive_store=made.store, tables=made.tables, clock=clock, gate=LimitGate({})
    )

    @contextmanager
    def opened(_home: Path | None) -> Iterator[Any]:
        yield parts

    for command in (quality_report, quality_export, quality_docs):
        monkeypatch.setattr(command, "opened", opened)
    return made


@pytest.fixture
def judged(site: Site) -> Version:
    return site.lay_version(
        "plate-9",
        verdict=Verdict.REVIEW,
        findings=(make_finding("focus-lost", Outcome.WARNING, message="Blurred: 4 % (expected at most 2 %). Look."),),
        quality=quality_files(plate_metrics(8, 12), focus_median=0.045),
    )


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_report_is_written_as_one_file_and_nothing_is_written_over(
    judged: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "q.html"
    command = ("quality", "report", judged.dataset_id, "--to", str(file))

    assert asked(capsys, *command, "--dry-run")[0] == 0
    assert not file.exists()
    code, document = asked(capsys, *command)

    assert (code, document["verdict"], document["troubles"]) == (0, "review", [])
    assert document["size_bytes"] == file.stat().st_size
    assert "Blurred: 4 % (expected at most 2 %)." in file.read_text()
    code, document = asked(capsys, *command)
    assert (code, document["error"]) == (1, "already-exists")


def test_a_report_needs_a_version_and_a_folder_for_its_file(
    site: Site, judged: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = site.lay_acquisition("still-writing").acquisition_id

    code, document = asked(capsys, "quality", "report", run_id, "--to", str(tmp_path / "q.html"))
    assert (code, document["error"]) == (1, "invalid-input")
    code, document = asked(capsys, "quality", "report", judged.dataset_id, "--to", str(tmp_path / "no" / "q.html"))
    assert (code, document["error"]) == (1, "invalid-input")
    assert "make it first" in document["reason"]


def test_what_the_gate_said_is_exported_for_multiqc(
    site: Site, judged: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.lay_version("early", stage=Stage.DETECTED, verdict=None)  # type: ignore[arg-type]
    folder = tmp_path / "mqc"

    code, document = asked(capsys, "quality", "export", "--format", "multiqc", "--to", str(folder))

    assert (code, document["datasets"], document["troubles"]) == (0, 1, [])
    assert sorted(path.name for path in folder.iterdir()) == document["files"]
    content = json.loads((folder / "cisterna_microscopy_mqc.json").read_text())
    assert content["data"] == {"plate-9 v1": {"focus_median": 0.045, "images_found": 96}}
    code, document = asked(capsys, "quality", "export", "--to", str(folder))
    assert (code, document["error"]) == (1, "already-exists")


def test_a_place_where_nothing_can_be_written_is_named(
    judged: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    code, document = asked(capsys, "quality", "export", judged.dataset_id, "--to", str(tmp_path / "file" / "mqc"))

    assert (code, document["error"]) == (1, "invalid-input")
    assert "mqc cannot be written: Not a directory" in document["reason"]


def test_a_dataset_whose_summary_cannot_be_read_is_in_the_export_and_said(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = site.lay_version("bare")

    code, document = asked(capsys, "quality", "export", version.dataset_id, "--to", str(tmp_path / "mqc"))

    assert (code, document["datasets"]) == (0, 1)
    assert "quality/summary.json of" in document["troubles"][0]


@pytest.mark.parametrize("options", [("--project", "nobody"), ("--instrument", "squid-9")])
def test_an_export_of_nothing_is_no_export(
    judged: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    del judged

    code, document = asked(capsys, "quality", "export", "--to", str(tmp_path / "mqc"), *options)

    assert (code, document["error"]) == (1, "not-found")
    assert not (tmp_path / "mqc").exists()


def test_pages_of_great_expectations_say_that_they_load_from_elsewhere(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {
        "check": "images-found",
        "type": "expect_column_min_to_be_between",
        "kwargs": {"column": "images_found", "min_value": 1},
        "severity": "error",
        "title": "Images found",
        "advice": "Look.",
    }
    suite = json.dumps({"suite": "microscopy/default", "expectations": [rule]}).encode()
    files = quality_files(plate_metrics(8, 12)) | {SUITE_FILE: suite}
    version = site.lay_version("plate-9", quality=files)
    command = ["quality", "docs", version.version_id, "--to", str(tmp_path / "docs")]

    assert asked(capsys, *command, "--dry-run")[0] == 0
    assert not (tmp_path / "docs").exists()
    code = run(command)

    said = capsys.readouterr().out
    assert code == 0
    assert (tmp_path / "docs" / "index.html").is_file()
    assert "other hosts for styles and scripts" in said
    code, document = asked(capsys, *command)
    assert (code, document["error"]) == (1, "already-exists")


def test_there_are_no_pages_of_a_suite_that_was_not_kept(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = site.lay_version("bare")

    code, document = asked(capsys, "quality", "docs", version.dataset_id, "--to", str(tmp_path / "docs"))

    assert (code, document["error"]) == (1, "invalid-input")
    assert "was not kept with it" in document["reason"]
