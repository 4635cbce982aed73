"""Writes what was measured and judged in the formats of a field, beside our own files, for its own programs to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version as version_of

from cisterna.domain.base import Moment
from cisterna.domain.dataset import Dataset
from cisterna.metadata.mzqc import CHARGES, RANGES, TERMS, MeasuredRun, mzqc_document
from cisterna.ports.quality import GateReport, MetricTable
from cisterna.services.measurement import UNMEASURED
from cisterna.services.summary import Cell, is_said, number

MZQC_FILE = "quality/qc.mzqc"
RUNS_MAX = 2000
"""Most files that one document tells of."""
_METRICS = (*TERMS, *(name for pair in RANGES for name in pair), *CHARGES)


def exported(
    dataset: Dataset, table: MetricTable, report: GateReport, *, reason: str, measured_at: Moment
) -> dict[str, bytes]:
    """Give the files, by logical path, that the dataset's field has a format for: mzQC for mass spectrometry.

    The same measurement and judgement give the same bytes, whenever that is.
    """
    if dataset.data_type != "mass_spectrometry":
        return {}
    runs = _runs(table)
    document = mzqc_document(
        runs[:RUNS_MAX],
        pid=str(dataset.pid),
        software_version=version_of("cisterna"),
        created=measured_at,
        description=_description(report, reason) + _left_out(len(runs)),
    )
    if document is None:
        return {}
    return {MZQC_FILE: (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()}


def _runs(table: MetricTable) -> list[MeasuredRun]:
    columns = table.columns
    nothing: list[Cell] = [None] * table.rows
    left_out = zip(columns.get("problem", nothing), columns.get(UNMEASURED, nothing), strict=True)
    is_measured = [not any(is_said(cell) for cell in cells) for cells in left_out]
    values: Sequence[list[Cell]] = [columns.get(name, nothing) for name in _METRICS]
    return [
        MeasuredRun(path=str(path), metrics=dict(zip(_METRICS, map(number, cells), strict=True)))
        for path, known, *cells in zip(columns["path"], is_measured, *values, strict=True)
        if known
    ]


def _description(report: GateReport, reason: str) -> str:
    return (
        f"Verdict: {report.verdict.value}. {reason} Judged by the suite {report.suite} "
        f"(SHA-512 {report.suite_sha512[:16] or 'of none'}) with {report.engine}."
    )


def _left_out(runs: int) -> str:
    return f" Only the first {RUNS_MAX:,} of {runs:,} files are told of here." if runs > RUNS_MAX else ""
