"""The stage `gated`: sums up what was measured, asks the gate, and keeps what it found.

The columns of the summary row and of the table are described in `docs/reference/metrics.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version, require_transition
from cisterna.domain.errors import InvalidInput, ObjectNotFound
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.trend import MOST_CHANNELS
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import GateReport, MetricTable, QualityGate, TableFile
from cisterna.services.alarm_setting import wells_left_out
from cisterna.services.field_export import exported
from cisterna.services.measurement import CHANNELS_PATH, METRICS_PATH
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.staging import read_staged, stage_files
from cisterna.services.summary import Cell, Facts, Summary
from cisterna.services.summary_choice import summarise
from cisterna.services.transition import advance
from cisterna.services.trend import came_at, samples_of
from cisterna.services.usual import charts_for

FINDINGS_FILE = "quality/findings.json"
FINDINGS_TABLE = "quality/findings.parquet"
SUITE_FILE = "quality/suite.json"
"""The suite as it was when it judged."""
SUMMARY_FILE = "quality/summary.json"
_REASON_MAX = 3
_GRAVITY = (Outcome.FAILED, Outcome.NOT_ASSESSED, Outcome.WARNING, Outcome.PASSED, Outcome.LEFT_OUT)


def gate_version(
    version_id: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    gate: QualityGate,
    tables: TableFile,
    clock: Clock,
    gate_lost: bool = False,
    images_in: int | None = None,
) -> Version:
    """Judge a measured version, keep the findings beside its data, and bring it to `gated`.

    A verdict is a label: whatever it is, the version goes on to the archive. A second run judges again and replaces
    what the first one staged; a version that has been gated is returned as it is.

    Args:
        version_id: Of a version that is `measured`.
        lease: Of the attempt that does this.
        catalogue: Where the version is.
        store: The archive, where its files are staged.
        gate: Judges.
        tables: Reads the metrics.
        clock: Dates the change.
        gate_lost: The gate was unavailable for as long as it is waited for: the verdict is `not-assessed`.
        images_in: For label images, how many images the model was given.

    Raises:
        GateUnavailable: The quality process did not answer; try again later.
        IllegalTransition: The version has not been measured.
        LeaseLost: Another worker has the work now.
    """
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        acquisition = tx.acquisitions.find(dataset.acquisition_id) if dataset.acquisition_id else None
        settings = tx.instruments.get(acquisition.instrument).settings if acquisition else {}
        at = came_at(tx, version)
    if ORDER.index(version.stage) >= ORDER.index(Stage.GATED):
        return version
    require_transition(version.stage, Stage.GATED, version_id=version_id)

    missing = _planned_missing_share(acquisition)
    facts = Facts(
        planned_missing_share=missing,
        planned_missing_names=acquisition.reason if acquisition and missing else None,
        images_in=images_in,
        wells_left_out=wells_left_out(settings),
    )
    limits = {} if gate_lost else dict(gate.limits(dataset.data_type))
    summary, problem = _summary_of(version, dataset, facts, limits, store=store, tables=tables)
    report = _lost(dataset) if gate_lost else _ask(gate, dataset, summary, at=at, catalogue=catalogue)
    if problem is not None:
        report = report.model_copy(update={"findings": (problem, *report.findings)})
    report = report.model_copy(update={"findings": told_of_planes(report.findings, summary.table)})

    if version.incomplete is not None:
        report = report.model_copy(update={"findings": (*report.findings, _not_whole(version.incomplete))})
    verdict = report.verdict
    reason = reason_of(report.findings)
    if version.incomplete is not None and _not_whole(version.incomplete).message not in reason:
        reason = f"{_not_whole(version.incomplete).message} {reason}"
    files = {
        FINDINGS_FILE: _findings_json(report, verdict, reason),
        FINDINGS_TABLE: _findings_table(report, verdict, tables),
        SUMMARY_FILE: _summary_json(summary, limits),
    }
    if report.suite_text:
        files[SUITE_FILE] = report.suite_text.encode()
    files |= exported(dataset, summary.table, report, reason=reason, measured_at=version.stage_at)
    staged = stage_files(version, files, dataset=dataset, store=store)
    judged = staged.model_copy(update={"verdict": verdict, "reason": reason})
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        tx.datasets.set_findings(version_id, report.findings)
        tx.trends.add(samples_of(summary, version=version, dataset=dataset, verdict=verdict, at=at))
        return advance(
            tx,
            judged,
            Stage.GATED,
            clock=clock,
            suite=report.suite,
            suite_sha512=report.suite_sha512,
            engine=report.engine,
        )


def reason_of(findings: Sequence[Finding]) -> str:
    """Say in a few sentences why the verdict is what it is: the gravest finding first, never empty."""
    if not findings:
        return "Nothing was looked at, since the suite gave no finding."
    ordered = sorted(findings, key=lambda finding: _GRAVITY.index(finding.outcome))
    left_out = sorted(finding.check for finding in findings if finding.outcome is Outcome.LEFT_OUT)
    if len(left_out) == len(findings):
        return "Nothing was looked at, since every check of the suite was left out."
    if ordered[0].outcome is Outcome.PASSED:
        passed = f"All {len(findings) - len(left_out)} checks passed"
        return f"{passed}, {len(left_out)} left out: {', '.join(left_out)}." if left_out else f"{passed}."
    grave: list[Finding] = []
    for finding in ordered:
        told = any(_subject(finding) == _subject(graver) for graver in grave)  # a warning below the same error
        if finding.outcome not in {Outcome.PASSED, Outcome.LEFT_OUT} and not told:
            grave.append(finding)
    shown = " ".join(finding.message for finding in grave[:_REASON_MAX])
    return shown if len(grave) <= _REASON_MAX else f"{shown} And {len(grave) - _REASON_MAX} more."


def _subject(finding: Finding) -> str:
    return finding.message.partition(" (expected ")[0]


def _summary_of(
    version: Version,
    dataset: Dataset,
    facts: Facts,
    limits: Mapping[str, float],
    *,
    store: ObjectStore,
    tables: TableFile,
) -> tuple[Summary, Finding | None]:
    try:
        loaded = tables.load(read_staged(version, METRICS_PATH, dataset=dataset, store=store))
        table, problem = _table(loaded), None
        if CHANNELS_PATH in version.staged:
            channels = _table(tables.load(read_staged(version, CHANNELS_PATH, dataset=dataset, store=store)))
            facts = facts.model_copy(update={"channels": channels})
    except (InvalidInput, ObjectNotFound) as error:
        table = MetricTable(columns={"path": []})
        message = f"The table of what was measured cannot be read, so nothing could be judged: {error}"
        problem = Finding(check="metrics", outcome=Outcome.NOT_ASSESSED, message=message)
    return summarise(dataset.data_type, table, facts, limits=limits), problem


def _table(columns: Mapping[str, Sequence[object]]) -> MetricTable:
    """Take a loaded table. Raises `InvalidInput` when its columns are not of one length or have no `path`."""
    lengths = {len(column) for column in columns.values()}
    if "path" not in columns or len(lengths) > 1:
        msg = "it has no column path, or columns of different lengths"
        raise InvalidInput(msg, columns=sorted(columns))
    return MetricTable(columns={name: [_cell(cell) for cell in column] for name, column in columns.items()})


def _cell(cell: object) -> Cell:
    return cell if isinstance(cell, str | float | int) else None


def _planned_missing_share(acquisition: Acquisition | None) -> float | None:
    if acquisition is None:
        return None
    if acquisition.progress is not None:
        return 1.0 - acquisition.progress
    return 0.0 if acquisition.state is AcquisitionState.COMPLETE else None


def _not_whole(state: AcquisitionState) -> Finding:
    """Label a run that was taken in although it is not whole: no verdict on it is better than `review`."""
    message = f"The run is {state.value} and not whole; it was archived as such and is never published."
    return Finding(check="whole-run", outcome=Outcome.WARNING, message=message, observed=state.value)


def _ask(gate: QualityGate, dataset: Dataset, summary: Summary, *, at: datetime, catalogue: Catalogue) -> GateReport:
    rules = gate.baselines(dataset.data_type)
    charts = charts_for(summary, rules, dataset=dataset, at=at, catalogue=catalogue)
    return gate.assess(data_type=dataset.data_type, summary=summary.row, table=summary.table, charts=charts)


def _lost(dataset: Dataset) -> GateReport:
    message = (
        "The quality process could not be reached, so nothing was judged; the data go to the archive all the same."
    )
    finding = Finding(check="gate", outcome=Outcome.NOT_ASSESSED, message=message)
    return GateReport(suite=f"{dataset.data_type}/default", suite_sha512="", engine="none", findings=(finding,))


def _findings_json(report: GateReport, verdict: Verdict, reason: str) -> bytes:
    told = report.model_dump(mode="json", exclude={"suite_text"})
    return _json({"verdict": verdict.value, "reason": reason, **told})


def _findings_table(report: GateReport, verdict: Verdict, tables: TableFile) -> bytes:
    """Write the findings a row each; what was observed and expected may be a number or text, so both are JSON."""
    findings = report.findings
    columns: dict[str, list[object]] = {
        "check": [one.check for one in findings],
        "outcome": [one.outcome.value for one in findings],
        "message": [one.message for one in findings],
        "observed": [_cell_json(one.observed) for one in findings],
        "expected": [_cell_json(one.expected) for one in findings],
        "files": [_cell_json(list(one.files)) for one in findings],
    }
    judged = {"suite": report.suite, "suite_sha512": report.suite_sha512, "engine": report.engine}
    return tables.dump(columns, metadata={**judged, "verdict": verdict.value})


def _cell_json(value: JsonValue) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _summary_json(summary: Summary, limits: Mapping[str, float]) -> bytes:
    by_channel = dict(sorted(summary.by_channel.items())[:MOST_CHANNELS])
    content = {"summary": summary.row, "by_channel": by_channel, "limits": dict(limits)}
    return _json({**content, "rows": summary.table.rows})


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
