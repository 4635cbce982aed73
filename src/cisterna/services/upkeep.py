"""Asks for what is to be done about the copies in one store: copies that are missing, and checks that are due."""

from __future__ import annotations

from datetime import datetime, timedelta

from cisterna.domain.ocfl import ROOT_DECLARATION
from cisterna.domain.stored_copy import StoredCopy, share_per_hour
from cisterna.domain.work import KEEPING, Work, WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.work_request import request_work

OPEN_MOST = 8
"""Work that waits for one store at a time: more would only grow old in the inbox."""


def request_upkeep(
    store: ObjectStore,
    *,
    first: str,
    cycle: timedelta,
    catalogue: Catalogue,
    clock: Clock,
    open_most: int = OPEN_MOST,
) -> int:
    """Ask for copies and checks in one store and tell how many; asking again asks for nothing twice.

    What is missing is found by looking, never by remembering: a version without a receipt of the store is to be copied,
    whenever the store was added. Checks go to the object that was read longest ago, a share of all each hour, so that
    each is read within the cycle and the load is even; whatever is older than the cycle is read at once. Of a store
    that does not answer nothing is asked, and no other store waits for it.

    Args:
        store: The store.
        first: Name of the first store, which is copied from.
        cycle: Within which each object is read.
        catalogue: What is known, and the inbox.
        clock: Tells what is due.
        open_most: Work for the store that may wait at once.

    Raises:
        StoreUnavailable: It does not answer; look again later.
    """
    _require_answer(store)
    with catalogue.begin() as tx:
        open_work = _open_work(tx, store.name)
        room = open_most - len(open_work)
        if room <= 0:
            return 0
        busy = {one.subject.partition(":")[0] for one in open_work}
        asked = 0
        if store.name != first:
            asked = _ask_for_copies(tx, store.name, first=first, busy=busy, room=room, clock=clock)
        begun = sum(work.kind is WorkKind.CHECK for work in open_work)
        share = share_per_hour(tx.copies.count(store.name), cycle=cycle) - begun
        room -= asked
        return asked + _ask_for_checks(tx, store.name, cycle=cycle, busy=busy, room=room, share=share, clock=clock)


def _require_answer(store: ObjectStore) -> None:
    """Ask for something, so that a store that is away gets no work; nothing of any bytes is concluded from it."""
    store.head(ROOT_DECLARATION)


def _open_work(tx: Transaction, store: str) -> list[Work]:
    return [
        work
        for state in (WorkState.READY, WorkState.LEASED)
        for work in tx.inbox.list(state=state)
        if work.kind in KEEPING and work.parameters.get("store") == store
    ]


def _ask_for_copies(tx: Transaction, store: str, *, first: str, busy: set[str], room: int, clock: Clock) -> int:
    lacking = tx.copies.lacking(store, first=first, now=clock.now(), limit=room + len(busy))
    asked = 0
    for version in lacking:
        if asked == room or version.dataset_id in busy:
            continue
        known = tx.copies.get(version.dataset_id, store)
        tries = known.failures if known else 0
        key = f"copy:{store}:{version.version_id}:{_seen(known)}:{tries}"
        _ask(tx, WorkKind.COPY, version.version_id, store, key=key, clock=clock)
        busy.add(version.dataset_id)
        asked += 1
    return asked


def _ask_for_checks(
    tx: Transaction, store: str, *, cycle: timedelta, busy: set[str], room: int, share: int, clock: Clock
) -> int:
    now = clock.now()
    overdue = tx.copies.due(store, checked_before=now - cycle, now=now, limit=room + len(busy))
    chosen = [one for one in overdue if one.dataset_id not in busy][:room]
    share -= tx.copies.count(store, checked_since=now - timedelta(hours=1))
    spare = min(room - len(chosen), share - len(chosen))
    if spare > 0:
        taken = busy | {one.dataset_id for one in chosen}
        older = tx.copies.due(store, checked_before=now - cycle / 2, now=now, limit=spare + len(taken))
        chosen += [one for one in older if one.dataset_id not in taken][:spare]
    for copy in chosen:
        newest = [one for one in tx.datasets.versions(copy.dataset_id) if one.is_archived][-1]
        _ask(
            tx,
            WorkKind.CHECK,
            newest.version_id,
            store,
            key=f"check:{store}:{copy.dataset_id}:{_seen(copy)}",
            clock=clock,
        )
    return len(chosen)


def _ask(tx: Transaction, kind: WorkKind, subject: str, store: str, *, key: str, clock: Clock) -> None:
    request_work(tx, kind, subject, key=key, parameters={"store": store}, fairness=f"store {store}", clock=clock)


def _seen(copy: StoredCopy | None) -> str:
    """Name the last look: after another one, the same wish is other work."""
    moment: datetime | None = copy.looked_at if copy else None
    return moment.isoformat() if moment else "never"
