"""A service of the web on 127.0.0.1 that keeps real state, as stand-ins for places outside are made from, and a way to
break what passes between it and its client.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from cisterna.testing.fault_proxy import HOST, Answer, Effect, FaultProxy, Rule

RETRY_SECONDS = 7
"""How long a throttled client is asked to wait."""
FLOOD_BYTES = 6 * 1024 * 1024
"""Size of an answer that nobody should take whole."""


class Fault(StrEnum):
    """What can go wrong between a client and a service."""

    THROTTLED = "throttled"
    BROKEN = "broken"
    UNREACHED = "unreached"
    """The connection is reset before the service sees the request."""
    LOST = "lost"
    """The service does what was asked, and hangs up instead of saying so."""
    CUT = "cut"
    """The answer breaks off halfway."""
    ERROR_BODY = "error-body"
    """200, with an error in the body."""
    HTML = "html"
    """200, with the page of some proxy or login."""
    ELSEWHERE = "elsewhere"
    """A redirect to another host."""
    FLOOD = "flood"
    """200, with an answer that does not end soon."""


PASSING = frozenset({Fault.THROTTLED, Fault.BROKEN, Fault.UNREACHED, Fault.LOST, Fault.CUT})
"""Faults that may be over by themselves; of the others a person has to know."""


class Asked(NamedTuple):
    """A request as a stand-in sees it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def said(status: int, content: object = None, *, media_type: str = "application/json") -> Answer:
    """Make an answer of JSON; of nothing when there is no content."""
    body = b"" if content is None else json.dumps(content).encode()
    return status, [("Content-Type", media_type)], body


class OutsideServer:
    """A service; use as a context manager and give clients `url`. A stand-in says in `answer` what it does.

    Requests are answered one at a time, so that the state needs no locks of its own.

    Attributes:
        seen: Every request that arrived, oldest first.
    """

    def __init__(self) -> None:
        self.seen: list[Asked] = []
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), type("Handler", (_Handler,), {"outside": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked, and say so."""
        del asked
        return said(404, {"message": "there is nothing here"})

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self._server.server_port}"

    def take(self, asked: Asked) -> Answer:
        """Answer in turn."""
        with self._turn:
            self.seen.append(asked)
            return self.answer(asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    outside: ClassVar[OutsideServer]

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def serve(self) -> None:
        split = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, split.path, dict(parse_qsl(split.query)), headers, body)
        status, more, answer = self.outside.take(asked)
        self.send_response_only(status)
        for name, value in more:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = serve  # noqa: N815 - names of the standard library


def strike(proxy: FaultProxy, fault: Fault, *, skip: int, elsewhere: str) -> Rule:
    """Break one request, after the next `skip` have passed.

    Args:
        proxy: Between the client and the service.
        fault: How.
        skip: Requests that pass first.
        elsewhere: Address of another service, which no client has anything to tell.
    """
    match fault:
        case Fault.UNREACHED:
            return proxy.add(Rule(Effect.RESET, skip=skip))
        case Fault.LOST:
            return proxy.add(Rule(Effect.LOSE, skip=skip))
        case Fault.CUT:
            return proxy.add(Rule(Effect.CUT, skip=skip))
        case _:
            return proxy.add(Rule(Effect.ANSWER, skip=skip, answer=lambda _: _broken(fault, elsewhere)))


def _broken(fault: Fault, elsewhere: str) -> Answer:
    match fault:
        case Fault.THROTTLED:
            status, headers, body = said(429, {"message": "too many"})
            return status, [*headers, ("Retry-After", str(RETRY_SECONDS))], body
        case Fault.BROKEN:
            return said(500, {"message": "internal server error"})
        case Fault.ERROR_BODY:
            return said(200, {"errors": [{"title": "You are not authorized", "status": "401"}], "status": 401})
        case Fault.HTML:
            return 200, [("Content-Type", "text/html")], b"<html><title>Sign in</title><script>x()</script></html>"
        case Fault.ELSEWHERE:
            return 302, [("Location", f"{elsewhere}/trap")], b""
        case Fault.FLOOD:
            return 200, [("Content-Type", "application/json")], b'{"a":"' + b"a" * FLOOD_BYTES + b'"}'
        case _:
            raise AssertionError(fault)
