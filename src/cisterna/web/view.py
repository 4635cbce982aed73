"""Renders templates with what every page needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cisterna.adapters import report_page
from cisterna.adapters.report_chart import SHADES
from cisterna.web import presenting
from cisterna.web.wording import say

HERE = Path(__file__).parent
PAGES_CHANGED_AT = datetime.fromtimestamp(max(one.stat().st_mtime for one in (HERE / "templates").iterdir()), UTC)
"""When the templates were put here; no page that is made from them is older."""


def environment() -> Environment:
    """Make the templates' environment: everything is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=FileSystemLoader([HERE / "templates", report_page.TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"t": say, "shades": SHADES}
    made.filters |= report_page.filters() | {
        "size": presenting.size,
        "moment": presenting.moment,
        "day": presenting.day,
        "number": presenting.number,
        "left": presenting.left,
        "lasting": presenting.lasting,
        "data_block": presenting.data_block,
    }
    return made


_ENVIRONMENT = environment()


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page; what belongs to a person is never kept by caches."""
    parts = request.app.state.parts
    now = parts.clock.now()
    content = _ENVIRONMENT.get_template(template).render(
        {
            "now": now,
            "ago": lambda when: presenting.ago(when, now),
            "signed": getattr(request.state, "signed", None),
            "path": request.url.path,
            "prefect_url": parts.prefect_url,
            **context,
        }
    )
    return HTMLResponse(content, status, {"cache-control": "no-store", **(headers or {})})
