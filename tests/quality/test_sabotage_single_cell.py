"""Single-cell runs that are wrong in a known way, and the verdict that each must get from the real gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.domain.finding import Outcome, Verdict, verdict_of
from cisterna.ports.quality import MetricTable
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import summarise
from cisterna.services.validate import reason_of
from cisterna.testing.cell_files import GENES, barcodes, counts, gene_names, h5ad_of, tenx_of, text_of
from tests.profiles.folder_look import Held

PASSED, REVIEW, QUARANTINED, NOT_ASSESSED = (
    Verdict.PASSED,
    Verdict.REVIEW,
    Verdict.QUARANTINED,
    Verdict.NOT_ASSESSED,
)
WHOLE = Facts(planned_missing_share=0.0)
Files = Mapping[str, bytes]
WITHIN = "filtered_feature_bc_matrix"


def text(**options: object) -> Files:
    return {f"{WITHIN}/{name}": body for name, body in text_of(**options).items()}  # type: ignore[arg-type]


def annotated(matrix: np.ndarray, **options: object) -> Files:
    return {"cells.h5ad": h5ad_of(matrix, **options)}  # type: ignore[arg-type]


def changed(change: Callable[[np.ndarray], None], kind: str = "float32") -> Files:
    matrix = counts().astype(kind)
    change(matrix)
    return annotated(matrix)


def unfiltered() -> Files:
    """All barcodes, of which most have a count or none, beside the cells."""
    return {"raw_feature_bc_matrix.h5": tenx_of(counts(2000, depth=0.0005)), f"{WITHIN}.h5": tenx_of()}


def without_mitochondria() -> Files:
    return annotated(counts(), var=[f"ENSG{number:011}" for number in range(GENES)])


def twice_named() -> list[str]:
    return [*gene_names()[:-2], "GENE1", "GENE2"]


def external(file: h5py.File) -> None:
    del file["X"]
    file["X"] = h5py.ExternalLink("other.h5ad", "X")


Case = tuple[Callable[[], Files], Verdict, str]
NORMALISED = np.log1p(counts() / 3.0).astype(np.float32)

CASES: dict[str, Case] = {
    "as it should be": (lambda: annotated(counts()), PASSED, ""),
    "the three text files": (text, PASSED, ""),
    "10x hdf5": (lambda: {f"{WITHIN}.h5": tenx_of()}, PASSED, ""),
    "all three of a pipeline": (lambda: {**text(), f"{WITHIN}.h5": tenx_of(), "a.h5ad": h5ad_of()}, PASSED, ""),
    "normalised, with its counts in a layer": (
        lambda: annotated(NORMALISED, layers={"counts": counts()}),
        PASSED,
        "",
    ),
    "all barcodes beside the cells": (unfiltered, PASSED, ""),
    "normalised alone": (lambda: annotated(NORMALISED), NOT_ASSESSED, "counts-raw"),
    "normalised beside counts": (lambda: {**text(), "a.h5ad": h5ad_of(NORMALISED)}, REVIEW, "counts-raw"),
    "all barcodes alone": (lambda: {"raw_feature_bc_matrix.h5": tenx_of()}, NOT_ASSESSED, "cells-called"),
    "a file cut off": (lambda: {"a.h5ad": h5ad_of()[:50_000]}, QUARANTINED, "files-readable"),
    "one of two cut off": (lambda: {**text(), "a.h5ad": h5ad_of()[:50_000]}, QUARANTINED, "files-readable"),
    "no HDF5 at all": (lambda: {"a.h5ad": b"the network share was full"}, QUARANTINED, "files-readable"),
    "a matrix elsewhere": (lambda: annotated(counts(), change=external), QUARANTINED, "files-readable"),
    "fewer entries than told": (lambda: text(told=200_000), QUARANTINED, "files-readable"),
    "several kinds of data": (lambda: {"a.h5mu": h5ad_of()}, NOT_ASSESSED, "matrices-found"),
    "barcodes of another run": (
        lambda: {**text(), f"{WITHIN}/barcodes.tsv.gz": text_of(counts(90))["barcodes.tsv.gz"]},
        QUARANTINED,
        "parts-agree",
    ),
    "features of another reference": (
        lambda: {**text(), f"{WITHIN}/features.tsv.gz": text_of(counts(120, 900))["features.tsv.gz"]},
        QUARANTINED,
        "parts-agree",
    ),
    "a table of other cells": (lambda: annotated(counts(), obs=barcodes(99)), QUARANTINED, "parts-agree"),
    "10x hdf5 with too few barcodes": (lambda: {f"{WITHIN}.h5": tenx_of(listed=80)}, QUARANTINED, "parts-agree"),
    "two cells of one name": (
        lambda: annotated(counts(), obs=[*barcodes()[:-1], barcodes()[0]]),
        QUARANTINED,
        "barcodes-unique",
    ),
    "two genes of one name": (lambda: annotated(counts(), var=twice_named()), REVIEW, "genes-unique"),
    "not a number": (lambda: changed(lambda one: one.__setitem__((3, 5), np.nan)), QUARANTINED, "values-finite"),
    "infinite": (lambda: changed(lambda one: one.__setitem__((3, 5), np.inf)), QUARANTINED, "values-finite"),
    "below zero": (lambda: changed(lambda one: one.__setitem__((3, 5), -2)), QUARANTINED, "counts-positive"),
    "dying cells": (lambda: annotated(counts(mitochondria=12.0)), QUARANTINED, "mitochondria-many"),
    "stressed cells": (lambda: annotated(counts(mitochondria=4.0)), REVIEW, "mitochondria"),
    "nobody knows the genes": (without_mitochondria, NOT_ASSESSED, "mitochondria"),
    "hardly any reads": (lambda: annotated(counts(depth=0.05)), QUARANTINED, "genes-per-cell-low"),
    "few reads": (lambda: annotated(counts(depth=0.25)), REVIEW, "genes-per-cell"),
    "few cells": (lambda: annotated(counts(30)), REVIEW, "cells-enough"),
    "a cell without counts": (lambda: changed(lambda one: one[4].fill(0)), REVIEW, "cells-empty"),
    "most cells without counts": (lambda: changed(lambda one: one[40:].fill(0)), QUARANTINED, "cells-empty-many"),
    "nothing but zeros": (lambda: changed(lambda one: one.fill(0)), QUARANTINED, "genes-per-cell-low"),
    "one gene drowns all others": (
        lambda: changed(lambda one: one[:, 100].__iadd__(20_000)),
        REVIEW,
        "library-complex",
    ),
    "no file at all": (dict, QUARANTINED, "matrices-found"),
}


@pytest.mark.parametrize("name", CASES, ids=list(CASES))
def test_a_sabotaged_run_gets_the_verdict_it_must(
    gate: GxGate, readers: FileChildren, tmp_path: Path, name: str
) -> None:
    make, verdict, check = CASES[name]
    table = measured(make(), readers, tmp_path)
    summary = summarise("single_cell", table, WHOLE, limits=gate.limits("single_cell"))

    report = gate.assess(data_type="single_cell", summary=summary.row, table=summary.table)
    findings = told_of_planes(report.findings, summary.table)

    assert verdict_of(findings) is verdict, reason_of(findings)
    not_passed = {finding.check for finding in findings if finding.outcome is not Outcome.PASSED}
    assert check in not_passed or not check
    assert reason_of(findings)


def test_the_file_behind_a_failure_is_named(gate: GxGate, readers: FileChildren, tmp_path: Path) -> None:
    files = {"good.h5ad": h5ad_of(), "bad.h5ad": h5ad_of(counts(mitochondria=12.0))}
    summary = summarise("single_cell", measured(files, readers, tmp_path), WHOLE)

    report = gate.assess(data_type="single_cell", summary=summary.row, table=summary.table)

    (finding,) = [one for one in report.findings if one.check == "mitochondria-many"]
    assert finding.files == ("bad.h5ad",)
    assert finding.message.startswith("Mitochondrial counts of the middle cell of the worst matrix: ")


def test_nobody_knows_whether_the_run_is_whole(gate: GxGate, readers: FileChildren, tmp_path: Path) -> None:
    summary = summarise("single_cell", measured({"a.h5ad": h5ad_of()}, readers, tmp_path), Facts())

    report = gate.assess(data_type="single_cell", summary=summary.row, table=summary.table)

    assert report.verdict is NOT_ASSESSED


def measured(files: Files, readers: FileChildren, folder: Path) -> MetricTable:
    """Measure as the one read does, and give the table that it keeps."""
    spools = SpoolFolder(folder / "spool", limit_bytes=1 << 30, room=None)
    meter = CellMeter(spools=spools, children=readers).of_run(Held(dict(files)))
    readings = {path: meter.read(memoryview(body), path=path) for path, body in files.items()}
    columns: dict[str, list[str | float | int | None]] = {
        "path": list(files),
        "problem": [one.problem for one in readings.values()],
        "unmeasured": [one.unmeasured for one in readings.values()],
        **{name: [one.metrics.get(name) for one in readings.values()] for name in meter.names},
    }
    return MetricTable(columns=columns)
