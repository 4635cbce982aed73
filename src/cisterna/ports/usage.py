"""How much of the facility each project uses, summed by the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class ArchivedSum(NamedTuple):
    """What a store first proved to hold of a project's data in one month.

    Attributes:
        project: None for what no project claims.
        month: Such as `2026-11`, in UTC.
        store: Name of the store.
        datasets: Whose first version it was.
        versions: Versions of data, however many revisions each has.
        derived: Of those, versions that a model made.
        files: Data files in them.
        total_bytes: Of those files, as they were acquired or made.
    """

    project: str | None
    month: str
    store: str
    datasets: int
    versions: int
    derived: int
    files: int
    total_bytes: int


class DeliveredSum(NamedTuple):
    """What was delivered of a project's data in one month."""

    project: str | None
    month: str
    deliveries: int
    requests: int
    bytes_sent: int


class UsageBook(Protocol):
    """Sums over the catalogue. What was erased is in none of them."""

    def archived(self, *, before: datetime) -> Sequence[ArchivedSum]:
        """Sums by project, month and store of what was proven before a moment."""
        ...

    def delivered(self, *, since: datetime, before: datetime) -> Sequence[DeliveredSum]:
        """Sums by project and month, of whole days, between two moments at midnight."""
        ...
