"""What stays in the archive of an erasure, and what the archive's record of the catalogue still says of the dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from pydantic import JsonValue, ValidationError

from cisterna.domain.erasure import ErasedObject, Erasure, ErasureState, Remainder, Tombstone
from cisterna.domain.errors import InvalidInput, ObjectNotFound, StoreUnavailable
from cisterna.domain.record_segment import LARGEST_SEGMENT_BYTES, segment_digest, segment_mentions
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.object_log import keep_record
from cisterna.services.record import SEGMENTS, TOMBSTONES, ensure_record
from cisterna.services.transition import announce

LARGEST_TOMBSTONE_BYTES = 16 * 1024 * 1024


def tombstone_key(erasure: Erasure) -> str:
    """Name an erasure's tombstone: outside of every object root, and the same for the same erasure."""
    return f"{TOMBSTONES}{erasure.erasure_id}.json"


def tombstone_body(erasure: Erasure) -> bytes:
    """Write an erasure as its tombstone: what the decision was and what goes, and not the reason in words.

    The same bytes at every run, whatever the run has come to: it stands before anything is deleted.
    """
    bare = {
        "order": erasure.order.model_copy(update={"reason": ""}),
        "state": ErasureState.BEGUN,
        "begun_at": erasure.announced_at,
        "ended_at": None,
        "removed": 0,
        "remains": (),
        "record": 0,
    }
    return Tombstone(erasure=erasure.model_copy(update=bare)).model_dump_json(indent=1).encode() + b"\n"


def write_tombstone(erasure: Erasure, *, store: ObjectStore, clock: Clock) -> None:
    """Create an erasure's tombstone in a store and read it back; again changes nothing.

    Raises:
        ChecksumMismatch: The store gives other bytes; nothing may be deleted.
        StoreUnavailable: As said there.
    """
    ensure_record(store, clock=clock)
    keep_record(tombstone_key(erasure), tombstone_body(erasure), store=store)


def tell_erasure(tx: Transaction, name: str, erasure: Erasure, *, person: str, clock: Clock) -> None:
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


def read_tombstones(store: ObjectStore) -> Iterator[tuple[str, Erasure | InvalidInput]]:
    """Give every tombstone of a store with its key; one that is none of ours comes as the reason why.

    Raises:
        StoreUnavailable: They could not be read to the end.
    """
    for found in store.list(TOMBSTONES):
        if found.size_bytes > LARGEST_TOMBSTONE_BYTES:
            yield found.key, InvalidInput(f"it has {found.size_bytes:,} bytes, more than a tombstone may have")
            continue
        try:
            body, _ = store.get(found.key)
            erasure = Tombstone.model_validate_json(body).erasure
        except ObjectNotFound:
            continue
        except ValidationError as error:
            yield found.key, InvalidInput(f"it is no tombstone: {error.error_count()} faults")
            continue
        if tombstone_key(erasure) != found.key:
            yield found.key, InvalidInput("it tells of another erasure than its name does")
            continue
        yield found.key, erasure


def mentions(objects: Sequence[ErasedObject], *, store: ObjectStore, most: int | None = None) -> tuple[Remainder, ...]:
    """Name the segments of the record that tell of datasets which are gone.

    They are not written anew: each is named by its digest and names the one before it, so that a record with a changed
    segment could no longer be told from a damaged one.

    Args:
        objects: The datasets.
        store: That keeps the record.
        most: Segments that are read; of a longer record it is said that the rest was not looked at.
    """
    words = [word for one in objects for word in (one.dataset_id, one.pid)]
    found = _segments(store)
    try:
        looked_at = found if most is None else itertools.islice(found, most)
        named = [name for name, body in looked_at if segment_mentions(body, words)]
        is_cut = most is not None and next(found, None) is not None
    except StoreUnavailable as failure:
        reason = f"it could not be read: {failure}"
        return (Remainder(what="the record of the catalogue", where=store.name, reason=reason, is_open=True),)
    if not named and is_cut:
        reason = f"the first {most} segments tell nothing of it; the others are read when it is carried out"
        return (Remainder(what="the record of the catalogue", where=store.name, reason=reason, is_open=False),)
    if not named:
        return ()
    reason = (
        f"segments that tell rows as they were, titles and metadata among them: {len(named)}, first {named[0]}; each "
        "is named by its digest and by the next, so none can be changed; no rebuild reads them for this dataset"
        + (f"; only {most} segments were read, all are when it is carried out" if is_cut else "")
    )
    where = f"{SEGMENTS} in {store.name} and its copies"
    return (Remainder(what="the record of the catalogue", where=where, reason=reason, is_open=False),)


def _segments(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    for found in store.list(SEGMENTS):
        name = found.key.removeprefix(SEGMENTS)
        if segment_digest(name) is None or found.size_bytes > LARGEST_SEGMENT_BYTES:
            continue
        try:
            yield name, store.get(found.key)[0]
        except ObjectNotFound:
            continue
