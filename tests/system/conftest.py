"""The stacks that several files share; which they are, `tests/division.py` says."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from tests.store_fixtures import running_seaweedfs
from tests.system.provisioned import DEFAULT_PORTS, Provisioned, provision, stack_with_copy, taken
from tests.system.running import RunningStack, short_folder

QUICK_RELEASES = {"CISTERNA_RELEASE__UNDO_HOURS": "0.002", "CISTERNA_RELEASE__REST_DAYS": "0"}
"""An undo window of seconds; only a project that lets its sources go is concerned."""


LOG_CHARACTERS = 3000
"""The end of each log that a failure shows."""


_shared: list[RunningStack] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """End the shared stacks after the last test of theirs: the session goes on, and an idle stack works too."""
    if nextitem is None or not nextitem.nodeid.startswith("tests/system/"):
        while _shared:
            _shared.pop().stop()


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
        _shared.append(running)
        try:
            yield running
        finally:
            running.stop()
            assert not running.named()


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSeaweedFS]:
    """Give a second server, which a test may kill."""
    with running_seaweedfs(tmp_path_factory.mktemp("mirror")) as server:
        yield server


@pytest.fixture(scope="session")
def provisioned(mirror: EmbeddedSeaweedFS) -> Iterator[Provisioned]:
    """Give a stack whose settings name the second server, once its stores are provisioned by the command.

    Its default ports were taken.
    """
    with short_folder() as folder, ExitStack() as ports:
        for port in DEFAULT_PORTS:
            ports.enter_context(taken(port))
        running = stack_with_copy(folder, mirror.archive_access)
        running.start()
        _shared.append(running)
        try:
            yield provision(running)
        finally:
            running.stop()
            assert running.process is not None
            assert running.process.returncode == 0, running.up_log.read_text()
            assert not running.named()
