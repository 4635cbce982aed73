"""Everything of a world that goes out: what anybody may ask for, what is sent, and what the processes log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from structlog.testing import capture_logs

from cisterna.domain.deposit import DepositState
from cisterna.metadata.forms import FORMS
from cisterna.testing.memory_target import MemoryTarget
from tests.services.policy_world import Laid, World

_PREFIXES = ("oai_dc", "oai_datacite")
_SITEWIDE = (
    "/",
    "/browse",
    "/browse/statistics",
    "/browse/statistics.csv",
    "/browse/newest.atom",
    "/sitemap.xml",
    "/sitemap-1.xml",
    "/robots.txt",
    "/metrics",
    "/readyz",
    "/oai?verb=Identify",
    "/oai?verb=ListSets",
    "/api/v1/public/datasets?size=100",
    "/api/v1/public/statistics",
    "/api/v1/datasets",
    "/api/v1/events",
    *(f"/oai?verb={verb}&metadataPrefix={one}" for verb in ("ListRecords", "ListIdentifiers") for one in _PREFIXES),
)
SEARCHES = ("/browse?", "/api/v1/public/datasets?words=")
"""Answers say what was searched for."""


def addresses(world: World) -> Iterator[str]:
    """Give everything that anybody may ask for, of each dataset whether it is public or not."""
    yield from _SITEWIDE
    for one in world.laid:
        pid, picture = world.site.dataset(one.version).pid, f"data/{one.token}f.tiff"
        yield f"/{pid}"
        yield f"/{pid}/v1?format={world.chance.choice(FORMS).name}"
        yield f"/{pid}/v1/linkset?format=json"
        yield f"/{pid}/v1/manifest-sha512.txt"
        yield f"/{pid}/v1/files/{picture}"
        yield f"/{pid}/v1/preview/{picture}"
        yield f"/{pid}/v1.1"
        yield f"/datasets/{one.version.dataset_id}"
        if one.published:
            yield from _of_what_was_public(one, pid)


def _of_what_was_public(one: Laid, pid: str) -> Iterator[str]:
    yield from (f"/{pid}?format={form.name}" for form in FORMS)
    yield f"/{pid}/linkset"
    yield f"/{pid}/part-1"
    yield f"/{pid}/files/README.md"
    yield f"/{pid}/files/data/notes/{one.token}f.csv"
    yield f"/api/v1/versions/{one.version.version_id}/fair-score"
    for prefix in _PREFIXES:
        asked = {"verb": "GetRecord", "identifier": f"{pid}/v1", "metadataPrefix": prefix}
        yield f"/oai?{urlencode(asked)}"
    for kind in "tcmfq":
        yield f"/browse?{urlencode({'words': one.token + kind})}"
    yield f"/api/v1/public/datasets?{urlencode({'words': one.token})}"


async def ask(app: FastAPI, paths: list[str], *, base_url: str) -> list[tuple[str, int, str]]:
    """Ask for all as nobody; give what was asked for, the status, and headers and body as text."""
    told = []
    async with AsyncClient(transport=ASGITransport(app=app), base_url=base_url) as client:
        for path in paths:
            answer = await client.get(path)
            text = f"{answer.headers}\n{answer.content.decode('utf-8', 'replace')}"
            told.append((path, answer.status_code, text))
    return told


def deposited(target: MemoryTarget) -> Iterator[str]:
    """Give what lies at a place outside where anybody sees it: names, descriptions, bytes."""
    for one in target.shelf.values():
        if one.state in {DepositState.DEPOSITED, DepositState.WITHDRAWN}:
            yield one.record.model_dump_json() if one.record else ""
            yield one.reason or ""
        for path, body in one.bodies.items():
            yield f"{path}\n{body.decode('utf-8', 'replace')}"


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.exc_info or ''}")


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what is logged, in either way that there is."""
    heard, root = _Heard(), logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # of who asks: what it asks for is not said by us
    try:
        with capture_logs() as events:
            yield heard.lines
            heard.lines.extend(repr(event) for event in events)
    finally:
        root.setLevel(level)
        root.removeHandler(heard)
