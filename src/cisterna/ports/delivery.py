"""Deliveries of data to people, as part of a transaction of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from cisterna.domain.delivery import Delivery, DeliveryKey, DeliveryUse


class Deliveries(Protocol):
    """Who was given which version, by which secrets, and what they took. None is ever removed but by an erasure."""

    def put(self, delivery: Delivery) -> None:
        """Insert, or replace the one with the same id."""
        ...

    def get(self, delivery_id: str) -> Delivery:
        """Read one; nobody else changes it until this transaction ends. Raises `NotFound`."""
        ...

    def of(self, version_id: str) -> Sequence[Delivery]:
        """All of a version, oldest first."""
        ...

    def list(
        self, *, projects: frozenset[str], good_at: datetime | None = None, limit: int | None = None
    ) -> Sequence[Delivery]:
        """Newest first.

        Args:
            projects: Of data of these projects, as the data are bound now.
            good_at: Only those that are not revoked, and have not expired by then.
            limit: At most so many.
        """
        ...

    def add_key(self, key: DeliveryKey) -> None:
        """Add a secret by which a delivery is opened. Raises `NotFound` for an unknown delivery."""
        ...

    def drop_key(self, secret_sha256: str) -> None:
        """Remove a secret that nobody was given; harmless when it is not there."""
        ...

    def by_key(self, secret_sha256: str) -> Delivery | None:
        """The delivery that a secret opens, whatever its state."""
        ...

    def note_use(self, use: DeliveryUse) -> None:
        """Add a use; what was taken of the same file on the same day is counted together."""
        ...

    def fold_uses(self, *, before: date, limit: int) -> int:
        """Put what was taken on days before the first of a month together, by delivery and month; sums stay.

        Args:
            before: The first of a month.
            limit: At most so many are put together at once.

        Returns:
            How many were; fewer than the limit when none is left.
        """
        ...

    def uses(self, delivery_id: str, *, limit: int) -> Sequence[DeliveryUse]:
        """What was taken, latest first."""
        ...
