"""Copies an object of the archive into another store, and proves the copy by reading all of it back."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from cisterna.domain.dataset import Dataset
from cisterna.domain.digest import digest_of, sha512_of
from cisterna.domain.errors import NotReady, ObjectInvalid, PreconditionFailed
from cisterna.domain.ocfl import INVENTORY, LOGS, OBJECT_DECLARATION, OBJECT_DECLARATION_BODY, sidecar
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.services.carry import carry_file
from cisterna.services.crew import work_through
from cisterna.services.distinct_store import require_distinct
from cisterna.services.erased import require_not_erased
from cisterna.services.held_object import HeldObject, read_held, read_optional
from cisterna.services.keep_object import Kept, keep_object
from cisterna.services.object_look import fault_of_version, is_record
from cisterna.services.recover import put_sidecar
from cisterna.services.storage_root import ensure_storage_root, put_exactly

_RECORD = re.compile(rf"{LOGS}/[^/]+\.json")


def copy_object(
    dataset_id: str,
    *,
    source: ObjectStore,
    target: ObjectStore,
    lease: Attempt,
    catalogue: Catalogue,
    clock: Clock,
    readers: int = 4,
    taken: Callable[[bytes], object] | None = None,
) -> Kept:
    """Bring every archived version of an object to another store, and issue the receipts when all was read back.

    The writes come in the order of a commit: content, the versions' inventories with their sidecars, the root inventory
    under a condition, its sidecar, and the declaration of a new object. Each file is digested on its way and its key is
    written only when its digest agrees, so whatever part of a copy a killed attempt left is right, and the next attempt
    goes on from there. Nothing is believed for all that: in the end the whole copy is read back, and a file that
    went bad is replaced.

    Args:
        dataset_id: Whose object it is.
        source: The archive.
        target: The store of copies.
        lease: Of the work.
        catalogue: Knows which inventories were read back.
        clock: Dates the receipts.
        readers: Threads.
        taken: Given each chunk that was read, from several threads.

    Raises:
        NotReady: The newest version was not verified yet; it is copied when it was.
        ObjectInvalid, ChecksumMismatch: The archive's own object is damaged; nothing of that was copied.
        StoreNotDistinct: The target is the archive itself.
        StoreUnavailable, LeaseLost, CatalogueUnavailable: As said there.
    """
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        require_not_erased(tx, dataset_id)
        dataset = tx.datasets.get(dataset_id)
        versions = tx.datasets.versions(dataset_id)
        vouched = {one.inventory_sha512 for version in versions for one in tx.datasets.receipts(version.version_id)}
    require_distinct(source, target, clock=clock)
    held = _vouched_object(dataset, frozenset(vouched), source)
    ensure_storage_root(target)
    copy = _Copy(dataset, held, source, target, taken)
    copy.write_content(readers)
    copy.write_version_inventories()
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
    copy.write_root()
    carry_records(dataset, source=source, target=target)
    return keep_object(
        dataset_id,
        store=target,
        others=[source],
        is_copy=True,
        at_least=held.inventory.head,
        repair=True,
        lease=lease,
        catalogue=catalogue,
        clock=clock,
        readers=readers,
        taken=taken,
    )


def carry_records(dataset: Dataset, *, source: ObjectStore, target: ObjectStore) -> int:
    """Carry the records of `logs/` that one store has and the other lacks, and tell how many; none is ever replaced.

    Records come to the copies by the sink of each store as they are made. This carries over those from before a store
    was there.
    """
    folder = f"{dataset.object_root}/{LOGS}/"
    present = {one.key for one in target.list(folder)}
    carried = 0
    for one in source.list(folder):
        path = one.key.removeprefix(f"{dataset.object_root}/")
        if one.key in present or _RECORD.fullmatch(path) is None:
            continue
        found = read_optional(one.key, store=source)
        if found is None or not is_record(path, found[0]):
            continue  # a damaged record is not spread; the check of its own store names it
        try:
            target.put(one.key, found[0], condition=IfAbsent(), content_type="application/json")
        except PreconditionFailed:
            continue
        carried += 1
    return carried


def _vouched_object(dataset: Dataset, vouched: frozenset[str], source: ObjectStore) -> HeldObject:
    held = read_held(dataset.object_root, pid=dataset.pid, store=source)
    if held is None:
        msg = f"{source.name} has no inventory of {dataset.pid}; run `cisterna check` on it"
        raise ObjectInvalid(msg, pid=dataset.pid)
    if held.sha512 not in vouched:
        msg = f"the newest version of {dataset.pid} in {source.name} was not read back yet; it is copied when it was"
        raise NotReady(msg, pid=dataset.pid)
    return held


@dataclass(slots=True)
class _Copy:
    """The writes of one copy, in their order."""

    dataset: Dataset
    held: HeldObject
    source: ObjectStore
    target: ObjectStore
    taken: Callable[[bytes], object] | None

    def write_content(self, readers: int) -> None:
        """Carry over the content that is not there; what is there was digested before it appeared."""
        root = self.dataset.object_root
        present = {one.key for one in self.target.list(f"{root}/")}
        wanted = [
            (f"{root}/{path}", digest)
            for digest, paths in self.held.inventory.manifest.items()
            for path in paths
            if f"{root}/{path}" not in present
        ]

        def carry(item: tuple[str, str]) -> None:
            key, digest = item
            carry_file(key, sha512=digest, source=self.source, target=self.target, taken=self.taken)

        work_through(wanted, lambda: carry, workers=readers, stop=threading.Event())
        self.target.abort_unfinished(f"{root}/")  # of attempts that were overtaken: everything is there

    def write_version_inventories(self) -> None:
        """Write each version's own inventory and sidecar; each must fit the object's."""
        for number in range(1, self.held.inventory.head + 1):
            folder = f"{self.dataset.object_root}/v{number}"
            body, _ = self.source.get(f"{folder}/{INVENTORY}")
            fault = fault_of_version(body, number, self.held)
            if fault is not None:
                msg = f"v{number}/{INVENTORY} of {self.dataset.pid} in {self.source.name}: {fault}"
                raise ObjectInvalid(msg, pid=self.dataset.pid, path=f"v{number}/{INVENTORY}")
            put_exactly(f"{folder}/{INVENTORY}", body, store=self.target)
            inventory = self.held.inventory
            digest = digest_of(body, algorithm=inventory.algorithm)
            put_exactly(f"{folder}/{inventory.sidecar_name}", sidecar(digest), store=self.target)

    def write_root(self) -> None:
        """Make the versions part of the copy: root inventory, sidecar and, for a new object, the declaration.

        Raises:
            ObjectInvalid: The target holds another object there, or more than the archive does.
            Conflict: Somebody else writes it.
        """
        root = self.dataset.object_root
        there = self._there()
        if there is None or there.sha512 != self.held.sha512:
            condition = IfMatch(etag=there.etag) if there else IfAbsent()
            self.target.put(f"{root}/{INVENTORY}", self.held.body, condition=condition)
        beside = f"{root}/{self.held.inventory.sidecar_name}"
        seen = self.target.head(beside)
        put_sidecar(beside, self.held.digest, seen=seen.etag if seen else None, store=self.target)
        put_exactly(f"{root}/{OBJECT_DECLARATION}", OBJECT_DECLARATION_BODY, store=self.target)

    def _there(self) -> HeldObject | None:
        """Read what the target has, if it is an earlier state of the same object or this one."""
        found = read_optional(f"{self.dataset.object_root}/{INVENTORY}", store=self.target)
        if found is None:
            return None
        there = HeldObject(self.held.inventory, found[1], found[0], sha512_of(found[0]))
        if there.sha512 == self.held.sha512:
            return there
        for number in range(1, self.held.inventory.head):
            body, _ = self.source.get(f"{self.dataset.object_root}/v{number}/{INVENTORY}")
            if body == found[0]:
                return there
        msg = (
            f"{self.target.name} has an inventory of {self.dataset.pid} that is none of this object's versions; it was "
            "left as it is: look who else writes there"
        )
        raise ObjectInvalid(msg, pid=self.dataset.pid, store=self.target.name)
