"""A stand-in for DataCite's REST interface, on 127.0.0.1: it keeps DOIs and moves them as the service does.

It does what the service's own source does where our client can see it: drafts are their repository's alone, an event
that does not fit the state is passed over without a word, a description has to be whole from `registered` on, and
nothing registered goes away. Faults of the network come from `testing.fault_proxy` before it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

HOST = "127.0.0.1"
MEDIA_TYPE = "application/vnd.api+json"

_DOI = re.compile(r"10\.\d{4,5}/[-._;()/:a-zA-Z0-9*~$=]+")
_URL = re.compile(r"(?:ftp|http|https)://\S+")
_MANDATORY = ("creators", "titles", "publisher", "publicationYear", "types")
_MOVES = {
    ("draft", "register"): "registered",
    ("draft", "publish"): "findable",
    ("registered", "publish"): "findable",
    ("findable", "hide"): "registered",
}
_WHEN = "2026-11-30T12:00:00.000Z"


class Exchange(NamedTuple):
    """One request with its answer, for whoever holds both against the interface's description."""

    method: str
    path: str
    query: dict[str, list[str]]
    content_type: str | None
    body: bytes
    status: int
    answer: bytes


@dataclass
class KeptDoi:
    """A DOI with what was said of it.

    Attributes:
        repository: Whose it is.
        states: It was in, in order; the last is the present one.
    """

    doi: str
    repository: str
    attributes: dict[str, Any]
    states: list[str] = field(default_factory=lambda: ["draft"])
    writes: int = 0

    @property
    def state(self) -> str:
        """The present state."""
        return self.states[-1]


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, *errors: dict[str, str]) -> None:
        super().__init__(status)
        self.status, self.errors = status, errors


@dataclass
class DataCiteStandIn:
    """Use as a context manager; give clients `url` in place of the service's address.

    Attributes:
        repositories: Passwords by account.
        prefixes: What each account may make DOIs of.
        domains: Hosts that addresses may be of, from `registered` on; empty for any.
        check: Called with every exchange; says in words what breaks the interface's description.
        dois: By name.
        breaches: What `check` said.
        requests: Method and path of each, in order.
    """

    repositories: dict[str, str] = field(default_factory=lambda: {"ABCD.EFGH": "correct horse"})
    prefixes: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"ABCD.EFGH": ("10.5555",)})
    domains: tuple[str, ...] = ()
    check: Callable[[Exchange], list[str]] | None = None
    dois: dict[str, KeptDoi] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Address of the interface."""
        assert self._server is not None, "the stand-in runs inside its `with` block only"
        return f"http://{HOST}:{self._server.server_port}"

    def keep(self, doi: str, *, state: str, repository: str, **attributes: Any) -> KeptDoi:
        """Put a DOI there that was made elsewhere."""
        kept = KeptDoi(doi, repository, attributes, [state])
        self.dois[doi] = kept
        return kept

    def __enter__(self) -> Self:
        self._server = _Server((HOST, 0), type("Handler", (_Handler,), {"stand_in": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Do what is asked and say so; every exchange is checked."""
        split = urlsplit(target)
        path, query = unquote(split.path), parse_qs(split.query)
        with self._lock:
            self.requests.append((method, path))
            try:
                status, document = self._do(method, path, query, headers.get("authorization"), body)
            except Refusal as refusal:
                status, document = refusal.status, {"errors": list(refusal.errors)}
            answer = json.dumps(document).encode()
            exchange = Exchange(method, path, query, headers.get("content-type"), body, status, answer)
            self.breaches += self.check(exchange) if self.check else []
        return status, answer

    def _do(
        self, method: str, path: str, query: dict[str, list[str]], authorization: str | None, body: bytes
    ) -> tuple[int, dict[str, Any]]:
        account = self._account(authorization)
        if method == "GET" and path == "/client-prefixes":
            return 200, self._assigned(account, query)
        if method == "GET" and path.startswith("/dois/"):
            return 200, self._shown(path.removeprefix("/dois/").lower(), account)
        if method == "POST" and path == "/dois":
            said = _attributes(body)
            return 201, self._create(str(said.pop("doi", "")).lower(), said, _signed_in(account))
        if method == "PUT" and path.startswith("/dois/"):
            name, said = path.removeprefix("/dois/").lower(), _attributes(body)
            if name in self.dois:
                return 200, self._change(name, said, _signed_in(account))
            return 200, self._create(name, said, _signed_in(account))
        raise Refusal(404, {"status": "404", "title": "The resource you are looking for doesn't exist."})

    def _account(self, authorization: str | None) -> str | None:
        if authorization is None:
            return None
        kind, _, token = authorization.partition(" ")
        try:
            account, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _bad_credentials() from None
        if kind.lower() != "basic" or self.repositories.get(account.upper()) != password:
            raise _bad_credentials()
        return account.upper()

    def _assigned(self, account: str | None, query: dict[str, list[str]]) -> dict[str, Any]:
        [repository], [prefix] = query["client-id"], query["prefix-id"]
        mine = _signed_in(account) == repository.upper() and prefix in self.prefixes.get(repository.upper(), ())
        client = {"client": {"data": {"id": repository, "type": "clients"}}}
        found = [{"id": f"{repository}-{prefix}", "type": "client-prefixes", "attributes": {}, "relationships": client}]
        return {"data": found if mine else [], "meta": {"total": int(mine), "totalPages": int(mine), "page": 1}}

    def _shown(self, name: str, account: str | None) -> dict[str, Any]:
        kept = self.dois.get(name)
        if kept is None or (kept.state != "findable" and kept.repository != account):
            raise Refusal(404, {"status": "404", "title": "The resource you are looking for doesn't exist."})
        return _document(kept)

    def _create(self, name: str, said: dict[str, Any], account: str) -> dict[str, Any]:
        if name.partition("/")[0] not in self.prefixes.get(account, ()):
            raise Refusal(403, {"status": "403", "title": "You are not authorized to access this resource."})
        if not _DOI.fullmatch(name):
            raise Refusal(422, {"source": "doi", "uid": name, "title": "Is invalid"})
        if name in self.dois:
            raise Refusal(422, {"source": "doi", "uid": name, "title": "This DOI has already been taken"})
        return self._save(KeptDoi(name, account, {}), said)

    def _change(self, name: str, said: dict[str, Any], account: str) -> dict[str, Any]:
        kept = self.dois[name]
        if kept.repository != account:
            raise Refusal(403, {"status": "403", "title": "You are not authorized to access this resource."})
        return self._save(kept, said)

    def _save(self, kept: KeptDoi, said: dict[str, Any]) -> dict[str, Any]:
        event = said.pop("event", None)
        said.pop("doi", None)
        state = _MOVES.get((kept.state, event), kept.state)
        attributes = kept.attributes | said
        if errors := list(self._faults(kept.doi, attributes, state)):
            raise Refusal(422, *errors)
        kept.attributes = attributes
        kept.writes += 1
        if state != kept.state:
            kept.states.append(state)
        self.dois[kept.doi] = kept
        return _document(kept)

    def _faults(self, doi: str, attributes: dict[str, Any], state: str) -> list[dict[str, str]]:
        url = attributes.get("url")
        found = []
        if url and not _URL.fullmatch(url):
            found.append(("url", "URL is not valid"))
        if state != "draft":
            found += [(name, "Can't be blank") for name in ("url", *_MANDATORY) if not attributes.get(name)]
            if not (attributes.get("types") or {}).get("resourceTypeGeneral"):
                found.append(("types", "Resource type general can't be blank"))
            if url and self.domains and urlsplit(url).hostname not in self.domains:
                found.append(("url", f"URL {url} is not allowed by repository domain settings."))
        return [{"source": source, "uid": doi, "title": title} for source, title in found]


def _attributes(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)["data"]
        assert data["type"] == "dois"
        return dict(data["attributes"])
    except (ValueError, KeyError, TypeError, AssertionError):
        title = "You need to provide a payload following the JSONAPI spec"
        raise Refusal(400, {"status": "400", "title": title}) from None


def _bad_credentials() -> Refusal:
    return Refusal(401, {"status": "401", "title": "Bad credentials."})


def _signed_in(account: str | None) -> str:
    if account is None:
        raise _bad_credentials()
    return account


def _document(kept: KeptDoi) -> dict[str, Any]:
    prefix, _, suffix = kept.doi.partition("/")
    publisher = kept.attributes.get("publisher")
    attributes = {
        **kept.attributes,
        "doi": kept.doi,
        "prefix": prefix,
        "suffix": suffix,
        "state": kept.state,
        "isActive": kept.state == "findable",
        "source": "api",
        "metadataVersion": kept.writes - 1,
        "created": _WHEN,
        "updated": _WHEN,
    }
    if isinstance(publisher, dict):  # told as a name unless it is asked for as more
        attributes["publisher"] = publisher.get("name")
    client = {"client": {"data": {"id": kept.repository.lower(), "type": "clients"}}}
    return {"data": {"id": kept.doi, "type": "dois", "attributes": attributes, "relationships": client}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients that hang up are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60.0
    disable_nagle_algorithm = True
    stand_in: ClassVar[DataCiteStandIn]

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def serve(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer = self.stand_in.answer(self.command, self.path, headers, body)
        self.send_response_only(status)
        self.send_header("Content-Type", f"{MEDIA_TYPE}; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 - names of the standard library
