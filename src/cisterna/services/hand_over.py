"""Makes the copy of a delivery in a folder or a bucket, reads it back there, and proves it by a receipt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivery import Delivery, DeliveryState, HandOver
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, DeliveryRefused, InvalidInput
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.copy_bucket import BucketCopy, read_address
from cisterna.services.copy_place import LIST, PATHS_SHOWN, CopiedFile, CopyPlace, FolderCopy, require_folder
from cisterna.services.delivery import tell_delivery
from cisterna.services.restore import ocfl_number, restore_version
from cisterna.services.shelf import Shelves, open_object


def hand_over(
    delivery_id: str,
    *,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    clock: Clock,
    bucket: ObjectStore | None = None,
) -> Delivery:
    """Make the copy, write the list of digests beside it, read all of it back, and put the proof on record.

    A run that was cut short is taken up by the same call: what is there with the right bytes stays. Names are as the
    archive writes them, so that list, page and copy agree. Nothing is ever removed from a copy by us later.

    Asked again, the copy is read once more: a whole one stays as it is, one that is gone is made and proven anew, and
    where somebody changed one nothing is touched.

    Args:
        delivery_id: Of a delivery that has a copy.
        catalogue: Knows it, and keeps the proof.
        store: The archive.
        tables: Reads the manifests of it.
        clock: Dates the proof.
        bucket: Where the copy goes, for one whose place begins with `s3://`.

    Raises:
        DeliveryRefused: It has no copy to make, or it ended.
        AlreadyExists: The place holds other things.
        ChecksumMismatch: A file was not read back as it should be; nothing is on record, and the same call goes on. Or
            the copy is not any more what was handed over.
        InvalidInput, NotReadableNow, ObjectInvalid: As `services.restore` says.
    """
    with catalogue.begin() as tx:
        delivery = tx.deliveries.get(delivery_id)
        version = tx.datasets.get_version(delivery.version_id)
        dataset = tx.datasets.get(version.dataset_id)
    earlier, files = delivery.handed_over, partial(_files, version, dataset, store=store, tables=tables)
    restore = partial(
        restore_version, version.version_id, catalogue=catalogue, store=store, tables=tables, readable_names=True
    )
    place = _place(delivery, bucket, archive=store, restore=lambda folder: restore(to=folder))
    other = _other_than(earlier, place, files()) if earlier is not None else []
    if earlier is not None and not other:
        return delivery
    _require_due(delivery, clock=clock)
    refusal = None
    try:
        place.make(files())
    except AlreadyExists as full:  # by other things, or by a run before this one that was cut short after the last file
        if earlier is not None and (other != [LIST] or place.has(LIST)):
            raise _not_any_more(earlier, other) from full
        refusal = full
    try:
        found = place.read_back(files())
    except ChecksumMismatch as unequal:
        raise refusal or unequal from unequal
    proof = HandOver(folder=place.address, **found._asdict(), read_back_at=clock.now())
    with catalogue.begin() as tx:
        delivery = tx.deliveries.get(delivery_id)
        if delivery.handed_over != earlier:  # another run was as far before this one
            return delivery
        _require_due(delivery, clock=clock)
        done = delivery.model_copy(update={"handed_over": proof})
        tx.deliveries.put(done)
        receipt = proof.model_dump(mode="json")
        tell_delivery(
            tx, "delivery.handed-over", done, version, dataset, clock=clock, person=delivery.by, hand_over=receipt
        )
    return done


def _place(
    delivery: Delivery, bucket: ObjectStore | None, *, archive: ObjectStore, restore: Callable[[Path], object]
) -> CopyPlace:
    address = delivery.copy_to or ""
    if not address.startswith("s3://"):
        return FolderCopy(require_folder(address), restore=restore)
    name, prefix = read_address(address)
    if bucket is None or bucket.bucket != name:
        raise InvalidInput(f"the bucket {name} was not opened for the copy in {address}", field="copy_to")
    return BucketCopy(bucket, prefix, archive=archive, of=delivery.version_id)


def _files(version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile) -> Iterator[CopiedFile]:
    """Give every file of the copy, as the archive has them."""
    own, _ = open_object(dataset.object_root, pid=dataset.pid, number=ocfl_number(version, dataset), store=store)
    for _, shelf in Shelves(own, store=store, tables=tables).needed(None):
        for path, digest in sorted(shelf.files.items()):
            yield CopiedFile(path, digest, f"{shelf.object_root}/{shelf.inventory.content_path(digest)}")


def _other_than(proof: HandOver, place: CopyPlace, files: Iterator[CopiedFile]) -> list[str]:
    """Name what is gone or changed of a copy, the list beside it last; nothing there is written."""
    other = [one.path for one in files if place.digest(one.path) != one.sha512]
    return other + ([LIST] if place.digest(LIST) != proof.list_sha512 else [])


def _not_any_more(proof: HandOver, other: list[str]) -> ChecksumMismatch:
    msg = (
        f"the copy in {proof.folder} was whole on {proof.read_back_at:%Y-%m-%d %H:%M} UTC and is not any more: "
        f"{len(other)} of its files are gone or changed, such as {other[0]}; to have it made anew, move away what is "
        "there and ask again"
    )
    return ChecksumMismatch(msg, folder=proof.folder, paths=other[:PATHS_SHOWN])


def _require_due(delivery: Delivery, *, clock: Clock) -> None:
    """Refuse a delivery that ended, and one that has no copy."""
    state = delivery.state(now=clock.now())
    if state is not DeliveryState.PREPARED and (delivery.handed_over is None or not state.is_good):
        msg = f"the delivery {delivery.delivery_id} is {state.value}, so no copy is made for it; deliver anew"
        raise DeliveryRefused(msg, delivery_id=delivery.delivery_id)
