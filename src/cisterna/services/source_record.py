"""Remembers, with the acquisition, which of its bytes the archive holds."""

from __future__ import annotations

from cisterna.domain.dataset import Dataset, Version
from cisterna.ports.catalogue import Transaction


def note_ingested(tx: Transaction, dataset: Dataset, version: Version) -> None:
    """Name the listing whose bytes the archive holds now, so that the sweep sees what is new; twice is harmless.

    Raises:
        Conflict: The sweep wrote the acquisition in the same moment; the transaction is to be run again.
    """
    if dataset.acquisition_id is None or version.source_fingerprint is None:
        return
    acquisition = tx.acquisitions.get(dataset.acquisition_id)
    wanted = {"ingested_fingerprint": version.source_fingerprint, "dataset_id": dataset.dataset_id}
    if all(getattr(acquisition, name) == value for name, value in wanted.items()):
        return
    tx.acquisitions.save(acquisition.model_copy(update=wanted))
