"""The stage `gated`: sums up what was measured, asks the gate, and keeps what it found.

The columns of the summary row and of the table are described in `docs/reference/metrics.md`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.base import Value
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version, require_transition
from cisterna.domain.errors import InvalidInput, ObjectNotFound
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.project import ViewFormat
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import GateReport, MetricTable, QualityGate, TableFile
from cisterna.services.image_limit import DEFAULT_LIMITS, focus_limit, is_surely_below
from cisterna.services.measurement import IN_FILE, UNMEASURED
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.staging import read_staged, stage_files
from cisterna.services.transition import advance

METRICS_FILE = "quality/metrics.parquet"
FINDINGS_FILE = "quality/findings.json"
SUMMARY_FILE = "quality/summary.json"
LABELS = "labels"
"""The data type of label images made by a model."""

_REASON_MAX = 3
_GRAVITY = (Outcome.FAILED, Outcome.NOT_ASSESSED, Outcome.WARNING, Outcome.PASSED)

Cell = str | float | int | None
SummaryRow = dict[str, float | int | str | None]


class Facts(Value):
    """What is known of a dataset besides its table.

    Attributes:
        planned_missing_share: Share of the files that the acquisition's plan asks for and that are not there; None when
            nobody can tell.
        images_in: For labels, how many images the model was given.
    """

    planned_missing_share: float | None = None
    images_in: int | None = None


class Summary(Value):
    """One row about a whole dataset, and the table with what the row was made from.

    Attributes:
        row: What the gate judges.
        table: The metrics with the columns `unreadable`, `saturated` and `focus_margin` added, to name files by.
    """

    row: SummaryRow
    table: MetricTable


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


def summarise(table: MetricTable, facts: Facts, *, limits: Mapping[str, float]) -> Summary:
    """Sum up images in one row. Pure; nothing in it is rounded or guessed.

    Every share is the worst channel's, since channels differ in what is normal. A z-stack counts once, by its sharpest
    plane. What no image has a value for is None, which no check can pass.

    Args:
        table: One row a file, as `measure` wrote it.
        facts: What is known besides.
        limits: `focus_min` (`focus_min.<channel>` for one channel), `focus_relative_min`, `saturated_share_max`; what
            is not given has the default of `expectations/microscopy/default.json`.
    """
    images = _Images(table, {**DEFAULT_LIMITS, **limits})
    row: SummaryRow = {
        "images_found": table.rows,
        "images_unreadable": None if table.rows and all(images.unmeasured) else sum(images.unreadable),
        "planned_missing_share": facts.planned_missing_share,
        "channels": len(images.channels),
        "planes_missing": images.planes_missing(),
        **images.focus_shares(),
        "saturated_images_share": images.worst_share(images.saturated, above=images.limits["saturated_share_max"]),
        "saturated_worst_share": _maximum(images.saturated),
        "empty_share": images.worst_share(images.numbers("empty"), above=0.5),
        "snr_median": images.worst_median("snr"),
        "background_uniformity_median": images.worst_median("background_uniformity"),
        "nonfinite_worst_share": _maximum(images.numbers("nonfinite_share")),
        "image_sizes": images.sizes(),
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(images.unreadable),
        "saturated": list(images.saturated),
        "focus_margin": list(images.margins),
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, **added}))


def summarise_labels(table: MetricTable, facts: Facts) -> Summary:
    """Sum up label images in one row, from the columns `path`, `object_count` and `problem`."""
    counts = [_number(cell) for cell in table.columns.get("object_count", [None] * table.rows)]
    unreadable = [_is_unreadable(cell) for cell in table.columns.get("problem", [None] * table.rows)]
    known = [count for count, bad in zip(counts, unreadable, strict=True) if count is not None and not bad]
    row: SummaryRow = {
        "images_in": table.rows if facts.images_in is None else facts.images_in,
        "images_out": len(known),
        "label_problems": sum(unreadable),
        "objects_total": int(sum(known)) if known else None,
        "without_objects_share": sum(count == 0 for count in known) / len(known) if known else None,
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, "unreadable": list(unreadable)}))


def summarise_views(table: MetricTable) -> Summary:
    """Sum up converted images in one row, from the columns `path`, `pixels_equal` and `problem`."""
    unreadable = [_is_unreadable(cell) for cell in table.columns.get("problem", [None] * table.rows)]
    equal = [_number(cell) for cell in table.columns.get("pixels_equal", [None] * table.rows)]
    row: SummaryRow = {
        "images_in": table.rows,
        "images_equal": sum(one == 1 and not bad for one, bad in zip(equal, unreadable, strict=True)),
        "view_problems": sum(unreadable),
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, "unreadable": list(unreadable)}))


class _Images:
    """The table, column by column, with each image judged by the limits."""

    def __init__(self, table: MetricTable, limits: Mapping[str, float]) -> None:
        self.limits = limits
        self._table = table
        self.unreadable = [_is_unreadable(cell) for cell in self._column("problem")]
        self.unmeasured = [_is_unreadable(cell) for cell in self._column(UNMEASURED)]
        self._left_out = [any(pair) for pair in zip(self.unreadable, self.unmeasured, strict=True)]
        self._channel = [str(cell) if cell is not None else "" for cell in self._column("channel")]
        readable = zip(self._channel, self._left_out, strict=True)
        self.channels = sorted({channel for channel, bad in readable if not bad})
        self.saturated = [
            max((one for one in pair if one is not None), default=None)
            for pair in zip(self.numbers("saturated_share"), self.numbers("clipped_share"), strict=True)
        ]
        self.margins: list[float | None] = [None] * table.rows

    def _column(self, name: str) -> list[Cell]:
        return self._table.columns.get(name, [None] * self._table.rows)

    def numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for images that could not be read."""
        return [None if bad else _number(cell) for cell, bad in zip(self._column(name), self._left_out, strict=True)]

    def _by_channel(self, values: Sequence[float | None]) -> dict[str, list[float]]:
        grouped: dict[str, list[float]] = defaultdict(list)
        for channel, value in zip(self._channel, values, strict=True):
            if value is not None:
                grouped[channel].append(value)
        return grouped

    def worst_share(self, values: Sequence[float | None], *, above: float) -> float | None:
        """Share of the images above a limit, of the channel with the largest; None when no image has a value."""
        grouped = self._by_channel(values).values()
        return max((sum(value > above for value in group) / len(group) for group in grouped), default=None)

    def worst_median(self, name: str) -> float | None:
        """The lowest of the channels' medians; None when no image has a value."""
        return min((median(group) for group in self._by_channel(self.numbers(name)).values()), default=None)

    def _places(self, *names: str) -> Iterator[tuple[Cell, ...]]:
        """Give the place of each row: in the run, or for a plane of a maker's file, in that file."""
        paths, counts = self._column("path"), self._column(IN_FILE)
        inside = [None if count is None else path for path, count in zip(paths, counts, strict=True)]
        return zip(inside, *(self._column(name) for name in names), strict=True)

    def sizes(self) -> int | None:
        """Most different image sizes within a channel."""
        grouped: dict[str, set[tuple[float, float]]] = defaultdict(set)
        columns = zip(self._channel, self.numbers("width_px"), self.numbers("height_px"), strict=True)
        for channel, width, height in columns:
            if width is not None and height is not None:
                grouped[channel].add((width, height))
        return max((len(sizes) for sizes in grouped.values()), default=None)

    def planes_missing(self) -> int | None:
        """Count the planes that a channel lacks where others have one; None when no image says where it belongs."""
        places = self._places("region", "field", "z", "t")
        seen = {
            (place, channel)
            for place, channel, cell in zip(places, self._channel, self._column("channel"), strict=True)
            if cell is not None and place[1] is not None
        }
        if not seen:
            return None
        return len({place for place, _ in seen}) * len({channel for _, channel in seen}) - len(seen)

    def focus_shares(self) -> SummaryRow:
        """Judge the focus of each stack by its channel's limit, and note each image's margin (below 1: blurred)."""
        focus, error = self.numbers("focus"), self.numbers("focus_error")
        places = self._places("region", "field", "t")
        stacks: dict[str, dict[object, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, (channel, place) in enumerate(zip(self._channel, places, strict=True)):
            if not self._left_out[index]:
                alone = place[1] is None  # nothing says where it belongs, so it is no part of a stack
                stacks[channel][index if alone else place].append(index)
        medians, lost, unknown = [], [], []
        for channel, members in stacks.items():
            sharpest = [max(rows, key=lambda row: focus[row] or -1.0) for rows in members.values()]
            known = [value for row in sharpest if (value := focus[row]) is not None]
            if not known:
                unknown.append(1.0)
                continue
            limit = focus_limit(self.limits, channel, typical=median(known)).value
            low = [row for row in sharpest if (value := focus[row]) is not None and value < limit]
            sure = {row for row in low if is_surely_below(limit, focus[row], error[row])}
            for rows, best in zip(members.values(), sharpest, strict=True):
                value = focus[best]
                margin = None if value is None or (best in low and best not in sure) else value / limit
                for row in rows:
                    self.margins[row] = margin
            medians.append(median(known))
            lost.append(len(sure) / len(sharpest))
            unknown.append((len(sharpest) - len(known) + len(low) - len(sure)) / len(sharpest))
        return {
            "focus_median": min(medians, default=None),
            "out_of_focus_share": max(lost, default=None),
            "focus_unknown_share": max(unknown, default=None),
        }


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
        loaded = tables.load(read_staged(version, METRICS_FILE, dataset=dataset, store=store))
        table, problem = _table(loaded), None
    except (InvalidInput, ObjectNotFound) as error:
        table = MetricTable(columns={"path": []})
        message = f"The table of what was measured cannot be read, so nothing could be judged: {error}"
        problem = Finding(check="metrics", outcome=Outcome.NOT_ASSESSED, message=message)
    if dataset.data_type == LABELS:
        return summarise_labels(table, facts), problem
    if dataset.data_type == ViewFormat.OME_ZARR:
        return summarise_views(table), problem
    return summarise(table, facts, limits=limits), problem


def _table(columns: Mapping[str, Sequence[object]]) -> MetricTable:
    """Take a loaded table. Raises `InvalidInput` when its columns are not of one length or have no `path`."""
    lengths = {len(column) for column in columns.values()}
    if "path" not in columns or len(lengths) > 1:
        msg = "it has no column path, or columns of different lengths"
        raise InvalidInput(msg, columns=sorted(columns))
    return MetricTable(columns={name: [_cell(cell) for cell in column] for name, column in columns.items()})


def _cell(cell: object) -> Cell:
    return cell if isinstance(cell, str | float | int) else None


def _number(cell: object) -> float | None:
    return float(cell) if isinstance(cell, int | float) and math.isfinite(cell) else None


def _is_unreadable(cell: Cell) -> bool:
    return cell is not None and cell != ""


def _maximum(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


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
    return _json({"summary": summary.row, "limits": dict(limits), "rows": summary.table.rows})


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
