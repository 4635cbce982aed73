"""The page of a version's quality, and the same as one file to keep."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from cisterna.adapters.report_page import STYLE, report_file
from cisterna.domain.dataset import Version
from cisterna.domain.errors import NotFound
from cisterna.domain.quality_report import PlateChoice, QualityReport, TrendChart
from cisterna.services.detail import Detail, detail_of
from cisterna.services.quality_report import ReportSource, quality_report
from cisterna.services.report_plate import plate_choices
from cisterna.services.report_suite import blamed_by
from cisterna.services.report_trend import dataset_trends
from cisterna.web.parts import WebParts
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import Parts, Person, Signed
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)


@router.get("/static/report.css")
def send_style() -> Response:
    """Send the style of the charts, which the file to keep holds as well."""
    return Response(STYLE.read_bytes(), media_type="text/css", headers={"cache-control": "max-age=300"})


@router.get("/datasets/{dataset_id}/{version}/quality")
def show_quality(
    *,
    request: Request,
    parts: Parts,
    person: Person,
    dataset_id: str,
    version: str,
    number: Annotated[str, Query(alias="map", max_length=20)] = "",
) -> Response:
    """Show the report, with the map that was asked for."""
    found, shown = _found(parts, person, dataset_id, version)
    source = _source(parts, shown)
    choice = _choice(source, number)
    report = quality_report(found, source, plate=choice, trends=_trends(parts, person, found, source))
    base, query = f"/datasets/{dataset_id}", urlencode({"version": version})
    context = {
        "r": report,
        "d": found,
        "here": f"{base}/{version}/quality",
        "map_number": _number(report),
        "picture": lambda path: f"{base}/preview?{query}&{urlencode({'path': f'data/{path}'})}",
        "file_address": lambda path: f"{base}/files/{quote(f'data/{path}', errors='replace')}?{query}",
        "raw_address": lambda path: f"{base}/files/{quote(path)}?{query}",
        "trend_address": f"/instruments/{quote(report.instrument)}/trend" if report.instrument else None,
        "dataset_address": lambda other: f"/datasets/{quote(other)}",
    }
    return page(request, "quality.html", context)


@router.get("/datasets/{dataset_id}/{version}/quality.html")
def send_report(parts: Parts, person: Person, dataset_id: str, version: str) -> Response:
    """Send the report as one file that opens without a network."""
    found, shown = _found(parts, person, dataset_id, version)
    source = _source(parts, shown)
    report = quality_report(found, source, whole=True, trends=_trends(parts, person, found, source))
    body = report_file(report, source.previews)
    name = f"quality-{dataset_id}-{version}.html"
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": FILE_POLICY,
        "cache-control": "no-store",
    }
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


def report_on(parts: WebParts, person: Signed, dataset_id: str, label: str) -> QualityReport:
    """Draw up the report on a version, with a map of whatever says most. Raises `NotFound`."""
    found, shown = _found(parts, person, dataset_id, label)
    source = _source(parts, shown)
    return quality_report(found, source, trends=_trends(parts, person, found, source))


def _found(parts: WebParts, person: Signed, dataset_id: str, label: str) -> tuple[Detail, Version]:
    found = detail_of(
        f"{dataset_id}:{label}", catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account
    )
    if found.shown is None or found.dataset_id != dataset_id or found.version != label:
        raise NotFound(say("problem.404.detail"), dataset_id=dataset_id)
    return found, found.shown


def _source(parts: WebParts, version: Version) -> ReportSource:
    return parts.report_sources.of(version, catalogue=parts.catalogue, store=parts.store, tables=parts.tables)


def _trends(parts: WebParts, person: Signed, found: Detail, source: ReportSource) -> tuple[TrendChart, ...]:
    return dataset_trends(
        found.version_id or "",
        blamed=blamed_by(found.findings, source.rules),
        baselines=parts.baselines,
        catalogue=parts.catalogue,
        account=person.account,
    )


def _choice(source: ReportSource, number: str) -> PlateChoice | None:
    """Read which map is asked for; what is no number of one of them asks for none."""
    choices = plate_choices(source.series)
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        return None
    return choices[int(number)] if int(number) < len(choices) else None


def _number(report: QualityReport) -> int | None:
    if report.plate is None:
        return None
    drawn = PlateChoice(metric=report.plate.metric, channel=report.plate.channel)
    return report.plate_choices.index(drawn)
