"""Brings a run of more files than one object takes into parts, and measures the version that will name them.

Each part goes its whole way - read, described, archived, read back - before the next one is begun, so that at any time
the memory is that of the listing and of one part. Only when all have a receipt does the version that people see get its
manifest digest, and its own object is written after that: what names parts names whole ones.
"""

from __future__ import annotations

import hashlib
import math

from cisterna.domain.dataset import Dataset, Relation, Stage, Version, version_id
from cisterna.domain.digest import Sha512
from cisterna.domain.errors import (
    CatalogueUnavailable,
    CisternaError,
    HostileInput,
    LeaseLost,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.listing import Listing
from cisterna.domain.ocfl import object_root
from cisterna.domain.part import MOST_PARTS, Part, Slice, part_origin, part_pid, slices
from cisterna.ports.catalogue import Transaction
from cisterna.services.erased import require_not_erased
from cisterna.services.measure_object import (
    Begun,
    Means,
    begin_measuring,
    finish,
    forget_staging,
    is_known,
    measure_object,
    name_staging,
    remove_known,
)
from cisterna.services.part_table import PARTS_PATH, dump_parts, part_dataset_id, read_part_manifest
from cisterna.services.recover import recover_object
from cisterna.services.staging import stage_files
from cisterna.services.transition import announce_opened
from cisterna.services.whole import Gathered, carry_part, named_part


def measure_parts(begun: Begun, listing: Listing, *, means: Means, most_files: int) -> Version | None:
    """Bring every slice into a part, then the version to `measured`; None when the archive has exactly these files.

    Harmless to run twice: a part that was verified with this very slice is not read again, and one that was cut short
    goes on where it was. A revision reads the source again: every part gets one too, once. A file that changed ends it,
    and nothing names the parts that were brought before.

    Raises:
        HostileInput: There are more files than parts can be counted for.
    """
    if math.ceil(len(listing.files) / most_files) > MOST_PARTS:
        msg = f"{begun.acquisition.folder} has more files than {MOST_PARTS:,} parts of {most_files:,} take"
        raise HostileInput(msg, acquisition_id=begun.acquisition.acquisition_id)
    whole, parts, gathered = hashlib.sha512(), [], Gathered(store=means.store, tables=means.tables)
    for one in slices(listing, most_files=most_files):
        version, dataset = _bring(one, begun, means=means)
        manifest = read_part_manifest(version, dataset=dataset, store=means.store, tables=means.tables)
        for line in manifest.lines():
            whole.update(line)
        parts.append(named_part(one.number, version, dataset, manifest, store=means.store))
        gathered.take(version, dataset)
    return _measure_whole(begun, whole.hexdigest(), tuple(parts), gathered, means=means)


def _measure_whole(
    begun: Begun, digest: Sha512, parts: tuple[Part, ...], gathered: Gathered, *, means: Means
) -> Version | None:
    """Stage what is said of all parts together, and name them in the version that people see."""
    dataset, lease, catalogue, store, clock = begun.dataset, means.lease, means.catalogue, means.store, means.clock
    recovered = recover_object(dataset.dataset_id, lease=lease, catalogue=catalogue, store=store)
    head = recovered.held.inventory.head if recovered.held else 0
    version = name_staging(begun.version, head, lease=lease, catalogue=catalogue, clock=clock)
    if is_known(begun, digest):
        remove_known(version, digest, dataset=dataset, means=means)
        return None
    try:
        files = {PARTS_PATH: dump_parts(parts, tables=means.tables), **gathered.files()}
        staged = stage_files(version, files, dataset=dataset, store=store)
        counted: dict[str, object] = {
            "manifest_digest": digest,
            "file_count": sum(part.file_count for part in parts),
            "total_bytes": sum(part.total_bytes for part in parts),
            "parts": parts,
        }
        measured = staged.model_copy(update=counted)
        return finish(measured, head=head, lease=lease, catalogue=catalogue, clock=clock)
    except (CatalogueUnavailable, StoreUnavailable, SourceUnavailable, LeaseLost):
        raise  # the next attempt stages the same once more
    except CisternaError:
        forget_staging(version, dataset=dataset, lease=lease, catalogue=catalogue, store=store)
        raise


def _bring(one: Slice, begun: Begun, *, means: Means) -> tuple[Version, Dataset]:
    """Bring one slice into its part and give the version that holds it, verified."""
    fingerprint, is_read = one.listing.fingerprint, False
    while True:
        means.watch.look()
        with means.catalogue.begin() as tx:
            tx.inbox.require_lease(means.lease)
            dataset = _part(tx, one, begun, means=means)
            version = _newest(tx, dataset, begun, fingerprint=fingerprint, means=means)
        if version.stage is Stage.VERIFIED and _is_wanted(version, begun, fingerprint=fingerprint):
            if not is_read:
                means.pace.pass_over(one.listing.total_bytes)
            return version, dataset
        if version.stage is Stage.DETECTED:
            is_read = True
            part = begin_measuring(version.version_id, lease=means.lease, catalogue=means.catalogue)
            if isinstance(part, Begun) and measure_object(part, one.listing, means=means) is None:
                return _held(dataset, means=means), dataset
        carry_part(
            version.version_id,
            lease=means.lease,
            catalogue=means.catalogue,
            store=means.store,
            tables=means.tables,
            clock=means.clock,
            readers=means.readers,
        )


def _part(tx: Transaction, one: Slice, begun: Begun, *, means: Means) -> Dataset:
    """Add the part's dataset, or find it; nothing of it is named to anybody but by its whole."""
    whole = begun.dataset
    require_not_erased(tx, whole.dataset_id)
    pid = part_pid(whole.pid, one.number)
    return tx.datasets.add(
        Dataset(
            dataset_id=part_dataset_id(whole.dataset_id, one.number),
            origin=part_origin(whole.dataset_id, one.number),
            title=f"Part {one.number:04d} of {whole.pid}",
            data_type=whole.data_type,
            project=whole.project,
            instrument=whole.instrument,
            relations=(Relation(kind="IsPartOf", dataset_id=whole.dataset_id, version=begun.version.label),),
            pid=pid,
            object_root=object_root(pid),
            created_at=means.clock.now(),
        )
    )


def _newest(tx: Transaction, dataset: Dataset, begun: Begun, *, fingerprint: str, means: Means) -> Version:
    """Give the part's version to go on with: the one of this slice, one on its way, or one that is opened now."""
    tx.datasets.lock(dataset.dataset_id)
    versions = tx.datasets.versions(dataset.dataset_id)
    newest, cause = versions[-1] if versions else None, _cause(begun)
    if newest is not None and newest.stage is Stage.DETECTED:
        turned: dict[str, object] = {"source_fingerprint": fingerprint, "cause": cause}
        if newest.source_fingerprint != fingerprint:
            turned |= {"staging": None, "staged": {}}
        elif newest.cause == cause:
            return newest
        return tx.datasets.save_version(newest.model_copy(update=turned))
    if newest is not None and (
        newest.stage is not Stage.VERIFIED or _is_wanted(newest, begun, fingerprint=fingerprint)
    ):
        return newest  # perhaps of a listing, or a reading, that is no more: then it comes to rest first
    number, revision = (newest.number if newest else 0) + 1, 0
    if newest is not None and newest.source_fingerprint == fingerprint:
        number, revision = newest.number, newest.revision + 1
    now = means.clock.now()
    opened = tx.datasets.add_version(
        Version(
            version_id=version_id(dataset.dataset_id, number, revision),
            dataset_id=dataset.dataset_id,
            number=number,
            revision=revision,
            stage_at=now,
            created_at=now,
            submitter=begun.version.submitter,
            cause=cause,
            source_fingerprint=fingerprint,
            incomplete=begun.version.incomplete,
        )
    )
    announce_opened(tx, opened, dataset, clock=means.clock, restricted=True)
    return opened


def _is_wanted(version: Version, begun: Begun, *, fingerprint: str) -> bool:
    """Tell whether a part's version has this slice, and from this very reading where the source is read again."""
    return version.source_fingerprint == fingerprint and (not begun.version.revision or version.cause == _cause(begun))


def _cause(begun: Begun) -> str:
    """Say why a part is read; a revision that was given up and asked for once more is another reading."""
    if not begun.version.revision:
        return "acquired"
    return f"read again for {begun.version.version_id}, opened {begun.version.created_at.isoformat()}"


def _held(dataset: Dataset, *, means: Means) -> Version:
    """Give the newest version, which turned out to have the very files of the slice."""
    with means.catalogue.begin() as tx:
        return tx.datasets.versions(dataset.dataset_id)[-1]
