"""Takes what was erased out of the archive's record: segments that tell of it are written anew without it, in every
store, and what they replace goes with every version of it.

Per segment the new one is written and read back before the old one goes, so a kill leaves the old one, both, or the
new one; a rebuild of both believes the new one. Again changes nothing: one that says nothing of the data is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from cisterna.domain.erasure import Erasure, Remainder
from cisterna.domain.errors import (
    ChecksumMismatch,
    NotFound,
    ObjectInvalid,
    ObjectNotFound,
    PreconditionFailed,
    StoreForbids,
    StoreUnavailable,
)
from cisterna.domain.record_rewrite import rewrite_segment, words_of
from cisterna.domain.record_segment import SEGMENTS, Segment, SegmentName, segment_mentions, segment_name
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.erasure import Eraser
from cisterna.ports.object_store import IfAbsent, ObjectStore

_SLACK = timedelta(days=1)
"""A segment is named by the clock of the machine that wrote it, which may be wrong by some hours."""


@dataclass
class _Outcome:
    removed: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)


def rewrite_record(
    erasure: Erasure,
    *,
    store: ObjectStore,
    eraser_of: Callable[[str], Eraser],
    catalogue: Catalogue,
    require_lease: Callable[[], None],
) -> tuple[int, list[Remainder]]:
    """Take what was erased out of the record as one store holds it.

    Nobody writes or copies the record while one of its segments is replaced. Segments from before the data were first
    seen are not read.

    Returns:
        How many keys, versions and marks went, and what is still to go, if anything is.
    """
    with catalogue.begin() as tx:
        since = _first_day(tx, erasure)
    found = _Outcome()
    try:
        eraser = eraser_of(store.name)
        for names in _segments(store, since):
            require_lease()
            if any(_may_tell(names, one, erasure, store=store) for one in names):
                with catalogue.begin() as tx:
                    tx.records.take_turn()
                    _replace(names[0], erasure, store=store, eraser=eraser, found=found)
    except (NotFound, StoreUnavailable, StoreForbids, ChecksumMismatch) as failure:
        found.left.append(("what was not looked at", f"{failure}"))
    return found.removed, list(_remainder(found, store))


def _remainder(found: _Outcome, store: ObjectStore) -> Iterator[Remainder]:
    if found.left:
        name, reason = found.left[0]
        words = f"segments that may still tell of it: {len(found.left)}, first {name}: {reason}; run this again"
        yield Remainder(what="the record of the catalogue", where=store.name, reason=words, is_open=True)


def _first_day(tx: Transaction, erasure: Erasure) -> str:
    """Name the first day on which a segment may tell of the data; the empty name where that is not known."""
    moments: list[datetime] = []
    acquisitions = {erasure.acquisition_id} if erasure.acquisition_id else set()
    try:
        for one in erasure.dataset_ids:
            dataset = tx.datasets.get(one)
            moments.append(dataset.created_at)
            acquisitions |= {dataset.acquisition_id} if dataset.acquisition_id else set()
        moments += [tx.acquisitions.get(one).first_seen for one in acquisitions]
    except NotFound:  # a rebuild knows of it by the tombstone alone
        return ""
    return f"{min(moments) - _SLACK:%Y%m%d}"


def _segments(store: ObjectStore, since: str) -> Iterator[list[SegmentName]]:
    """Give the names of segments, those together that stand in one place."""
    every = (segment_name(one.key.removeprefix(SEGMENTS)) for one in store.list(SEGMENTS))
    wanted = (one for one in every if one is not None and one.day >= since)
    for _, group in groupby(wanted, key=lambda one: one.place):
        names = list(group)
        for original in dict.fromkeys(one.original for one in names):
            yield [one for one in names if one.original == original]


def _may_tell(names: list[SegmentName], one: SegmentName, erasure: Erasure, *, store: ObjectStore) -> bool:
    """Look without a turn whether there may be something to do; what was replaced before is looked at closely."""
    if len(names) > 1 or one.rewritten:
        return True
    with suppress(ObjectNotFound):
        return segment_mentions(store.stream(one.key), words_of(erasure))
    return True


def _replace(place: SegmentName, erasure: Erasure, *, store: ObjectStore, eraser: Eraser, found: _Outcome) -> None:
    """Bring one segment to what it may say, and remove what it replaces; its names are looked up anew in this turn."""
    listed = (segment_name(one.key.removeprefix(SEGMENTS)) for one in store.list(f"{SEGMENTS}{place.place}-"))
    names = [one for one in listed if one is not None and one.original == place.original]
    newest = max(names, key=lambda one: one.rewritten, default=None)
    if newest is None:
        return
    try:
        rewriting = rewrite_segment(newest, store.stream(newest.key), erasure=erasure)
    except (ObjectInvalid, ObjectNotFound) as refusal:
        found.left.append((str(newest), str(refusal)))
        return
    if rewriting.segment is not None:
        _keep(rewriting.segment, store=store)
    stays = rewriting.segment.name if rewriting.segment else str(newest)
    for one in dict.fromkeys((*names, *rewriting.replaced)):
        if str(one) != stays:
            _remove(one, eraser, found)


def _keep(segment: Segment, *, store: ObjectStore) -> None:
    """Write a segment and read it back. Raises `ChecksumMismatch`: what it replaces stays."""
    key = f"{SEGMENTS}{segment.name}"
    with suppress(PreconditionFailed):  # by a run that was killed: it is read back as well
        store.put(key, segment.body, condition=IfAbsent(), content_type="application/gzip")
    body, _ = store.get(key)
    if hashlib.sha256(body).hexdigest() != segment.digest:
        msg = f"{key} did not come back from {store.name} as it was written; check the store first"
        raise ChecksumMismatch(msg, key=key, expected=segment.digest)


def _remove(name: SegmentName, eraser: Eraser, found: _Outcome) -> None:
    gone = eraser.remove_segment(name.key)
    found.removed += gone.removed
    if gone.left.unseen is not None:
        found.left.append((str(name), f"earlier versions could not be looked for ({gone.left.unseen})"))
    elif not gone.left.is_nothing:
        said = f": {gone.refused[0].reason}" if gone.refused else ""
        found.left.append((str(name), f"the store did not let all of it go{said}"))
