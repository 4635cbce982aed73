"""Makes the catalogue anew from the archive alone."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.errors import AlreadyExists, NotFound
from cisterna.domain.rebuild import FAULTS_SHOWN, RebuildOutcome, Rebuilt, TableDifference
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.services.rebuild_read import Gathering, read_erasures, read_objects, read_record


def rebuild_catalogue(*, catalogue: Catalogue, store: ObjectStore, readers: int = 8) -> Rebuilt:
    """Fill an empty catalogue with what the archive tells: its record, and the `logs/` of every object.

    The record holds; an object's own logs tell what the record lacks. What is damaged, foreign, contradicts itself or
    refers to what nothing tells of is named and left out; nothing is guessed. What a tombstone says was erased is not
    brought back, however much still tells of it. The archive is only read. All is one
    transaction: a run that is killed leaves the catalogue as empty as it was, and the next run begins anew.

    A catalogue that is filled already is held against the archive, and not changed.

    Args:
        catalogue: With its schema.
        store: The archive, or a copy of it.
        readers: Threads that list and read.

    Raises:
        NotFound: The archive tells nothing of a catalogue.
        AlreadyExists: The catalogue is filled and is not what the archive tells; the error says how they differ.
        StoreUnavailable: The archive could not be read to its end; nothing was written.
    """
    with catalogue.begin() as tx:
        rebuilding = tx.rebuilding
        rebuilding.begin()
        gathering = Gathering(rebuilding)
        record = read_record(gathering, store=store, readers=readers)
        read_erasures(gathering, store=store, rewritten_for=record.rewritten_for)
        objects = read_objects(gathering, store=store, readers=readers)
        gathering.flush()
        faults = [*gathering.faults, *rebuilding.settle()]
        if not any(rebuilding.counts().values()):
            msg = f"bucket {store.bucket} holds no record of a catalogue and no object with logs; is it the archive?"
            raise NotFound(msg, bucket=store.bucket)
        if rebuilding.is_empty():
            outcome = RebuildOutcome.REBUILT
            faults += rebuilding.insert(end=record.end)
        else:
            outcome = RebuildOutcome.EQUAL
            _require_equal(tx.rebuilding.differences(), waiting=tx.records.unrecorded())
        rows = rebuilding.counts()
    return Rebuilt(
        outcome=outcome,
        rows=rows,
        objects=objects,
        segments=record.segments,
        faults=tuple(faults[:FAULTS_SHOWN]),
        fault_count=len(faults),
    )


def _require_equal(differences: Sequence[TableDifference], *, waiting: int) -> None:
    if not differences:
        return
    told = "; ".join(
        f"{one.table}: {one.missing} only in the archive, {one.unrecorded} only in the catalogue, {one.other} "
        f"different, such as {one.example}"
        for one in differences
    )
    late = f" {waiting} changes wait to be recorded, so look again in a moment." if waiting else ""
    msg = (
        f"the catalogue is not empty and not what the archive tells ({told}).{late} Nothing was changed; to rebuild, "
        "give a new database by --into"
    )
    raise AlreadyExists(msg, differences=[one.model_dump() for one in differences], unrecorded_changes=waiting)
