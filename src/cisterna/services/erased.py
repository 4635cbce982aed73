"""Keeps what was erased from coming back: whoever is about to write for a dataset asks here, in its transaction."""

from __future__ import annotations

from cisterna.domain.erasure import Erasure, erased_error
from cisterna.domain.identifier import dataset_id
from cisterna.ports.catalogue import Transaction


def require_not_erased(tx: Transaction, identifier: str) -> None:
    """Refuse a dataset, version or acquisition whose data were erased, or are about to be.

    Raises:
        Erased: Saying when, by whom and under which decision.
    """
    found = erasure_on(tx, identifier)
    if found is not None:
        raise erased_error(found, identifier)


def erasure_on(tx: Transaction, identifier: str) -> Erasure | None:
    """Find the erasure of what a dataset's, version's or acquisition's id names.

    An acquisition's dataset follows from its id, so the same folder of the same instrument is known again for ever.
    """
    if identifier.startswith("acq-"):
        return tx.erasures.of(dataset_id(origin=identifier))
    return tx.erasures.of(identifier.partition(":")[0]) if identifier.startswith("ds-") else None
