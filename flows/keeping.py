"""What copying and checking have in common: a store that is away ends the attempt in peace, and is tried later."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cisterna.domain.errors import (
    CatalogueUnavailable,
    CisternaError,
    Conflict,
    LeaseLost,
    PreconditionFailed,
    StoreUnavailable,
)
from cisterna.domain.work import Attempt
from cisterna.services.attempt import error_words
from cisterna.services.copy_object import carry_records
from cisterna.services.copy_record import record_failure
from cisterna.services.distinct_store import require_distinct
from cisterna.services.keep_object import Kept, outcome_of

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts

_TRY_AGAIN = (LeaseLost, CatalogueUnavailable, Conflict, PreconditionFailed)
"""Says nothing of the object or the store: the attempt failed, and its work is begun anew."""


class Keeping:
    """One piece of work on one object in one store."""

    def __init__(self, core: Parts, version_id: str, store: str, *, lease: Attempt) -> None:
        self.dataset_id = version_id.partition(":")[0]
        self._core = core
        self._store = store
        self._lease = lease

    def not_configured(self) -> str:
        """Say that the store is not one of this installation any more."""
        return f"there is no store '{self._store}' in the settings any more; nothing was done"

    def require_distinct(self) -> None:
        """Refuse a store of copies that is the archive itself; one that answers while the archive does not is not."""
        if self._store in self._core.copy_stores:
            with suppress(StoreUnavailable):
                require_distinct(self._core.archive_store, self._core.copy_stores[self._store], clock=self._core.clock)

    def carry_records(self) -> None:
        """Let each store have the records that another one has; whichever is away gets them another time."""
        with self._core.catalogue.begin() as tx:
            dataset = tx.datasets.get(self.dataset_id)
            proven = tx.copies.proven(self.dataset_id)
        holders = frozenset[str]().union(*proven.values())
        mine = self._core.keeping_stores[self._store]
        for name, other in self._core.keeping_stores.items():
            if name != self._store and {name, self._store} <= holders:
                with suppress(StoreUnavailable):
                    carry_records(dataset, source=other, target=mine)

    def failed(self, error: CisternaError) -> str:
        """Write down that nothing came of it, and say so."""
        words = error_words(error)
        known = record_failure(
            self.dataset_id,
            self._store,
            words,
            lease=self._lease,
            catalogue=self._core.catalogue,
            clock=self._core.clock,
        )
        return f"{words}; it is tried again from {known.next_at:%Y-%m-%d %H:%M} UTC on"


def settle(keeping: Keeping, act: Callable[[], Kept]) -> str:
    """Do it, and say in words how it ended; a named failure is on record then, and its time comes again."""
    try:
        return outcome_of(act())
    except _TRY_AGAIN:
        raise
    except CisternaError as error:
        return keeping.failed(error)
