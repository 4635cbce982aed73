"""Alerts and what they are made from, as part of a transaction of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cisterna.domain.alert import Alert
from cisterna.domain.baseline import RunBaseline


class Alerts(Protocol):
    """What is or was wrong with runs. Who changes those of a run has locked its acquisition."""

    def put(self, alert: Alert) -> None:
        """Insert, or replace the one with the same id.

        Raises:
            AlreadyExists: Another one of this kind is open on the run.
        """
        ...

    def get(self, alert_id: str) -> Alert:
        """Raises `NotFound`."""
        ...

    def of(self, acquisition_id: str) -> Sequence[Alert]:
        """All of a run, oldest first."""
        ...

    def list(
        self,
        *,
        projects: frozenset[str] | None = None,
        unclaimed: bool = True,
        instrument: str | None = None,
        is_open: bool | None = None,
        limit: int | None = None,
    ) -> Sequence[Alert]:
        """Newest first.

        Args:
            projects: Those of runs of these projects, as the runs are bound now; None leaves none out.
            unclaimed: With `projects`, those of runs of none as well.
            instrument: Of this one alone.
            is_open: Only those that stand, or only those that do not.
            limit: At most so many.
        """
        ...

    def put_picture(self, alert_id: str, png: bytes) -> None:
        """Keep the picture of an alert, or replace it. Raises `NotFound`."""
        ...

    def picture(self, alert_id: str) -> bytes | None:
        """None when the alert has none, or is not there."""
        ...

    def baseline(self, acquisition_id: str) -> RunBaseline:
        """What the run had so far; an empty one when nothing is known."""
        ...

    def put_baseline(self, acquisition_id: str, baseline: RunBaseline) -> None:
        """Insert or replace."""
        ...

    def forget_baseline(self, acquisition_id: str) -> None:
        """Remove it; harmless when there is none."""
        ...
