"""Fixtures of the archive's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.ports.catalogue import Catalogue
from cisterna.testing.clock import SettableClock
from tests.archive.facility import Facility


@pytest.fixture
def facility(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    """Give a facility whose store is in memory."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing)
