"""Proves that a version is in the archive by reading all of it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cisterna.domain.dataset import Dataset, Stage, Version, require_transition
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, ObjectInvalid
from cisterna.domain.manifest import Manifest
from cisterna.domain.ocfl import OBJECT_DECLARATION, Inventory
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.copy_record import issue_receipt
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.held_object import HeldObject, read_held, sidecar_agrees
from cisterna.services.part_table import PARTS_PATH, read_parts
from cisterna.services.recover import recover_object
from cisterna.services.reread import Reread, reread
from cisterna.services.staging import read_staged
from cisterna.services.transition import advance, write_beside_others


def verify_version(
    version_id: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    clock: Clock,
    readers: int = 4,
) -> CopyReceipt:
    """Read every content byte of an archived version back and issue the receipt for it.

    Harmless to run twice: it only reads until its last step, and a version that is verified already gives the receipt
    it has.

    Raises:
        ChecksumMismatch: Files are missing or have other bytes; the error names them and the version stays `archived`.
        ObjectInvalid: The object does not hold what the catalogue says.
        StoreUnavailable, CatalogueUnavailable, LeaseLost: As said there.
    """
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        receipts = tx.datasets.receipts(version_id)
    given = [one for one in receipts if one.store == store.name]
    if version.stage is not Stage.ARCHIVED and version.is_archived and given:
        return given[-1]
    require_transition(version.stage, Stage.VERIFIED, version_id=version_id)
    if version.ocfl_version is None:
        raise _not_there(version, dataset)
    held = _held(version, dataset, lease=lease, catalogue=catalogue, store=store)
    inventory = held.inventory
    expected = _expected(version, dataset, inventory, store=store, tables=tables)
    found = reread(
        sorted({inventory.content_path(wanted.sha512) for wanted in expected.values()}),
        object_root=dataset.object_root,
        store=store,
        readers=readers,
        gather=False,
        also=dict.fromkeys(inventory.sha256_at, ("sha256",)),
    )
    _require_all_equal(version, expected, inventory, found)
    receipt = CopyReceipt(
        receipt_id=clock.new_id(),
        version_id=version_id,
        store=store.name,
        object_root=dataset.object_root,
        ocfl_version=version.ocfl_version,
        inventory_sha512=held.sha512,
        manifest_digest=version.manifest_digest or "",
        files_read=len(found),
        bytes_read=sum(one.size_bytes for one in found.values()),
        verified_at=clock.now(),
    )
    return _record(receipt, lease=lease, catalogue=catalogue, clock=clock)


def _held(
    version: Version, dataset: Dataset, *, lease: Attempt, catalogue: Catalogue, store: ObjectStore
) -> HeldObject:
    """Read the object; one that is not whole is brought to rest first: the next version may be on its way into it."""
    root = dataset.object_root
    held = read_held(root, pid=dataset.pid, store=store)
    is_whole = (
        held is not None
        and held.inventory.head >= (version.ocfl_version or 0)
        and sidecar_agrees(root, held.body, algorithm=held.inventory.algorithm, store=store)
        and store.head(f"{root}/{OBJECT_DECLARATION}") is not None
    )
    if not is_whole:
        held = recover_object(dataset.dataset_id, lease=lease, catalogue=catalogue, store=store).held
    if held is None:
        raise _not_there(version, dataset)
    return held


def _not_there(version: Version, dataset: Dataset) -> ObjectInvalid:
    msg = f"{dataset.pid} has no inventory, though {version.version_id} was archived; restore the object from a copy"
    return ObjectInvalid(msg, pid=dataset.pid, version_id=version.version_id)


@dataclass(frozen=True, slots=True)
class _Expected:
    sha512: str
    size_bytes: int


def _expected(
    version: Version, dataset: Dataset, inventory: Inventory, *, store: ObjectStore, tables: TableFile
) -> dict[str, _Expected]:
    """Tell what each logical path must be: by the manifest and the catalogue, which the inventory must agree with."""
    manifest = _manifest(version, dataset, store=store, tables=tables)
    expected = {f"{DATA}{file.path}": _Expected(file.sha512, file.size_bytes) for file in manifest.files}
    expected |= {path: _Expected(one.sha512, one.size_bytes) for path, one in version.staged.items()}
    state = inventory.files(version.ocfl_version or 0)
    wrong = {
        path: "the inventory has other bytes for it" for path in expected if state.get(path) != expected[path].sha512
    }
    wrong |= dict.fromkeys(state.keys() - expected.keys(), "the inventory has it, and the manifest does not")
    if wrong:
        raise _mismatch(version, wrong)
    return expected


def _manifest(version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile) -> Manifest:
    """Give the manifest of the files that this object has; where parts have them, those have receipts of their own."""
    if version.parts:
        try:
            read_parts(version, dataset=dataset, store=store, tables=tables)
        except ObjectInvalid as wrong:
            raise _mismatch(version, {PARTS_PATH: str(wrong)}) from wrong
        return Manifest(files=())
    body = read_staged(version, MANIFEST_PATH, dataset=dataset, store=store)
    if sha512_of(body) != version.staged[MANIFEST_PATH].sha512:
        raise _mismatch(version, {MANIFEST_PATH: "its bytes are not those that were archived"})
    manifest = load_manifest(body, tables=tables)
    if manifest.digest != version.manifest_digest:
        raise _mismatch(version, {MANIFEST_PATH: "it is not the manifest that was measured"})
    return manifest


def _require_all_equal(
    version: Version, expected: Mapping[str, _Expected], inventory: Inventory, found: Mapping[str, Reread]
) -> None:
    wrong: dict[str, str] = {}
    for path, wanted in expected.items():
        content_path = inventory.content_path(wanted.sha512)
        got = found[content_path]
        if got.is_missing:
            wrong[path] = "it is missing"
        elif got.sha512 != wanted.sha512:
            wrong[path] = "its bytes are not those that were archived"
        elif got.digests.get("sha256") != inventory.sha256_at.get(content_path):
            wrong[path] = "the inventory has another SHA-256 for it than its bytes have"
        elif got.size_bytes != wanted.size_bytes:
            wrong[path] = f"it has {got.size_bytes} bytes, not {wanted.size_bytes}"
    if wrong:
        raise _mismatch(version, wrong)


def _mismatch(version: Version, wrong: Mapping[str, str]) -> ChecksumMismatch:
    paths = sorted(wrong)
    first = f"{paths[0]}: {wrong[paths[0]]}"
    msg = (
        f"{len(paths)} of the files of {version.version_id} did not come back from the archive as they were sent "
        f"({first}); the source must be kept, and the version archived again"
    )
    return ChecksumMismatch(
        msg, version_id=version.version_id, paths=paths[:100], reasons=[wrong[one] for one in paths[:100]]
    )


def _record(receipt: CopyReceipt, *, lease: Attempt, catalogue: Catalogue, clock: Clock) -> CopyReceipt:
    def write(tx: Transaction) -> CopyReceipt:
        tx.inbox.require_lease(lease)
        fresh = tx.datasets.get_version(receipt.version_id)
        dataset = tx.datasets.get(fresh.dataset_id)
        issue_receipt(tx, receipt, fresh, dataset, clock=clock)
        advance(tx, fresh, Stage.VERIFIED, clock=clock, receipt_id=receipt.receipt_id)
        return receipt

    return write_beside_others(write, catalogue=catalogue)
