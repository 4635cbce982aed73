"""What tests of targets have alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give what ends the servers of a test."""
    with ExitStack() as opened:
        yield opened
