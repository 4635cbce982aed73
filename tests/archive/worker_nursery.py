"""Worker processes that may be killed: one warm process forks a child for each task.

`python -m tests.archive.worker_nursery` reads one job a line and answers two: the child's pid, and how it ended. It has
imported all that a worker needs and opened nothing, so a child begins within milliseconds, and 500 of them are few.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import CisternaError
from cisterna.domain.work import Attempt
from cisterna.services.copy_object import copy_object
from cisterna.services.release import execute_release
from flows.worker import Absent
from tests.archive.facility import Facility
from tests.release.world import ReleaseWorld

HASTY = Patience(answer_seconds=8.0, connect_seconds=1.0, attempts=3, pause_seconds=0.05)
DONE, CRASHED, FAILED = 0, 1, 3
"""How a child ends when nobody kills it: all done, a defect, or one of our own errors."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, or the signal as a negative number; and what it said."""

    code: int
    said: str


class Nursery:
    """The warm process, for as long as the `with` block lasts; one child at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.archive.worker_nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self._answer() == {"ready": True}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate(timeout=60)

    def start(self, job: Mapping[str, Any]) -> int:
        """Begin a job in a child and return its pid."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def wait(self) -> Ended:
        """Wait for the child's end."""
        return Ended(**self._answer())

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Task(StrEnum):
    """What a child does."""

    INGEST = "ingest"
    COPY = "copy"
    RELEASE = "release"


class GivenClock(SystemClock):
    """Goes on from a given moment; unlike a settable one it gives other ids in each process, as staging folders need.

    Args:
        start: Where it stands when the process begins.
    """

    def __init__(self, start: datetime) -> None:
        self._ahead = start - super().now()

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return super().now() + self._ahead


def carry_out(job: Mapping[str, Any]) -> None:
    """Do a task to its end, as a worker does, in this process."""
    access = S3Access(endpoint=job["endpoint"], access_key_id=job["key"], secret_access_key=job["secret"])
    lease, clock = Attempt.model_validate(job["lease"]), GivenClock(datetime.fromisoformat(job["now"]))
    with (
        closing(SqlCatalogue(job["dsn"], pool_size=2)) as catalogue,
        closing(S3Store(access, bucket=job["bucket"], name="archive", patience=HASTY)) as store,
        closing(S3Store(access, bucket=job["second"], name="second", patience=HASTY)) as second,
    ):
        worker = Facility(catalogue, clock, Path(job["landing"]), store=store)  # type: ignore[arg-type]
        if job["task"] == Task.INGEST:
            worker.walk(job["subject"], lease)
        elif job["task"] == Task.COPY:
            dataset_id = job["subject"].partition(":")[0]
            copy_object(dataset_id, source=store, target=second, lease=lease, catalogue=catalogue, clock=clock)
        else:
            execute_release(job["subject"], lease=lease, site=ReleaseWorld(worker).site)


def _child(job: Mapping[str, Any], said: int) -> int:
    try:
        carry_out(job)
    except CisternaError as error:
        os.write(said, f"{error.code}: {error}".encode())
        return FAILED
    except BaseException:  # noqa: BLE001 - a defect is told to whoever waits, by its traceback
        os.write(said, traceback.format_exc().encode())
        return CRASHED
    return DONE


def _warm() -> None:
    """Load what is loaded when it is first needed; no thread is begun and nothing is connected."""
    import obstore.store
    import psycopg
    import pyarrow.parquet
    import sqlalchemy.dialects.postgresql.psycopg

    del obstore, psycopg, pyarrow, sqlalchemy
    access = S3Access(endpoint="http://127.0.0.1:1", access_key_id="none", secret_access_key=SecretStr("none"))
    S3BotoStore(access, bucket="none").close()


def main() -> None:
    """Fork a child for each line of the standard input."""
    sys.meta_path.insert(0, Absent("pandas"))  # as workers do
    _warm()
    print(json.dumps({"ready": True}), flush=True)  # noqa: T201 - its answer
    for line in sys.stdin:
        ear, mouth = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ear)
            os._exit(_child(json.loads(line), mouth))
        os.close(mouth)
        print(json.dumps({"pid": pid}), flush=True)  # noqa: T201 - its answer
        with os.fdopen(ear, "rb") as heard:
            said = heard.read().decode()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"code": code, "said": said}), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
