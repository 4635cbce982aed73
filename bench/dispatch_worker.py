"""A warm worker with a flow of seven tasks that do nothing. Started by dispatch.py."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.work import WorkKind
from cisterna.settings import Settings
from flows import worker

if TYPE_CHECKING:
    from flows.held import Held


@dataclass(frozen=True)
class Core:
    """What a worker needs."""

    settings: Settings
    catalogue: SqlCatalogue
    clock: SystemClock


def flows(core: Core, folder: Path) -> Mapping[WorkKind, Any]:
    """Make the flow."""
    from prefect import flow

    from flows import held
    from flows._policy import step

    @step
    def pace(work_id: str) -> str:
        return work_id

    def body(mine: Held) -> str:
        now = time.time_ns()
        (folder / f".{mine.work.subject}").write_text(str(now))
        (folder / f".{mine.work.subject}").replace(folder / mine.work.subject)
        for _ in range(7):
            pace(mine.work.work_id)
        return "done"

    @flow(name="bench-ours", persist_result=False)
    def ours(work_id: str) -> str:
        return held.carry_out(work_id, body, lambda: core)

    return {WorkKind.INGEST: ours}


if __name__ == "__main__":
    dsn, api_url, place = sys.argv[1:]
    made = Core(Settings(), SqlCatalogue(dsn), SystemClock())
    home = Path(place)
    os._exit(worker.serve(lambda: nullcontext(made), lambda: flows(made, home), api_url=api_url, ready=home / "worker"))
