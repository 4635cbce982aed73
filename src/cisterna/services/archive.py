"""Commits a described version: from here on it is a version of an OCFL object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cisterna.domain.dataset import Dataset, Stage, StagedFile, Version, require_transition
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, Conflict, NotReady, ObjectInvalid, PreconditionFailed
from cisterna.domain.manifest import Manifest
from cisterna.domain.ocfl import (
    CONTENT,
    INVENTORY,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    Agent,
    Inventory,
    Placed,
    next_version,
    sidecar,
)
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.held_object import HeldObject, read_held, read_optional
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.recover import Recovery, put_sidecar, recover_object
from cisterna.services.source_record import note_ingested
from cisterna.services.staging import drop_staging
from cisterna.services.storage_root import ensure_storage_root, put_exactly
from cisterna.services.transition import advance, write_beside_others

_ON_THE_WAY = frozenset({Stage.MEASURED, Stage.GATED, Stage.DESCRIBED})
_STAGING = re.compile(r"v([1-9][0-9]*)/content/[^/]+")


def archive_version(
    version_id: str, *, lease: Attempt, catalogue: Catalogue, store: ObjectStore, tables: TableFile, clock: Clock
) -> Version:
    """Bring a described version to `archived`.

    Harmless to run twice: the inventory is made from what is on record alone, so a second run makes the same bytes, and
    finds either them, or whatever part of the commit an earlier run left, and goes on from there.

    Raises:
        Conflict: Another version took the same place in the object; nothing of this one is left there.
        NotReady: An earlier version of the dataset is still on its way; try again later.
        ObjectInvalid, ChecksumMismatch: What was staged is not there any more or is not what was staged.
        StoreUnavailable, CatalogueUnavailable, LeaseLost: As said there.
    """
    begun = _begin(version_id, lease=lease, catalogue=catalogue, store=store)
    if isinstance(begun, Version):
        return begun
    version, dataset = begun
    recovered = recover_object(dataset.dataset_id, lease=lease, catalogue=catalogue, store=store)
    ensure_storage_root(store)
    commit = _plan(version, dataset, recovered, store=store, tables=tables)
    if not commit.is_done:
        commit.purge()
        commit.write_version_inventory()
        with catalogue.begin() as tx:
            tx.inbox.require_lease(lease)
        commit.write_root_inventory()
    return _finish(version, commit.inventory, lease=lease, catalogue=catalogue, clock=clock)


def _begin(
    version_id: str, *, lease: Attempt, catalogue: Catalogue, store: ObjectStore
) -> tuple[Version, Dataset] | Version:
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        version = tx.datasets.get_version(version_id)
        if version.is_archived:
            return version
        require_transition(version.stage, Stage.ARCHIVED, version_id=version_id)
        dataset = tx.datasets.lock(version.dataset_id)
        earlier = [
            one
            for one in tx.datasets.versions(dataset.dataset_id)
            if (one.number, one.revision) < (version.number, version.revision) and one.stage in _ON_THE_WAY
        ]
        _require_parts(tx, version, store=store)
    if earlier:
        msg = f"{version_id} waits until {earlier[0].label}, which is {earlier[0].stage.value}, is archived"
        raise NotReady(msg, version_id=version_id, waits_for=earlier[0].version_id)
    return version, dataset


def _require_parts(tx: Transaction, version: Version, *, store: ObjectStore) -> None:
    """Refuse to name parts that were not all read back from this store: an object that names them proves them whole."""
    for part in version.parts:
        found = tx.datasets.get_version(part.version_id)
        proven = any(
            one.store == store.name
            and (one.manifest_digest, one.ocfl_version) == (part.manifest_digest, part.ocfl_version)
            for one in tx.datasets.receipts(part.version_id)
        )
        if not proven or (found.manifest_digest, found.ocfl_version) != (part.manifest_digest, part.ocfl_version):
            msg = f"{version.version_id} waits until {part.pid} was read back from {store.name}; reprocess it"
            raise NotReady(msg, version_id=version.version_id, waits_for=part.version_id)


def _staged_manifest(
    version: Version, dataset: Dataset, held: Inventory | None, *, store: ObjectStore, tables: TableFile
) -> Manifest:
    """Give the manifest of the files that this object takes, which are none where parts have them."""
    if version.parts:
        return Manifest(files=())
    staged = version.staged.get(MANIFEST_PATH)
    if staged is None:
        msg = f"{version.version_id} has no {MANIFEST_PATH}; reprocess the acquisition"
        raise ObjectInvalid(msg, version_id=version.version_id)
    expected, path = staged.sha512, staged.content_path
    if held is not None and expected in held.manifest:
        path = held.content_path(expected)  # a commit that was cut short has removed the staged one already
    body, _ = store.get(f"{dataset.object_root}/{path}")
    if sha512_of(body) != expected:
        msg = f"the staged {MANIFEST_PATH} of {version.version_id} is not what was staged; reprocess the acquisition"
        raise ChecksumMismatch(msg, path=MANIFEST_PATH, expected=expected)
    return load_manifest(body, tables=tables)


def _plan(version: Version, dataset: Dataset, recovered: Recovery, *, store: ObjectStore, tables: TableFile) -> _Commit:
    """Tell which inventory this version makes, and whether the object has it already."""
    held = recovered.held
    found = _STAGING.fullmatch(version.staging or "")
    if found is None:
        msg = f"{version.version_id} has no staging folder; reprocess the acquisition"
        raise ObjectInvalid(msg, version_id=version.version_id, staging=version.staging)
    number, head = int(found[1]), held.inventory.head if held else 0
    if head < number - 1:
        msg = f"{dataset.pid} holds v{head}, but {version.version_id} was staged as v{number}; reprocess it"
        raise ObjectInvalid(msg, pid=dataset.pid, version_id=version.version_id)
    inventory = held.inventory if held else None
    if head >= number and not _may_be_ours(version, inventory):
        drop_staging(version, dataset=dataset, store=store)
        raise _lost(version, dataset, number)
    manifest = _staged_manifest(version, dataset, inventory, store=store, tables=tables)
    previous = inventory if head == number - 1 else None
    if head >= number > 1:
        previous = _inventory_of(dataset, number - 1, store=store)
    wanted = next_version(
        previous,
        pid=dataset.pid,
        files=_placed(version, manifest),
        created=version.stage_at,  # on record, so that every attempt makes the same bytes
        message=f"{version.label}: {version.cause}",
        user=Agent(name=version.submitter, address=f"urn:x-cisterna:{quote(version.submitter, safe='')}"),
        algorithm=version.parts[0].algorithm if version.parts else manifest.algorithm,
    )
    sizes = {entry.content_path or "": entry.size_bytes for entry in manifest.files}
    sizes |= {staged.content_path: staged.size_bytes for staged in version.staged.values()}
    is_done = inventory is not None and head >= number and inventory.versions[number - 1] == wanted.versions[-1]
    if head >= number and not is_done:
        drop_staging(version, dataset=dataset, store=store)
        raise _lost(version, dataset, number)
    previous_held = held if head == number - 1 else None
    return _Commit(version, dataset, wanted, sizes, recovered.sizes, previous_held, store, is_done)


def _may_be_ours(version: Version, inventory: Inventory | None) -> bool:
    """Tell whether the version that stands in this one's place knows this one's manifest, as its own commit would."""
    staged = version.staged.get(PARTS_PATH if version.parts else MANIFEST_PATH)
    return inventory is not None and staged is not None and staged.sha512 in inventory.manifest


def _lost(version: Version, dataset: Dataset, number: int) -> Conflict:
    msg = (
        f"another version became v{number} of {dataset.pid} before {version.version_id}; "
        "nothing of this one was kept: reprocess the acquisition"
    )
    return Conflict(msg, version_id=version.version_id, pid=dataset.pid)


def _inventory_of(dataset: Dataset, number: int, *, store: ObjectStore) -> Inventory:
    body, _ = store.get(f"{dataset.object_root}/v{number}/{INVENTORY}")
    return parse_inventory(body, pid=dataset.pid)


def _placed(version: Version, manifest: Manifest) -> Iterator[Placed]:
    """Give the data first, so that the content paths which the manifest names are those that are kept."""
    for entry in manifest.files:
        yield Placed(f"{DATA}{entry.path}", entry.sha512, entry.content_path or "", entry.delivered, entry.sha256)
    for path, staged in sorted(version.staged.items()):
        yield Placed(path, staged.sha512, staged.content_path, sha256=staged.sha256)


@dataclass(slots=True)
class _Commit:
    """The writes of one commit, in the order that OCFL on a store without transactions needs.

    Attributes:
        sizes: What the content must be, by content path.
        found: What the recovery, moments ago and under the same lease, found in the object, by path.
    """

    version: Version
    dataset: Dataset
    inventory: Inventory
    sizes: Mapping[str, int]
    found: Mapping[str, int]
    previous: HeldObject | None
    store: ObjectStore
    is_done: bool

    def purge(self) -> None:
        """Remove what dead attempts left beside the content, and make sure that all of the content is there.

        Raises:
            ObjectInvalid: Content is missing, or has another size than what was staged.
        """
        folder = f"v{self.inventory.head}/{CONTENT}/"
        present = {path: size for path, size in self.found.items() if path.startswith(folder)}
        wanted = {path for path in self.inventory.content_paths if path.startswith(folder)}
        wrong = sorted(path for path in wanted if present.get(path) != self.sizes.get(path))
        if wrong:
            msg = (
                f"{len(wrong)} staged files of {self.version.version_id} are missing or cut short, such as {wrong[0]}; "
                "reprocess the acquisition"
            )
            raise ObjectInvalid(msg, version_id=self.version.version_id, paths=wrong[:20])
        self.store.delete([f"{self.dataset.object_root}/{path}" for path in sorted(present.keys() - wanted)])

    def write_version_inventory(self) -> None:
        """Write the version's own inventory and its sidecar."""
        put_exactly(f"{self._folder}/{INVENTORY}", self.inventory.body, store=self.store)
        put_exactly(f"{self._folder}/{self.inventory.sidecar_name}", sidecar(self.inventory.digest), store=self.store)

    def write_root_inventory(self) -> None:
        """Make the version part of the object: root inventory, sidecar and, for v1, the declaration.

        Raises:
            Conflict: Another version was faster.
        """
        root = self.dataset.object_root
        beside = f"{root}/{self.inventory.sidecar_name}"
        seen = self.store.head(beside)
        condition = IfMatch(etag=self.previous.etag) if self.previous else IfAbsent()
        try:
            self.store.put(f"{root}/{INVENTORY}", self.inventory.body, condition=condition)
        except PreconditionFailed as lost:
            # Perhaps it was ours that won: another attempt at the same version, or one whose answer was lost.
            found = read_held(root, pid=self.dataset.pid, store=self.store)
            if found is None or found.sha512 != self.inventory.sha512:
                self.leave_nothing()
                raise _lost(self.version, self.dataset, self.inventory.head) from lost
        put_sidecar(beside, self.inventory.digest, seen=seen.etag if seen else None, store=self.store)
        if self.previous is None:
            self.store.put(f"{root}/{OBJECT_DECLARATION}", OBJECT_DECLARATION_BODY)

    def leave_nothing(self) -> None:
        """Remove what this version staged, and its inventory where no other one has taken its place."""
        drop_staging(self.version, dataset=self.dataset, store=self.store)
        key = f"{self._folder}/{INVENTORY}"
        found = read_optional(key, store=self.store)
        if found is not None and found[0] == self.inventory.body:
            self.store.delete([key, f"{self._folder}/{self.inventory.sidecar_name}"])

    @property
    def _folder(self) -> str:
        return f"{self.dataset.object_root}/v{self.inventory.head}"


def _kept(version: Version, inventory: Inventory) -> dict[str, StagedFile]:
    """Tell where our files lie now: bytes that the object had already were not taken from the staging folder."""
    return {
        path: one.model_copy(update={"content_path": inventory.content_path(one.sha512)})
        for path, one in version.staged.items()
    }


def _finish(version: Version, inventory: Inventory, *, lease: Attempt, catalogue: Catalogue, clock: Clock) -> Version:
    def write(tx: Transaction) -> Version:
        tx.inbox.require_lease(lease)
        fresh = tx.datasets.get_version(version.version_id)
        if fresh.is_archived:
            return fresh
        if (fresh.staging, fresh.staged) != (version.staging, version.staged):
            msg = f"{version.version_id} was described anew while it was archived; look at its history"
            raise Conflict(msg, version_id=version.version_id)
        note_ingested(tx, tx.datasets.get(fresh.dataset_id), fresh)
        return advance(
            tx,
            fresh.model_copy(update={"ocfl_version": inventory.head, "staged": _kept(fresh, inventory)}),
            Stage.ARCHIVED,
            clock=clock,
            ocfl_version=inventory.head,
            inventory_sha512=inventory.sha512,
        )

    return write_beside_others(write, catalogue=catalogue)
