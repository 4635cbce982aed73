"""Replaces what is damaged in one store by what another store's copy has.

Nothing is overwritten with bytes that were not digested first, and nothing but the very object that was seen is
overwritten. Of content the inventory names the digest; an inventory is good when ingest once read it back (a receipt
has its digest), or when it lies with its sidecar in two places; a sidecar and a declaration follow from it. Nothing is
removed: what no inventory names stays, and is told of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cisterna.domain.dataset import Dataset
from cisterna.domain.digest import digest_of, sha512_of
from cisterna.domain.errors import (
    ChecksumMismatch,
    Conflict,
    ObjectInvalid,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from cisterna.domain.fixity import Fault, ObjectCheck
from cisterna.domain.ocfl import (
    INVENTORY,
    LOGS,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    SIDECARS,
    Inventory,
    sidecar,
)
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.services.carry import carry_file
from cisterna.services.copy_record import record_repair
from cisterna.services.held_object import HeldObject, read_optional, sidecar_agrees
from cisterna.services.object_look import fault_of_version, is_record

_OF_VERSION = re.compile(rf"v([1-9][0-9]{{0,8}})/({'|'.join(map(re.escape, (INVENTORY, *SIDECARS.values())))})")


@dataclass(frozen=True, slots=True)
class Repair:
    """What came of a repair.

    Attributes:
        repaired: Paths that were replaced, each with the name of the store that its good bytes came from.
        lost: What was not replaced, and why: no copy had good bytes of it, or a store did not answer.
    """

    repaired: tuple[tuple[str, str], ...] = ()
    lost: tuple[Fault, ...] = ()


def repair_object(
    check: ObjectCheck,
    *,
    store: ObjectStore,
    others: Sequence[ObjectStore],
    is_copy: bool,
    at_least: int = 0,
    lease: Attempt | None,
    catalogue: Catalogue,
    clock: Clock,
) -> Repair:
    """Replace what a check found damaged, and write down what was replaced; whoever asks checks again afterwards.

    Harmless to run twice or to be killed: each file is replaced at once or not at all, and by the same bytes.

    Args:
        check: What was found, just now.
        store: The store that it was found in.
        others: Stores that have copies, the most trusted first.
        is_copy: Whether objects come into the damaged store by copying, so that it may lack the newest version.
        at_least: A version that it must end with although no receipt says so yet.
        lease: Of the work; None when somebody repairs by hand.
        catalogue: Knows the digests of inventories that were read back.
        clock: Dates the record.

    Raises:
        LeaseLost: Somebody else holds the work.
    """
    with catalogue.begin() as tx:
        if lease is not None:
            tx.inbox.require_lease(lease)
        dataset = tx.datasets.get(check.dataset_id)
        versions = tx.datasets.versions(check.dataset_id)
        receipts = [one for version in versions for one in tx.datasets.receipts(version.version_id)]
    proven = {one.version_id for one in receipts if one.store == store.name}
    kept = [one for one in versions if one.is_archived and (one.version_id in proven or not is_copy)]
    work = _Work(
        dataset,
        head=max([at_least, *(one.ocfl_version or 0 for one in kept)]),
        vouched=frozenset(one.inventory_sha512 for one in receipts),
        store=store,
        others=[one for one in others if one.name != store.name],
    )
    for fault in check.damaged:
        work.mend(fault)
    if work.repaired:
        record_repair(check, work.repaired, lease=lease, catalogue=catalogue, clock=clock)
    return Repair(tuple(work.repaired), tuple(work.lost))


@dataclass
class _Work:
    """The repair of one object in one store; `head` is the version that it must at least end with."""

    dataset: Dataset
    head: int
    vouched: frozenset[str]
    store: ObjectStore
    others: Sequence[ObjectStore]
    repaired: list[tuple[str, str]] = field(default_factory=list)
    lost: list[Fault] = field(default_factory=list)
    _root: tuple[HeldObject, str] | None = None

    def mend(self, fault: Fault) -> None:
        """Replace one file, or say why it is lost."""
        try:
            source = self._mend(fault.path)
        except (
            ObjectInvalid,
            ObjectNotFound,
            ChecksumMismatch,
            Conflict,
            PreconditionFailed,
            StoreUnavailable,
        ) as refusal:
            self.lost.append(fault.model_copy(update={"reason": f"{fault.reason}; not repaired: {refusal}"}))
        else:
            self.repaired.append((fault.path, source))

    def _mend(self, path: str) -> str:
        """Replace a file and name the store that its bytes came from."""
        if path == OBJECT_DECLARATION:
            self._replace(path, OBJECT_DECLARATION_BODY)
            return self.store.name
        if path.startswith(f"{LOGS}/"):
            return self._replace_from(path, lambda body: is_record(path, body))
        held, source = self._inventory()
        of_version = _OF_VERSION.fullmatch(path)
        if path == INVENTORY:
            self._replace(path, held.body)
        elif path == held.inventory.sidecar_name:
            self._require_in_place(held)
            self._replace(path, sidecar(held.digest))
        elif of_version is not None:
            body, source = self._version_inventory(int(of_version[1]), held)
            self._replace(
                path,
                body if of_version[2] == INVENTORY else sidecar(digest_of(body, algorithm=held.inventory.algorithm)),
            )
        else:
            source = self._content(path, held.inventory)
        return source

    def _require_in_place(self, held: HeldObject) -> None:
        """Refuse a sidecar for another inventory than the one that is there: that one is repaired first."""
        present = read_optional(f"{self.dataset.object_root}/{INVENTORY}", store=self.store)
        if present is None or sha512_of(present[0]) != held.sha512:
            raise ObjectInvalid(
                "the inventory beside it is not one that was ever read back", path=held.inventory.sidecar_name
            )

    def _content(self, path: str, inventory: Inventory) -> str:
        digest = next((digest for digest, paths in inventory.manifest.items() if path in paths), None)
        if digest is None:
            raise ObjectInvalid("no inventory names it, and nothing is removed; look at it", path=path)
        key, said = f"{self.dataset.object_root}/{path}", []
        for other in self.others:
            try:
                carry_file(key, sha512=digest, source=other, target=self.store, replace=True)
            except (ObjectNotFound, ChecksumMismatch) as refusal:
                said.append(str(refusal))
            except StoreUnavailable as refusal:
                said.append(str(refusal))
            else:
                return other.name
        raise ObjectInvalid("; ".join(said) or "there is no other copy", path=path)

    def _inventory(self) -> tuple[HeldObject, str]:
        """Find an inventory of the object that can be trusted, and the store that has it."""
        if self._root is None:
            found = [one for one in self._candidates() if one[0].inventory.head >= self.head]
            vouched = [one for one in found if one[0].sha512 in self.vouched]
            twice = [one for one in found if sum(one[0].sha512 == other[0].sha512 for other in found) > 1]
            trusted = vouched or twice
            if not trusted:
                raise ObjectInvalid("no copy has an inventory that was ever read back", path=INVENTORY)
            self._root = max(trusted, key=lambda one: one[0].inventory.head)
        return self._root

    def _candidates(self) -> Iterator[tuple[HeldObject, str]]:
        """Give every inventory of the object as a whole that some store has beside a sidecar that agrees."""
        root = self.dataset.object_root
        for store in (self.store, *self.others):
            for folder in (root, *(f"{root}/v{number}" for number in self._versions_in(store))):
                try:
                    found = read_optional(f"{folder}/{INVENTORY}", store=store)
                    if found is None:
                        continue
                    inventory = parse_inventory(found[0], pid=self.dataset.pid)
                    digest = sha512_of(found[0])
                    if digest not in self.vouched and not sidecar_agrees(
                        folder, found[0], algorithm=inventory.algorithm, store=store
                    ):
                        continue
                except (StoreUnavailable, ObjectInvalid):
                    continue
                yield HeldObject(inventory, found[1], found[0], digest), store.name

    def _versions_in(self, store: ObjectStore) -> list[int]:
        """Name the versions that have a folder in a store, the newest first."""
        root = self.dataset.object_root
        try:
            keys = [one.key.removeprefix(f"{root}/") for one in store.list(f"{root}/v")]
        except StoreUnavailable:
            return []
        folders = {key.partition("/")[0].removeprefix("v") for key in keys if key.endswith(f"/{INVENTORY}")}
        return sorted((int(one) for one in folders if one.isdecimal()), reverse=True)

    def _version_inventory(self, number: int, held: HeldObject) -> tuple[bytes, str]:
        """Find the inventory of a version: it must fit the object's own, and its sidecar or a receipt must know it."""
        folder = f"{self.dataset.object_root}/v{number}"
        if number == held.inventory.head:
            return held.body, self._inventory()[1]
        for store in (self.store, *self.others):
            try:
                found = read_optional(f"{folder}/{INVENTORY}", store=store)
                if found is None or fault_of_version(found[0], number, held) is not None:
                    continue
                algorithm = held.inventory.algorithm
                if sha512_of(found[0]) in self.vouched or sidecar_agrees(
                    folder, found[0], algorithm=algorithm, store=store
                ):
                    return found[0], store.name
            except StoreUnavailable:
                continue
        raise ObjectInvalid(f"no copy has an inventory of v{number} that can be trusted", path=f"v{number}/{INVENTORY}")

    def _replace_from(self, path: str, is_good: Callable[[bytes], bool]) -> str:
        for other in self.others:
            try:
                found = read_optional(f"{self.dataset.object_root}/{path}", store=other)
            except StoreUnavailable:
                continue
            if found is not None and is_good(found[0]):
                self._replace(path, found[0])
                return other.name
        raise ObjectInvalid("no other copy has it whole", path=path)

    def _replace(self, path: str, body: bytes) -> None:
        """Put small bytes in the place of the very object that is there, if any."""
        key = f"{self.dataset.object_root}/{path}"
        seen = self.store.head(key)
        self.store.put(key, body, condition=IfMatch(etag=seen.etag) if seen else IfAbsent())
