"""One object in one store, and what is found of it; it only reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivered import DIGITS, disagreement
from cisterna.domain.errors import NotReadableNow, ObjectInvalid, StoreUnavailable
from cisterna.domain.fixity import Fault, Fixity, ObjectCheck, ReadVersion, Subset
from cisterna.domain.ocfl import (
    INVENTORY,
    LOGS,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    ROOT_DECLARATION,
    SIDECAR,
    Inventory,
)
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.receipt import CopyReceipt
from cisterna.ports.object_store import ObjectStore
from cisterna.services.held_object import HeldObject, read_held, read_optional, sidecar_agrees
from cisterna.services.recover import list_object
from cisterna.services.reread import Reread, reread
from cisterna.services.suspicion import Suspicion, look_again

_VERSION_FOLDER = re.compile(r"v([1-9][0-9]{0,8})/")
_RECORD = re.compile(rf"{LOGS}/[0-9TZ.]+-[a-z.]+-([0-9a-f-]{{36}})\.json")
_WITNESSES = 3


class ObjectLook:
    """Looks at the structure, then at the bytes, and sums up.

    Args:
        dataset: Whose object it is.
        versions: All that the catalogue knows of it.
        receipts: Of those versions, from every store.
        store: The store.
        is_copy: Whether objects come into the store by copying: it may lack what was not copied yet.
        at_least: A version that must be there although no receipt says so yet: it was copied just now.
    """

    def __init__(
        self,
        dataset: Dataset,
        versions: Sequence[Version],
        receipts: Sequence[CopyReceipt],
        store: ObjectStore,
        *,
        is_copy: bool,
        at_least: int = 0,
    ) -> None:
        self._dataset = dataset
        self._root = dataset.object_root
        self._store = store
        self._is_copy = is_copy
        proven = {one.version_id for one in receipts if one.store == store.name}
        expected = [one for one in versions if one.version_id in proven] if is_copy else versions
        self._known_head = max([at_least, *(version.ocfl_version or 0 for version in expected)])
        self._live = tuple(f"{one.staging}/" for one in versions if one.staging and not one.is_archived)
        self._vouched = _vouched_for(versions, receipts)
        self._present: frozenset[str] = frozenset()
        self._records: tuple[str, ...] = ()
        self.held: HeldObject | None = None
        self.damaged: list[Fault] = []
        self.unchecked: list[Fault] = []
        self._unreadable: list[str] = []
        self._leftovers: list[str] = []
        self._missing: frozenset[str] = frozenset()
        self._wanted: Mapping[str, str] = {}
        self._delivered: Mapping[str, Mapping[str, str]] = {}
        self._read: Mapping[str, Reread] = {}

    @property
    def was_never_there(self) -> bool:
        """Whether the object was not copied here yet, so that nothing of it can be wrong."""
        return self._is_copy and not self._known_head

    def structure(self) -> None:
        """Look at the declaration, the inventories, and which keys there are."""
        with self._reading(OBJECT_DECLARATION):
            declared = read_optional(f"{self._root}/{OBJECT_DECLARATION}", store=self._store)
            if declared is None or declared[0] != OBJECT_DECLARATION_BODY:
                self._damage(OBJECT_DECLARATION, "the declaration is missing or says something else")
        with self._reading(INVENTORY):
            self._root_inventory()
        if self.held is None:
            return
        inventory = self.held.inventory
        with self._reading(inventory.sidecar_name):
            if not sidecar_agrees(self._root, self.held.body, algorithm=inventory.algorithm, store=self._store):
                self._damage(inventory.sidecar_name, "the sidecar does not name the digest of the inventory")
        with self._reading(INVENTORY):
            self._keys(inventory)
        for number in range(1, inventory.head + 1):
            with self._reading(f"v{number}/{INVENTORY}"):
                self._version_inventory(number, self.held)

    def content(
        self, inventory: Inventory, *, subset: Subset | None, readers: int, taken: Callable[[bytes], object] | None
    ) -> None:
        """Read the content and compare digests."""
        wanted = {
            path: digest
            for digest, paths in inventory.manifest.items()
            if subset is None or subset.holds(digest)
            for path in paths
            if path not in self._missing
        }
        self._wanted, self._delivered = wanted, _delivered(inventory)
        self._read = reread(
            sorted(wanted),
            object_root=self._root,
            store=self._store,
            readers=readers,
            gather=True,
            also=_algorithms(self._delivered, inventory.sha256_at),
            taken=taken,
        )
        for path, got in sorted(self._read.items()):
            self._compare(inventory, path, got)

    def records(self) -> None:
        """Read the records in `logs/`: each must be whole and of the event that its name tells of."""
        for path in self._records:
            with self._reading(path):
                found = read_optional(f"{self._root}/{path}", store=self._store)
                if found is None or not is_record(path, found[0]):
                    self._damage(path, "the record is missing or is not of the event that its name tells of")

    def confirm(self, suspicion: Suspicion) -> None:
        """Find out which files that could not be read are damaged."""
        asked = sorted({*self._unreadable, *(path for path, got in self._read.items() if _is_doubtful(got))})
        if not asked or not suspicion.is_about_files(len(asked), of=len(self._present)):
            return
        readable = (path for path, got in self._read.items() if got.sha512 is not None)
        witnesses = [f"{self._root}/{path}" for path, _ in zip(readable, range(_WITNESSES), strict=False)]
        beside = self.held.inventory.sidecar_name if self.held else SIDECAR
        others = [f"{self._root}/{OBJECT_DECLARATION}", f"{self._root}/{beside}", ROOT_DECLARATION]
        found = look_again(
            asked,
            object_root=self._root,
            witnesses=[*witnesses, *(key for key in others if key.removeprefix(f"{self._root}/") not in asked)],
            store=self._store,
            suspicion=suspicion,
        )
        for path, got in (found or {}).items():
            self._settle(path, got)

    def result(self, subset: Subset | None) -> ObjectCheck:
        """Sum up: damage outweighs what could not be read, and neither counts as good."""
        fixity, reason = self._verdict()
        is_whole = fixity is Fixity.OK and subset is None and self.held is not None
        return ObjectCheck(
            dataset_id=self._dataset.dataset_id,
            store=self._store.name,
            pid=self._dataset.pid,
            object_root=self._root,
            fixity=fixity,
            reason=reason,
            damaged=tuple(self.damaged),
            unchecked=tuple(self.unchecked),
            leftovers=tuple(self._leftovers),
            subset=subset,
            files_read=sum(one.sha512 is not None for one in self._read.values()),
            bytes_read=sum(one.size_bytes for one in self._read.values()),
            inventory_sha512=self.held.sha512 if self.held else None,
            inventory_head=self.held.inventory.head if self.held else 0,
            versions=tuple(self._versions_read(self.held.inventory)) if is_whole and self.held else (),
        )

    def _verdict(self) -> tuple[Fixity, str]:
        where = f"{self._dataset.pid} in {self._store.name}"
        if self.damaged:
            first = self.damaged[0]
            count = "1 fault" if len(self.damaged) == 1 else f"{len(self.damaged)} faults"
            return Fixity.DAMAGED, f"{count} in {where}, such as {first.path}: {first.reason}"
        if self.unchecked:
            first = self.unchecked[0]
            return Fixity.COULD_NOT_CHECK, f"{len(self.unchecked)} parts of {where} could not be read: {first.reason}"
        if not self._read:
            return Fixity.OK, f"no file of {where} is in this part; only its structure was checked"
        return Fixity.OK, f"{len(self._read)} files of {where} have the digests on record"

    def _root_inventory(self) -> None:
        try:
            self.held = read_held(self._root, pid=self._dataset.pid, store=self._store)
        except ObjectInvalid as refusal:
            self._damage(INVENTORY, str(refusal))
            return
        if self.held is None:
            self._damage(INVENTORY, "the inventory is missing")
            return
        head = self.held.inventory.head
        if head < self._known_head:
            self._damage(INVENTORY, f"it ends with v{head}, but v{self._known_head} was archived")
        elif head == self._known_head and self._vouched and self.held.sha512 not in self._vouched:
            self._damage(INVENTORY, "it is not the inventory that was read back when the version was archived")

    def _keys(self, inventory: Inventory) -> None:
        expected = inventory.own_files | inventory.content_paths
        self._present = frozenset(list_object(self._root, store=self._store))
        self._records = tuple(sorted(path for path in self._present if _RECORD.fullmatch(path)))
        for path in sorted(self._present - expected):
            if self._is_under_way(path, inventory):
                self._leftovers.append(path)
            elif not path.startswith(f"{LOGS}/"):
                self._damage(path, "the inventory does not name it")
        # Missing content is named here and not read: with a subset it would not show otherwise.
        self._missing = inventory.content_paths - self._present
        for path in sorted(self._missing):
            self._damage(path, "it is missing", _logical_paths(inventory, path))

    def _is_under_way(self, path: str, inventory: Inventory) -> bool:
        """Tell whether a commit, or here a copy of several versions, that goes on may have put it there."""
        if path.startswith(self._live):
            return True
        found = _VERSION_FOLDER.match(path)
        return found is not None and (
            int(found[1]) > inventory.head if self._is_copy else int(found[1]) == inventory.head + 1
        )

    def _version_inventory(self, number: int, root: HeldObject) -> None:
        folder = f"v{number}"
        found = read_optional(f"{self._root}/{folder}/{INVENTORY}", store=self._store)
        if found is None:
            self._damage(f"{folder}/{INVENTORY}", "the version's inventory is missing")
            return
        beside, algorithm = f"{folder}/{root.inventory.sidecar_name}", root.inventory.algorithm
        with self._reading(beside):
            if not sidecar_agrees(f"{self._root}/{folder}", found[0], algorithm=algorithm, store=self._store):
                self._damage(beside, "the sidecar does not name the digest of the version's inventory")
        fault = fault_of_version(found[0], number, root)
        if fault is not None:
            self._damage(f"{folder}/{INVENTORY}", fault)

    def _compare(self, inventory: Inventory, path: str, got: Reread) -> None:
        if got.problem is not None:
            self.unchecked.append(Fault(path=path, reason=got.problem, files=_logical_paths(inventory, path)))
        elif got.is_missing:
            self._damage(path, "it is missing", _logical_paths(inventory, path))
        elif got.sha512 != self._wanted[path]:
            self._damage(path, "its bytes do not have the digest on record", _logical_paths(inventory, path))
        elif got.digests and got.digests.get("sha256") != inventory.sha256_at.get(path, got.digests.get("sha256")):
            self._damage(
                path, "the inventory has another SHA-256 for it than its bytes have", _logical_paths(inventory, path)
            )
        elif got.digests and (wrong := disagreement(self._delivered.get(path, {}), got.digests)) is not None:
            self._damage(path, f"the inventory's fixity block is wrong: {wrong}", _logical_paths(inventory, path))

    def _settle(self, path: str, got: Reread) -> None:
        """Take what came of a file that could not be read at first."""
        if got.is_frozen:
            return  # it moved to a far storage class meanwhile
        if got.problem is None and path in self._unreadable:
            return  # structure that can be read now: what it says is for the next check
        self.unchecked = [fault for fault in self.unchecked if fault.path != path]
        inventory = self.held.inventory if self.held else None
        files = _logical_paths(inventory, path) if inventory else ()
        if got.problem is not None:
            self._damage(path, f"the store answers, and cannot give this file: {got.problem}", files)
        elif inventory is not None and path in self._wanted:
            self._read = {**self._read, path: got}
            self._compare(inventory, path, got)

    def _versions_read(self, inventory: Inventory) -> Iterator[ReadVersion]:
        for number in range(1, inventory.head + 1):
            paths = {inventory.content_path(digest) for digest in inventory.versions[number - 1].state}
            sizes = [self._read[path].size_bytes for path in paths]
            yield ReadVersion(ocfl_version=number, files_read=len(sizes), bytes_read=sum(sizes))

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable as failure:
            self.unchecked.append(Fault(path=path, reason=f"{self._store.name} could not be read: {failure}"))
            if not isinstance(failure, NotReadableNow):
                self._unreadable.append(path)

    def _damage(self, path: str, reason: str, files: Sequence[str] = ()) -> None:
        self.damaged.append(Fault(path=path, reason=reason, files=tuple(files)))


def _is_doubtful(got: Reread) -> bool:
    """Tell whether a file that could not be read may be damaged; one in a far storage class is only far away."""
    return got.problem is not None and not got.is_frozen


def fault_of_version(body: bytes, number: int, root: HeldObject) -> str | None:
    """Say what is wrong with the inventory of a version beside the object's own, or None."""
    if number == root.inventory.head:
        return None if body == root.body else "it differs from the object's own inventory"
    try:
        earlier = parse_inventory(body, pid=root.inventory.pid)
    except ObjectInvalid as refusal:
        return str(refusal)
    is_alike = earlier.algorithm == root.inventory.algorithm and earlier.sha256.items() <= root.inventory.sha256.items()
    same = earlier.head == number and earlier.versions == root.inventory.versions[:number]
    if is_alike and same and earlier.manifest.items() <= root.inventory.manifest.items():
        return None
    return "it says another thing of its version than the object's inventory"


def is_record(path: str, body: bytes) -> bool:
    """Tell whether bytes are a record of ours, and of the event that its file's name tells of."""
    named = _RECORD.fullmatch(path)
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    event = told.get("event") if isinstance(told, dict) else None
    return named is not None and isinstance(event, dict) and event.get("event_id") == named[1]


def _vouched_for(versions: Iterable[Version], receipts: Sequence[CopyReceipt]) -> frozenset[str]:
    """Give the digests of inventories that were read back; none while an archived version was not read back yet."""
    proven = {one.version_id for one in receipts}
    if any(one.is_archived and one.version_id not in proven for one in versions):
        return frozenset()
    return frozenset(one.inventory_sha512 for one in receipts)


def _delivered(inventory: Inventory) -> dict[str, dict[str, str]]:
    """Give the digests of the fixity block that we can make, by content path."""
    found: dict[str, dict[str, str]] = {}
    for name, digests in inventory.fixity.items():
        if name in DIGITS:
            for digest, paths in digests.items():
                for path in paths:
                    found.setdefault(path, {})[name] = digest
    return found


def _algorithms(fixity: Mapping[str, Mapping[str, str]], sha256_at: Mapping[str, str]) -> dict[str, Iterable[str]]:
    """Give what each file is digested in beside SHA-512."""
    return {**fixity, **{path: {"sha256", *fixity.get(path, ())} for path in sha256_at}}


def _logical_paths(inventory: Inventory, content_path: str) -> tuple[str, ...]:
    """Name the files of the newest version that have these bytes."""
    digest = next((digest for digest, paths in inventory.manifest.items() if content_path in paths), None)
    return inventory.versions[-1].state.get(digest, ())[:20] if digest else ()
