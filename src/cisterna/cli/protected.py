"""What stores were asked to do, right after a person asked for it, and how that is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cisterna.bootstrap import Parts
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.protection import Protection
from cisterna.services.protect import protect_dataset

_AT_ONCE_MOST = 20
"""Datasets of one hold that are settled while the person waits; the rounds settle the others."""


def protected_now(hold: Hold, parts: Parts) -> Sequence[Protection]:
    """Have every store do what a legal hold, or its end, asks of it; of many datasets the first few."""
    with parts.catalogue.begin() as tx:
        match hold.scope:
            case HoldScope.DATASET:
                datasets = [hold.target]
            case HoldScope.ACQUISITION:
                datasets = [one.dataset_id for one in tx.datasets.list(acquisition_id=hold.target)]
            case HoldScope.PROJECT:
                datasets = [one.dataset_id for one in tx.datasets.list(project=hold.target, limit=_AT_ONCE_MOST)]
        if hold.scope is not HoldScope.PROJECT:
            datasets += [part.dataset_id for one in datasets for part in tx.datasets.parts_of(one)]
    return [one for dataset_id in datasets for one in protected(dataset_id, parts)]


def protected(dataset_id: str, parts: Parts) -> Sequence[Protection]:
    """Have every store do what is wanted of it for one dataset."""
    return list(
        protect_dataset(
            dataset_id,
            keepers=parts.object_keepers,
            stores=parts.keeping_stores,
            catalogue=parts.catalogue,
            clock=parts.clock,
            now_please=True,
        )
    )


def protection_lines(found: Sequence[Protection]) -> Iterator[str]:
    """Say of each store how each thing that was asked stands."""
    for one in found:
        for what in ("hold", "lock", "tier"):
            aspect = getattr(one, what)
            if aspect is not None:
                yield f"{one.store}: {what} {aspect.standing.value}: {aspect.words}"
