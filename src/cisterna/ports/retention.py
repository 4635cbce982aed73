"""How long things are kept, and what has come to its end."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from cisterna.domain.identifier import DatasetId


class EndOfLife(Protocol):
    """Tells whether a dataset's time is over. Whoever deletes asks here first and is told nothing that is uncertain."""

    def due(self, dataset_id: DatasetId) -> datetime | None:
        """Give the moment at which its life ended, or None: not yet, deferred, never, or it could not be found out.

        Raises:
            NotFound: There is no such dataset.
            CatalogueUnavailable: Nothing can be said.
        """
        ...
