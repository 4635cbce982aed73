"""Puts the web application together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from cisterna.web import (
    account_page,
    adoption_api,
    adoption_page,
    alert_api,
    alert_page,
    api,
    browse,
    browse_api,
    checklist_api,
    dashboard,
    dataset_file,
    dataset_page,
    delivered_page,
    delivery_api,
    delivery_page,
    deposit_page,
    door,
    feeds,
    hint_api,
    instrument_page,
    landing,
    list_page,
    oai,
    operation,
    people_page,
    problem,
    project_page,
    quality_api,
    quality_page,
    quality_report_api,
    release_page,
    removal_api,
    removal_page,
    samples_page,
    score_api,
    shadow_page,
    trend_page,
    usage_page,
    verify_page,
    vocabulary_api,
    vocabulary_page,
)
from cisterna.web.live import LiveFeed
from cisterna.web.parts import WebParts
from cisterna.web.security import Gatekeeper, host_name
from cisterna.web.view import HERE


def create_app(parts: WebParts) -> FastAPI:
    """Make the application: pages, API, landing pages and what operators watch.

    Args:
        parts: What it stands on; the composition root fills it.
    """
    feed = LiveFeed(parts.catalogue)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        feed.start()
        try:
            yield
        finally:
            feed.stop()

    app = FastAPI(
        title="Cisterna",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # its page asks other hosts for scripts
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.parts = parts
    app.state.feed = feed
    problem.install(app)
    for module in (
        door,
        dashboard,
        list_page,
        dataset_page,
        deposit_page,
        dataset_file,
        samples_page,
        quality_page,  # after the files, whose paths may end in the same word
        project_page,
        people_page,
        account_page,
        release_page,
        alert_page,
        delivery_page,  # before removals, whose paths end in any of two words
        removal_page,
        shadow_page,
        trend_page,
        instrument_page,
        adoption_page,
        verify_page,
        vocabulary_page,
        usage_page,
        delivered_page,
        landing,
        browse,
        feeds,
        oai,
        browse_api,
        alert_api,
        delivery_api,
        adoption_api,
        quality_api,
        quality_report_api,
        vocabulary_api,
        score_api,
        checklist_api,
        removal_api,  # before the rest of the API, whose dataset may be named by an ARK and takes whole paths
        api,
        hint_api,
        operation,
    ):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    address = urlsplit(parts.base_url)
    app.add_middleware(
        Gatekeeper,
        hosts={host_name(address.netloc), *parts.hosts},
        limit_bytes=parts.upload_limit_bytes,
        is_https=address.scheme == "https",
    )
    return app
