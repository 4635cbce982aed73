"""Reads an object back from one store, writes down what was found, and repairs it from other copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cisterna.domain.base import Value
from cisterna.domain.fixity import Fault, Fixity, ObjectCheck, Subset
from cisterna.domain.stored_copy import is_lasting
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.check import check_object
from cisterna.services.copy_record import record_check
from cisterna.services.repair import Repair, repair_object
from cisterna.services.storage_root import mend_storage_root
from cisterna.services.suspicion import Suspicion

_ROUNDS = 3
"""An inventory is repaired before what it names can be looked at, so one repair may show what another is needed for."""


class Kept(Value):
    """How an object in a store is now.

    Attributes:
        first: What was found before anything was repaired.
        check: What was found last.
        repaired: Paths that were replaced.
        lost: What was not replaced, and why.
    """

    first: ObjectCheck
    check: ObjectCheck
    repaired: tuple[str, ...] = ()
    lost: tuple[Fault, ...] = ()


def keep_object(
    dataset_id: str,
    *,
    store: ObjectStore,
    others: Sequence[ObjectStore] = (),
    is_copy: bool,
    repair: bool,
    lease: Attempt | None,
    catalogue: Catalogue,
    clock: Clock,
    at_least: int = 0,
    subset: Subset | None = None,
    suspicion: Suspicion | None = None,
    readers: int = 4,
    taken: Callable[[bytes], object] | None = None,
) -> Kept:
    """Check an object in a store, and repair it when that is wanted; after a repair it is read again.

    Harmless to run twice or to be killed: a check only reads, what it found is written in one transaction, and a
    repair replaces files one by one, each whole.

    Args:
        dataset_id: Whose object it is.
        store: The store that is read.
        others: Where good bytes may come from.
        is_copy: Whether objects come into the store by copying.
        repair: Whether to replace what is damaged.
        lease: Of the work; None by hand.
        catalogue: Where it is written down.
        clock: Dates it.
        at_least: A version that must be there although no receipt says so yet: it was copied just now.
        subset: Only this part of the content.
        suspicion: When an unreadable file counts as damaged.
        readers: Threads.
        taken: Given each chunk of content that was read.

    Raises:
        NotFound: Nothing of it is archived.
        LeaseLost, CatalogueUnavailable: As said there.
    """
    suspicion = suspicion or Suspicion()
    with catalogue.begin() as tx:
        known = tx.copies.get(dataset_id, store.name)
    if is_lasting(known, now=clock.now()):
        suspicion = suspicion.model_copy(update={"is_lasting": True})

    def look() -> ObjectCheck:
        found = check_object(
            dataset_id,
            catalogue=catalogue,
            store=store,
            is_copy=is_copy,
            at_least=at_least,
            subset=subset,
            suspicion=suspicion,
            readers=readers,
            taken=taken,
        )
        record_check(found, lease=lease, catalogue=catalogue, clock=clock)
        return found

    if repair:
        mend_storage_root(store)
    first = check = look()
    replaced: list[str] = []
    made = Repair()
    for _ in range(_ROUNDS if repair else 0):
        if check.fixity is not Fixity.DAMAGED:
            break
        made = repair_object(
            check,
            store=store,
            others=others,
            is_copy=is_copy,
            at_least=at_least,
            lease=lease,
            catalogue=catalogue,
            clock=clock,
        )
        if not made.repaired:
            break
        replaced += [path for path, _ in made.repaired]
        check = look()
    lost = made.lost if check.fixity is Fixity.DAMAGED else ()
    return Kept(first=first, check=check, repaired=tuple(replaced), lost=lost)


def outcome_of(kept: Kept) -> str:
    """Say in words how it ended, for the work's outcome."""
    done = f"repaired {len(kept.repaired)} files; " if kept.repaired else ""
    gone = f"; not repaired: {kept.lost[0].path}: {kept.lost[0].reason}" if kept.lost else ""
    return f"{kept.check.fixity.value}: {done}{kept.check.reason}{gone}"
