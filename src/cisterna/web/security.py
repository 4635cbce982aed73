"""What every answer and request has in common: known hosts only, bounded bodies, and headers that a browser obeys."""

from __future__ import annotations

import re
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cisterna.web.wording import say

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
FILE_POLICY = "default-src 'none'; sandbox"
"""For bytes that an instrument wrote: a browser that shows them runs nothing."""

SECRET_PATHS = ("/delivered/", "/setup/")
"""What the paths begin with that go on with a secret."""

_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
_LENGTH = re.compile(r"[0-9]{1,18}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyTooLarge(Exception):
    """The request's body is larger than the limit; raised while it is read."""


class Gatekeeper:
    """ASGI middleware around the whole app.

    Args:
        app: What is guarded.
        hosts: Host names answered to, without ports; anything else is refused, so that no foreign name can be made to
            point here (DNS rebinding).
        limit_bytes: Largest body of a request.
        is_https: Whether people come by HTTPS; then browsers are told to stay with it.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], limit_bytes: int, is_https: bool) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._limit = limit_bytes
        self._headers = _HEADERS | ({"strict-transport-security": "max-age=31536000"} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            status, words = refusal
            await PlainTextResponse(words, status)(scope, receive, self._with_headers(send))
            return
        await self._app(scope, self._bounded(receive), self._with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if host_name(headers.get("host", "")) not in self._hosts:
            return 400, say("refused.host")
        length = headers.get("content-length", "0")
        if _LENGTH.fullmatch(length) is None or int(length) > self._limit:
            return 413, say("refused.size", limit=f"{self._limit:,}")
        if scope["method"] not in _SAFE_METHODS and not self._is_own_page(headers):
            return 403, say("refused.origin")
        return None

    def _is_own_page(self, headers: Headers) -> bool:
        """Tell whether a browser sent this from a page of ours; scripts send neither header."""
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = headers.get("origin")
        if origin == "null":  # a page of ours that tells no other page where it is, by its referrer policy
            return headers.get("sec-fetch-site") == "same-origin"
        return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()

    def _bounded(self, receive: Receive) -> Receive:
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise BodyTooLarge
            return message

        return bounded

    def _with_headers(self, send: Send) -> Send:
        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if "etag" not in headers:  # what says neither how long it is good nor what it is, no cache guesses at
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        return with_headers


def told_path(path: str) -> str:
    """Give a request's path as it may be logged: without the secret that some addresses hold."""
    for beginning in SECRET_PATHS:
        if path.startswith(beginning):
            return f"{beginning}..."
    return path


def host_name(host: str) -> str:
    """Return the name in a Host header without its port; an IPv6 address keeps its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
