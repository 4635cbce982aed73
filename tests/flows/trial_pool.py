"""The trial flow as a deployment runs it: in a process of a work pool, which claims the work by itself."""

from __future__ import annotations

import os
from pathlib import Path

from prefect import flow

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.system_clock import SystemClock
from cisterna.settings import Dispatch, Settings
from flows import held
from flows._policy import step


class Core:
    """Reads where the catalogue is from the environment, as a pool's process does."""

    def __init__(self) -> None:
        self.settings = Settings(dispatch=Dispatch(lease_seconds=2.0))
        self.catalogue = SqlCatalogue(os.environ["TRIAL_DSN"])
        self.clock = SystemClock()


@step
def stride(name: str) -> None:
    """Leave a mark."""
    with (Path(os.environ["TRIAL_FOLDER"]) / "begun").open("a") as marks:
        marks.write(f"{name}\n")


def _walk(mine: held.Held) -> str:
    if "crash" in mine.work.subject and mine.work.attempts == 1:
        os._exit(3)
    stride("pool")
    return "walked"


@flow(name="ingest", persist_result=False)
def ingest(work_id: str) -> str:
    return held.carry_out(work_id, _walk, Core)
