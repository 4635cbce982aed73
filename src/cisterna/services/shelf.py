"""Opens the objects that hold a version's files: its own, and those of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, NotFound, ObjectInvalid
from cisterna.domain.manifest import Manifest
from cisterna.domain.ocfl import Inventory, object_root
from cisterna.domain.part import Part
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.held_object import read_held, sidecar_agrees
from cisterna.services.part_table import PARTS_PATH, load_parts


class Shelf(NamedTuple):
    """One object, and what of it belongs to a version.

    Attributes:
        files: Digest by logical path.
    """

    object_root: str
    inventory: Inventory
    files: Mapping[str, str]


def open_object(root: str, *, pid: str, number: int | None, store: ObjectStore) -> tuple[Shelf, int]:
    """Open an object at a version, the newest without a number, by its inventory alone.

    Raises:
        NotFound: The store holds no such object.
        ObjectInvalid: The inventory is damaged, or has no such version.
    """
    held = read_held(root, pid=pid, store=store)
    if held is None:
        msg = f"the archive holds no object {pid}; look for it by `cisterna list`"
        raise NotFound(msg, pid=pid)
    if not sidecar_agrees(root, held.body, algorithm=held.inventory.algorithm, store=store):
        msg = f"the inventory of {pid} does not have the digest of its sidecar; run `cisterna check` on it"
        raise ObjectInvalid(msg, pid=pid)
    chosen = number or held.inventory.head
    if chosen > held.inventory.head:
        msg = f"{pid} has versions up to v{held.inventory.head}, and v{chosen} is asked for; run `cisterna check` on it"
        raise ObjectInvalid(msg, pid=pid)
    return Shelf(root, held.inventory, held.inventory.files(chosen)), chosen


def read_verified(shelf: Shelf, path: str, *, store: ObjectStore) -> bytes:
    """Read a file of ours by its logical path. Raises `ChecksumMismatch` when its bytes are others."""
    digest = shelf.files[path]
    body, _ = store.get(f"{shelf.object_root}/{shelf.inventory.content_path(digest)}")
    if sha512_of(body) != digest:
        msg = f"{path} of {shelf.inventory.pid} has other bytes than it should; run `cisterna check` on it"
        raise ChecksumMismatch(msg, pid=shelf.inventory.pid, paths=[path])
    return body


def parts_of(shelf: Shelf, *, store: ObjectStore, tables: TableFile) -> tuple[Part, ...]:
    """Read which parts an object names; none when it has its files itself."""
    if PARTS_PATH not in shelf.files:
        return ()
    return load_parts(read_verified(shelf, PARTS_PATH, store=store), pid=shelf.inventory.pid, tables=tables)


def open_part(part: Part, *, store: ObjectStore, tables: TableFile) -> tuple[Shelf, Manifest]:
    """Open the data files of a part, which are exactly those that its whole names.

    Raises:
        NotFound: The store does not hold it.
        ObjectInvalid, ChecksumMismatch: It holds other files.
    """
    shelf, _ = open_object(object_root(part.pid), pid=part.pid, number=part.ocfl_version, store=store)
    if MANIFEST_PATH not in shelf.files:
        raise ObjectInvalid(f"{part.pid} has no {MANIFEST_PATH}; run `cisterna check` on it", pid=part.pid)
    manifest = load_manifest(read_verified(shelf, MANIFEST_PATH, store=store), tables=tables)
    data = {path: digest for path, digest in shelf.files.items() if path.startswith(DATA)}
    if manifest.digest != part.manifest_digest or data != {f"{DATA}{one.path}": one.sha512 for one in manifest.files}:
        msg = f"{part.pid} does not hold the files that its whole names; run `cisterna check` on it"
        raise ObjectInvalid(msg, pid=part.pid)
    return shelf._replace(files=data), manifest


class Shelves:
    """The objects that a version's files lie in, one open at a time."""

    def __init__(self, own: Shelf, *, store: ObjectStore, tables: TableFile) -> None:
        self._own = own
        self._store = store
        self._tables = tables
        self._last: tuple[int, Shelf, Manifest] | None = None
        self.parts = parts_of(own, store=store, tables=tables)

    def open(self, part: Part) -> Shelf:
        """Open a part, unless it is the one that is."""
        if self._last is None or self._last[0] != part.number:
            self._last = (part.number, *open_part(part, store=self._store, tables=self._tables))
        return self._last[1]

    def needed(self, wanted: Mapping[int, object] | None) -> Iterator[tuple[int, Shelf]]:
        """Give each that something is wanted of, or all; 0 is the object itself."""
        if wanted is None or 0 in wanted:
            yield 0, self._own
        for part in self.parts:
            if wanted is None or part.number in wanted:
                yield part.number, self.open(part)

    def manifest(self, number: int) -> Manifest | None:
        """Give the manifest of the part that is open; None for another one, and for the object itself."""
        return self._last[2] if self._last is not None and self._last[0] == number else None


def choose(
    own: Shelf, parts: Sequence[Part], wanted: Sequence[str], *, opened: Callable[[Part], Shelf]
) -> dict[int, dict[str, str]]:
    """Tell which files are asked for, by the number of the part that has them; 0 is the object itself.

    A path is itself before it is a pattern, since names may hold any sign; by its place among the parts' first and last
    files it finds the one that it can be in.

    Raises:
        NotFound: A path or pattern names none of the files.
    """
    chosen: dict[int, dict[str, str]] = {}
    patterns = []
    for one in wanted:
        exact = list(_exact(own, parts, one, opened=opened))
        for number, path, digest in exact:
            chosen.setdefault(number, {})[path] = digest
        if not exact:
            patterns.append(one)
    unmatched = set(patterns)
    if patterns:
        for number, shelf in _all(own, parts, opened=opened):
            for path, digest in shelf.files.items():
                hits = [one for one in patterns if fnmatchcase(path, one) or fnmatchcase(path, f"{DATA}{one}")]
                if hits:
                    chosen.setdefault(number, {})[path] = digest
                    unmatched.difference_update(hits)
    if unmatched:
        first, pid = min(unmatched), own.inventory.pid
        msg = f"{pid} has no file '{first}' in that version; paths are as in data/, and * stands for anything"
        raise NotFound(msg, pid=pid, path=first)
    return chosen


def _exact(
    own: Shelf, parts: Sequence[Part], one: str, *, opened: Callable[[Part], Shelf]
) -> Iterator[tuple[int, str, str]]:
    for path in (one, f"{DATA}{one}"):
        if path in own.files:
            yield 0, path, own.files[path]
        for part in parts:
            if path.startswith(DATA) and part.may_hold(path.removeprefix(DATA)):
                found = opened(part).files
                if path in found:
                    yield part.number, path, found[path]


def _all(own: Shelf, parts: Sequence[Part], *, opened: Callable[[Part], Shelf]) -> Iterator[tuple[int, Shelf]]:
    yield 0, own
    for part in parts:
        yield part.number, opened(part)
