"""What tests of targets have alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.testing.clock import SettableClock
from tests.web.site import Site


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give what ends the servers of a test."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    """Give a site with people, whose versions go to targets."""
    made = Site(catalogue, clock)
    made.settle_people()
    return made
