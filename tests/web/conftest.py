"""Fixtures of the pages' tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from httpx import Response

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.services.api_token import issue_token
from cisterna.testing.clock import SettableClock
from cisterna.web.app import create_app
from cisterna.web.connection import Connection
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.site import Site

HERE = ("127.0.0.1", 50_000)
"""Where browsers and programs of tests ask from."""


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    """A site with people and projects, and no data yet."""
    made = Site(catalogue, clock)
    made.settle_people()
    return made


@pytest.fixture
def served(catalogue: SqlCatalogue, clock: SettableClock) -> Iterator[Site]:
    """A site that is served on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Site(catalogue, clock, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    made.settle_people()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(made.parts), http=Connection, log_level="warning", timeout_graceful_shutdown=1, ws="none"
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield made
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.fixture
def visit(site: Site) -> Callable[..., Browser]:
    """Open a browser on the site: of a person who signs in, or of nobody. Nothing listens for changes here."""
    app = app_on(site.parts)

    def opened(name: str | None = None) -> Browser:
        client = TestClient(
            app, base_url=site.base_url, follow_redirects=False, raise_server_exceptions=False, client=HERE
        )
        browser = Browser(client)
        if name is not None:
            browser.sign_in(name)
        return browser

    return opened


@pytest.fixture
def call(site: Site, visit: Callable[..., Browser]) -> Callable[..., Response]:
    """Call the API with a token of a person."""

    def called(name: str, method: str, path: str, body: Any = None) -> Response:
        with site.catalogue.begin() as tx:
            account = tx.accounts.find(name)
        assert account is not None
        secret, _token = issue_token(
            name, label="test", by=account, catalogue=site.catalogue, clock=site.clock, passwords=site.passwords
        )
        return visit().client.request(
            method, f"/api/v1{path}", json=body, headers={"authorization": f"Bearer {secret}"}
        )

    return called
