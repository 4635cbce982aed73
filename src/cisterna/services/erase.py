"""Takes a dataset out of the archive for good: every version, every copy, what was derived from it, what was public.

The order is what makes a kill harmless. The decision is written first: to the catalogue, then to the archive as a
tombstone that is read back. Only then do rows and objects go, and every step may be made again: what is gone already is
not missed. An erasure that could not reach everything is `incomplete`, and the same call goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from cisterna.domain.dataset import Dataset
from cisterna.domain.erasure import (
    ERASED_TITLE,
    PUBLIC_WORDS,
    ErasedObject,
    Erasure,
    ErasureState,
    Objection,
    Order,
    Remainder,
    objections,
    state_after,
)
from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    ErasureRefused,
    InvalidInput,
    NotFound,
    StoreForbids,
    StoreUnavailable,
)
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.erasure import Removed
from cisterna.services.acquisition_record import kept_out
from cisterna.services.erase_plan import (
    ErasureSite,
    beyond,
    doomed,
    find_dataset,
    look_at,
    obstacles,
    require_admin,
    stores_of,
    subjects_of,
)
from cisterna.services.erase_record import mentions, write_tombstone
from cisterna.services.record import copy_record
from cisterna.services.transition import announce

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
    with site.catalogue.begin() as tx:
        require_admin(tx, identifier, person)
        erasure = tx.erasures.of(find_dataset(tx, identifier).dataset_id)
    if erasure is None:
        erasure = _announce(identifier, person=person, order=_required(order, identifier), site=site)
    elif order is not None and _decision(order) != _decision(erasure.order):
        msg = f"{identifier} has an erasure under another decision: {erasure.words}; leave the options out to go on"
        raise InvalidInput(msg, identifier=identifier, erasure_id=erasure.erasure_id)
    if erasure.state is ErasureState.DONE:
        return erasure
    write_tombstone(erasure, store=site.store, clock=site.clock)
    erasure = _begin(erasure, site)
    removed, remains = _carry_out(erasure, site)
    return _end(erasure, person=person, removed=removed, remains=remains, site=site)


def _required(order: Order | None, identifier: str) -> Order:
    if order is None:
        msg = f"{identifier} has no decision on record; give --controller, --basis, --decision and --reason"
        raise InvalidInput(msg, identifier=identifier)
    return order


def _decision(order: Order) -> tuple[str, ...]:
    return (order.kind.value, order.controller, order.basis, order.decision)


def _announce(identifier: str, *, person: str, order: Order, site: ErasureSite) -> Erasure:
    """Put the decision on record, unless something speaks against it. From here on nobody begins work on the data."""
    with site.catalogue.begin() as tx:
        objects = doomed(tx, find_dataset(tx, identifier), kind=order.kind)
        stores = stores_of(tx, objects, site)
    contents = [look_at(store, one, site) for store in stores for one in objects]
    locks = [(f"{one.dataset_id} in {one.store}", one.content.lock) for one in contents if one.content]
    with site.catalogue.begin() as tx:
        target = find_dataset(tx, identifier)
        require_admin(tx, identifier, person)
        objects = doomed(tx, target, kind=order.kind)
        for one in objects:
            tx.datasets.lock(one.dataset_id)
        subjects = subjects_of(tx, objects)
        found = obstacles(tx, objects, target, kind=order.kind, site=site)
        begun = tx.erasures.halt_work(subjects, datasets=[one.dataset_id for one in objects], outcome="erased")
        told = {
            "locks": tuple((where, lock) for where, lock in locks if lock),
            "under_way": tuple(sorted({*found.under_way, *begun})),
        }
        against = objections(found.model_copy(update=told), kind=order.kind, now=site.clock.now())
        if against:
            raise _refusal(identifier, against)
        erasure = Erasure(
            erasure_id=site.clock.new_id(),
            target=target.dataset_id,
            acquisition_id=target.acquisition_id,
            objects=objects,
            stores=stores,
            person=person,
            order=order,
            announced_at=site.clock.now(),
        )
        tx.erasures.add(erasure)
        _tell(tx, "erasure.announced", erasure, person=person, clock=site.clock)
    return erasure


def _refusal(identifier: str, against: tuple[Objection, ...]) -> ErasureRefused:
    words = "; ".join(one.words for one in against)
    conditions = [one.condition for one in against]
    return ErasureRefused(f"{identifier} is not erased: {words}", identifier=identifier, conditions=conditions)


def _begin(erasure: Erasure, site: ErasureSite) -> Erasure:
    """Remove what the catalogue says of the datasets. With these rows goes every lease on them that somebody took
    between the announcement and now: whoever held one can write nothing any more.
    """
    with site.catalogue.begin() as tx:
        begun = tx.erasures.save(
            erasure.model_copy(update={"state": ErasureState.BEGUN, "begun_at": erasure.begun_at or site.clock.now()})
        )
        names = [*begun.dataset_ids, *([begun.acquisition_id] if begun.acquisition_id else [])]
        tx.erasures.halt_work(names, datasets=begun.dataset_ids, outcome="erased")
        tx.erasures.purge(begun)
        for one in begun.objects:
            tx.datasets.save(_without_content(tx.datasets.lock(one.dataset_id)))
        if begun.acquisition_id is not None:
            seen = tx.acquisitions.lock(begun.acquisition_id)
            if seen is not None:
                tx.acquisitions.save(kept_out(seen, begun).model_copy(update={"release": None}))
        if erasure.state is ErasureState.ANNOUNCED:
            _tell(tx, "erasure.begun", begun, person=begun.person, clock=site.clock)
    return begun


def _without_content(dataset: Dataset) -> Dataset:
    return dataset.model_copy(update={"title": ERASED_TITLE})


def _carry_out(erasure: Erasure, site: ErasureSite) -> tuple[int, list[Remainder]]:
    """Delete everywhere; what one store refuses stops no other."""
    removed = 0
    remains: list[Remainder] = []
    for one in erasure.objects:
        gone, left = _take_back(one, site)
        removed, remains = removed + gone, remains + left
    for store in erasure.stores:
        for one in erasure.objects:
            gone, left = _remove(one, store, site)
            removed, remains = removed + gone, remains + left
    return removed, remains


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
        records = site.public.versions(one.pid)
        for record in records:
            bare = {"title": record.pid, "metadata": {}, "related": {}, "tombstone": PUBLIC_WORDS}
            gone_at = record.withdrawn_at or site.clock.now()
            site.public.withdraw(record.model_copy(update={**bare, "withdrawn_at": gone_at}))
        if not records:
            return 0, []
        found = site.eraser_of(site.public_store).remove_replaced(one.pid)
    except CisternaError as failure:
        return 0, [Remainder(what=what, where=site.public_store, reason=f"{failure}; run this again", is_open=True)]
    return found.removed, list(_left(found, what=what, where=site.public_store))


def _end(erasure: Erasure, *, person: str, removed: int, remains: list[Remainder], site: ErasureSite) -> Erasure:
    """Write how it ended. The dispatcher's next round writes into the archive's record that the rows are gone."""
    remains = [*remains, *_told_everywhere(site), *mentions(erasure.objects, store=site.store)]
    with site.catalogue.begin() as tx:
        remains += beyond(tx, tx.datasets.get(erasure.target), site)
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
        _tell(tx, f"erasure.{ended.state.value}", ended, person=person, clock=site.clock)
    return ended


def _told_everywhere(site: ErasureSite) -> Iterator[Remainder]:
    """Bring the tombstone to each store of copies: a catalogue rebuilt from one must know of it."""
    for name, copy in site.copies.items():
        try:
            copy_record(store=site.store, to=copy)
        except (StoreUnavailable, ChecksumMismatch, StoreForbids) as failure:
            reason = f"it could not be written: {failure}; run this again"
            yield Remainder(what="the tombstone", where=name, reason=reason, is_open=True)


def _tell(tx: Transaction, name: str, erasure: Erasure, *, person: str, clock: Clock) -> None:
    """Say what happened, without a word on what the data were."""
    dataset = tx.datasets.get(erasure.target)
    data: dict[str, JsonValue] = {
        "erasure_id": erasure.erasure_id,
        "datasets": list(erasure.dataset_ids),
        "kind": erasure.order.kind.value,
        "person": person,
        "controller": erasure.order.controller,
        "basis": erasure.order.basis,
        "decision": erasure.order.decision,
        "state": erasure.state.value,
        "removed": erasure.removed,
        "remains": len(erasure.remains),
    }
    announce(tx, name, erasure.target, project=dataset.project, clock=clock, data=data, restricted=True)
