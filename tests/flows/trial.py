"""A worker process with a flow of three steps that a test can stop in the middle of each: `python trial.py ...`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.work import WorkKind
from cisterna.settings import Dispatch, Settings
from flows import worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from prefect.flows import Flow

    from flows.held import Held

STEPS = ("first", "second", "third")


@dataclass(frozen=True)
class Core:
    settings: Settings
    catalogue: SqlCatalogue
    clock: SystemClock


def trial_flows(folder: Path) -> Mapping[WorkKind, Flow[..., Any]]:
    from prefect import flow

    from flows import held
    from flows._policy import step

    @step
    def stride(name: str) -> None:
        """Leave a mark. A second run finds the mark and leaves no other."""
        with (folder / "begun").open("a") as marks:
            marks.write(f"{name}\n")
        while (folder / f"hold-{name}").exists():
            time.sleep(0.01)
        (folder / f"done-{name}").touch()

    def body(mine: Held) -> str:
        if mine.work.subject == "doomed":
            msg = "a defect"
            raise RuntimeError(msg)
        for name in STEPS:
            mine.require()
            if not (folder / f"done-{name}").exists():
                stride(name)
        return "walked"

    def no_core() -> Core:
        raise NotImplementedError

    @flow(name="trial", persist_result=False)
    def trial(work_id: str) -> str:
        (folder / f"entered-{work_id}").write_text(str(time.time_ns()))
        return held.carry_out(work_id, body, no_core)

    return {WorkKind.INGEST: trial}


def main() -> None:
    dsn, api_url, folder, ready, lease_seconds, attempts = sys.argv[1:]
    dispatch = Dispatch(lease_seconds=float(lease_seconds), attempts=int(attempts))

    @contextmanager
    def open_core() -> Iterator[Core]:
        yield Core(Settings(dispatch=dispatch), SqlCatalogue(dsn), SystemClock())

    os._exit(worker.serve(open_core, lambda: trial_flows(Path(folder)), api_url=api_url, ready=Path(ready)))


if __name__ == "__main__":
    main()
