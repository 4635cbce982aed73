"""OCFL 1.1: the values of an object's inventory and the rules by which a new version is made.

https://ocfl.io/1.1/spec/ and the storage layout extension 0003. Pure: it knows where bytes lie, and never sees them.
Plain dataclasses, not pydantic: an object has up to 100,000 files and every commit writes all of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from pydantic_core import to_json

from cisterna.domain.delivered import FIXITY_ALGORITHMS
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm, digest_of
from cisterna.domain.errors import ObjectInvalid

INVENTORY = "inventory.json"
SIDECAR = f"{INVENTORY}.{DIGEST_ALGORITHM}"
SIDECARS: Mapping[DigestAlgorithm, str] = {"sha512": SIDECAR, "sha256": f"{INVENTORY}.sha256"}
"""The sidecar's name follows from the algorithm that an object is made of."""
CONTENT = "content"
LOGS = "logs"
MOST_FILES = 100_000
"""Data files that one object takes, since its inventory is read and written whole at every commit; more: parts."""
INVENTORY_TYPE = "https://ocfl.io/1.1/spec/#inventory"
LAYOUT = "0003-hash-and-id-n-tuple-storage-layout"

OBJECT_DECLARATION = "0=ocfl_object_1.1"
OBJECT_DECLARATION_BODY = b"ocfl_object_1.1\n"
ROOT_DECLARATION = "0=ocfl_1.1"

_TUPLE_CHARACTERS, _TUPLES = 3, 3
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 100
_SIDECAR = re.compile(rb"([0-9a-fA-F]{128}|[0-9a-fA-F]{64})[ \t]+inventory\.json\s*")


class Placed(NamedTuple):
    """A file of a version: what it is called, what its bytes are, and where they would lie if they are new.

    Attributes:
        path: Logical path, such as `data/0/A1_0_0_BF.tiff`.
        content_path: Relative to the object's root; below the new version's content folder unless the object has the
            digest already.
        delivered: Further digests of the same bytes, by algorithm; those that OCFL has go into the fixity block.
        sha256: Of the same bytes, where the object is made of SHA-256.
    """

    path: str
    sha512: str
    content_path: str
    delivered: Mapping[str, str] = MappingProxyType({})
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """Who made a version. The address is a URI, as OCFL advises."""

    name: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One version of an object: when, why, by whom, and its logical state (logical paths by digest)."""

    created: datetime
    message: str
    user: Agent
    state: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Inventory:
    """All that an OCFL object says of itself.

    Bytes are known by their SHA-512 here, whatever the object is made of. In one of SHA-256 the fixity block has the
    SHA-512 of every file, so that its manifest and ours say the same.

    Attributes:
        pid: The object's id, an ARK.
        manifest: Content paths by SHA-512; a digest is stored once, whichever versions use it.
        versions: `v1` first.
        fixity: Content paths by digest by algorithm: digests that came with the data, beside those of the manifest.
        algorithm: What the object is made of, from its first version to its last.
        sha256: SHA-256 by SHA-512 of all that the manifest has, in an object that is made of it.
    """

    pid: str
    manifest: Mapping[str, tuple[str, ...]]
    versions: tuple[VersionEntry, ...]
    content_directory: str = CONTENT
    fixity: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    algorithm: DigestAlgorithm = DIGEST_ALGORITHM
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def sidecar_name(self) -> str:
        """What the sidecar of this inventory, and of each version's own, is called."""
        return SIDECARS[self.algorithm]

    @property
    def own_files(self) -> frozenset[str]:
        """What lies beside the content: declaration, inventories and sidecars, relative to the object's root."""
        pair = (INVENTORY, self.sidecar_name)
        folders = (f"v{number}/" for number in range(1, self.head + 1))
        return frozenset({OBJECT_DECLARATION, *pair, *(folder + name for folder in folders for name in pair)})

    @property
    def head(self) -> int:
        """Number of the newest version."""
        return len(self.versions)

    @cached_property
    def content_paths(self) -> frozenset[str]:
        """Every content path there must be, in any version's folder."""
        return frozenset(chain.from_iterable(self.manifest.values()))

    @cached_property
    def sha256_at(self) -> Mapping[str, str]:
        """SHA-256 by content path, in an object that is made of it: a second digest of the same bytes."""
        if not self.sha256:
            return {}
        return {path: self.sha256[digest] for digest, paths in self.manifest.items() for path in paths}

    def files(self, number: int) -> dict[str, str]:
        """Give the digest of each logical path of a version. Raises `ObjectInvalid` when there is no such version."""
        if not 1 <= number <= self.head:
            msg = f"{self.pid} has versions v1 to v{self.head}, no v{number}"
            raise ObjectInvalid(msg, pid=self.pid, version=number)
        state = self.versions[number - 1].state
        return {path: digest for digest, paths in state.items() for path in paths}

    def content_path(self, digest: str) -> str:
        """Tell where the bytes with that digest lie, relative to the object's root."""
        return self.manifest[digest][0]

    @cached_property
    def body(self) -> bytes:
        """The bytes of `inventory.json`: the same inventory always gives the same."""
        document: dict[str, object] = {
            "id": self.pid,
            "type": INVENTORY_TYPE,
            "digestAlgorithm": self.algorithm,
            "head": f"v{self.head}",
            "contentDirectory": self.content_directory,
            "manifest": self._named(self.manifest),
            "versions": {
                f"v{number}": _entry(entry, state=self._named(entry.state))
                for number, entry in enumerate(self.versions, 1)
            },
        }
        fixity = {name: dict(digests) for name, digests in self.fixity.items()}
        if self.algorithm != DIGEST_ALGORITHM:
            fixity[DIGEST_ALGORITHM] = dict(self.manifest)
        if fixity:
            document["fixity"] = fixity
        return to_json(document) + b"\n"  # a tenth of the time that json.dumps takes

    @cached_property
    def sha512(self) -> str:
        """Digest of `body`, by which receipts know it, whatever the object is made of."""
        return hashlib.sha512(self.body).hexdigest()

    @cached_property
    def digest(self) -> str:
        """Digest of `body` that the sidecar holds."""
        return self.sha512 if self.algorithm == DIGEST_ALGORITHM else digest_of(self.body, algorithm=self.algorithm)

    def _named(self, paths: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Give paths by digest as the object itself names digests."""
        if self.algorithm == DIGEST_ALGORITHM:
            return dict(paths)
        return {self.sha256[digest]: some for digest, some in paths.items()}


def next_version(
    previous: Inventory | None,
    *,
    pid: str,
    files: Iterable[Placed],
    created: datetime,
    message: str,
    user: Agent,
    algorithm: DigestAlgorithm = DIGEST_ALGORITHM,
) -> Inventory:
    """Make the inventory of the version after `previous` (or of v1) whose logical state is exactly these files.

    Bytes whose digest the object has already are not named again: the version refers to them where they lie. Of two
    files with the same new bytes, the content path of the one that comes first is taken. An object stays with the
    algorithm that it was begun with; `algorithm` is that of a new one.

    Raises:
        ObjectInvalid: A logical path comes twice or is also a folder, new bytes are not below the new version's
            content folder or lack the digest that the object is made of, or `previous` is of another object.
    """
    if previous is not None and previous.pid != pid:
        msg = f"the object at hand is {previous.pid}, not {pid}; look for two datasets with one object root"
        raise ObjectInvalid(msg, expected=pid, found=previous.pid)
    number = 1 if previous is None else previous.head + 1
    algorithm = algorithm if previous is None else previous.algorithm
    manifest = {} if previous is None else dict(previous.manifest)
    sha256 = {} if previous is None else dict(previous.sha256)
    fixity = _Fixity({} if previous is None else previous.fixity, algorithm)
    state: dict[str, list[str]] = {}
    folder = f"v{number}/{CONTENT}/"
    for file in files:
        if file.sha512 not in manifest:
            if not file.content_path.startswith(folder):
                msg = f"new bytes of {file.path} lie at {file.content_path}, which is not below {folder}"
                raise ObjectInvalid(msg, pid=pid, path=file.path, content_path=file.content_path)
            manifest[file.sha512] = (file.content_path,)
            if algorithm == "sha256":
                sha256[file.sha512] = _sha256_of(file, pid=pid)
        state.setdefault(file.sha512, []).append(file.path)
        if file.delivered:
            fixity.add(manifest[file.sha512][0], file.delivered)
    require_distinct(chain.from_iterable(state.values()), what=f"v{number} of {pid}")
    entry = VersionEntry(
        created=created.astimezone(UTC),
        message=message,
        user=user,
        state={digest: tuple(sorted(paths)) for digest, paths in state.items()},
    )
    earlier = () if previous is None else previous.versions
    return Inventory(
        pid=pid,
        manifest=manifest,
        versions=(*earlier, entry),
        fixity=fixity.block,
        algorithm=algorithm,
        sha256=sha256,
    )


def _sha256_of(file: Placed, *, pid: str) -> str:
    if file.sha256 is None:
        msg = f"{pid} is made of SHA-256, and none is on record of {file.path}; reprocess the acquisition"
        raise ObjectInvalid(msg, pid=pid, path=file.path)
    return file.sha256


class _Fixity:
    """A fixity block that grows; what it says already stays."""

    def __init__(self, block: Mapping[str, Mapping[str, tuple[str, ...]]], algorithm: DigestAlgorithm) -> None:
        self._names = tuple(name for name in FIXITY_ALGORITHMS if name != algorithm)
        self._block = {name: {digest: list(paths) for digest, paths in some.items()} for name, some in block.items()}
        self._said = {(name, path) for name, some in block.items() for paths in some.values() for path in paths}

    def add(self, content_path: str, delivered: Mapping[str, str]) -> None:
        for name in self._names:
            if name in delivered and (name, content_path) not in self._said:
                self._said.add((name, content_path))
                self._block.setdefault(name, {}).setdefault(delivered[name], []).append(content_path)

    @property
    def block(self) -> dict[str, dict[str, tuple[str, ...]]]:
        return {name: {d: tuple(paths) for d, paths in some.items()} for name, some in sorted(self._block.items())}


def require_distinct(paths: Iterable[str], *, what: str) -> None:
    """Refuse a path that comes twice, and a file that is also a folder of another.

    Raises:
        ObjectInvalid: Naming the first such path.
    """
    seen: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        if path in seen:
            msg = f"{what} has the path {path} twice"
            raise ObjectInvalid(msg, path=path)
        seen.add(path)
        parent, _, _ = path.rpartition("/")
        while parent and parent not in folders:
            folders.add(parent)
            parent, _, _ = parent.rpartition("/")
    clash = min(seen & folders, default=None)
    if clash is not None:
        msg = f"{what} has {clash} both as a file and as a folder"
        raise ObjectInvalid(msg, path=clash)


def object_root(pid: str) -> str:
    """Give the key prefix of an object: layout 0003 with SHA-256, 3 tuples of 3 digits, and the id, percent-encoded.

    It puts the id into the path, so that a person finds an object without reading inventories, and validators know it.
    An id of more than 100 characters, encoded, is cut and followed by the digest.
    """
    digest = hashlib.sha256(pid.encode()).hexdigest()
    width = _TUPLE_CHARACTERS
    tuples = [digest[start : start + width] for start in range(0, width * _TUPLES, width)]
    folder = _UNSAFE.sub(lambda found: "".join(f"%{byte:02x}" for byte in found[0].encode()), pid)
    if len(folder) > _LONGEST_ID:
        folder = f"{folder[:_LONGEST_ID]}-{digest}"
    return "/".join([*tuples, folder])


def storage_root_files() -> dict[str, bytes]:
    """Give the storage root's own files in the order in which they are to be written: the declaration comes last."""
    layout = {
        "extension": LAYOUT,
        "description": "Objects lie below three folders of three hex digits of the SHA-256 of their id, named by it.",
    }
    config = {
        "extensionName": LAYOUT,
        "digestAlgorithm": "sha256",
        "tupleSize": _TUPLE_CHARACTERS,
        "numberOfTuples": _TUPLES,
    }
    return {
        f"extensions/{LAYOUT}/config.json": json.dumps(config, indent=2).encode() + b"\n",
        "ocfl_layout.json": json.dumps(layout, indent=2).encode() + b"\n",
        ROOT_DECLARATION: b"ocfl_1.1\n",
    }


def sidecar(digest: str) -> bytes:
    """Give the content of the inventory's sidecar."""
    return f"{digest} {INVENTORY}\n".encode()


def read_sidecar(body: bytes) -> str | None:
    """Give the digest that a sidecar names, or None when it is not one."""
    found = _SIDECAR.fullmatch(body) if len(body) <= 256 else None
    return found[1].decode().lower() if found else None


def _entry(entry: VersionEntry, *, state: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    user = {"name": entry.user.name} | ({"address": entry.user.address} if entry.user.address else {})
    return {
        "created": entry.created.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "message": entry.message,
        "user": user,
        "state": state,
    }
