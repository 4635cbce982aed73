"""A stand-in for DataCite's REST interface: it keeps DOIs and moves them as the service does.

It does what the service's own source does where a client can see it: drafts are their repository's alone, an event that
does not fit the state is passed over without a word, a description has to be whole from `registered` on, and nothing
that was registered goes away. What a change does not name stays as it was, and what it names empty is empty.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.outside_server import Asked, OutsideServer, said

MEDIA_TYPE = "application/vnd.api+json"

_DOI = re.compile(r"10\.\d{4,5}/[-._;()/:a-zA-Z0-9*~$=]+")
_URL = re.compile(r"(?:ftp|http|https)://\S+")
_MANDATORY = ("url", "creators", "titles", "publisher", "publicationYear", "types")
_MOVES = {
    ("draft", "register"): "registered",
    ("draft", "publish"): "findable",
    ("registered", "publish"): "findable",
    ("findable", "hide"): "registered",
}
_LISTS = (
    *("creators", "titles", "subjects", "contributors", "dates", "relatedIdentifiers", "relatedItems", "sizes"),
    *("formats", "rightsList", "descriptions", "geoLocations", "fundingReferences", "identifiers"),
)
_FOR_OTHERS = {"schemaOrg": "Dataset", "citeproc": "dataset", "bibtex": "misc", "ris": "DATA"}
"""What the service makes of the type of a dataset."""
_WHEN = "2026-11-30T12:00:00.000Z"


class Exchange(NamedTuple):
    """A request with its answer, for whoever holds both against the interface's description."""

    asked: Asked
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
    attributes: dict[str, Any] = field(default_factory=dict)
    states: list[str] = field(default_factory=lambda: ["draft"])
    writes: int = 0

    @property
    def state(self) -> str:
        """The present state."""
        return self.states[-1]


class _Refusal(Exception):
    def __init__(self, status: int, *errors: dict[str, str]) -> None:
        super().__init__(status)
        self.status, self.errors = status, errors


class DataCiteStandIn(OutsideServer):
    """The service, with one repository that may make DOIs.

    Args:
        repository: Its account.
        password: Of it.
        prefix: What it may make DOIs of.
        check: Called with every exchange; says in words what breaks the interface's description.

    Attributes:
        domains: Hosts that addresses may be of, from `registered` on; empty for any.
        dois: By name.
        breaches: What `check` said.
    """

    def __init__(
        self,
        *,
        repository: str = "ABCD.EFGH",
        password: str = "correct horse",  # noqa: S107 - of nothing but this
        prefix: str = "10.5555",
        check: Callable[[Exchange], list[str]] | None = None,
    ) -> None:
        super().__init__()
        self.repository, self.password, self.prefix = repository, password, prefix
        self.domains: tuple[str, ...] = ()
        self.dois: dict[str, KeptDoi] = {}
        self.breaches: list[str] = []
        self._check = check

    def keep(self, doi: str, state: str, *, repository: str, **attributes: Any) -> KeptDoi:
        """Put a DOI there that somebody else has made."""
        self.dois[doi] = KeptDoi(doi, repository, attributes, [state])
        return self.dois[doi]

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked, if who asks may; the exchange is checked."""
        try:
            status, document = self._do(asked)
        except _Refusal as refusal:
            status, document = refusal.status, {"errors": list(refusal.errors)}
        answer = said(status, document, media_type=f"{MEDIA_TYPE}; charset=utf-8")
        self.breaches += self._check(Exchange(asked, status, answer[2])) if self._check else []
        return answer

    def _do(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        is_ours = self._is_ours(asked.headers.get("authorization"))
        place = unquote(asked.path)
        name = place.removeprefix("/dois/").lower() if place.startswith("/dois/") else None
        match asked.method:
            case "GET" if place == "/client-prefixes":
                return 200, self._assigned(asked.query, is_ours=is_ours)
            case "GET" if name:
                return 200, self._shown(name, is_ours=is_ours)
            case "POST" if place == "/dois":
                _require_signed_in(is_ours=is_ours)
                attributes = _attributes(asked)
                return 201, self._create(str(attributes.get("doi", "")).lower(), attributes)
            case "PUT" if name:
                _require_signed_in(is_ours=is_ours)
                if name in self.dois:
                    return 200, self._change(name, _attributes(asked))
                return 200, self._create(name, _attributes(asked))
            case _:
                raise _not_there()

    def _is_ours(self, authorization: str | None) -> bool:
        """Tell who asks: nobody known, or the repository. Wrong credentials are refused, whatever is asked."""
        if authorization is None:
            return False
        kind, _, token = authorization.partition(" ")
        try:
            account, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            account, password = "", ""
        if (kind.lower(), account.upper(), password) != ("basic", self.repository, self.password):
            raise _bad_credentials()
        return True

    def _assigned(self, query: Mapping[str, str], *, is_ours: bool) -> dict[str, Any]:
        wanted = query["client-id"], query["prefix-id"]
        count = int(is_ours and wanted == (self.repository.lower(), self.prefix))
        link = {"id": "-".join(wanted), "type": "client-prefixes", "attributes": {"createdAt": _WHEN}}
        return {"data": [link] * count, "meta": {"total": count, "totalPages": count, "page": 1}}

    def _shown(self, name: str, *, is_ours: bool) -> dict[str, Any]:
        kept = self.dois.get(name)
        if kept is None:
            raise _not_there()
        if kept.state != "findable" and not (is_ours and kept.repository == self.repository):
            raise _not_there()
        return _document(kept)

    def _create(self, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
        if name.partition("/")[0] != self.prefix:
            raise _not_allowed()
        if not _DOI.fullmatch(name):
            raise _Refusal(422, {"source": "doi", "uid": name, "title": "Is invalid"})
        if name in self.dois:
            raise _Refusal(422, {"source": "doi", "uid": name, "title": "This DOI has already been taken"})
        return self._save(KeptDoi(name, self.repository), attributes)

    def _change(self, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
        kept = self.dois[name]
        if kept.repository != self.repository:
            raise _not_allowed()
        return self._save(kept, attributes)

    def _save(self, kept: KeptDoi, changes: dict[str, Any]) -> dict[str, Any]:
        state = _MOVES.get((kept.state, changes.get("event", "")), kept.state)
        attributes = kept.attributes | {name: value for name, value in changes.items() if name not in {"doi", "event"}}
        errors = [{"source": name, "uid": kept.doi, "title": title} for name, title in self._faults(attributes, state)]
        if errors:
            raise _Refusal(422, *errors)
        kept.attributes = attributes
        kept.writes += 1
        if state != kept.state:
            kept.states.append(state)
        self.dois[kept.doi] = kept
        return _document(kept)

    def _faults(self, attributes: Mapping[str, Any], state: str) -> Iterator[tuple[str, str]]:
        url = attributes.get("url")
        if url and not _URL.fullmatch(url):
            yield "url", "URL is not valid"
        if state == "draft":
            return
        yield from ((name, "Can't be blank") for name in _MANDATORY if not attributes.get(name))
        if not (attributes.get("types") or {}).get("resourceTypeGeneral"):
            yield "types", "Missing attribute resourceTypeGeneral"
        if url and self.domains and urlsplit(url).hostname not in self.domains:
            yield "url", f"URL {url} is not allowed by repository {self.repository} domain settings."


def _attributes(asked: Asked) -> dict[str, Any]:
    match asked.json:
        case {"data": {"type": "dois", "attributes": dict(attributes)}}:
            return attributes
        case _:
            title = "You need to provide a payload following the JSONAPI spec"
            raise _Refusal(400, {"status": "400", "title": title})


def _require_signed_in(*, is_ours: bool) -> None:
    if not is_ours:
        raise _bad_credentials()


def _bad_credentials() -> _Refusal:
    return _Refusal(401, {"status": "401", "title": "Bad credentials."})


def _not_allowed() -> _Refusal:
    return _Refusal(403, {"status": "403", "title": "You are not authorized to access this resource."})


def _not_there() -> _Refusal:
    return _Refusal(404, {"status": "404", "title": "The resource you are looking for doesn't exist."})


def _document(kept: KeptDoi) -> dict[str, Any]:
    prefix, _, suffix = kept.doi.partition("/")
    attributes = {
        **kept.attributes,
        "doi": kept.doi,
        "prefix": prefix,
        "suffix": suffix,
        "state": kept.state,
        "isActive": kept.state == "findable",
        "source": "api",
        "metadataVersion": kept.writes,
        "created": _WHEN,
        "updated": _WHEN,
    }
    attributes |= {name: _as_told(attributes.get(name) or []) for name in _LISTS}
    if isinstance(attributes.get("publisher"), dict):  # told by its name, unless more is asked for
        attributes["publisher"] = attributes["publisher"].get("name")
    if attributes.get("types"):
        attributes["types"] = {**_FOR_OTHERS, **attributes["types"]}
    client = {"client": {"data": {"id": kept.repository.lower(), "type": "clients"}}}
    return {"data": {"id": kept.doi, "type": "dois", "attributes": attributes, "relationships": client}}


def _as_told(listed: list[Any]) -> list[Any]:
    """Tell people with lists that are always there, and where they work by its name, unless more is asked for."""
    return [
        {
            **one,
            "affiliation": [place["name"] for place in one.get("affiliation", ())],
            "nameIdentifiers": one.get("nameIdentifiers", []),
        }
        if isinstance(one, dict) and "name" in one
        else one
        for one in listed
    ]
