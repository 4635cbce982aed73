"""Brings an object of the archive out of every state in which a killed attempt can have left it.

The root inventory decides: what it names is kept and completed (sidecar, declaration), what it does not name is removed
unless a version that is still on its way put it there. Nothing is removed that could not have been ours, nothing at all
when the object holds less than the catalogue knows of it, and `logs/` is never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from cisterna.domain.ahead import Ahead, AheadState
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import Conflict, ObjectInvalid, PreconditionFailed
from cisterna.domain.ocfl import (
    CONTENT,
    INVENTORY,
    LOGS,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    SIDECARS,
    Inventory,
    read_sidecar,
    sidecar,
)
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.services.held_object import HeldObject, read_held, read_optional, sidecar_agrees

_OURS = re.compile(rf"v([1-9][0-9]*)/(?:{CONTENT}/.+|{'|'.join(map(re.escape, (INVENTORY, *SIDECARS.values())))})")


@dataclass(frozen=True, slots=True)
class Recovery:
    """What one object was found to be, and what was done about it.

    Attributes:
        held: Its root inventory, or None when nothing is committed.
        sizes: Size of every key that is there now, relative to the object's root.
        actions: In words; empty when the object was whole.
        strangers: Keys that no attempt of ours can have written, relative to the object's root; left alone.
    """

    dataset_id: str
    held: HeldObject | None
    sizes: Mapping[str, int]
    actions: tuple[str, ...]
    strangers: tuple[str, ...]


def recover_object(dataset_id: str, *, lease: Attempt | None, catalogue: Catalogue, store: ObjectStore) -> Recovery:
    """Bring one object to rest.

    Harmless to run twice or to be killed: each step leads to a state that the next run starts from. Without a lease it
    touches only what no version on its way can need.

    An object that was erased is never touched.

    Raises:
        ObjectInvalid: The object is damaged; nothing was changed that could matter.
        LeaseLost: Somebody else holds the work.
    """
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(dataset_id)
        if tx.erasures.of(dataset_id) is not None:  # what is left of it is the erasure's to remove, and none's to mend
            return Recovery(dataset_id, None, {}, (), ())
    # Listed before the catalogue is asked: a staging folder is on record before the first byte goes there.
    sizes = list_object(dataset.object_root, store=store)
    uploads = list(store.unfinished_uploads(f"{dataset.object_root}/"))
    with catalogue.begin() as tx:
        if lease is not None:
            tx.inbox.require_lease(lease)
        versions = tx.datasets.versions(dataset_id)
        ahead = tx.aheads.find(dataset.acquisition_id) if dataset.acquisition_id else None
    return _Object(dataset, versions, ahead, sizes, store).recover(uploads)


def list_object(object_root: str, *, store: ObjectStore) -> dict[str, int]:
    """Give the size of every key below an object's root, relative to it."""
    start = len(object_root) + 1
    return {found.key[start:]: found.size_bytes for found in store.list(f"{object_root}/")}


class _Object:
    """One object and the steps that bring it to rest."""

    def __init__(
        self,
        dataset: Dataset,
        versions: Sequence[Version],
        ahead: Ahead | None,
        sizes: Mapping[str, int],
        store: ObjectStore,
    ) -> None:
        self._dataset = dataset
        self._root = dataset.object_root
        self._sizes: Mapping[str, int] = sizes
        self._store = store
        self._known_head = max((version.ocfl_version or 0 for version in versions), default=0)
        self._live = {one.staging + "/" for one in versions if one.staging and not one.is_archived}
        if ahead is not None and ahead.state is not AheadState.DROPPING:
            self._live.add(ahead.staging + "/")
        self._actions: list[str] = []

    def recover(self, uploads: Iterable[str]) -> Recovery:
        held = self._read()
        self._refuse_less_than_known(held)
        if held is not None:
            self._complete_sidecar(held)
            self._complete_declaration(held.inventory)
        elif OBJECT_DECLARATION in self._sizes:
            raise ObjectInvalid(
                f"{self._dataset.pid} is declared but has no inventory; restore {self._root}/{INVENTORY} from a copy",
                pid=self._dataset.pid,
            )
        for key in uploads:
            if not self._is_live(key.removeprefix(f"{self._root}/"), held):
                self._store.abort_unfinished(key)
                self._actions.append(f"aborted the unfinished upload of {key}")
        strangers = self._remove_leftovers(held)
        return Recovery(self._dataset.dataset_id, held, self._sizes, tuple(self._actions), strangers)

    def _read(self) -> HeldObject | None:
        return read_held(self._root, pid=self._dataset.pid, store=self._store)

    def _refuse_less_than_known(self, held: HeldObject | None) -> None:
        head = held.inventory.head if held else 0
        if head < self._known_head:
            found = f"holds versions up to v{head}" if head else "has no inventory"
            msg = (
                f"{self._dataset.pid} {found}, but v{self._known_head} was archived; "
                f"nothing was touched: restore {self._root}/{INVENTORY} from v{self._known_head}/{INVENTORY} or a copy"
            )
            raise ObjectInvalid(msg, pid=self._dataset.pid, found=head, expected=self._known_head)

    def _complete_sidecar(self, held: HeldObject) -> None:
        key = f"{self._root}/{held.inventory.sidecar_name}"
        found = read_optional(key, store=self._store)
        if found is not None and read_sidecar(found[0]) == held.digest:
            return
        folder = f"{self._root}/v{held.inventory.head}"
        own = read_optional(f"{folder}/{INVENTORY}", store=self._store)
        algorithm = held.inventory.algorithm
        if (
            own is None
            or own[0] != held.body
            or not sidecar_agrees(folder, own[0], algorithm=algorithm, store=self._store)
        ):
            msg = (
                f"the inventory of {self._dataset.pid} has not the digest of its sidecar, and v{held.inventory.head} "
                "does not vouch for it; compare it with a copy"
            )
            raise ObjectInvalid(msg, pid=self._dataset.pid, path=INVENTORY)
        put_sidecar(key, held.digest, seen=found[1] if found else None, store=self._store)
        self._actions.append("wrote the sidecar that belongs to the root inventory")

    def _complete_declaration(self, inventory: Inventory) -> None:
        if OBJECT_DECLARATION in self._sizes:
            return
        present = list_object(self._root, store=self._store)  # anew: another worker may have committed meanwhile
        if missing := sorted(inventory.content_paths - present.keys()):
            msg = (
                f"{self._dataset.pid} cannot be declared: {len(missing)} of its files are not there, "
                f"such as {missing[0]}; reprocess the acquisition"
            )
            raise ObjectInvalid(msg, pid=self._dataset.pid, missing=missing[:20])
        if OBJECT_DECLARATION not in present:
            self._store.put(f"{self._root}/{OBJECT_DECLARATION}", OBJECT_DECLARATION_BODY)
            self._actions.append("declared the object")

    def _is_live(self, path: str, held: HeldObject | None) -> bool:
        """Tell whether a version on its way may need that key: its content, and its inventory while it is written."""
        folder = f"v{held.inventory.head + 1 if held else 1}/"
        live = [staging for staging in self._live if staging.startswith(folder)]
        own = {folder + name for name in (INVENTORY, *SIDECARS.values())}
        return path.startswith(tuple(live)) or (bool(live) and path in own)

    def _remove_leftovers(self, held: HeldObject | None) -> tuple[str, ...]:
        expected: frozenset[str] = frozenset({INVENTORY, OBJECT_DECLARATION, *SIDECARS.values()})
        if held is not None:
            expected = held.inventory.own_files | held.inventory.content_paths
        extra = [path for path in self._sizes if path not in expected and not path.startswith(f"{LOGS}/")]
        extra = [path for path in extra if not self._is_live(path, held)]
        leftovers = [path for path in extra if _OURS.fullmatch(path)]
        if leftovers:
            self._store.delete(f"{self._root}/{path}" for path in leftovers)
            gone = frozenset(leftovers)
            self._sizes = {path: size for path, size in self._sizes.items() if path not in gone}
            shown = ", ".join(islice(leftovers, 3))
            self._actions.append(f"removed {len(leftovers)} keys that dead attempts left, such as {shown}")
        return tuple(path for path in extra if not _OURS.fullmatch(path))


def put_sidecar(key: str, digest: str, *, seen: str | None, store: ObjectStore) -> None:
    """Write a sidecar in the place of the one that was seen, or of none.

    Raises:
        Conflict: Somebody wrote another one meanwhile.
    """
    body = sidecar(digest)
    try:
        store.put(key, body, condition=IfMatch(etag=seen) if seen is not None else IfAbsent())
    except PreconditionFailed as lost:
        found = read_optional(key, store=store)
        if found is None or found[0] != body:
            msg = f"{key} was written by somebody else meanwhile; look again"
            raise Conflict(msg, key=key) from lost
