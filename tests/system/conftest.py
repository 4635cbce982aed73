"""The stack that several files share; which they are, `tests/division.py` says."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.system.running import RunningStack, short_folder

QUICK_RELEASES = {"CISTERNA_RELEASE__UNDO_HOURS": "0.002", "CISTERNA_RELEASE__REST_DAYS": "0"}
"""An undo window of seconds; only a project that lets its sources go is concerned."""


LOG_CHARACTERS = 3000
"""The end of each log that a failure shows."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the processes of its stack said last: their home is gone when somebody reads of it."""
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(running, RunningStack):
        report.sections.append(("processes", "\n".join(running.named())))
        for log in [running.up_log, *sorted(running.home.logs.glob("*.log"))]:
            if log.is_file():
                report.sections.append((log.name, log.read_text("utf-8", errors="replace")[-LOG_CHARACTERS:]))
    return report


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
