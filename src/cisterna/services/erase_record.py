"""What stays in the archive of an erasure: its tombstone, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue, ValidationError

from cisterna.domain.erasure import Erasure, ErasureState, Tombstone
from cisterna.domain.errors import InvalidInput, ObjectNotFound
from cisterna.domain.record_segment import TOMBSTONES
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.object_log import keep_record
from cisterna.services.record import ensure_record
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
