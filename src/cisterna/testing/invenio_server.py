"""A stand-in for a repository that runs InvenioRDM: it keeps drafts, files and records by the documented interface.

What it does not do: vocabularies, communities and reviews.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.outside_server import Asked, OutsideServer, said

_REQUIRED = ("resource_type", "title", "creators", "publication_date")
_PLACE = re.compile(r"/api/records/(?P<id>[a-z0-9-]+)(?P<rest>/.*)?")
_FILE = re.compile(r"/draft/files/(?P<key>.+?)(?P<act>/content|/commit)?")
_QUERY = re.compile(r'metadata\.identifiers\.identifier:"(?P<identifier>[^"]*)"')
_KEPT = {"record": "public", "files": "public"}


class InvenioServer(OutsideServer):
    """One repository.

    Args:
        token: That it takes.
        restricts_records: Whether a description may be restricted; at Zenodo it may not.
    """

    def __init__(self, *, token: str, restricts_records: bool = True) -> None:
        super().__init__()
        self._token = token
        self._restricts_records = restricts_records
        self.drafts: dict[str, dict[str, Any]] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, dict[str, bytes]] = {}
        self._indexed: dict[str, dict[str, Any]] | None = None

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            return said(401, {"message": "The server could not verify that you are authorized.", "status": 401})
        if asked.path == "/api/user/records" and asked.method == "GET":
            return self._search(asked)
        if asked.path == "/api/records" and asked.method == "POST":
            return self._begin(asked)
        place = _PLACE.fullmatch(asked.path)
        if place is None:
            return _missing()
        return self._on_record(asked, place["id"], place["rest"] or "")

    def of(self, pid: str, version: str) -> Iterator[dict[str, Any]]:
        """Give every draft and record of a version; of both, the record."""
        for one in ({**self.drafts, **self.records}).values():
            named = [identifier["identifier"] for identifier in one["metadata"].get("identifiers", [])]
            if pid in named and one["metadata"].get("version") == version:
                yield one

    def stop_indexing(self) -> None:
        """Let its search go on finding what there is now, as it is now, and nothing of what comes."""
        self._indexed = copy.deepcopy({**self.drafts, **self.records})

    def remove(self, identity: str) -> None:
        """Let its people delete a record."""
        del self.records[identity]

    def _on_record(self, asked: Asked, identity: str, rest: str) -> Answer:
        acts: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", ""): lambda: _held(self.records, identity),
            ("GET", "/draft"): lambda: _held(self.drafts, identity),
            ("POST", "/draft"): lambda: self._edit(identity),
            ("PUT", "/draft"): lambda: self._change(asked, identity),
            ("DELETE", "/draft"): lambda: self._throw_away(identity),
            ("POST", "/draft/actions/publish"): lambda: self._publish(identity),
            ("POST", "/versions"): lambda: self._next(identity),
        }
        act = acts.get((asked.method, rest))
        if act is not None:
            return act()
        file = _FILE.fullmatch(rest)
        if identity not in self.drafts or not (file or rest == "/draft/files"):
            return _missing()
        return self._file(asked, identity, unquote(file["key"]), file["act"]) if file else self._files(asked, identity)

    def _search(self, asked: Asked) -> Answer:
        wanted = _QUERY.fullmatch(asked.query.get("q", ""))
        every = (self._indexed if self._indexed is not None else {**self.drafts, **self.records}).values()
        hits = [
            one
            for one in every
            if wanted and wanted["identifier"] in [n["identifier"] for n in one["metadata"].get("identifiers", [])]
        ]
        return said(200, {"hits": {"hits": hits, "total": len(hits)}, "aggregations": {}, "links": {}})

    def _begin(self, asked: Asked | None, *, parent: str | None = None) -> Answer:
        identity = f"rec{len(self.bodies) + 1:02}-{hashlib.sha256(str(len(self.bodies)).encode()).hexdigest()[:5]}"
        document = asked.json if asked else {}
        self.bodies[identity] = {}
        self.drafts[identity] = {
            "id": identity,
            "is_published": False,
            "parent": {"id": parent or f"concept-{identity}"},
            "access": dict(_KEPT),
            "files": {"enabled": True},
            "pids": {},
            "entries": {},
            "metadata": {},
        }
        if parent is None:
            self._take(identity, document)
        return said(201, self.drafts[identity])

    def _take(self, identity: str, document: dict[str, Any]) -> None:
        draft = self.drafts[identity]
        metadata = document.get("metadata", {})
        draft["metadata"] = copy.deepcopy(metadata)
        if isinstance(kind := metadata.get("resource_type"), dict):
            draft["metadata"]["resource_type"] = {**kind, "title": {"en": kind["id"]}}
        draft["access"] = {**_KEPT, **document.get("access", {})}
        draft["files"] = dict(document.get("files", draft["files"]))
        draft["pids"] = dict(document.get("pids", draft["pids"]))
        draft["errors"] = [
            {"field": f"metadata.{name}", "messages": ["Missing data for required field."]}
            for name in _REQUIRED
            if not metadata.get(name)
        ]

    def _change(self, asked: Asked, identity: str) -> Answer:
        if identity not in self.drafts:
            return _missing()
        document = asked.json
        if not self._restricts_records and document.get("access", {}).get("record") == "restricted":
            return said(403, {"status": 403, "message": "Permission denied."})
        if isinstance(document["metadata"].get("resource_type", {}).get("title"), dict):
            return said(400, {"status": 400, "message": "A validation error occurred."})
        self._take(identity, document)
        return said(200, self.drafts[identity])

    def _edit(self, identity: str) -> Answer:
        if identity not in self.records:
            return _missing()
        self.drafts.setdefault(identity, {**copy.deepcopy(self.records[identity]), "is_published": False})
        return said(201, self.drafts[identity])

    def _throw_away(self, identity: str) -> Answer:
        if self.drafts.pop(identity, None) is None:
            return _missing()
        return 204, [], b""

    def _next(self, identity: str) -> Answer:
        if identity not in self.records:
            return _missing()
        parent = self.records[identity]["parent"]["id"]
        begun = [one for key, one in self.drafts.items() if one["parent"]["id"] == parent and key not in self.records]
        if begun:
            return said(201, begun[0])
        answer = self._begin(None, parent=parent)
        draft = next(reversed(self.drafts.values()))
        before = copy.deepcopy(self.records[identity]["metadata"])
        draft["metadata"] = {k: v for k, v in before.items() if k not in {"version", "publication_date"}}
        return said(answer[0], draft)

    def _publish(self, identity: str) -> Answer:
        draft = self.drafts.get(identity)
        if draft is None:
            return _missing()
        pending = [key for key, one in draft["entries"].items() if one["status"] != "completed"]
        wants_files = draft["files"]["enabled"] and not draft["entries"]
        if draft.get("errors") or pending or wants_files:
            return said(400, {"status": 400, "message": "A validation error occurred.", "errors": draft.get("errors")})
        if any("provider" not in one for one in draft["pids"].values()):
            return said(400, {"status": 400, "message": "A validation error occurred."})
        minted = {"identifier": f"10.5072/zenodo.{identity}", "provider": "datacite", "client": "datacite"}
        oai = {"identifier": f"oai:stand-in:{identity}", "provider": "oai"}
        pids = {"doi": minted, "oai": oai, **draft["pids"]}
        self.records[identity] = {**self.drafts.pop(identity), "is_published": True, "pids": pids}
        return said(202, self.records[identity])

    def _files(self, asked: Asked, identity: str) -> Answer:
        entries = self.drafts[identity]["entries"]
        if asked.method == "POST":
            keys = [one["key"] for one in asked.json]
            if any(key in entries for key in keys):
                return said(400, {"status": 400, "message": f"File with key {keys[0]} already exists."})
            entries.update({key: {"key": key, "status": "pending"} for key in keys})
            return said(201, {"enabled": True, "entries": [entries[key] for key in keys]})
        return said(200, {"enabled": True, "entries": list(entries.values())})

    def _file(self, asked: Asked, identity: str, key: str, act: str | None) -> Answer:
        entries, bodies = self.drafts[identity]["entries"], self.bodies[identity]
        if key not in entries:
            return _missing()
        if asked.method == "DELETE":
            del entries[key]
            bodies.pop(key, None)
            return 204, [], b""
        if act == "/content":
            bodies[key] = asked.body
            return said(200, entries[key])
        if key not in bodies:
            return said(400, {"status": 400, "message": "File upload transfer is not completed."})
        body = bodies[key]
        checksum = f"md5:{hashlib.md5(body, usedforsecurity=False).hexdigest()}"
        entries[key] = {"key": key, "status": "completed", "checksum": checksum, "size": float(len(body))}
        return said(200, entries[key])


def _held(shelf: Mapping[str, dict[str, Any]], identity: str) -> Answer:
    return said(200, shelf[identity]) if identity in shelf else _missing()


def _missing() -> Answer:
    return said(404, {"status": 404, "message": "The persistent identifier does not exist."})
