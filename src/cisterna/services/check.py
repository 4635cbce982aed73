"""Checks objects of the archive: their structure, and their bytes by reading and digesting them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivered import DIGITS, disagreement
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import CouldNotCheck, NotFound, ObjectInvalid, StoreUnavailable
from cisterna.domain.fixity import Fault, Fixity, ObjectCheck, Subset
from cisterna.domain.ocfl import (
    INVENTORY,
    LOGS,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    SIDECAR,
    Inventory,
)
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.services.held_object import HeldObject, read_held, read_optional, sidecar_agrees
from cisterna.services.recover import list_object
from cisterna.services.reread import Reread, reread


def check_archive(
    *, catalogue: Catalogue, store: ObjectStore, subset: Subset | None = None, readers: int = 4
) -> Iterator[ObjectCheck]:
    """Check every object that holds an archived version, one after the other; one that fails does not stop the rest."""
    with catalogue.begin() as tx:
        known = [
            dataset.dataset_id
            for dataset in tx.datasets.list()
            if any(version.is_archived for version in tx.datasets.versions(dataset.dataset_id))
        ]
    for dataset_id in known:
        yield _check(dataset_id, catalogue=catalogue, store=store, subset=subset, readers=readers)


def check_object(
    dataset_id: str, *, catalogue: Catalogue, store: ObjectStore, subset: Subset | None = None, readers: int = 4
) -> ObjectCheck:
    """Check one object. It only reads.

    Args:
        dataset_id: Whose object it is.
        catalogue: Says what must be there.
        store: The archive.
        subset: Read only this part of the content; the structure is always checked.
        readers: Threads.

    Raises:
        NotFound: There is no such dataset, or nothing of it is archived yet.
        CatalogueUnavailable: What must be there could not be asked.
    """
    with catalogue.begin() as tx:
        versions = tx.datasets.versions(tx.datasets.get(dataset_id).dataset_id)
    if not any(version.is_archived for version in versions):
        msg = f"nothing of {dataset_id} is archived yet; there is nothing to check"
        raise NotFound(msg, dataset_id=dataset_id)
    return _check(dataset_id, catalogue=catalogue, store=store, subset=subset, readers=readers)


def require_ok(found: ObjectCheck) -> None:
    """Raise what the check means. Raises `ObjectInvalid` for damage, `CouldNotCheck` when it could not be looked at."""
    match found.fixity:
        case Fixity.DAMAGED:
            raise ObjectInvalid(found.reason, pid=found.pid, paths=[fault.path for fault in found.damaged])
        case Fixity.COULD_NOT_CHECK:
            raise CouldNotCheck(found.reason, pid=found.pid, paths=[fault.path for fault in found.unchecked])
        case Fixity.OK:
            return


def _check(
    dataset_id: str, *, catalogue: Catalogue, store: ObjectStore, subset: Subset | None, readers: int
) -> ObjectCheck:
    check = _look(dataset_id, catalogue=catalogue, store=store)
    if check.damaged:  # a commit may have been under way, which changes several files: look a second time
        check = _look(dataset_id, catalogue=catalogue, store=store)
    if check.held is not None:
        check.content(check.held.inventory, subset=subset, readers=readers)
    return check.result(subset)


def _look(dataset_id: str, *, catalogue: Catalogue, store: ObjectStore) -> _ObjectCheck:
    with catalogue.begin() as tx:
        dataset, versions = tx.datasets.get(dataset_id), tx.datasets.versions(dataset_id)
    check = _ObjectCheck(dataset, versions, store)
    try:
        check.structure()
    except StoreUnavailable as failure:
        check.unchecked.append(Fault(path=INVENTORY, reason=f"the archive could not be read: {failure}"))
    return check


class _ObjectCheck:
    """One object and what is found of it."""

    def __init__(self, dataset: Dataset, versions: Sequence[Version], store: ObjectStore) -> None:
        self._dataset = dataset
        self._root = dataset.object_root
        self._store = store
        self._known_head = max((version.ocfl_version or 0 for version in versions), default=0)
        self._live = tuple(f"{one.staging}/" for one in versions if one.staging and not one.is_archived)
        self.held: HeldObject | None = None
        self.damaged: list[Fault] = []
        self.unchecked: list[Fault] = []
        self._leftovers: list[str] = []
        self._missing: frozenset[str] = frozenset()
        self._read: Mapping[str, Reread] = {}

    def structure(self) -> None:
        """Look at the declaration, the inventories, and which keys there are. Raises `StoreUnavailable`."""
        declared = read_optional(f"{self._root}/{OBJECT_DECLARATION}", store=self._store)
        if declared is None or declared[0] != OBJECT_DECLARATION_BODY:
            self._damage(OBJECT_DECLARATION, "the declaration is missing or says something else")
        try:
            self.held = read_held(self._root, pid=self._dataset.pid, store=self._store)
        except ObjectInvalid as refusal:
            self._damage(INVENTORY, str(refusal))
            return
        if self.held is None:
            self._damage(INVENTORY, "the inventory is missing")
            return
        if not sidecar_agrees(self._root, sha512=self.held.sha512, store=self._store):
            self._damage(SIDECAR, "the sidecar does not name the digest of the inventory")
        inventory = self.held.inventory
        if inventory.head < self._known_head:
            self._damage(INVENTORY, f"it ends with v{inventory.head}, but v{self._known_head} was archived")
        self._keys(inventory)
        for number in range(1, inventory.head + 1):
            self._version_inventory(number, self.held)

    def content(self, inventory: Inventory, *, subset: Subset | None, readers: int) -> None:
        """Read the content and compare digests."""
        wanted = {
            path: digest
            for digest, paths in inventory.manifest.items()
            if subset is None or subset.holds(digest)
            for path in paths
            if path not in self._missing
        }
        delivered = _delivered(inventory)
        found = reread(
            sorted(wanted), object_root=self._root, store=self._store, readers=readers, gather=True, also=delivered
        )
        self._read = found
        for path, got in sorted(found.items()):
            if got.problem is not None:
                self.unchecked.append(Fault(path=path, reason=got.problem, files=_logical_paths(inventory, path)))
            elif got.is_missing:
                self._damage(path, "it is missing", _logical_paths(inventory, path))
            elif got.sha512 != wanted[path]:
                self._damage(path, "its bytes do not have the digest on record", _logical_paths(inventory, path))
            elif (wrong := disagreement(delivered.get(path, {}), got.digests)) is not None:
                self._damage(path, f"the inventory's fixity block is wrong: {wrong}", _logical_paths(inventory, path))

    def result(self, subset: Subset | None) -> ObjectCheck:
        """Sum up: damage outweighs what could not be read, and neither counts as good."""
        if self.damaged:
            first = self.damaged[0]
            fixity = Fixity.DAMAGED
            reason = f"{len(self.damaged)} faults in {self._dataset.pid}, such as {first.path}: {first.reason}"
        elif self.unchecked:
            fixity = Fixity.COULD_NOT_CHECK
            reason = (
                f"{len(self.unchecked)} parts of {self._dataset.pid} could not be read, such as: "
                f"{self.unchecked[0].reason}"
            )
        else:
            fixity, reason = Fixity.OK, f"{len(self._read)} files of {self._dataset.pid} have the digests on record"
            if not self._read:
                reason = f"no file of {self._dataset.pid} is in this part; only its structure was checked"
        return ObjectCheck(
            dataset_id=self._dataset.dataset_id,
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
        )

    def _keys(self, inventory: Inventory) -> None:
        expected = {INVENTORY, SIDECAR, OBJECT_DECLARATION} | inventory.content_paths
        expected |= {f"v{n}/{name}" for n in range(1, inventory.head + 1) for name in (INVENTORY, SIDECAR)}
        present = list_object(self._root, store=self._store).keys()
        following = f"v{inventory.head + 1}/"
        for path in sorted(present - expected):
            if path.startswith((following, *self._live)):
                self._leftovers.append(path)
            elif not path.startswith(f"{LOGS}/"):
                self._damage(path, "the inventory does not name it")
        # Missing content is named here and not read: with a subset it would not show otherwise.
        self._missing = inventory.content_paths - present
        for path in sorted(self._missing):
            self._damage(path, "it is missing", _logical_paths(inventory, path))

    def _version_inventory(self, number: int, root: HeldObject) -> None:
        folder = f"v{number}"
        found = read_optional(f"{self._root}/{folder}/{INVENTORY}", store=self._store)
        if found is None:
            self._damage(f"{folder}/{INVENTORY}", "the version's inventory is missing")
            return
        if not sidecar_agrees(f"{self._root}/{folder}", sha512=sha512_of(found[0]), store=self._store):
            self._damage(f"{folder}/{SIDECAR}", "the sidecar does not name the digest of the version's inventory")
        if number == root.inventory.head:
            if found[0] != root.body:
                self._damage(f"{folder}/{INVENTORY}", "it differs from the object's own inventory")
            return
        try:
            earlier = parse_inventory(found[0], pid=self._dataset.pid)
        except ObjectInvalid as refusal:
            self._damage(f"{folder}/{INVENTORY}", str(refusal))
            return
        same = earlier.head == number and earlier.versions == root.inventory.versions[:number]
        kept = earlier.manifest.items() <= root.inventory.manifest.items()
        if not (same and kept):
            self._damage(f"{folder}/{INVENTORY}", "it says another thing of its version than the object's inventory")

    def _damage(self, path: str, reason: str, files: Sequence[str] = ()) -> None:
        self.damaged.append(Fault(path=path, reason=reason, files=tuple(files)))


def _delivered(inventory: Inventory) -> dict[str, dict[str, str]]:
    """Give the digests of the fixity block that we can make, by content path."""
    found: dict[str, dict[str, str]] = {}
    for name, digests in inventory.fixity.items():
        if name in DIGITS:
            for digest, paths in digests.items():
                for path in paths:
                    found.setdefault(path, {})[name] = digest
    return found


def _logical_paths(inventory: Inventory, content_path: str) -> tuple[str, ...]:
    """Name the files of the newest version that have these bytes."""
    digest = next(digest for digest, paths in inventory.manifest.items() if content_path in paths)
    return inventory.versions[-1].state.get(digest, ())[:20]
