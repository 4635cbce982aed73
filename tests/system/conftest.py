"""Stacks that several tests share; which files share one, `tests/division.py` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from tests.store_fixtures import new_seaweedfs
from tests.system.running import Answer, RunningStack, short_folder

QUICK_RELEASES = {"CISTERNA_RELEASE__UNDO_HOURS": "0.002", "CISTERNA_RELEASE__REST_DAYS": "0"}
"""An undo window of seconds; only a project that lets its sources go is concerned."""


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Give the session's running stack, on a home of its own."""
    with short_folder() as folder:
        running = RunningStack(folder / "home", given=QUICK_RELEASES)
        running.first_start_seconds = running.start()
        try:
            yield running
        finally:
            running.stop()
            assert not running.named()


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSeaweedFS]:
    """Give a second server, which a test may kill."""
    server = new_seaweedfs(tmp_path_factory.mktemp("mirror"))
    server.start()
    yield server
    server.stop()


@dataclass(frozen=True)
class Provisioned:
    """A stack with a copy whose bucket nobody had made, and what its commands said on the way to a plan that holds."""

    stack: RunningStack
    rehearsed: Any
    rehearsed_again: Any
    doctor_before: Answer
    done: Any
    done_again: Any
    doctor_after: Answer


@pytest.fixture(scope="session")
def provisioned(mirror: EmbeddedSeaweedFS) -> Iterator[Provisioned]:
    """Give a stack whose settings name the second server, once its stores are provisioned by the command."""
    access = mirror.archive_access
    copy = {
        "name": "mirror",
        "endpoint": access.endpoint,
        "bucket": "system-mirror",
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key.get_secret_value(),
    }
    with short_folder() as folder:
        running = RunningStack(folder / "home")
        running.folder.mkdir(mode=0o700)
        lines = [f"{key} = {json.dumps(value)}" for key, value in copy.items()]
        (running.folder / "cisterna.toml").write_text("\n".join(["[[store.copies]]", *lines, ""]))
        running.start()
        try:
            yield Provisioned(
                running,
                rehearsed=running.ok("store", "provision", "--dry-run"),
                rehearsed_again=running.ok("store", "provision", "--dry-run"),
                doctor_before=running.run("doctor"),
                done=running.ok("store", "provision"),
                done_again=running.ok("store", "provision"),
                doctor_after=running.run("doctor"),
            )
        finally:
            running.stop()
            assert not running.named()


@pytest.fixture(scope="session")
def mirrored(provisioned: Provisioned) -> RunningStack:
    """Give the stack with a copy."""
    return provisioned.stack
