"""The web process: `python -m cisterna.web.serve`."""

from __future__ import annotations

from urllib.parse import urlsplit

import uvicorn

from cisterna.bootstrap import Parts, open_parts
from cisterna.bootstrap.deliveries import delivery_rules
from cisterna.settings import WEB_PORT, load_settings
from cisterna.web.app import create_app
from cisterna.web.parts import WebParts


def serve() -> None:
    """Serve pages and API until SIGTERM."""
    settings = load_settings()
    with open_parts(settings) as parts:
        listening = urlsplit(parts.endpoints.web_url if parts.endpoints else parts.base_url)
        uvicorn.run(
            create_app(_web_parts(parts)),
            host=settings.web.host,
            port=listening.port or settings.web.port or WEB_PORT,
            log_level="warning",
            access_log=False,  # the addresses of deliveries hold secrets
            server_header=False,
            timeout_graceful_shutdown=2,
            limit_concurrency=200,
        )


def _web_parts(parts: Parts) -> WebParts:
    return WebParts(
        catalogue=parts.catalogue,
        public_catalogue=parts.public_catalogue,
        store=parts.archive_store,
        shelf=parts.publisher,
        publisher=parts.publisher,
        tables=parts.tables,
        passwords=parts.passwords,
        clock=parts.clock,
        base_url=parts.base_url,
        prefect_url=parts.prefect_api_url.removesuffix("/api"),
        models=parts.models,
        baselines=parts.gate.baselines,
        suites=parts.suite_desk,
        vocabulary=parts.vocabulary,
        archived=parts.archived_digests,
        survey=parts.survey_site,
        end_of_life=parts.end_of_life,
        sheets=parts.sheets.reader,
        senders=parts.senders,
        site_name=parts.settings.web.site_name,
        contact=parts.settings.web.contact or _with_domain(parts.settings.mail.sender),
        release_copies=parts.settings.release.copies,
        delivery_rules=delivery_rules(parts.settings),
        targets=parts.settings.targets.names,
        stores=parts.store_names,
    )


def _with_domain(address: str) -> str:
    """Give a mail address as harvesters take one: that of this machine alone says so."""
    return address if "." in address.partition("@")[2] else f"{address}.invalid"


if __name__ == "__main__":
    serve()
