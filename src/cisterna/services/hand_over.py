"""Makes the copy of a delivery in a folder, reads it back there, and proves it by a receipt."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivery import Delivery, DeliveryState, HandOver
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, DeliveryRefused, InvalidInput
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.readme import checksum_lines
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.delivery import tell_delivery
from cisterna.services.landing import Target
from cisterna.services.restore import ocfl_number, restore_version
from cisterna.services.shelf import Shelves, open_object

LIST = "sha512sum.txt"
"""Lies beside the copy; `sha512sum -c` takes it."""
_MISSING_SHOWN = 100


def require_folder(text: str) -> Path:
    """Read where a copy shall be made. Raises `InvalidInput` for what is no absolute path of this machine."""
    if "://" in text or not text.startswith("/") or not text.isprintable():
        msg = f"{text[:200]!a} is no folder of this machine; give an absolute path (a bucket cannot be given yet)"
        raise InvalidInput(msg, field="copy_to")
    return Path(text)


def hand_over(
    delivery_id: str, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile, clock: Clock
) -> Delivery:
    """Make the copy, write the list of digests beside it, read all of it back, and put the proof on record.

    A run that was cut short is taken up by the same call: what is there with the right bytes stays. Names are as the
    archive writes them, so that list, page and folder agree. Nothing is ever removed from the folder by us later.

    Asked again, the copy is read once more: a whole one stays as it is, one that is gone is made and proven anew, and
    where somebody changed one nothing is touched.

    Raises:
        DeliveryRefused: It has no copy to make, or it ended.
        AlreadyExists: The folder holds other things.
        ChecksumMismatch: A file was not read back as it should be; nothing is on record, and the same call goes on. Or
            the copy is not any more what was handed over.
        InvalidInput, NotReadableNow, ObjectInvalid: As `services.restore` says.
    """
    with catalogue.begin() as tx:
        delivery = tx.deliveries.get(delivery_id)
        version = tx.datasets.get_version(delivery.version_id)
        dataset = tx.datasets.get(version.dataset_id)
    earlier, files = delivery.handed_over, partial(_files, version, dataset, store=store, tables=tables)
    other = _other_than(earlier, files()) if earlier is not None else []
    if earlier is not None and not other:
        return delivery
    _require_due(delivery, clock=clock)
    folder, refusal = require_folder(delivery.copy_to or ""), None
    try:
        restore_version(
            delivery.version_id, to=folder, catalogue=catalogue, store=store, tables=tables, readable_names=True
        )
    except AlreadyExists as full:  # by other things, or by a run before this one that was cut short after the last file
        lacks_list = other == [LIST] and not os.path.lexists(folder / LIST)
        if earlier is not None and not lacks_list:
            raise _not_any_more(earlier, other) from full
        refusal = full
    try:
        proof = _read_back(files(), folder, clock=clock)
    except ChecksumMismatch as unequal:
        raise refusal or unequal from unequal
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


def _files(version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile) -> Iterator[tuple[str, str]]:
    """Give every file of the copy with its digest, as the archive has them."""
    own, _ = open_object(dataset.object_root, pid=dataset.pid, number=ocfl_number(version, dataset), store=store)
    for _, shelf in Shelves(own, store=store, tables=tables).needed(None):
        yield from sorted(shelf.files.items())


def _other_than(proof: HandOver, files: Iterator[tuple[str, str]]) -> list[str]:
    """Name what is gone or changed of a copy, the list beside it last; nothing of the folder is written."""
    try:
        with Target(Path(proof.folder)) as target:
            other = [path for path, digest in files if target.digest(path) != digest]
            return other + ([LIST] if target.digest(LIST) != proof.list_sha512 else [])
    except OSError:
        return [path for path, _ in files] + [LIST]


def _not_any_more(proof: HandOver, other: list[str]) -> ChecksumMismatch:
    msg = (
        f"the copy in {proof.folder} was whole on {proof.read_back_at:%Y-%m-%d %H:%M} UTC and is not any more: "
        f"{len(other)} of its files are gone or changed, such as {other[0]}; to have it made anew, move away what is "
        "in the folder and ask again"
    )
    return ChecksumMismatch(msg, folder=proof.folder, paths=other[:_MISSING_SHOWN])


def _read_back(files: Iterator[tuple[str, str]], folder: Path, *, clock: Clock) -> HandOver:
    """Digest each file where it lies, and write the list as it goes. Raises `ChecksumMismatch`."""
    listed, count, size, wrong = hashlib.sha512(), 0, 0, []
    with Target(folder) as target, target.writing(LIST) as landing:
        landing.begin_anew()
        for path, digest in files:
            if target.digest(path) != digest:
                wrong.append(path)
                continue
            line = checksum_lines([ListedFile.model_construct(path=path, size_bytes=0, sha512=digest)])
            landing.write(line)
            listed.update(line)
            count, size = count + 1, size + (folder / path).lstat().st_size
        if wrong:
            landing.drop()
            msg = (
                f"{len(wrong)} files of the copy in {folder} do not read back as they should, such as {wrong[0]}; "
                "look at that disk, empty the folder, and ask again"
            )
            raise ChecksumMismatch(msg, folder=str(folder), paths=wrong[:_MISSING_SHOWN])
    return HandOver(
        folder=str(folder), files=count, bytes_read=size, list_sha512=listed.hexdigest(), read_back_at=clock.now()
    )


def _require_due(delivery: Delivery, *, clock: Clock) -> None:
    """Refuse a delivery that ended, and one that has no copy."""
    state = delivery.state(now=clock.now())
    if state is not DeliveryState.PREPARED and (delivery.handed_over is None or not state.is_good):
        msg = f"the delivery {delivery.delivery_id} is {state.value}, so no copy is made for it; deliver anew"
        raise DeliveryRefused(msg, delivery_id=delivery.delivery_id)
