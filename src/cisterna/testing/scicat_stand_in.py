"""A stand-in for a SciCat backend: it keeps datasets and lists of files, and takes what the real one's checks take.

Made after the source of version 4 of its interface: fields that it does not know are refused, a PID is there once, who
sees, changes and deletes is a matter of groups, a list of files has the groups that its dataset had when it was added
and is public or not by itself, it changes the sizes of its dataset and outlives it, a change that tells no sizes makes
them 0, and facts with a unit get values in SI units. What it does not do: history, search, and lists that are not of
one dataset.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.outside_server import Asked, OutsideServer, said

BODY_MOST_BYTES = 16 * 1024 * 1024
"""What the real one takes in a request unless it is told otherwise."""
_COUNTED = 10
"""Lists of files that the real one counts when it adds up what a dataset has; of more it forgets the rest."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ADDRESS = re.compile(r"[^@\s;]+@[^@\s;]+\.[A-Za-z]{2,}")

_OWNED = {"ownerGroup": "text", "accessGroups": "texts", "instrumentGroup": "text"}
CHANGEABLE = _OWNED | {
    "owner": "text",
    "ownerEmail": "address",
    "orcidOfOwner": "text",
    "contactEmail": "addresses",
    "sourceFolder": "filled",
    "sourceFolderHost": "text",
    "size": "whole",
    "packedSize": "whole",
    "numberOfFiles": "whole",
    "numberOfFilesArchived": "whole",
    "creationTime": "moment",
    "validationStatus": "text",
    "keywords": "texts",
    "description": "text",
    "datasetName": "text",
    "classification": "text",
    "license": "text",
    "isPublished": "flag",
    "sharedWith": "texts",
    "datasetlifecycle": "anything",
    "scientificMetadata": "object",
    "comment": "text",
    "principalInvestigators": "texts",
    "startTime": "moment",
    "endTime": "moment",
    "creationLocation": "text",
    "dataFormat": "text",
    "proposalIds": "texts",
    "sampleIds": "texts",
    "instrumentIds": "texts",
    "inputDatasets": "texts",
    "usedSoftware": "texts",
    "jobParameters": "object",
    "jobLogData": "text",
    "runNumber": "text",
}
DATASET = CHANGEABLE | {"pid": "text", "type": "text"}
NEEDED = ("ownerGroup", "contactEmail", "sourceFolder", "creationTime", "datasetName", "type")
BLOCK_CHANGEABLE = _OWNED | {"size": "whole", "chkAlg": "filled", "dataFileList": "files", "isPublished": "flag"}
BLOCK = BLOCK_CHANGEABLE | {"datasetId": "text"}
FILE = {"path": "text", "size": "number", "time": "moment", "chk": "text", "uid": "text", "gid": "text"}
_SIZES = ("size", "packedSize", "numberOfFiles")
_FILTERS = {"where", "fields", "limits", "limit", "skip", "$in"}


class ScicatStandIn(OutsideServer):
    """One backend with one account.

    Args:
        username: Of the account.
        password: Of the account.
        groups: That the account is in.
        may_give_pids: Whether one of them is named by CREATE_DATASET_WITH_PID_GROUPS.
        may_delete: Whether one of them is named by DELETE_GROUPS.
        says_expired: Whether it says of a token that it is over, as from 5.0 on; before, it takes who asks for nobody.
    """

    def __init__(
        self,
        *,
        username: str,
        password: str,
        groups: tuple[str, ...],
        may_give_pids: bool = True,
        may_delete: bool = True,
        says_expired: bool = False,
    ) -> None:
        super().__init__()
        self._account = {"username": username, "password": password}
        self._groups = groups
        self._may_give_pids = may_give_pids
        self.may_delete = may_delete
        self._says_expired = says_expired
        self.tokens: list[str] = []
        self.datasets: dict[str, dict[str, Any]] = {}
        self.blocks: dict[str, dict[str, Any]] = {}

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        if len(asked.body) > BODY_MOST_BYTES:
            return _refused(413, "request entity too large")
        version, _, place = asked.path.removeprefix("/api/").partition("/")
        if (version, place) == ("v3", "auth/login"):
            return self._sign_in(asked)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _refused(401, "SESSION_EXPIRED") if self._says_expired else _refused(403, "Forbidden resource")
        kind, _, name = place.partition("/")
        if version != "v4" or kind not in {"datasets", "origdatablocks"}:
            return _refused(404, f"Cannot {asked.method} {asked.path}")
        do = self._on_datasets if kind == "datasets" else self._on_blocks
        return do(asked, unquote(name))

    def files_of(self, pid: str) -> list[dict[str, Any]]:
        """Give the files that a dataset names, list by list."""
        lists = [one for one in self.blocks.values() if one["datasetId"] == pid]
        return [file for one in lists for file in one["dataFileList"]]

    def public_files(self) -> list[str]:
        """Give the paths that anybody may read without an account, in lists whose dataset nobody has to see."""
        return [file["path"] for one in self.blocks.values() if one.get("isPublished") for file in one["dataFileList"]]

    def _sign_in(self, asked: Asked) -> Answer:
        if asked.json != self._account:
            return _refused(401, "Unauthorized")
        self.tokens.append(f"eyJhbGciOiJIUzI1NiJ9.token-{len(self.tokens)}")
        return said(201, {"access_token": self.tokens[-1], "expires_in": 3600, "ttl": 3600, "userId": "1"})

    def _on_datasets(self, asked: Asked, name: str) -> Answer:
        match asked.method, name:
            case "POST", "":
                return self._create(asked.json)
            case "POST", "isValid":
                refusal = self._may_create(asked.json)
                return refusal or said(200, {"valid": not _faults(asked.json, DATASET, NEEDED)})
            case "GET", "":
                return self._listed(asked, self.datasets, DATASET)
        if name not in self.datasets:
            return _refused(404, "dataset: null not found")
        if not self._may_see(self.datasets[name]):
            return _refused(403, "Unauthorized access")
        return self._on_dataset(asked, self.datasets[name])

    def _on_dataset(self, asked: Asked, dataset: dict[str, Any]) -> Answer:
        if asked.method == "PATCH":
            if faults := _faults(asked.json, CHANGEABLE, ()):
                return _refused(400, faults)
            if dataset["ownerGroup"] not in self._groups:
                return _refused(403, "Unauthorized access")
            dataset |= dict.fromkeys(_SIZES, 0) | _kept(asked.json)
        return said(200, dataset)

    def _may_see(self, one: Mapping[str, Any]) -> bool:
        return bool(one.get("isPublished")) or bool({one["ownerGroup"], *one["accessGroups"]} & {*self._groups})

    def _may_create(self, sent: Mapping[str, Any]) -> Answer | None:
        allowed = sent.get("ownerGroup") in self._groups and (self._may_give_pids or not sent.get("pid"))
        return None if allowed else _refused(403, "Unauthorized access")

    def _create(self, sent: dict[str, Any]) -> Answer:
        if faults := _faults(sent, DATASET, NEEDED):
            return _refused(400, faults)
        if refusal := self._may_create(sent):
            return refusal
        pid = sent.get("pid") or f"20.500.12345/{len(self.datasets)}"
        if pid in self.datasets:
            return _refused(409, f"A dataset with pid {pid} already exists!")
        own = {"_id": pid, "pid": pid, "isPublished": False, "size": 0, "numberOfFiles": 0, "version": "v4"}
        own |= {"accessGroups": [], "sharedWith": [], "keywords": [], "classification": "IN=medium,AV=low,CO=low"}
        self.datasets[pid] = {**own, **_kept(sent)}
        return said(201, self.datasets[pid])

    def _on_blocks(self, asked: Asked, name: str) -> Answer:
        match asked.method, name:
            case "POST", "":
                return self._add_block(asked.json)
            case "GET", "":
                return self._listed(asked, self.blocks, BLOCK)
        if asked.method == "DELETE" and not self.may_delete:
            return _refused(403, "Forbidden resource")
        if name not in self.blocks:
            return _refused(404, f"OrigDatablock: {name} not found")
        return self._on_block(asked, self.blocks[name])

    def _on_block(self, asked: Asked, block: dict[str, Any]) -> Answer:
        pid = block["datasetId"]
        if asked.method == "PATCH":
            if refusal := self._may_change_blocks(pid):
                return refusal
            if faults := _faults(asked.json, BLOCK_CHANGEABLE, ()):
                return _refused(400, faults)
            block |= asked.json
        if asked.method == "DELETE":
            del self.blocks[block["_id"]]
        if pid not in self.datasets:  # said once the list is gone
            return _refused(404, f"Dataset #{pid} not found")
        self._count(pid)
        return said(200, block)

    def _may_change_blocks(self, pid: str) -> Answer | None:
        if pid not in self.datasets:
            return _refused(404, f"Dataset: {pid} not found for attaching an origdatablock")
        return None if self.datasets[pid]["ownerGroup"] in self._groups else _refused(403, "Unauthorized access")

    def _add_block(self, sent: dict[str, Any]) -> Answer:
        if faults := _faults(sent, BLOCK, ("size", "dataFileList", "datasetId")):
            return _refused(400, faults)
        if refusal := self._may_change_blocks(sent["datasetId"]):
            return refusal
        dataset = self.datasets[sent["datasetId"]]
        name = f"0000-{len(self.blocks)}-{len(self.seen)}"
        owned = {"ownerGroup": dataset["ownerGroup"], "accessGroups": dataset["accessGroups"]}
        self.blocks[name] = {"_id": name, **sent, **owned}
        self._count(sent["datasetId"])
        return said(201, self.blocks[name])

    def _count(self, pid: str) -> None:
        newest = [one for one in self.blocks.values() if one["datasetId"] == pid][-_COUNTED:]
        counted = {"size": sum(one["size"] for one in newest)}
        self.datasets[pid] |= counted | {"numberOfFiles": sum(len(one["dataFileList"]) for one in newest)}

    def _listed(self, asked: Asked, kept: Mapping[str, dict[str, Any]], known: Mapping[str, str]) -> Answer:
        wanted = json.loads(asked.query.get("filter", "{}"))
        for part in (part for key in _keys(wanted) for part in key.split(".")):
            if part not in known and part not in FILE and part not in _FILTERS:
                return _refused(400, f"Property {part} should not exist in the filter object")
        terms = wanted.get("where", {}).items()
        found = [one for one in kept.values() if self._may_see(one) and all(_fits(one, *term) for term in terms)]
        some = found[: wanted.get("limits", {}).get("limit", 10)]
        fields = ["_id", *wanted.get("fields", [])]
        return said(200, [{name: one[name] for name in fields if name in one} for one in some])


def _keys(filters: Mapping[str, Any]) -> list[str]:
    found = []
    for name, value in filters.items():
        found += [f"{name}.{deeper}" for deeper in _keys(value)] if isinstance(value, dict) else [name]
    return found


def _fits(document: Mapping[str, Any], name: str, value: Any) -> bool:
    first, _, deeper = name.partition(".")
    if deeper:
        return any(one.get(deeper) == value for one in document[first])
    return document.get(first) in value["$in"] if isinstance(value, dict) else document.get(first) == value


def _faults(sent: Any, known: Mapping[str, str], needed: tuple[str, ...]) -> list[str]:
    """Say what of a document the checks of the real one would not take; null is nothing said."""
    if not isinstance(sent, dict):
        return ["an unknown value was passed to the validate function"]
    faults = [f"property {name} should not exist" for name in sent if name not in known]
    faults += [f"{name} is needed" for name in needed if sent.get(name) is None]
    given = {name: value for name, value in sent.items() if name in known and value is not None}
    return faults + [f"{name} is no {known[name]}" for name, value in given.items() if not _is(known[name], value)]


def _is(kind: str, value: Any) -> bool:
    return _CHECKS[kind](value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "text": _is_text,
    "filled": lambda value: _is_text(value) and bool(value),
    "texts": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "whole": lambda value: type(value) is int,
    "number": lambda value: type(value) in {int, float},
    "flag": lambda value: type(value) is bool,
    "moment": lambda value: _is_text(value) and _MOMENT.fullmatch(value) is not None,
    "address": lambda value: _is_text(value) and _ADDRESS.fullmatch(value) is not None,
    "addresses": lambda value: _is_text(value) and all(_ADDRESS.fullmatch(one.strip()) for one in value.split(";")),
    "files": lambda value: bool(value) and not any(_faults(one, FILE, ("path", "size", "time")) for one in value),
    "object": lambda value: isinstance(value, dict),
    "anything": lambda _: True,
}


def _kept(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is kept of what was sent: folders without a slash at the end, and facts in SI units as well."""
    kept = {name: value for name, value in sent.items() if value is not None}
    if "sourceFolder" in kept:
        kept["sourceFolder"] = kept["sourceFolder"].removesuffix("/")
    if kept.get("scientificMetadata"):
        kept["scientificMetadata"] = {name: _in_si(fact) for name, fact in kept["scientificMetadata"].items()}
    return kept


def _in_si(fact: Any) -> Any:
    if not isinstance(fact, dict) or not fact.get("unit"):
        return fact
    return {**fact, "valueSI": fact["value"] * 1e-6, "unitSI": "m"}


def _refused(status: int, message: str | list[str]) -> Answer:
    return said(status, {"statusCode": status, "message": message, "error": "as NestJS says it"})
