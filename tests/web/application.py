"""An application on the parts of one test; its routes, a tenth of a second, are made ready once a process."""

from __future__ import annotations

from copy import copy
from functools import cache
from types import SimpleNamespace
from typing import cast

from fastapi import FastAPI
from starlette.datastructures import State

from cisterna.web.app import create_app
from cisterna.web.live import LiveFeed
from cisterna.web.parts import WebParts


def app_on(parts: WebParts) -> FastAPI:
    """Give what `create_app` makes; only its state, which is all that is this test's own, is new."""
    app = copy(_made(parts.base_url, tuple(parts.hosts), parts.upload_limit_bytes))
    app.state = State({"parts": parts, "feed": LiveFeed(parts.catalogue)})
    return app


@cache
def _made(base_url: str, hosts: tuple[str, ...], upload_limit_bytes: int) -> FastAPI:
    nothing = SimpleNamespace(catalogue=None, base_url=base_url, hosts=hosts, upload_limit_bytes=upload_limit_bytes)
    app = create_app(cast("WebParts", nothing))
    app.middleware_stack = app.build_middleware_stack()  # at the first request, each copy would build its own
    return app
