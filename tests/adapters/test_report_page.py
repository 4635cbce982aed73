"""The report as a file: it needs nothing else, says what hostile data are, and stays small."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from cisterna.adapters.report_chart import draw_curves, draw_histogram, draw_plate, draw_trend
from cisterna.adapters.report_page import figure, plain, report_file
from cisterna.adapters.report_wording import REPORT
from cisterna.domain.dataset import StagedFile
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.quality_report import (
    CurveChart,
    CurveLine,
    FailingFile,
    Histogram,
    JudgedFinding,
    Limit,
    PlateMap,
    QualityReport,
    RawTable,
    TrendChart,
    TrendPoint,
    Well,
)
from cisterna.testing.clock import START
from cisterna.testing.factory import make_finding, make_sha512

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 50
EVIL = '"><script>alert(1)</script><img src=http://evil.example/x onerror=a>\u202egpj.\x00\x1b[2J&'


class Loads(HTMLParser):
    """Collects what a browser would fetch, run or be told in a style."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "action", "style", "xlink:href", "data"} or name.startswith("on"):
                self.found.append((name, value or ""))


def report(**fields: Any) -> QualityReport:
    return QualityReport(dataset_id="ds-1", version="v1", title="Plate", data_type="microscopy", **fields)


def hostile() -> QualityReport:
    """Every text of a report is somebody else's, and every number may be none."""
    long = EVIL + "x" * 100_000
    nan, inf = float("nan"), float("inf")
    histogram = Histogram(
        metric=long,
        channel=EVIL,
        low=-1e300,
        high=1e300,
        counts=(0, 1),
        values=1,
        without=3,
        minimum=-1e300,
        median=0.0,
        maximum=1e300,
        limits=(Limit(value=0.0, is_least=True, origin=EVIL),),
        beyond=1,
    )
    wells = tuple(
        Well(name=f"{EVIL}{number}", row=0, column=number, value=number or None, images=1) for number in range(3)
    )
    finding = make_finding("x", Outcome.FAILED, message=long, observed={"a": [EVIL, nan]}, expected=inf, files=(EVIL,))
    return QualityReport(
        dataset_id="ds-1",
        version="v1",
        title=EVIL,
        data_type=EVIL,
        instrument=EVIL,
        verdict=Verdict.QUARANTINED,
        reason=long,
        suite=EVIL,
        suite_sha512=EVIL,
        engine=EVIL,
        findings=(
            JudgedFinding(
                finding=finding,
                said=long,
                advice=EVIL,
                files=(FailingFile(path=EVIL, place=EVIL, words=long, has_preview=True), FailingFile(path=long)),
                more=3,
            ),
            JudgedFinding(finding=make_finding("y", message=EVIL, observed=nan, expected=None), said=EVIL),
        ),
        summary={EVIL: EVIL, "nan": nan, "none": None, "huge": 10**400},
        histograms=(histogram,),
        plate=PlateMap(metric=EVIL, channel=EVIL, is_plate=False, rows=1, columns=3, wells=wells, worst=wells[1].name),
        curves=(CurveChart(name=EVIL, files=1, lines=(CurveLine(path=EVIL, x=(0.0, 1e300), y=(-1e300, 1e300)),)),),
        trends=(
            TrendChart(
                instrument=EVIL,
                metric=EVIL,
                channel=EVIL,
                points=(TrendPoint(at=START, value=-1e300, verdict=Verdict.REVIEW, dataset_id="ds-2"),),
                median=0.0,
                low=-1e300,
                high=1e300,
                window=EVIL,
            ),
        ),
        raw=(RawTable(path="quality/x", file=StagedFile(content_path="v1/x", sha512=make_sha512(), size_bytes=3)),),
        troubles=(EVIL,),
    )


def test_a_file_loads_runs_and_sends_nothing() -> None:
    text = report_file(hostile(), {EVIL: PNG}).decode()
    loads = Loads()
    loads.feed(text)

    assert [value[:22] for _, value in loads.found] == ["data:image/png;base64,"]
    assert loads.tags.isdisjoint({"script", "link", "iframe", "object", "form", "a", "base"})
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert "url(" not in text
    assert "@import" not in text


def test_what_does_not_print_or_turns_the_direction_is_shown_as_its_code() -> None:
    text = report_file(hostile(), {}).decode()

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    assert "\\u202egpj" in text
    assert "<script" not in text
    assert len(text) < 150_000


def test_the_same_report_gives_the_same_bytes() -> None:
    assert report_file(hostile(), {EVIL: PNG}) == report_file(hostile(), {EVIL: PNG})


def test_pictures_beyond_the_room_are_left_out_and_said() -> None:
    files = tuple(FailingFile(path=f"{number}.tiff", has_preview=True) for number in range(10))
    finding = JudgedFinding(finding=make_finding("x", Outcome.FAILED, message="bad"), said="bad", files=files)
    large = b"\x89PNG\r\n\x1a\n" + b"p" * 100_000

    body = report_file(report(findings=(finding,)), dict.fromkeys((file.path for file in files), large)).decode()

    assert body.count("data:image/png") == 5
    assert body.count(REPORT["quality.preview.left_out"]) == 5
    assert len(body) < 1_000_000


def test_a_report_on_nothing_says_so_in_every_part() -> None:
    text = report_file(report(), {}).decode()

    for key in ("quality.findings.empty", "quality.histograms.empty", "quality.raw.empty", "quality.verdict.none"):
        assert REPORT[key] in text


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([Outcome.PASSED, Outcome.PASSED], "Every check was met."),
        ([Outcome.PASSED, Outcome.LEFT_OUT], "Every check that was carried out was met; 1 left out"),
        ([Outcome.LEFT_OUT, Outcome.LEFT_OUT], "Every check was left out, so nothing was looked at"),
    ],
)
def test_a_check_that_was_left_out_is_not_said_to_be_met(outcomes: list[Outcome], words: str) -> None:
    findings = tuple(JudgedFinding(finding=make_finding(f"c{at}", one), said="x") for at, one in enumerate(outcomes))

    assert words in report_file(report(findings=findings), {}).decode()


def test_of_other_datasets_a_file_tells_no_name() -> None:
    point = TrendPoint(at=datetime(2026, 11, 1, tzinfo=UTC), value=1.0, verdict=Verdict.PASSED, dataset_id="ds-secret")
    here = point.model_copy(update={"dataset_id": "ds-1", "is_here": True})
    chart = TrendChart(instrument="squid-1", metric="focus", channel=None, points=(point, here), has_hidden=True)

    text = report_file(report(instrument="squid-1", trends=(chart,)), {}).decode()

    assert "ds-secret" not in text
    assert REPORT["quality.trend.hidden"] in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("at most 2 %", "at most 2 %"),
        (True, "True"),
        ([1, "\u202e"], '[1, "\\u202e"]'),
        (10**20, "1e+20"),
    ],
)
def test_figures_are_written_for_people(value: object, text: str) -> None:
    assert figure(value) == text


def test_long_text_is_cut_and_its_length_said() -> None:
    assert plain("a" * 100_000, 5) == "aaaaa\N{HORIZONTAL ELLIPSIS} (100,000 characters)"
    assert plain("שלום עולם") == "שלום עולם"


def test_no_coordinate_is_ever_no_number() -> None:
    drawn = hostile()

    shapes = [draw_histogram(one) for one in drawn.histograms] + [draw_curves(one) for one in drawn.curves]
    shapes += [draw_trend(one) for one in drawn.trends] + ([draw_plate(drawn.plate)] if drawn.plate else [])  # type: ignore[list-item]

    assert not re.search(r"\bnan\b|\binf\b", " ".join(str(shape).partition("well=")[0] for shape in shapes))
