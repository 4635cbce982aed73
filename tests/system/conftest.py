"""A stack that several tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.running import RunningStack, short_folder


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Give the session's running stack, on a home of its own."""
    with short_folder() as folder:
        running = RunningStack(folder / "home")
        running.first_start_seconds = running.start()
        try:
            yield running
        finally:
            running.stop()
            assert not running.named()
