"""Gathers a version's findings and what was measured into a report, with the failing file beside each finding.

Everything is read from the version's own files, verified; what cannot be read is said in the report, and the rest of
it is there all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.domain.finding import Finding
from cisterna.domain.quality_report import (
    CurveChart,
    FailingFile,
    Histogram,
    JudgedFinding,
    Limit,
    PlateChoice,
    PlateMap,
    QualityReport,
    RawTable,
    TrendChart,
)
from cisterna.domain.untrusted import json_object
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.detail import Detail
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH, PREVIEWS_PATH, UNMEASURED
from cisterna.services.public_files import read_verified
from cisterna.services.report_curve import curve_charts
from cisterna.services.report_histogram import FileLimits, histograms_of
from cisterna.services.report_plate import IMAGES, UNREADABLE, plate_choices, plate_map
from cisterna.services.report_series import MetricSeries, bounded, series_of
from cisterna.services.report_suite import (
    NEED_ATTENTION,
    Blame,
    SaidRule,
    blame_order,
    blamed_by,
    said_rules,
)
from cisterna.services.validate import FINDINGS_FILE, SUITE_FILE, SUMMARY_FILE

FILES_SHOWN = 12
"""Of each finding."""
_WELLS_DRAWN = 2_000
"""Over all maps of a report that nobody can ask again."""
_QUALITY = "quality/"
_NO_COLUMNS: Mapping[str, Sequence[object]] = {"path": ()}

Content = TypeVar("Content")


@dataclass(frozen=True)
class ReportSource:
    """What was read of a version, from which a report is drawn up as often as it is asked for.

    Attributes:
        series: What was measured, file by file.
        judged: The content of `quality/findings.json`.
        summed: That of `quality/summary.json`.
        suite: That of `quality/suite.json`.
        curves: The columns of `quality/curves.parquet`.
        previews: PNG by path as acquired.
        troubles: What could not be read, in words.
    """

    series: MetricSeries
    judged: Mapping[str, Any]
    summed: Mapping[str, Any]
    suite: Mapping[str, Any]
    curves: Mapping[str, Sequence[object]]
    previews: Mapping[str, bytes]
    troubles: tuple[str, ...]

    @cached_property
    def spread(self) -> tuple[tuple[Histogram, ...], int]:
        """The histograms, and how many are left out; the same whichever map is asked for."""
        return histograms_of(self.series, self.limits)

    @cached_property
    def rules(self) -> dict[str, SaidRule]:
        """The rules of the suite by their check."""
        return said_rules(self.suite)

    @cached_property
    def limits(self) -> FileLimits:
        """By which single files are judged, as they were when the version was."""
        found = self.summed.get("limits")
        cells = found.items() if isinstance(found, dict) else ()
        named = {str(name): value for name, cell in cells if (value := bounded(cell)) is not None}
        ruled: dict[str, list[Limit]] = {}
        for rule in self.rules.values():
            if rule.file_limit is not None:
                ruled.setdefault(rule.file_column, []).append(rule.file_limit)
        return FileLimits(named=named, ruled=ruled)


@dataclass
class _Reader:
    """Reads files of a version, and takes down what it cannot read."""

    version: Version
    dataset: Dataset
    store: ObjectStore
    troubles: list[str] = field(default_factory=list)

    def take(self, path: str, read: Callable[[bytes], Content], otherwise: Content) -> Content:
        """Give what a file holds; what stands in for it where there is none or it cannot be read."""
        if path not in self.version.staged:
            return otherwise
        try:
            return read(read_verified(self.version, path, dataset=self.dataset, store=self.store))
        except CisternaError as error:
            self.troubles.append(f"{path} cannot be read: {error}"[:500])
            return otherwise


def read_report_source(
    version: Version, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile
) -> ReportSource:
    """Read what a report on a version is drawn from; the caller has made sure that the person may see it."""
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
    reader = _Reader(version, dataset, store)
    nothing = series_of(_NO_COLUMNS)
    return ReportSource(
        series=reader.take(METRICS_PATH, lambda body: series_of(tables.load(body)), nothing),
        judged=reader.take(FINDINGS_FILE, lambda body: json_object(body, FINDINGS_FILE), {}),
        summed=reader.take(SUMMARY_FILE, lambda body: json_object(body, SUMMARY_FILE), {}),
        suite=reader.take(SUITE_FILE, lambda body: json_object(body, SUITE_FILE), {}),
        curves=reader.take(CURVES_PATH, tables.load, {}),
        previews=reader.take(PREVIEWS_PATH, lambda body: _previews(tables.load(body)), {}),
        troubles=tuple(reader.troubles),
    )


@dataclass(frozen=True)
class Judgement:
    """The suite by which a version was judged, and the row that it judged; an empty text where none was kept."""

    suite: str
    suite_text: str
    summary: dict[str, float | int | str | None]


def read_judgement(version: Version, *, catalogue: Catalogue, store: ObjectStore) -> Judgement:
    """Read what a version was judged by from its own files.

    Raises:
        InvalidInput: They cannot be read.
    """
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
    reader = _Reader(version, dataset, store)
    text = reader.take(SUITE_FILE, lambda body: body.decode(errors="replace"), "")
    judged: dict[str, Any] = reader.take(FINDINGS_FILE, lambda body: json_object(body, FINDINGS_FILE), {})
    summed: dict[str, Any] = reader.take(SUMMARY_FILE, lambda body: json_object(body, SUMMARY_FILE), {})
    if reader.troubles:
        raise InvalidInput(reader.troubles[0], version_id=version.version_id)
    return Judgement(suite=_text(judged.get("suite")) or "", suite_text=text, summary=_summary(summed))


def quality_report(
    found: Detail,
    source: ReportSource,
    *,
    plate: PlateChoice | None = None,
    whole: bool = False,
    trends: Sequence[TrendChart] = (),
) -> QualityReport:
    """Draw up the report on a version.

    Args:
        found: What is known of the version; it was asked for in the name of whoever reads the report.
        source: What was read of it.
        plate: Of which metric and channel to draw a map; None chooses the one that says most.
        whole: Draw more than one map, for a report that nobody can ask again.
        trends: Of its instrument.
    """
    version = found.shown
    series, limits, troubles = source.series, source.limits, list(source.troubles)
    histograms, more = source.spread
    choices = plate_choices(series)
    ordered = _ordered(choices, histograms, blamed_by(found.findings, source.rules))
    wanted = plate if plate in choices else next(iter(ordered), None)
    maps = _maps(series, [one for one in ordered if one != wanted], limits) if whole else ()
    return QualityReport(
        dataset_id=found.dataset_id or "",
        version=found.version or "",
        title=found.title,
        data_type=_data_type(source, version),
        instrument=found.instrument,
        pid=found.pid,
        verdict=found.verdict,
        reason=found.reason,
        gated_at=_gated_at(found),
        suite=_text(source.judged.get("suite")),
        suite_sha512=_text(source.judged.get("suite_sha512")),
        engine=_text(source.judged.get("engine")),
        findings=tuple(_judged(finding, source) for finding in found.findings),
        summary=_summary(source.summed),
        rows=series.rows,
        histograms=histograms,
        histograms_more=more,
        plate=plate_map(series, wanted, limits) if wanted else None,
        plate_choices=choices,
        plates=maps,
        curves=_curves(source, found.findings, troubles),
        trends=tuple(trends),
        raw=_raw(version),
        troubles=tuple(troubles),
    )


def _ordered(
    choices: Sequence[PlateChoice], histograms: Sequence[Histogram], blamed: Sequence[Blame]
) -> list[PlateChoice]:
    """Put first what a finding is about, then what has most files beyond a limit, then what has a limit."""
    said = {
        (one.metric, one.channel): (-one.beyond / one.values, not one.limits, place)
        for place, one in enumerate(histograms)
    }
    last = (0.0, True, len(histograms))

    def order(choice: PlateChoice) -> tuple[int, tuple[float, bool, int]]:
        is_count = choice.metric in {IMAGES, UNREADABLE}  # no finding is about those by their names
        place = len(blamed) if is_count else blame_order(choice.metric, blamed)
        return place, said.get((choice.metric, choice.channel), last)

    return sorted(choices, key=order)


def _maps(series: MetricSeries, choices: Sequence[PlateChoice], limits: FileLimits) -> tuple[PlateMap, ...]:
    maps: list[PlateMap] = []
    drawn = 0
    for choice in choices:
        if maps and drawn + len(maps[0].wells) > _WELLS_DRAWN:
            break
        maps.append(plate_map(series, choice, limits))
        drawn += max(1, len(maps[-1].wells))
    return tuple(maps)


def _curves(source: ReportSource, findings: Sequence[Finding], troubles: list[str]) -> tuple[CurveChart, ...]:
    if not source.curves:
        return ()
    failing = {path for finding in findings if finding.outcome in NEED_ATTENTION for path in _paths(finding)}
    try:
        return curve_charts(source.curves, failing=failing)
    except InvalidInput as error:
        troubles.append(f"{CURVES_PATH} cannot be read: {error}"[:500])
        return ()


def _judged(finding: Finding, source: ReportSource) -> JudgedFinding:
    rule = source.rules.get(finding.check)
    said, advice = _parted(finding.message, rule.advice if rule else "")
    paths = _paths(finding) if finding.outcome in NEED_ATTENTION else []
    shown = paths[:FILES_SHOWN]
    rows = _rows_of(source.series, shown)
    return JudgedFinding(
        finding=finding,
        said=said,
        advice=advice,
        files=tuple(_failing(path, rows.get(path), source) for path in shown),
        more=len(paths) - len(shown),
    )


def _parted(message: str, advice: str) -> tuple[str, str]:
    """Take the advice out of a message: as the suite has it, or else what follows the limit."""
    if advice and advice in message:
        return " ".join(message.replace(advice, "", 1).split()), advice
    said, parted, rest = message.partition("). ") if "(expected " in message else ("", "", "")
    return (f"{said}).", rest) if parted else (message, "")


def _paths(finding: Finding) -> list[str]:
    return [path.removeprefix("data/") for path in finding.files]


def _rows_of(series: MetricSeries, paths: Sequence[str]) -> dict[str, int]:
    """Find the first row of each file."""
    wanted, rows = set(paths), dict[str, int]()
    for row, path in enumerate(series.columns.get("path", ())):
        if path in wanted:
            rows.setdefault(str(path), row)
    return rows


def _failing(path: str, row: int | None, source: ReportSource) -> FailingFile:
    told = {}
    if row is not None:
        for name in ("region", "field", "channel", "problem", UNMEASURED):
            told[name] = source.series.text(name, row)
    place = [told[name] for name in ("region", "field", "channel") if told.get(name)]
    return FailingFile(
        path=path,
        place=" · ".join(str(one) for one in place),
        words=told.get("problem") or told.get(UNMEASURED) or "",
        has_preview=path in source.previews,
    )


def _previews(columns: Mapping[str, Sequence[object]]) -> dict[str, bytes]:
    if "path" not in columns or "png" not in columns:
        msg = "it has not the columns path and png"
        raise InvalidInput(msg)
    rows = zip(columns["path"], columns["png"], strict=True)
    return {path: png for path, png in rows if isinstance(path, str) and isinstance(png, bytes) and _is_png(png)}


def _is_png(png: bytes) -> bool:
    return png.startswith(b"\x89PNG\r\n\x1a\n")


def _raw(version: Version | None) -> tuple[RawTable, ...]:
    staged = version.staged if version else {}
    return tuple(RawTable(path=path, file=file) for path, file in sorted(staged.items()) if path.startswith(_QUALITY))


def _summary(summed: Mapping[str, Any]) -> dict[str, float | int | str | None]:
    row = summed.get("summary")
    known = row.items() if isinstance(row, dict) else ()
    return {str(name): cell if isinstance(cell, str | int | float) else None for name, cell in known}


def _gated_at(found: Detail) -> datetime | None:
    stages = (one for one in found.history if one.name == "version.stage" and one.subject == found.version_id)
    return next((one.occurred_at for one in stages if one.data.get("stage") == Stage.GATED), None)


def _data_type(source: ReportSource, version: Version | None) -> str:
    described = (version.metadata or {}).get("data_type") if version else None
    suite = _text(source.judged.get("suite")) or ""
    return str(described or suite.partition("/")[0])


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
