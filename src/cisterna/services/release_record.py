"""What is kept of a release: its deletion record in the object's `logs/`, and its events."""

from __future__ import annotations

from pydantic import JsonValue, ValidationError

from cisterna.domain.acquisition import SourceState
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, ObjectInvalid
from cisterna.domain.event import Event
from cisterna.domain.release import Judgement, ProvenFile, Release
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.release_facts import Case
from cisterna.services.transition import announce, make_event


class DeletionRecord(Value):
    """What is kept in the object's `logs/` before the first file is deleted, and read again by whoever goes on.

    Attributes:
        files: Every file that may be deleted, with the digest that was read at the source just before.
    """

    schema_version: int = 1
    event: Event
    dataset: Dataset
    release: Release
    receipts: tuple[JsonValue, ...]
    holds_asked: tuple[JsonValue, ...]
    rules: JsonValue
    files: tuple[ProvenFile, ...]


def record_body(event: Event, release: Release, case: Case, judgement: Judgement) -> bytes:
    """Write the record of what is about to be deleted, on which proof."""
    record = DeletionRecord(
        event=event,
        dataset=case.dataset,
        release=release,
        receipts=tuple(one.model_dump(mode="json") for one in judgement.receipts),
        holds_asked=tuple(one.model_dump(mode="json") for one in case.facts.answers),
        rules=case.facts.rules.model_dump(mode="json"),
        files=case.files,
    )
    return record.model_dump_json(indent=1).encode() + b"\n"


def recorded_files(release: Release, *, store: ObjectStore) -> tuple[ProvenFile, ...]:
    """Read the deletion record back from the archive; without it nothing more is deleted.

    Raises:
        ChecksumMismatch, ObjectInvalid: It is not what was written.
        ObjectNotFound: It is gone.
    """
    if release.proof is None:
        raise ObjectInvalid(f"the release {release.release_id} has begun and names no record", id=release.release_id)
    body, _ = store.get(release.proof.record_key)
    if sha512_of(body) != release.proof.record_sha512:
        msg = f"the deletion record {release.proof.record_key} is not what was written; nothing more is deleted"
        raise ChecksumMismatch(msg, key=release.proof.record_key)
    try:
        record = DeletionRecord.model_validate_json(body)
    except ValidationError as error:
        raise ObjectInvalid(f"{release.proof.record_key} is no deletion record: {error.errors()[0]['msg']}") from error
    return record.files


def no_longer_releasable(tx: Transaction, acquisition_id: str) -> None:
    """Say that nothing allows the source to go any more."""
    acquisition = tx.acquisitions.get(acquisition_id)
    if acquisition.source_state is SourceState.RELEASABLE:
        tx.acquisitions.save(acquisition.model_copy(update={"source_state": SourceState.PRESENT}))


def tell_release(tx: Transaction, name: str, release: Release, *, person: str, clock: Clock) -> None:
    """Append the event of what became of a release."""
    project = tx.datasets.get(release.dataset_id).project
    data = _content(tx, release, person)
    announce(tx, name, release.version_id, project=project, clock=clock, data=data)


def release_event(
    tx: Transaction, name: str, release: Release, *, person: str, clock: Clock, **more: JsonValue
) -> Event:
    """Make the event of a release, for its record, before it is appended."""
    project = tx.datasets.get(release.dataset_id).project
    data = {**_content(tx, release, person), **more}
    return make_event(tx, name, release.version_id, project=project, clock=clock, data=data)


def _content(tx: Transaction, release: Release, person: str) -> dict[str, JsonValue]:
    return {
        "acquisition_id": release.acquisition_id,
        "dataset_id": release.dataset_id,
        "version": tx.datasets.get_version(release.version_id).label,
        "project": tx.datasets.get(release.dataset_id).project,
        "person": release.ended_by or person,
        "reason": release.reason,
        "release": release.model_dump(mode="json"),
    }
