"""Keeps the archive's record of the catalogue: whatever changed is written there, and only an erasure changes it.

The record is an OCFL object of its own. Its one version says what it is; its `logs/` hold the segments.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from cisterna.domain.errors import ChecksumMismatch, ObjectInvalid, PreconditionFailed
from cisterna.domain.ocfl import (
    CONTENT,
    INVENTORY,
    LOGS,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    SIDECAR,
    Agent,
    Placed,
    next_version,
    sidecar,
)
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.record_segment import (
    RECORD_PID,
    RECORD_ROOT,
    SEGMENTS,
    segment_digest,
    write_segment,
)
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import IfAbsent, ObjectStore
from cisterna.services.held_object import read_optional
from cisterna.services.storage_root import ensure_storage_root, put_exactly

ROUND = 5000
"""Changes that one segment holds at most."""

_README = f"""# The record of the catalogue

Cisterna keeps what it knows in a database, and writes down here every row that changes, so that the database can be
made anew from this archive alone: `cisterna rebuild --from-archive`.

`{LOGS}/` beside this version holds the segments of the record, in the order of their names. Each is a compressed file
of JSON lines (`zcat` shows it). Its name ends with the SHA-256 of its bytes. The first line says which segment it is
and the digest of the one before. Each further line is one row as it was at `changed_at`: `kind` is its table, `key`
its primary key, `content` what it held, or null when it was removed. Of several lines with one kind and key the one
with the highest `sequence` holds.

`{LOGS}/erasures/` says which datasets were erased, when, by whom and under which decision: nothing else that lies here
or in a copy brings them back.

Segments are only ever added, but for what an erasure takes out: a segment that told of erased data is replaced by one
of the same time and number without them. The name of such a one ends with the digest of the segment that stood there
first, by which the next goes on naming it, and with how often it was replaced; its first line lists what it replaced
and for which erasure. Of several in one place the one with the highest count holds.

Segments hold names, addresses and the digests of passwords: keep them as private as the data.
""".encode()


def record_changes(*, catalogue: Catalogue, store: ObjectStore, clock: Clock, limit: int = ROUND) -> int:
    """Write rows that changed to the record as one segment, and return how many changes that were.

    Killed before the changes are noted as recorded, the same rows are written again into another segment, which says
    the same once more. No row is locked while the store is written to, and one that changes meanwhile stays noted. Who
    takes erased data out of the record waits for this, and this for them: else what was read before would be written
    after.

    Raises:
        StoreUnavailable, CatalogueUnavailable: Nothing is lost; what waits is written at the next call.
    """
    with catalogue.begin() as tx:
        tx.records.take_turn()
        waiting = tx.records.waiting(limit=limit)
        if not waiting.sequences:
            return 0
        ensure_record(store, clock=clock)
        written_at = clock.now()
        segment = write_segment(
            waiting.records, number=waiting.number, previous=waiting.previous, written_at=written_at
        )
        with suppress(PreconditionFailed):  # it has these very bytes: they are named by their digest
            store.put(f"{SEGMENTS}{segment.name}", segment.body, condition=IfAbsent(), content_type="application/gzip")
        tx.records.recorded(waiting, digest=segment.digest, written_at=written_at)
    return len(waiting.sequences)


def record_all(*, catalogue: Catalogue, store: ObjectStore, clock: Clock) -> int:
    """Write everything that waits, and return how many changes that were."""
    total = 0
    while written := record_changes(catalogue=catalogue, store=store, clock=clock):
        total += written
    return total


def ensure_record(store: ObjectStore, *, clock: Clock) -> None:
    """Make the record's object, once; a second run finds what a killed one wrote and goes on from there.

    Raises:
        ObjectInvalid: Something else lies in its place.
    """
    if store.head(f"{RECORD_ROOT}/{OBJECT_DECLARATION}") is not None:
        return
    ensure_storage_root(store)
    content_path = f"v1/{CONTENT}/README.md"
    inventory = next_version(
        None,
        pid=RECORD_PID,
        files=[Placed("README.md", hashlib.sha512(_README).hexdigest(), content_path)],
        created=clock.now(),
        message="the record of the catalogue begins",
        user=Agent(name="cisterna", address="urn:x-cisterna:cisterna"),
    )
    body, digest = inventory.body, inventory.sha512
    begun = read_optional(f"{RECORD_ROOT}/v1/{INVENTORY}", store=store)
    if begun is not None:  # by a run that was killed, perhaps of another Cisterna with other words: its words stay
        body, digest = begun[0], hashlib.sha512(begun[0]).hexdigest()
        if parse_inventory(body, pid=RECORD_PID).head != 1:
            msg = f"{RECORD_ROOT} holds an object that Cisterna did not make; look what it is"
            raise ObjectInvalid(msg, pid=RECORD_PID)
    else:
        put_exactly(f"{RECORD_ROOT}/{content_path}", _README, store=store)
    for folder in (f"{RECORD_ROOT}/v1", RECORD_ROOT):
        put_exactly(f"{folder}/{INVENTORY}", body, store=store)
        put_exactly(f"{folder}/{SIDECAR}", sidecar(digest), store=store)
    store.put(f"{RECORD_ROOT}/{OBJECT_DECLARATION}", OBJECT_DECLARATION_BODY)


def copy_record(*, store: ObjectStore, to: ObjectStore, catalogue: Catalogue) -> int:
    """Bring what another store lacks of the record there, and return how many files that were.

    The declaration goes last, so that a copy which was cut short is no object yet. Again is harmless: what is there is
    never written again. What an erasure takes out between the listing and the copy is not brought.

    Raises:
        ChecksumMismatch: A segment does not have the digest in its name; the copy keeps whatever it has of it.
        StoreUnavailable: One of the two did not answer; the next call goes on.
    """
    folder = f"{RECORD_ROOT}/"
    present = {found.key for found in to.list(folder)}
    lacking = [found.key for found in store.list(folder) if found.key not in present]
    declaration = f"{folder}{OBJECT_DECLARATION}"
    copied = 0
    for key in sorted(lacking, key=lambda key: (key == declaration, key)):
        if key == declaration:
            ensure_storage_root(to)
        with catalogue.begin() as tx:
            tx.records.take_turn()
            copied += _copy_file(key, store=store, to=to)
    return copied


def _copy_file(key: str, *, store: ObjectStore, to: ObjectStore) -> int:
    found = read_optional(key, store=store)
    if found is None:
        return 0
    body, _ = found
    digest = segment_digest(key.removeprefix(SEGMENTS))
    if digest is not None and hashlib.sha256(body).hexdigest() != digest:
        msg = f"{key} does not have the digest in its name; take it from another copy of the archive"
        raise ChecksumMismatch(msg, key=key, expected=digest)
    with suppress(PreconditionFailed):
        to.put(key, body, condition=IfAbsent())
    return 1
