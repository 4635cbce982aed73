"""Writes down what is known of an object in a store: checks, receipts, repairs, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import Sha512
from cisterna.domain.fixity import Fixity, ObjectCheck
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.stored_copy import StoredCopy, after_check, after_failure
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.transition import announce, write_beside_others

_NAMED = 100


def issue_receipt(tx: Transaction, receipt: CopyReceipt, version: Version, dataset: Dataset, *, clock: Clock) -> None:
    """Write a receipt and tell of it; from the first one on the object is known in that store."""
    tx.datasets.add_receipt(receipt)
    announce(
        tx,
        "receipt.issued",
        receipt.version_id,
        project=dataset.project,
        clock=clock,
        data={
            "dataset_id": dataset.dataset_id,
            "version": version.label,
            "acquisition_id": dataset.acquisition_id,
            "receipt": receipt.model_dump(mode="json"),
        },
    )
    if tx.copies.get(dataset.dataset_id, receipt.store) is None:
        whole = receipt.verified_at if receipt.ocfl_version == 1 else None  # a later version's reading is not all of it
        tx.copies.put(
            StoredCopy(
                dataset_id=dataset.dataset_id,
                store=receipt.store,
                fixity=Fixity.OK,
                reason=f"{receipt.files_read} files were read back when it was archived",
                since=receipt.verified_at,
                checked_at=whole,
                good_at=whole,
                looked_at=receipt.verified_at,
                next_at=receipt.verified_at,
            )
        )


def record_check(check: ObjectCheck, *, lease: Attempt | None, catalogue: Catalogue, clock: Clock) -> StoredCopy:
    """Write down how a check ended; a full one that found nothing wrong gives each version it read a fresh receipt.

    Harmless to run twice: the second run tells what it found, again. A check is recorded whoever made it; without a
    lease it was made by hand.

    Raises:
        LeaseLost: Somebody else holds the work; nothing was written.
    """

    def write(tx: Transaction) -> StoredCopy:
        if lease is not None:
            tx.inbox.require_lease(lease)
        dataset, versions = tx.datasets.get(check.dataset_id), tx.datasets.versions(check.dataset_id)
        before = tx.copies.get(check.dataset_id, check.store)
        after = after_check(before, check, now=clock.now())
        if check.fixity is Fixity.COULD_NOT_CHECK and (before is None or before.fixity is None):
            return before or after  # nothing was ever there: that it is not copied yet is known by its receipts
        tx.copies.put(after)
        if after.fixity is not (before.fixity if before else Fixity.OK):
            _tell_fixity(tx, before, after, dataset, versions, clock=clock)
        for receipt, version in _receipts_of(tx, check, versions, clock=clock):
            issue_receipt(tx, receipt, version, dataset, clock=clock)
        return after

    return write_beside_others(write, catalogue=catalogue)


def record_failure(
    dataset_id: str, store: str, reason: str, *, lease: Attempt, catalogue: Catalogue, clock: Clock
) -> StoredCopy:
    """Write down that a try came to no result, and from when on it may be tried again."""

    def write(tx: Transaction) -> StoredCopy:
        tx.inbox.require_lease(lease)
        now = clock.now()
        known = tx.copies.get(dataset_id, store) or StoredCopy(
            dataset_id=dataset_id, store=store, reason=reason, since=now, looked_at=now, next_at=now
        )
        after = after_failure(known, reason, now=now)
        tx.copies.put(after)
        return after

    return write_beside_others(write, catalogue=catalogue)


def record_repair(
    check: ObjectCheck,
    repaired: Sequence[tuple[str, str]],
    *,
    lease: Attempt | None,
    catalogue: Catalogue,
    clock: Clock,
) -> None:
    """Write down which files were replaced, each with the store that its good bytes came from."""

    def write(tx: Transaction) -> None:
        if lease is not None:
            tx.inbox.require_lease(lease)
        dataset, versions = tx.datasets.get(check.dataset_id), tx.datasets.versions(check.dataset_id)
        known = tx.copies.get(check.dataset_id, check.store)
        if known is not None:
            tx.copies.put(known.model_copy(update={"repaired_at": clock.now()}))
        paths: list[JsonValue] = [{"path": path, "from": source} for path, source in repaired[:_NAMED]]
        _tell(
            tx,
            "copy.repaired",
            dataset,
            versions,
            {"store": check.store, "count": len(repaired), "files": paths},
            clock=clock,
        )

    write_beside_others(write, catalogue=catalogue)


def _tell_fixity(
    tx: Transaction,
    before: StoredCopy | None,
    after: StoredCopy,
    dataset: Dataset,
    versions: Sequence[Version],
    *,
    clock: Clock,
) -> None:
    data: dict[str, JsonValue] = {
        "store": after.store,
        "fixity": after.fixity.value if after.fixity else None,
        "from": before.fixity.value if before and before.fixity else None,
        "reason": after.reason,
        "faults": [fault.model_dump(mode="json") for fault in after.faults],
    }
    _tell(tx, "copy.fixity", dataset, versions, data, clock=clock)


def _tell(
    tx: Transaction,
    name: str,
    dataset: Dataset,
    versions: Sequence[Version],
    data: dict[str, JsonValue],
    *,
    clock: Clock,
) -> None:
    newest = next(one for one in reversed(versions) if one.is_archived)
    facts: dict[str, JsonValue] = {
        "dataset_id": dataset.dataset_id,
        "version": newest.label,
        "acquisition_id": dataset.acquisition_id,
    }
    # Files may be named that only an earlier version has: its restriction counts as well.
    restricted = any(one.is_restricted for one in versions)
    announce(
        tx,
        name,
        newest.version_id,
        project=dataset.project,
        clock=clock,
        data=facts | data,
        restricted=restricted,
        version=newest,
    )


def _receipts_of(
    tx: Transaction, check: ObjectCheck, versions: Sequence[Version], *, clock: Clock
) -> list[tuple[CopyReceipt, Version]]:
    """Make a receipt for each archived version that was read, if the inventory is one that ingest read back.

    The first store's own receipts vouch for the inventory, which names every digest; without one of them nothing is
    known of what was read but that it agrees with itself.
    """
    read = {one.ocfl_version: one for one in check.versions}
    digest: Sha512 | None = check.inventory_sha512
    vouched = {one.inventory_sha512 for version in versions for one in tx.datasets.receipts(version.version_id)}
    if digest is None or digest not in vouched:
        return []
    made = []
    for version in versions:
        of_it = read.get(version.ocfl_version or 0)
        if not version.is_archived or of_it is None or version.manifest_digest is None:
            continue
        receipt = CopyReceipt(
            receipt_id=clock.new_id(),
            version_id=version.version_id,
            store=check.store,
            object_root=check.object_root,
            ocfl_version=of_it.ocfl_version,
            inventory_sha512=digest,
            manifest_digest=version.manifest_digest,
            files_read=of_it.files_read,
            bytes_read=of_it.bytes_read,
            verified_at=clock.now(),
        )
        made.append((receipt, version))
    return made
