"""What the catalogue keeps of versions at places outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cisterna.domain.deposit import DepositState, DepositWish


class Deposits(Protocol):
    """What is wanted of targets for versions, and how far that is; a part of a transaction of the catalogue."""

    def put(self, wish: DepositWish) -> None:
        """Insert, or replace the one with the same key."""
        ...

    def find(self, key: str) -> DepositWish | None:
        """Read one, or None; nobody else changes it until this transaction ends."""
        ...

    def of(self, dataset_id: str) -> Sequence[DepositWish]:
        """Those of all of a dataset's versions, oldest first."""
        ...

    def claim(self, target: str, *, now: datetime, until: datetime, claim: str) -> DepositWish | None:
        """Take the one that is due longest at a target; until then nobody else takes it. None when none is due.

        Nor does anybody take another version of the same dataset at the same target: a place that keeps versions
        together would have none yet to put the second beside. Rows that others are at are skipped, never waited for.
        """
        ...

    def renew(self, key: str, *, claim: str, until: datetime) -> None:
        """Hold what was claimed for longer. Raises `LeaseLost` when another claim, or none, is on it now."""
        ...

    def let_go(self, home: str, *, now: datetime) -> int:
        """Make due what a home had claimed, and count it: whoever did there is known to be gone.

        What other homes on this catalogue have claimed is theirs: two at one deposit would make a second.
        """
        ...

    def list(self, *, state: DepositState | None = None, limit: int | None = None) -> Sequence[DepositWish]:
        """Latest change first."""
        ...

    def lost(self, targets: Sequence[str]) -> Sequence[DepositWish]:
        """Those that are not at rest, at targets other than these: nobody will take them."""
        ...
