"""Takes a dataset out of the archive for good: every version, every copy, what was derived from it, what was public.

The order is what makes a kill harmless. The decision is written first: to the catalogue, then to the archive as a
tombstone that is read back. Only then do rows and objects go, and every step may be made again: what is gone already is
not missed. An erasure that could not reach everything is `incomplete`, and the same call goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from cisterna.domain.dataset import Dataset
from cisterna.domain.erasure import (
    ERASED_TITLE,
    PUBLIC_WORDS,
    ErasedObject,
    Erasure,
    ErasureState,
    Obstacles,
    Order,
    Remainder,
    RemovalKind,
    objections,
    state_after,
)
from cisterna.domain.errors import ChecksumMismatch, CisternaError, NotFound, StoreForbids, StoreUnavailable
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Transaction
from cisterna.ports.erasure import Removed
from cisterna.ports.object_store import ObjectStore
from cisterna.services.acquisition_record import kept_out
from cisterna.services.deposit_wish import withdraw_deposits
from cisterna.services.erase_decision import decide_erasure, erasure_refused
from cisterna.services.erase_plan import ErasureSite, beyond, holds_on
from cisterna.services.erase_record import tell_erasure, write_tombstone
from cisterna.services.erase_segment import rewrite_record
from cisterna.services.record import copy_record, record_all

_REFUSED_SHOWN = 3


def erase_dataset(identifier: str, *, person: str, order: Order | None, site: ErasureSite) -> Erasure:
    """Erase a dataset and all that was derived from it, or go on with an erasure that has not come to its end.

    Args:
        identifier: Of a dataset or an acquisition, or a PID.
        person: Account name of the administrator whose decision it is.
        order: The decision; None to go on with the one that is on record.
        site: Where data lie.

    Returns:
        The erasure as it stands now: `done`, or `incomplete` with what remains.

    Raises:
        ErasureRefused: A hold, a lock, work under way or a release speaks against it; the message names each.
        Forbidden, NotFound: As said there.
        InvalidInput: There is no decision, or another one than the one on record.
        StoreUnavailable: The archive did not take the tombstone; nothing was deleted, and the same call goes on.
        Conflict: Somebody else carries the same erasure out at this moment.
    """
    erasure = decide_erasure(identifier, person=person, order=order, site=site)
    return _bring_to_its_end(erasure, person=person, lease=None, site=site)


def execute_erasure(erasure_id: str, *, person: str, lease: Attempt, site: ErasureSite) -> Erasure:
    """Carry out a decision that is on record, as a worker does; one that has come to its end is given as it is.

    A second run passes over what is gone. What it cannot reach is told, and left to the next attempt.

    Args:
        erasure_id: Of the decision.
        person: Account name of the administrator who asked for this attempt.
        lease: Must be held; nothing more is deleted once it is lost.
        site: Where data lie, with whatever keys this process has.

    Raises:
        ErasureRefused: A hold came between the decision and now; nothing was deleted.
        Conflict, LeaseLost: Somebody else carries it out.
        NotFound: There is no such decision.
        StoreUnavailable: The archive did not take the tombstone; nothing was deleted.
    """
    with site.catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        erasure = tx.erasures.get(erasure_id)
    return _bring_to_its_end(erasure, person=person, lease=lease, site=site)


def _bring_to_its_end(erasure: Erasure, *, person: str, lease: Attempt | None, site: ErasureSite) -> Erasure:
    if erasure.state is ErasureState.DONE:
        return erasure
    _require_no_hold(erasure, site)
    write_tombstone(erasure, store=site.store, clock=site.clock)
    erasure = _begin(erasure, lease=lease, site=site)
    removed, remains = _carry_out(erasure, lease=lease, site=site)
    gone, left = _take_out_of_record(erasure, lease=lease, site=site)
    removed, remains = removed + gone, [*remains, *left]
    return _end(erasure, person=person, removed=removed, remains=remains, lease=lease, site=site)


def _require_no_hold(erasure: Erasure, site: ErasureSite) -> None:
    """Refuse to begin under a hold that came after the decision; from the first deletion on there is only forward."""
    if erasure.state is not ErasureState.ANNOUNCED:
        return
    with site.catalogue.begin() as tx:
        _refuse_under_hold(tx, erasure, site)


def _refuse_under_hold(tx: Transaction, erasure: Erasure, site: ErasureSite) -> None:
    found = Obstacles(holds=holds_on(tx, erasure.objects))
    against = objections(found, kind=RemovalKind.ERASURE, now=site.clock.now())
    if against:
        raise erasure_refused(erasure.target, against)


def _begin(erasure: Erasure, *, lease: Attempt | None, site: ErasureSite) -> Erasure:
    """Remove what the catalogue says of the datasets. With these rows goes every lease on them that somebody took
    between the announcement and now: whoever held one can write nothing any more.
    """
    with site.catalogue.begin() as tx:
        if lease is not None:
            tx.inbox.require_lease(lease)
        datasets = [tx.datasets.lock(one) for one in erasure.dataset_ids]  # a hold takes these as well
        if erasure.state is ErasureState.ANNOUNCED:
            _refuse_under_hold(tx, erasure, site)
        begun = tx.erasures.save(
            erasure.model_copy(update={"state": ErasureState.BEGUN, "begun_at": erasure.begun_at or site.clock.now()})
        )
        names = [*begun.dataset_ids, *([begun.acquisition_id] if begun.acquisition_id else [])]
        tx.erasures.halt_work(names, datasets=begun.dataset_ids, outcome="erased")
        tx.erasures.purge(begun)
        for name in begun.dataset_ids:
            withdraw_deposits(
                tx,
                name,
                version_id=None,
                reason=PUBLIC_WORDS,
                keeps_description=False,
                is_erased=True,
                clock=site.clock,
            )
        for one in datasets:
            tx.datasets.save(_without_content(one))
        if begun.acquisition_id is not None:
            seen = tx.acquisitions.lock(begun.acquisition_id)
            if seen is not None:
                tx.acquisitions.save(kept_out(seen, begun).model_copy(update={"release": None}))
        if erasure.state is ErasureState.ANNOUNCED:
            tell_erasure(tx, "erasure.begun", begun, person=begun.person, clock=site.clock)
        for pid in sorted({one.pid for one in begun.objects}):
            tx.public_index.withdraw(pid, clock=site.clock)
    return begun


def _without_content(dataset: Dataset) -> Dataset:
    return dataset.model_copy(update={"title": ERASED_TITLE})


def _carry_out(erasure: Erasure, *, lease: Attempt | None, site: ErasureSite) -> tuple[int, list[Remainder]]:
    """Delete everywhere; what one store refuses stops no other."""
    removed = 0
    remains: list[Remainder] = []
    for one in erasure.objects:
        _require_lease(lease, site)
        gone, left = _take_back(one, site)
        removed, remains = removed + gone, remains + left
    for store in erasure.stores:
        for one in erasure.objects:
            _require_lease(lease, site)
            gone, left = _remove(one, store, site)
            removed, remains = removed + gone, remains + left
    return removed, remains


def _take_out_of_record(erasure: Erasure, *, lease: Attempt | None, site: ErasureSite) -> tuple[int, list[Remainder]]:
    """Let the archive's record say that the rows are gone, then take out of it what it said of them, store by store.

    Stores of copies get what they lack first: the tombstone, and what was written anew.
    """
    try:
        record_all(catalogue=site.catalogue, store=site.store, clock=site.clock)
    except StoreUnavailable as failure:
        reason = f"it could not be written to: {failure}; run this again"
        return 0, [Remainder(what="the record of the catalogue", where=site.store.name, reason=reason, is_open=True)]
    removed = 0
    remains: list[Remainder] = []
    for store in (site.store, *site.copies.values()):
        untold = list(_told_there(store, site)) if store is not site.store else []
        if untold:  # nothing goes from a store that does not say why
            remains += untold
            continue
        gone, left = rewrite_record(
            erasure,
            store=store,
            eraser_of=site.eraser_of,
            catalogue=site.catalogue,
            require_lease=lambda: _require_lease(lease, site),
        )
        removed, remains = removed + gone, remains + left
    return removed, remains


def _require_lease(lease: Attempt | None, site: ErasureSite) -> None:
    if lease is not None:
        with site.catalogue.begin() as tx:
            tx.inbox.require_lease(lease)


def _remove(one: ErasedObject, store: str, site: ErasureSite) -> tuple[int, list[Remainder]]:
    what = f"the object of {one.dataset_id}"
    try:
        found = site.eraser_of(store).remove(one.object_root, pid=one.pid)
    except NotFound as absent:
        reason = f"{absent}; configure it once more and run this again, or have its owner delete {one.object_root}/"
        return 0, [Remainder(what=what, where=store, reason=reason, is_open=True)]
    except (StoreUnavailable, StoreForbids) as failure:
        return 0, [Remainder(what=what, where=store, reason=f"{failure}; run this again", is_open=True)]
    return found.removed, list(_left(found, what=what, where=store))


def _left(found: Removed, *, what: str, where: str) -> Iterator[Remainder]:
    left = found.left
    if left.unseen is not None:
        reason = f"earlier versions could not be looked for ({left.unseen}): run this again with keys that may"
        yield Remainder(what=f"earlier versions of {what}", where=where, reason=reason, is_open=True)
    if left.is_nothing:
        return
    shown = "; ".join(f"{one.name}: {one.reason}" for one in found.refused[:_REFUSED_SHOWN])
    reason = (
        f"{left.keys} keys, {left.replaced} earlier versions or marks and {left.uploads} uploads are left"
        + (f"; the store refused {found.refused_count}, such as {shown}" if found.refused else "")
        + ": have locks lifted, or run this again with keys that may delete versions"
    )
    yield Remainder(what=what, where=where, reason=reason, is_open=True)


def _take_back(one: ErasedObject, site: ErasureSite) -> tuple[int, list[Remainder]]:
    """Turn every public record into a tombstone without title, metadata or reason, and remove what stood there."""
    what = f"public records of {one.dataset_id}"
    try:
        versions = site.public.versions(one.pid)
        for version in versions:
            record = site.public.find(one.pid, version=version.version)
            if record is None:
                continue
            bare = {"title": record.pid, "metadata": {}, "related": {}, "tombstone": PUBLIC_WORDS}
            gone_at = record.withdrawn_at or site.clock.now()
            site.public.withdraw(record.model_copy(update={**bare, "withdrawn_at": gone_at}))
        if not versions:
            return 0, []
        found = site.eraser_of(site.public_store).remove_replaced(one.pid)
    except CisternaError as failure:
        return 0, [Remainder(what=what, where=site.public_store, reason=f"{failure}; run this again", is_open=True)]
    return found.removed, list(_left(found, what=what, where=site.public_store))


def _end(
    erasure: Erasure,
    *,
    person: str,
    removed: int,
    remains: list[Remainder],
    lease: Attempt | None,
    site: ErasureSite,
) -> Erasure:
    """Write how it ended."""
    with site.catalogue.begin() as tx:
        if lease is not None:
            tx.inbox.require_lease(lease)
        remains += beyond(tx, tx.datasets.get(erasure.target), erasure.objects, site)
        ended = tx.erasures.save(
            erasure.model_copy(
                update={
                    "state": state_after(remains),
                    "ended_at": site.clock.now(),
                    "removed": erasure.removed + removed,
                    "remains": tuple(remains),
                }
            )
        )
        tell_erasure(tx, f"erasure.{ended.state.value}", ended, person=person, clock=site.clock)
    return ended


def _told_there(copy: ObjectStore, site: ErasureSite) -> Iterator[Remainder]:
    """Bring the tombstone to a store of copies: a catalogue rebuilt from it must know of it."""
    try:
        copy_record(store=site.store, to=copy, catalogue=site.catalogue)
    except (StoreUnavailable, ChecksumMismatch, StoreForbids) as failure:
        reason = f"it could not be written: {failure}; run this again"
        yield Remainder(what="the tombstone", where=copy.name, reason=reason, is_open=True)
