"""A stack with a second store, which several files share: its start takes 30 seconds of the processor."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cisterna.adapters.s3_access import S3Access
from tests.system.running import Answer, RunningStack

DEFAULT_PORTS = (8080, 8333, 4200)


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


@contextlib.contextmanager
def taken(port: int) -> Iterator[bool]:
    """Hold a port; whoever else holds it already does as well."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
        except OSError:
            yield False
            return
        held.listen()
        yield True


def stack_with_copy(folder: Path, access: S3Access) -> RunningStack:
    """Make a stack whose settings name a second store; it is not started.

    It reaches its stores through the MinIO SDK, and is called from a folder with a `flows` of its own.
    """
    stand = folder / "stand"
    for name in ("flows", "prefect", "cisterna"):
        (stand / name).mkdir(parents=True)
        (stand / name / "__init__.py").write_text("raise SystemExit('this is not the package you mean')")
    copy = {
        "name": "mirror",
        "endpoint": access.endpoint,
        "bucket": "system-mirror",
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key.get_secret_value(),
    }
    made = RunningStack(folder / "home", given={"CISTERNA_STORE__CLIENT": "minio"}, stand=stand)
    made.folder.mkdir(mode=0o700)
    lines = [f"{key} = {json.dumps(value)}" for key, value in copy.items()]
    (made.folder / "cisterna.toml").write_text("\n".join(["[[store.copies]]", *lines, ""]))
    return made


def provision(running: RunningStack) -> Provisioned:
    """Bring the stores of a running stack to the plan, and keep what is said."""
    return Provisioned(
        running,
        rehearsed=running.ok("store", "provision", "--dry-run"),
        rehearsed_again=running.ok("store", "provision", "--dry-run"),
        doctor_before=running.run("doctor"),
        done=running.ok("store", "provision"),
        done_again=running.ok("store", "provision"),
        doctor_after=running.run("doctor"),
    )
