"""Removes what was read ahead of runs that will not be ingested: aborted, held or lost ones that nobody came for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.ahead import Ahead, AheadState
from cisterna.domain.errors import ObjectInvalid
from cisterna.domain.work import WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.staging import remove_staged


def collect_ahead(*, catalogue: Catalogue, store: ObjectStore, clock: Clock, grace: timedelta) -> Sequence[Ahead]:
    """Remove what nobody needs any more, and return it. Harmless to run twice, beside others, and to be killed.

    Kept is what is read ahead of a run that is still written, however long nothing came; what a version took over; and
    what work that is ready or under way may still take. The rest is removed once nothing was added for the grace: the
    row says so first, and goes last.

    Args:
        catalogue: Says what there is.
        store: The archive.
        clock: Dates it.
        grace: How long it may wait.

    Raises:
        StoreUnavailable, CatalogueUnavailable: The next round goes on.
    """
    with catalogue.begin() as tx:
        found = tx.aheads.list()
    dropped = []
    for one in found:
        with catalogue.begin() as tx:
            ahead = tx.aheads.lock(one.acquisition_id)
            if ahead is None or not _is_dead(tx, ahead, before=clock.now() - grace):
                continue
            tx.aheads.save(ahead.model_copy(update={"state": AheadState.DROPPING}))
        try:
            remove_staged(ahead.staging, object_root=ahead.object_root, pid=ahead.pid, store=store)
        except ObjectInvalid:
            continue  # the recovery of its object says why; nothing of a damaged one is removed
        with catalogue.begin() as tx:
            tx.aheads.remove(ahead.acquisition_id)
        dropped.append(ahead)
    return dropped


def _is_dead(tx: Transaction, ahead: Ahead, *, before: datetime) -> bool:
    if ahead.state is AheadState.DROPPING:
        return not _is_busy(tx, ahead) and not _is_taken(tx, ahead)
    if ahead.touched_at >= before or _is_busy(tx, ahead):
        return False
    acquisition = tx.acquisitions.find(ahead.acquisition_id)
    if acquisition is not None and acquisition.state is AcquisitionState.WRITING:
        return False
    return not _is_taken(tx, ahead)


def _is_busy(tx: Transaction, ahead: Ahead) -> bool:
    """Tell whether somebody reads ahead or ingests, or is about to."""
    works = tx.inbox.list(subject=ahead.acquisition_id)
    return any(work.state in {WorkState.READY, WorkState.LEASED} for work in works)


def _is_taken(tx: Transaction, ahead: Ahead) -> bool:
    versions = [
        version
        for dataset in tx.datasets.list(acquisition_id=ahead.acquisition_id)
        for version in tx.datasets.versions(dataset.dataset_id)
    ]
    return any(version.staging == ahead.staging for version in versions)
