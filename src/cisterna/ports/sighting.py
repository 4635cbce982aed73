"""What shadow mode saw, in the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cisterna.domain.shadow_report import Verified
from cisterna.domain.sighting import Sighting


class Sightings(Protocol):
    """Looks at runs in shadow mode; none is ever changed, and none removed but with erased data."""

    def add(self, sighting: Sighting) -> bool:
        """Add one; tell whether it was new: the number may be taken, by this very look or by another sweep's."""
        ...

    def of(self, acquisition_id: str) -> Sequence[Sighting]:
        """All of one run, by their numbers."""
        ...

    def list(self, shadow_id: str) -> Sequence[Sighting]:
        """All of one time in shadow mode."""
        ...

    def verified(self, instrument: str) -> Mapping[str, Sequence[Verified]]:
        """What the archive was proven to hold of an instrument's runs, by acquisition."""
        ...
