"""Checks objects in a store: their structure, and their bytes by reading and digesting them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import CouldNotCheck, NotFound, ObjectInvalid
from cisterna.domain.fixity import Fault, Fixity, ObjectCheck, Subset
from cisterna.domain.ocfl import INVENTORY
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.services.erased import require_not_erased
from cisterna.services.object_look import ObjectLook
from cisterna.services.suspicion import Suspicion


def archived_datasets(catalogue: Catalogue) -> list[str]:
    """Name every dataset that holds an archived version."""
    with catalogue.begin() as tx:
        archived = {version.dataset_id for version in tx.datasets.list_versions() if version.is_archived}
        return [dataset.dataset_id for dataset in tx.datasets.list() if dataset.dataset_id in archived]


def objects_of(dataset_id: str, *, catalogue: Catalogue) -> list[str]:
    """Name the datasets whose objects a dataset lies in: itself, and those of its parts that hold something."""
    archived = set(archived_datasets(catalogue))
    with catalogue.begin() as tx:
        return [dataset_id, *(one.dataset_id for one in tx.datasets.parts_of(dataset_id) if one.dataset_id in archived)]


def check_archive(
    *, catalogue: Catalogue, store: ObjectStore, subset: Subset | None = None, readers: int = 4
) -> Iterator[ObjectCheck]:
    """Check every object that holds an archived version, one after the other; one that fails does not stop the rest."""
    for dataset_id in archived_datasets(catalogue):
        yield check_object(dataset_id, catalogue=catalogue, store=store, subset=subset, readers=readers)


def check_object(
    dataset_id: str,
    *,
    catalogue: Catalogue,
    store: ObjectStore,
    is_copy: bool = False,
    at_least: int = 0,
    subset: Subset | None = None,
    suspicion: Suspicion | None = None,
    readers: int = 4,
    taken: Callable[[bytes], object] | None = None,
) -> ObjectCheck:
    """Check one object in one store. It only reads.

    Args:
        dataset_id: Whose object it is.
        catalogue: Says what must be there.
        store: The archive, or a store of copies.
        is_copy: Whether it is one of copies: what was not copied there yet could not be checked, and is no damage.
        at_least: A version that must be there although no receipt says so yet: it was copied just now.
        subset: Read only this part of the content; the structure is always checked.
        suspicion: When to call a file damaged that cannot be read; without one it could not be checked.
        readers: Threads.
        taken: Given each chunk of content that was read, from several threads.

    Raises:
        NotFound: There is no such dataset, or nothing of it is archived yet.
        Erased: It is gone for good, which is no damage.
        CatalogueUnavailable: What must be there could not be asked.
    """
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(dataset_id)
        versions = tx.datasets.versions(dataset_id)
        require_not_erased(tx, dataset_id)
    if not any(version.is_archived for version in versions):
        msg = f"nothing of {dataset_id} is archived yet; there is nothing to check"
        raise NotFound(msg, dataset_id=dataset_id)
    look = _look(dataset_id, catalogue=catalogue, store=store, is_copy=is_copy, at_least=at_least)
    if look.was_never_there:
        return _not_copied(dataset, store)
    if look.damaged:  # a commit may have been under way, which changes several files: look a second time
        look = _look(dataset_id, catalogue=catalogue, store=store, is_copy=is_copy, at_least=at_least)
    if look.held is not None:
        look.content(look.held.inventory, subset=subset, readers=readers, taken=taken)
        look.records()
    if suspicion is not None:
        look.confirm(suspicion)
    return look.result(subset)


def require_ok(found: ObjectCheck) -> None:
    """Raise what the check means. Raises `ObjectInvalid` for damage, `CouldNotCheck` when it could not be looked at."""
    match found.fixity:
        case Fixity.DAMAGED:
            raise ObjectInvalid(found.reason, pid=found.pid, paths=[fault.path for fault in found.damaged])
        case Fixity.COULD_NOT_CHECK:
            raise CouldNotCheck(found.reason, pid=found.pid, paths=[fault.path for fault in found.unchecked])
        case Fixity.OK:
            return


def _look(dataset_id: str, *, catalogue: Catalogue, store: ObjectStore, is_copy: bool, at_least: int) -> ObjectLook:
    with catalogue.begin() as tx:
        dataset, versions = tx.datasets.get(dataset_id), tx.datasets.versions(dataset_id)
        receipts = [one for version in versions for one in tx.datasets.receipts(version.version_id)]
    look = ObjectLook(dataset, versions, receipts, store, is_copy=is_copy, at_least=at_least)
    if not look.was_never_there:
        look.structure()
    return look


def _not_copied(dataset: Dataset, store: ObjectStore) -> ObjectCheck:
    reason = f"{dataset.pid} was not copied to {store.name} yet"
    return ObjectCheck(
        dataset_id=dataset.dataset_id,
        store=store.name,
        pid=dataset.pid,
        object_root=dataset.object_root,
        fixity=Fixity.COULD_NOT_CHECK,
        reason=reason,
        unchecked=(Fault(path=INVENTORY, reason=reason),),
    )
