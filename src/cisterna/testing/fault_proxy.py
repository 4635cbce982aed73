"""An HTTP proxy on 127.0.0.1 that breaks requests by rule, for tests of clients against a real server."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_BODY_LIMIT_BYTES = 256 * 1024 * 1024
_UPSTREAM_SECONDS = 60.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect"})


class Effect(StrEnum):
    """What happens to a request."""

    ANSWER = "answer"
    """The proxy answers with a status; the server never sees the request."""
    RESET = "reset"
    """The connection is reset; the server never sees the request."""
    LOSE = "lose"
    """The server does what was asked; its response is lost in a reset."""
    CUT = "cut"
    """The server's response breaks off halfway through its body."""
    SILENCE = "silence"
    """Nothing is answered for `seconds`, then the connection is reset; the server never sees the request."""
    SLOW = "slow"
    """The request waits for `seconds` and is then passed on."""
    TRICKLE = "trickle"
    """Request and response pass in pieces, `seconds` apart; all of both arrives."""
    TORN = "torn"
    """The server sees the request and half of its body, then both connections end."""
    NONE = "none"
    """Nothing happens to it: for rules that only want their `before` and `after` called."""


@dataclass(frozen=True)
class Request:
    """What a rule looks at.

    Attributes:
        body: Only for `Rule.answer`; a rule is chosen before the body has come.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body as the server gave them, or as a test would have them."""


@dataclass
class Rule:
    """One fault.

    Attributes:
        effect: What happens.
        when: Which requests match.
        times: How many matching requests are struck, after the first `skip`.
        skip: How many matching requests pass first.
        status: For `Effect.ANSWER`.
        code: For `Effect.ANSWER`: S3's name of the error, such as `SlowDown`; the answer then says it in XML.
        answer: For `Effect.ANSWER`: makes the whole answer, in place of status and code.
        seconds: For `Effect.SILENCE`, `Effect.SLOW` and `Effect.TRICKLE`.
        before: Called with a request that is struck, before the server can see it.
        after: Called when the server has answered (of `Effect.TORN`, when it has half of the body), before the client
            can see it.
        fired: How many requests it struck.
    """

    effect: Effect
    when: Callable[[Request], bool] = lambda _: True
    times: int = 1
    skip: int = 0
    status: int = 503
    code: str = ""
    answer: Callable[[Request], Answer] | None = None
    seconds: float = 0.0
    before: Callable[[Request], object] | None = None
    after: Callable[[Request], object] | None = None
    seen: int = 0
    fired: int = 0


@dataclass
class FaultProxy:
    """Use as a context manager; give clients `url` in place of the server's address.

    The `Host` header passes through, so that signed requests stay valid only where the server accepts the proxy's
    address in them; SeaweedFS does.

    Attributes:
        upstream: URL of the real server.
        requests: What came, in order.
        tamper: Changes the server's answers, for stores that lie; the length is set to that of the body.
    """

    upstream: str
    tamper: Callable[[Request, Answer], Answer] | None = None
    requests: list[Request] = field(default_factory=list)
    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Address of the proxy."""
        assert self._server is not None, "the proxy runs inside its `with` block only"
        return f"http://{HOST}:{self._server.server_port}"

    def add(self, rule: Rule) -> Rule:
        """Set a fault and return it, to see later whether it fired."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules.clear()

    def __enter__(self) -> Self:
        self._server = _Server((HOST, 0), type("Handler", (_Handler,), {"proxy": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def rule_for(self, request: Request) -> Rule | None:
        """Count a request and give the first rule that strikes it."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if not rule.when(request):
                    continue
                rule.seen += 1
                if rule.skip < rule.seen <= rule.skip + rule.times:
                    rule.fired += 1
                    return rule
        return None

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the `with` block."""
        self._ended.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients that hang up are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _UPSTREAM_SECONDS
    disable_nagle_algorithm = True  # else each answer with a body waits 40 ms for the client's acknowledgement
    proxy: ClassVar[FaultProxy]
    _pause = 0.0

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def serve(self) -> None:
        """Strike the request if a rule says so, else pass it on."""
        split = urlsplit(self.path)
        request = Request(self.command, split.path, split.query, {k.lower(): v for k, v in self.headers.items()})
        rule = self.proxy.rule_for(request) or _NO_RULE
        self._pause = rule.seconds if rule.effect is Effect.TRICKLE else 0.0
        body = self._body()
        if rule.before is not None:
            rule.before(request)
        if rule.effect in {Effect.SILENCE, Effect.SLOW}:
            self.proxy.wait(rule.seconds)
        if rule.effect in {Effect.RESET, Effect.SILENCE}:
            self._reset()
            return
        if rule.effect is Effect.ANSWER and rule.answer is not None:
            self._answer(*rule.answer(replace(request, body=body)))
            return
        if rule.effect is Effect.ANSWER:
            said_as = [("Content-Type", "application/xml")] if rule.code else []
            self._answer(rule.status, said_as, _said(rule.code))
            return
        is_torn = rule.effect is Effect.TORN
        status, headers, answer = self._tear(body) if is_torn else self._forward(body)
        if rule.after is not None:
            rule.after(request)
        if self.proxy.tamper is not None:
            status, headers, answer = self.proxy.tamper(request, (status, headers, answer))
        if rule.effect not in {Effect.LOSE, Effect.TORN}:
            sent = len(answer) // 2 if rule.effect is Effect.CUT else len(answer)
            self._answer(status, headers, answer[:sent], claimed_bytes=len(answer))
        if rule.effect in {Effect.LOSE, Effect.CUT, Effect.TORN}:
            self._reset()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = serve  # noqa: N815 - names of the standard library

    def _body(self) -> bytes:
        size_bytes = int(self.headers.get("Content-Length") or 0)
        if size_bytes > _BODY_LIMIT_BYTES:
            raise OverflowError(f"a request of {size_bytes} bytes is larger than the proxy takes")
        if not self._pause:
            return self.rfile.read(size_bytes)
        pieces = []
        for start in range(0, size_bytes, _piece_of(size_bytes)):
            pieces.append(self.rfile.read(min(_piece_of(size_bytes), size_bytes - start)))
            self.proxy.wait(self._pause)
        return b"".join(pieces)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        with closing(self._ask(body)) as connection:
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _tear(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        self._ask(body[: len(body) // 2]).close()
        return 0, [], b""

    def _ask(self, body: bytes) -> http.client.HTTPConnection:
        upstream = urlsplit(self.proxy.upstream)
        address = (upstream.hostname or HOST, upstream.port or 80)
        connection = http.client.HTTPConnection(*address, timeout=_UPSTREAM_SECONDS)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
        except OSError:  # the server is down, or dies just now
            connection.close()
            raise
        return connection

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, claimed_bytes: int | None = None
    ) -> None:
        self.send_response_only(status)
        sizes = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        # The answer to a HEAD has a length and no body.
        self.send_header("Content-Length", sizes[0] if sizes else str(claimed_bytes or len(body)))
        self.end_headers()
        if not self._pause:
            self.wfile.write(body)
            return
        for start in range(0, len(body), _piece_of(len(body))):
            self.wfile.write(body[start : start + _piece_of(len(body))])
            self.proxy.wait(self._pause)

    def _reset(self) -> None:
        # A linger of zero makes the kernel send RST where it would say goodbye.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _said(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>set by a rule</Message></Error>".encode() * bool(
        code
    )


def _piece_of(size_bytes: int) -> int:
    """A trickle has some twenty pieces, whatever trickles."""
    return max(1, -(-size_bytes // 20))


_NO_RULE = Rule(Effect.NONE)
