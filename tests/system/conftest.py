"""The stack that several files share; which they are, `tests/division.py` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.running import RunningStack, short_folder

QUICK_RELEASES = {"CISTERNA_RELEASE__UNDO_HOURS": "0.002", "CISTERNA_RELEASE__REST_DAYS": "0"}
"""An undo window of seconds; only a project that lets its sources go is concerned."""


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Give the session's running stack, on a home of its own."""
    with short_folder() as folder:
        running = RunningStack(folder / "home", given=QUICK_RELEASES)
        running.start()
        try:
            yield running
        finally:
            running.stop()
            assert not running.named()
