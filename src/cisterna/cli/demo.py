"""Three live runs of a virtual Squid, each with the outcome it must have."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cisterna.adapters.child import Child
from cisterna.bootstrap import Parts
from cisterna.cli.opened import local_account
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage
from cisterna.domain.finding import Verdict
from cisterna.domain.project import BindingKind
from cisterna.services.instrument import declare_instrument
from cisterna.services.overview import Overview, list_overviews
from cisterna.services.project import bind_project

PATIENCE_SECONDS = 180.0
"""After this long a run that does not rest counts as not as planned."""


@dataclass
class Run:
    """One planned run.

    Attributes:
        fault: What the virtual Squid is told to do wrong.
        planned: The outcome in words.
        rests: Whether the row shows that outcome.
    """

    name: str
    fault: str | None
    planned: str
    rests: Callable[[Overview], bool]
    child: Child | None = None
    written_at: float | None = None
    rested_at: float | None = None
    row: Overview | None = None


def _plan() -> list[Run]:
    return [
        Run("sharp", None, "published by itself", lambda row: row.stage is Stage.PUBLISHED),
        Run(
            "out-of-focus",
            "blur",
            "archived and before a steward",
            lambda row: row.stage is Stage.IN_REVIEW and row.verdict is not Verdict.PASSED,
        ),
        Run(
            "aborted",
            "abort",
            "held, with the reason",
            lambda row: row.state is AcquisitionState.ABORTED and row.held is not None,
        ),
    ]


class Demo:
    """Declares a virtual microscope, lets it write, and watches what becomes of each run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._runs = _plan()
        self._began = time.monotonic()
        self._before: set[str] = set()
        self._derived: list[Overview] = []

    @property
    def is_over(self) -> bool:
        """Whether every run rests, or the patience is over."""
        rested = all(run.rested_at is not None for run in self._runs) and self._model_is_done
        return rested or time.monotonic() - self._began > PATIENCE_SECONDS

    @property
    def _model_is_done(self) -> bool:
        sharp = self._runs[0].row
        return bool(sharp and sharp.derived) and all(
            row.stage in {Stage.IN_REVIEW, Stage.ACCEPTED, Stage.PUBLISHED} for row in self._derived
        )

    def begin(self) -> None:
        """Declare the instrument and let the runs be written, all three at once."""
        parts = self._parts
        known = list_overviews(catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        self._before = {row.acquisition_id for row in known if row.acquisition_id}
        for run in self._runs:
            zone = self._zone(run)
            zone.mkdir(parents=True, exist_ok=True)
            declare_instrument(
                f"squid-{run.name}",
                profile=parts.profile("squid"),
                path=str(zone),
                settings={"run_json": str(zone.parent / "run.json")},
                zone=parts.zone_at(zone),
                catalogue=parts.catalogue,
                clock=parts.clock,
            )
            bind_project(
                BindingKind.PATH, str(zone), project="test", by=local_account(parts), catalogue=parts.catalogue
            )
        self._began = time.monotonic()
        for run in self._runs:
            run.child = self._write(run)

    def look(self) -> Sequence[dict[str, Any]]:
        """Look at the catalogue and return a row for each run and each dataset derived from one."""
        parts = self._parts
        rows = list_overviews(catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        for run in self._runs:
            run.row = self._newest(run, rows)
            if run.written_at is None and run.child and run.child.exit_code is not None:
                run.written_at = time.monotonic()
            if run.row and run.rested_at is None and run.rests(run.row):
                run.rested_at = time.monotonic()
        ours = {run.row.dataset_id for run in self._runs if run.row and run.row.dataset_id}
        self._derived = [row for row in rows if ours.intersection(row.derived_from)]
        shown = [self._shown(run.name, run.row) for run in self._runs]
        return shown + [self._shown(f"  labels by {row.model or 'model'}", row) for row in self._derived]

    def summary(self) -> dict[str, Any]:
        """Sum up what was planned and what came."""
        runs = [self._told(run) for run in self._runs]
        wrong = [run["name"] for run in runs if not run["as_planned"]]
        if not self._model_is_done:
            wrong.append("labels")
        document: dict[str, Any] = {
            "as_planned": not wrong,
            "reason": f"not as planned: {', '.join(wrong)}" if wrong else "all runs ended as planned",
            "runs": runs,
            "derived": [row.model_dump(mode="json") for row in self._derived],
        }
        return document

    def end(self) -> None:
        """Stop the writers."""
        for run in self._runs:
            if run.child:
                run.child.stop()

    def _newest(self, run: Run, rows: Sequence[Overview]) -> Overview | None:
        """Find the row of the run that this demo wrote: the newest of its instrument, once it has begun."""
        ours = [row for row in rows if row.acquisition_id and row.instrument == f"squid-{run.name}" and row.first_seen]
        newest = max(ours, key=lambda row: str(row.first_seen), default=None)
        return newest if newest and newest.acquisition_id not in self._before else None

    def _zone(self, run: Run) -> Path:
        return self._parts.home.folder / "demo" / run.name / "landing"

    def _write(self, run: Run) -> Child:
        zone = self._zone(run)
        argv = [sys.executable, "-m", "cisterna.testing.virtual_squid", "--to", str(zone)]
        argv += ["--run-json", str(zone.parent / "run.json"), "--experiment", f"demo-{run.name}", "--rate", "6"]
        if run.fault:
            argv += ["--fault", run.fault]
        child = Child(f"virtual Squid ({run.name})", argv, log=self._parts.home.logs / "virtual-squid.log")
        child.start()
        return child

    def _shown(self, name: str, row: Overview | None) -> dict[str, Any]:
        if row is None:
            return {
                "name": name,
                "progress": 0.0,
                "state": "",
                "stage": None,
                "verdict": None,
                "reason": "begins",
                "url": None,
            }
        page = row.published_url or f"{self._parts.base_url}/{_page(row)}"
        return {
            "name": name,
            "progress": row.progress,
            "state": row.state.value if row.state else "derived",
            "stage": row.stage.value if row.stage else None,
            "verdict": row.verdict.value if row.verdict else None,
            "reason": row.reason,
            "url": page,
        }

    def _told(self, run: Run) -> dict[str, Any]:
        row = run.row.model_dump(mode="json") if run.row else {}
        waited = (run.rested_at - run.written_at) if run.rested_at and run.written_at else None
        return {
            "name": run.name,
            "planned": run.planned,
            "as_planned": run.rested_at is not None,
            "rested_after_last_byte_seconds": round(max(waited, 0.0), 2) if waited is not None else None,
            **row,
        }


def _page(row: Overview) -> str:
    return f"datasets/{row.dataset_id}" if row.dataset_id else f"acquisitions/{row.acquisition_id}"
