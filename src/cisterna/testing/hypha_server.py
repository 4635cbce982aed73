"""A stand-in for the artifact manager of a Hypha server: it keeps drafts and artifacts as a real one was seen to.

What it does not do: permissions, versions after the first, and git. Its store is itself, as behind Hypha's own proxy.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any
from urllib.parse import quote, unquote

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.outside_server import Asked, OutsideServer, said

_FUNCTIONS = "/public/services/artifact-manager/"
_STORE = "/s3/"


class HyphaStandIn(OutsideServer):
    """One server.

    Args:
        token: That it takes.
        collection: Workspace and alias of the collection that it has.
    """

    def __init__(self, *, token: str, collection: str) -> None:
        super().__init__()
        self._token = token
        self._collection = collection
        self.store_url = ""
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, dict[str, bytes]] = {}

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        if asked.path.startswith(_STORE) and asked.method == "PUT":
            return self._store(asked)
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            return _failed(403, "PermissionError: Authentication failed")
        return self._call(asked.path.removeprefix(_FUNCTIONS), asked.json or {})

    def _call(self, function: str, sent: dict[str, Any]) -> Answer:
        artifact_id = str(sent.get("artifact_id", ""))
        if function == "create":
            return self._create(sent)
        if artifact_id == self._collection:
            return said(
                200, {**_shown({"alias": artifact_id.partition("/")[2], "type": "collection"}), "versions": [{}]}
            )
        if artifact_id not in self.artifacts:
            return _failed(404, f"KeyError: \"Artifact with ID '{artifact_id}' does not exist. Note: use the full ID\"")
        if function == "read":
            return said(200, _shown(self.artifacts[artifact_id]))
        return self._on_artifact(function, artifact_id, sent)

    def _create(self, sent: dict[str, Any]) -> Answer:
        artifact_id = f"{self._collection.partition('/')[0]}/{sent['alias']}"
        if artifact_id in self.artifacts:
            return _failed(500, "FileExistsError: Artifact with alias exists")
        staged = {"files": [], "manifest": sent["manifest"], "config": {"permissions": {"me": "*"}}}
        named = {"alias": sent["alias"], "type": sent["type"], "versions": [], "staging": staged}
        self.artifacts[artifact_id] = {**named, "manifest": sent["manifest"], "config": staged["config"]}
        self.bodies[artifact_id] = {}
        return said(200, _shown(self.artifacts[artifact_id]))

    def _on_artifact(self, function: str, artifact_id: str, sent: dict[str, Any]) -> Answer:
        artifact = self.artifacts[artifact_id]
        staged = artifact["staging"]
        if function == "edit":
            kept = {"files": [], "manifest": artifact["manifest"], "config": artifact["config"]}
            changed = {name: copy.deepcopy(sent[name]) for name in ("manifest", "config") if name in sent}
            artifact["staging"] = {**(staged or kept), **changed}
            return said(200, _shown(artifact))
        if function == "delete":
            del self.artifacts[artifact_id], self.bodies[artifact_id]
            return _nothing()
        if function == "list_files":
            return said(200, self._listed(artifact_id, sent.get("dir_path", "")))
        if staged is None:
            return _failed(400, "AssertionError: Artifact must be in staging mode.")
        return self._commit(artifact_id, sent) if function == "commit" else self._on_file(function, artifact_id, sent)

    def _on_file(self, function: str, artifact_id: str, sent: dict[str, Any]) -> Answer:
        staged, path = self.artifacts[artifact_id]["staging"], sent["file_path"]
        was_sent = any(one["path"] == path for one in staged["files"])
        if function == "put_file":
            if not was_sent:
                staged["files"].append({"path": path})
            return said(200, f"{self.store_url or self.url}{_STORE}{artifact_id}/{quote(path)}?Signature=abc")
        staged["files"] = [one for one in staged["files"] if one["path"] != path]
        if was_sent:
            self.bodies[artifact_id].pop(path, None)
        else:
            staged["files"].append({"path": path, "_remove": True})
        return _nothing()

    def _commit(self, artifact_id: str, sent: dict[str, Any]) -> Answer:
        artifact, bodies = self.artifacts[artifact_id], self.bodies[artifact_id]
        staged = artifact["staging"]
        for one in staged["files"]:
            if one.get("_remove"):
                bodies.pop(one["path"], None)
            elif one["path"] not in bodies:
                return _failed(500, "FileNotFoundError: File does not exist in the artifact.")
        artifact |= {"manifest": staged["manifest"], "config": staged["config"], "staging": None}
        artifact["versions"] = artifact["versions"] or [{"version": sent.get("version") or "v0"}]
        return said(200, _shown(artifact))

    def _listed(self, artifact_id: str, folder: str) -> list[dict[str, Any]]:
        staging = self.artifacts[artifact_id]["staging"] or {"files": []}
        gone = {one["path"] for one in staging["files"] if one.get("_remove")}
        begin = f"{folder}/" if folder else ""
        found: dict[str, dict[str, Any]] = {}
        for path, body in self.bodies[artifact_id].items():
            if path.startswith(begin) and path not in gone:
                name, _, deeper = path.removeprefix(begin).partition("/")
                found[name] = {"name": name, "type": "directory" if deeper else "file"}
                if not deeper:
                    found[name] |= {"size": len(body), "last_modified": 1.0}
        return list(found.values())

    def _store(self, asked: Asked) -> Answer:
        if "authorization" in asked.headers or "content-type" in asked.headers or not asked.query.get("Signature"):
            return 403, [("Content-Type", "application/xml")], b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        workspace, alias, path = unquote(asked.path.removeprefix(_STORE)).split("/", 2)
        self.bodies[f"{workspace}/{alias}"][path] = asked.body
        return 200, [("ETag", f'"{hashlib.md5(asked.body, usedforsecurity=False).hexdigest()}"')], b""


def _shown(artifact: dict[str, Any]) -> dict[str, Any]:
    whole = {"manifest": {}, "config": {}, "staging": None, **artifact}
    staged = whole["staging"]
    if staged is None:
        return whole
    said_of = [*staged["files"], {"_intent": "edit_version" if whole["versions"] else "new_version"}]
    return {**whole, "manifest": staged["manifest"], "config": staged["config"], "staging": said_of}


def _nothing() -> Answer:
    return 200, [("Content-Type", "application/json")], b"null"


def _failed(status: int, detail: str) -> Answer:
    return said(status, {"success": False, "detail": f"RemoteException: {detail}"})
