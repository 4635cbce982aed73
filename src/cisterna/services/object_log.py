"""Records in an object's `logs/`: files that are created once and never changed, which tell what happened to it."""

from __future__ import annotations

from contextlib import suppress

from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import ChecksumMismatch, PreconditionFailed
from cisterna.domain.event import Event
from cisterna.ports.object_store import IfAbsent, ObjectStore


def log_key(dataset: Dataset, event: Event) -> str:
    """Name an event's file: sorted by time, readable, and the same for the same event."""
    moment = event.occurred_at.strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{dataset.object_root}/logs/{moment}-{event.name}-{event.event_id}.json"


def keep_record(key: str, body: bytes, *, store: ObjectStore) -> None:
    """Create a record and read it back; the same bytes again change nothing.

    Raises:
        ChecksumMismatch: The store has other bytes under that key; nothing may be done in the record's name.
        StoreUnavailable: As said there.
    """
    with suppress(PreconditionFailed):  # it is there already: whether it says the same is looked at next
        store.put(key, body, condition=IfAbsent(), content_type="application/json")
    found, _ = store.get(key)
    if found != body:
        msg = f"the record {key} did not come back from {store.name} as it was written; check the store first"
        raise ChecksumMismatch(msg, key=key)
