"""Writes a report on quality as HTML: the parts of it that our pages include, and one file that needs nothing else.

The file opens from a disk, with no network and no script: its style and its pictures are inside, and its policy lets a
browser load nothing.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cisterna.adapters.report_chart import SHADES, draw_curves, draw_histogram, draw_plate, draw_trend, row_name
from cisterna.adapters.report_wording import say
from cisterna.domain.finding import Outcome
from cisterna.domain.quality_report import JudgedFinding, QualityReport

TEMPLATES = Path(__file__).parent / "report"
STYLE = TEMPLATES / "report.css"
"""Of the charts; our pages link it, the file holds it."""
_SHEET = TEMPLATES / "offline.css"
_PICTURES_BYTES = 600_000
"""Of all previews in a file, before they are written as text."""
_TEXT_MAX = 300

Picture = Callable[[str], str | None]
"""Gives the address of a file's preview; None where there is none to show."""


def report_file(report: QualityReport, previews: Mapping[str, bytes]) -> bytes:
    """Write a report as one HTML file; the same report gives the same bytes.

    Args:
        report: What is said.
        previews: PNG by path as acquired; as many as fit are put in, those of the gravest findings first.
    """
    chosen = _chosen(report, previews)
    made = _environment().get_template("offline.html")
    text = made.render(
        r=report,
        style=Markup(_SHEET.read_text() + STYLE.read_text()),  # noqa: S704 - two files of this package
        picture=lambda path: _data_address(chosen[path]) if path in chosen else None,
        file_address=None,
        raw_address=None,
        dataset_address=None,
        trend_address=None,
        map_number=None,
    )
    return text.encode()


def filters() -> dict[str, Callable[..., Any]]:
    """Give what the templates of a report use besides words."""
    return {
        "draw_curves": draw_curves,
        "draw_histogram": draw_histogram,
        "draw_plate": draw_plate,
        "draw_trend": draw_trend,
        "row_name": row_name,
        "plain": plain,
        "figure": figure,
        "instant": instant,
        "attention": lambda findings: [one for one in findings if one.needs_attention],
        "calm": calm,
        "met": lambda findings: [one for one in findings if not one.needs_attention],
    }


def calm(findings: Sequence[JudgedFinding]) -> str:
    """Say of findings of which none needs a look what that means: a check that was left out was not met."""
    left_out = sum(one.finding.outcome is Outcome.LEFT_OUT for one in findings)
    if not findings:
        return say("quality.findings.empty")
    if left_out == len(findings):
        return say("quality.findings.nobody")
    return say("quality.findings.some", count=left_out) if left_out else say("quality.findings.none")


def plain(text: object, longest: int = _TEXT_MAX) -> str:
    """Write text so that it shows what it is: what does not print, and what turns the direction, as its code."""
    whole = str(text)
    kept = "".join(one if one.isprintable() else _code(one) for one in whole[:longest])
    return kept if len(whole) <= longest else say("quality.cut", text=kept, count=f"{len(whole):,}")


def figure(value: object) -> str:
    """Write a number with separators and at most four significant decimals; anything else as text."""
    if value is None:
        return say("quality.none")
    if isinstance(value, bool | str):
        return plain(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**15 else f"{float(value):.4g}" if abs(value) < 10**300 else plain(value)
    if isinstance(value, float):
        return f"{value:,.4g}" if math.isfinite(value) else str(value)
    return plain(json.dumps(value, sort_keys=True, default=str))


def instant(when: datetime | None) -> str:
    """Write a time in UTC, to the second."""
    return when.strftime("%Y-%m-%d %H:%M:%S UTC") if when else say("quality.none")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"t": say, "shades": SHADES}
    made.filters |= filters()
    return made


def _chosen(report: QualityReport, previews: Mapping[str, bytes]) -> dict[str, bytes]:
    chosen: dict[str, bytes] = {}
    room = _PICTURES_BYTES
    for finding in report.findings:
        for file in finding.files:
            png = previews.get(file.path)
            if png is not None and file.path not in chosen and len(png) <= room:
                chosen[file.path], room = png, room - len(png)
    return chosen


def _data_address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}"
