"""The stage `gated`: sums up what was measured, asks the gate, and keeps what it found.

The columns of the summary row and of the table are described in `docs/reference/metrics.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version, require_transition
from cisterna.domain.errors import InvalidInput, ObjectNotFound
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import GateReport, MetricTable, QualityGate, TableFile
from cisterna.services.measurement import METRICS_PATH
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.staging import read_staged, stage_files
from cisterna.services.summary import Cell, Facts, Summary
from cisterna.services.summary_choice import summarise
from cisterna.services.transition import advance
from cisterna.services.trend import came_at, samples_of

FINDINGS_FILE = "quality/findings.json"
SUMMARY_FILE = "quality/summary.json"
_REASON_MAX = 3
_GRAVITY = (Outcome.FAILED, Outcome.NOT_ASSESSED, Outcome.WARNING, Outcome.PASSED)


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
    if ORDER.index(version.stage) >= ORDER.index(Stage.GATED):
        return version
    require_transition(version.stage, Stage.GATED, version_id=version_id)

    facts = Facts(planned_missing_share=_planned_missing_share(acquisition), images_in=images_in)
    limits = {} if gate_lost else dict(gate.limits(dataset.data_type))
    summary, problem = _summary_of(version, dataset, facts, limits, store=store, tables=tables)
    report = _lost(dataset) if gate_lost else _ask(gate, dataset, summary)
    if problem is not None:
        report = report.model_copy(update={"findings": (problem, *report.findings)})
    report = report.model_copy(update={"findings": told_of_planes(report.findings, summary.table)})

    if version.incomplete is not None:
        report = report.model_copy(update={"findings": (*report.findings, _not_whole(version.incomplete))})
    verdict = report.verdict
    reason = reason_of(report.findings)
    if version.incomplete is not None and _not_whole(version.incomplete).message not in reason:
        reason = f"{_not_whole(version.incomplete).message} {reason}"
    files = {FINDINGS_FILE: _findings_json(report, verdict, reason), SUMMARY_FILE: _summary_json(summary, limits)}
    staged = stage_files(version, files, dataset=dataset, store=store)
    judged = staged.model_copy(update={"verdict": verdict, "reason": reason})
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        tx.datasets.set_findings(version_id, report.findings)
        at = came_at(tx, version)
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
    if ordered[0].outcome is Outcome.PASSED:
        return f"All {len(findings)} checks passed."
    grave: list[Finding] = []
    for finding in ordered:
        told = any(_subject(finding) == _subject(graver) for graver in grave)  # a warning below the same error
        if finding.outcome is not Outcome.PASSED and not told:
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


def _ask(gate: QualityGate, dataset: Dataset, summary: Summary) -> GateReport:
    return gate.assess(data_type=dataset.data_type, summary=summary.row, table=summary.table)


def _lost(dataset: Dataset) -> GateReport:
    message = (
        "The quality process could not be reached, so nothing was judged; the data go to the archive all the same."
    )
    finding = Finding(check="gate", outcome=Outcome.NOT_ASSESSED, message=message)
    return GateReport(suite=f"{dataset.data_type}/default", suite_sha512="", engine="none", findings=(finding,))


def _findings_json(report: GateReport, verdict: Verdict, reason: str) -> bytes:
    content = {"verdict": verdict.value, "reason": reason, **report.model_dump(mode="json")}
    return _json(content)


def _summary_json(summary: Summary, limits: Mapping[str, float]) -> bytes:
    content = {"summary": summary.row, "by_channel": summary.by_channel, "limits": dict(limits)}
    return _json({**content, "rows": summary.table.rows})


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
