"""Reads an `inventory.json` that may say anything, and believes it only when it keeps every rule of OCFL 1.1."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any, get_args

from cisterna.domain.delivered import DIGITS
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import HostileInput, ObjectInvalid
from cisterna.domain.ocfl import CONTENT, INVENTORY_TYPE, Agent, Inventory, VersionEntry, require_distinct
from cisterna.domain.path import relative_path

_HEX = re.compile(r"[0-9a-fA-F]+")
_VERSION = re.compile(r"v([1-9][0-9]{0,8})")
_REQUIRED = frozenset({"id", "type", "digestAlgorithm", "head", "manifest", "versions"})
_KNOWN = _REQUIRED | {"contentDirectory", "fixity"}


def parse_inventory(body: bytes, *, pid: str | None = None) -> Inventory:
    """Read an inventory.

    Args:
        body: The bytes of `inventory.json`.
        pid: The id it must have, when that is known.

    Raises:
        ObjectInvalid: It breaks a rule; the message names the rule's place. Nothing of it may be used then.
    """
    try:
        document = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _broken(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _broken("it is not a JSON object")
    _require_keys(document, _REQUIRED, _KNOWN, "the inventory")
    if not isinstance(document["id"], str) or not document["id"]:
        raise _broken("id is not a text")
    if pid is not None and document["id"] != pid:
        msg = f"inventory is of {document['id']!r}, expected {pid}; look for two datasets with one object root"
        raise ObjectInvalid(msg, expected=pid, found=document["id"])
    if document["type"] != INVENTORY_TYPE:
        raise _broken(f"type is {document['type']!r}, expected {INVENTORY_TYPE}")
    algorithm = _algorithm(document["digestAlgorithm"])
    content = _content_directory(document.get("contentDirectory", CONTENT))
    head = _head(document["head"], document["versions"])
    manifest = _paths_by_digest(document["manifest"], "manifest", algorithm)
    _require_content_paths(manifest, head=head, content=content)
    versions = tuple(_version(document["versions"][f"v{n}"], f"v{n}", manifest, algorithm) for n in range(1, head + 1))
    unused = manifest.keys() - set().union(*(entry.state for entry in versions))
    if unused:
        raise _broken(f"manifest has {min(unused)}, which no version uses")
    fixity = _fixity(document.get("fixity", {}), manifest)
    sha256: dict[str, str] = {}
    if algorithm != DIGEST_ALGORITHM:
        known = _sha512_of(manifest, fixity.pop(DIGEST_ALGORITHM, {}))
        sha256 = {known[digest]: digest for digest in manifest}
        manifest = _renamed(manifest, known)
        versions = tuple(replace(entry, state=_renamed(entry.state, known)) for entry in versions)
    return Inventory(
        pid=document["id"],
        manifest=manifest,
        versions=versions,
        content_directory=content,
        fixity=fixity,
        algorithm=algorithm,
        sha256=sha256,
    )


def _algorithm(name: object) -> DigestAlgorithm:
    known: tuple[DigestAlgorithm, ...] = get_args(DigestAlgorithm)
    found = next((one for one in known if one == name), None)
    if found is None:
        raise _broken(f"digestAlgorithm is {name!r}, this archive keeps {' and '.join(known)}")
    return found


def _sha512_of(manifest: dict[str, tuple[str, ...]], said: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Give the SHA-512 by the SHA-256 of all bytes of an object that is made of the latter: its fixity block says it.

    Bytes that are one by one digest must be one by the other, or the two would not tell of the same object.
    """
    of_path = {path: digest for digest, paths in said.items() for path in paths}
    if len(of_path) != sum(map(len, said.values())):
        raise _broken("fixity has two SHA-512 digests for one path")
    known: dict[str, str] = {}
    for digest, paths in manifest.items():
        found = {of_path.get(path) for path in paths}
        sha512 = found.pop()
        if sha512 is None or found:
            raise _broken(
                f"fixity does not have one SHA-512 for {digest}, which every file here has beside its SHA-256"
            )
        known[digest] = sha512
    if len(set(known.values())) != len(known):
        raise _broken("fixity has one SHA-512 for two SHA-256 digests")
    return known


def _renamed(paths: Mapping[str, tuple[str, ...]], names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {names[digest]: some for digest, some in paths.items()}


def _broken(what: str) -> ObjectInvalid:
    return ObjectInvalid(f"inventory.json is not valid: {what}", fault=what)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key comes twice"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> None:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _require_keys(found: dict[str, Any], required: frozenset[str], known: frozenset[str], where: str) -> None:
    if missing := required - found.keys():
        raise _broken(f"{where} lacks {', '.join(sorted(missing))}")
    if unknown := found.keys() - known:
        raise _broken(f"{where} has {', '.join(sorted(map(repr, unknown)))}, which OCFL 1.1 does not know")


def _content_directory(name: object) -> str:
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name:
        raise _broken(f"contentDirectory is {name!r}, which is not a folder's name")
    return name


def _head(head: object, versions: object) -> int:
    found = _VERSION.fullmatch(head) if isinstance(head, str) else None
    if found is None:
        raise _broken(f"head is {head!r}, expected v1, v2, ...")
    number = int(found[1])
    if not isinstance(versions, dict) or len(versions) != number:
        raise _broken(f"head is v{number}, but versions does not hold {number}")
    missing = [f"v{n}" for n in range(1, number + 1) if f"v{n}" not in versions]
    if missing:
        raise _broken(f"versions lacks {', '.join(missing[:5])}")
    return number


def _paths_by_digest(found: object, where: str, algorithm: DigestAlgorithm) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict):
        raise _broken(f"{where} is not an object")
    result: dict[str, tuple[str, ...]] = {}
    for digest, paths in found.items():
        if len(digest) != DIGITS[algorithm] or _HEX.fullmatch(digest) is None:
            raise _broken(f"{where} has {digest[:140]!r}, which is not a SHA-{algorithm[3:]} digest")
        if not isinstance(paths, list) or not paths:
            raise _broken(f"{where} has no list of paths for {digest}")
        for path in paths:
            if not isinstance(path, str):
                raise _broken(f"{where} has a path for {digest} that is not a text")
            try:
                relative_path(path)
            except HostileInput as refusal:
                raise _broken(f"{where} has a path that could harm: {refusal}") from refusal
        if digest.lower() in result:
            raise _broken(f"{where} has {digest.lower()} twice")
        result[digest.lower()] = tuple(paths)
    require_distinct(chain.from_iterable(result.values()), what=where)
    return result


def _require_content_paths(manifest: dict[str, tuple[str, ...]], *, head: int, content: str) -> None:
    for paths in manifest.values():
        for path in paths:
            parts = path.split("/", 2)
            found = _VERSION.fullmatch(parts[0])
            if len(parts) < 3 or found is None or int(found[1]) > head or parts[1] != content:
                raise _broken(f"manifest has {path}, which is not below a version's {content} folder")


def _fixity(found: object, manifest: dict[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read the fixity block; algorithms that we do not know are kept as they are."""
    if not isinstance(found, dict):
        raise _broken("fixity is not an object")
    known = frozenset(chain.from_iterable(manifest.values()))
    block: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, digests in found.items():
        if not isinstance(digests, dict):
            raise _broken(f"the {name[:40]!r} of fixity is not an object")
        for digest, paths in digests.items():
            if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
                raise _broken(f"fixity has no list of paths for {digest[:140]!r}")
            if not known.issuperset(paths):
                raise _broken(f"fixity has a path for {digest[:140]!r} that the manifest does not have")
            if name in DIGITS and (len(digest) != DIGITS[name] or not _HEX.fullmatch(digest)):
                raise _broken(f"fixity has {digest[:140]!r}, which is no {name} digest")
            key = digest.lower() if name in DIGITS else digest
            if key in block.setdefault(name, {}):
                raise _broken(f"fixity has {key[:140]!r} twice")
            block[name][key] = tuple(paths)
    return block


def _version(
    found: object, label: str, manifest: dict[str, tuple[str, ...]], algorithm: DigestAlgorithm
) -> VersionEntry:
    if not isinstance(found, dict):
        raise _broken(f"{label} is not an object")
    _require_keys(found, frozenset({"created", "state"}), frozenset({"created", "state", "message", "user"}), label)
    state = _paths_by_digest(found["state"], f"the state of {label}", algorithm)
    if unknown := state.keys() - manifest.keys():
        raise _broken(f"{label} uses {min(unknown)}, which the manifest does not have")
    message = found.get("message", "")
    if not isinstance(message, str):
        raise _broken(f"the message of {label} is not a text")
    return VersionEntry(
        created=_moment(found["created"], label), message=message, user=_user(found.get("user"), label), state=state
    )


def _moment(text: object, label: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError as error:
        raise _broken(f"{label} was created at {text!r}, which is not an RFC 3339 time") from error
    if moment is None or moment.tzinfo is None or "T" not in str(text):
        raise _broken(f"{label} was created at {text!r}, which is not an RFC 3339 time with a zone")
    return moment


def _user(found: object, label: str) -> Agent:
    if found is None:
        return Agent(name="unknown")
    if not isinstance(found, dict) or not isinstance(found.get("name"), str) or not found["name"]:
        raise _broken(f"the user of {label} has no name")
    address = found.get("address")
    if address is not None and not isinstance(address, str):
        raise _broken(f"the address of {label}'s user is not a text")
    return Agent(name=found["name"], address=address)
