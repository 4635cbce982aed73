"""Alerts, their pictures and what runs had so far, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import acquisitions, alert_pictures, alerts, baselines
from cisterna.domain.alert import Alert
from cisterna.domain.baseline import RunBaseline
from cisterna.domain.errors import NotFound


class SqlAlerts:
    """Implements `ports.alert.Alerts`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, alert: Alert) -> None:
        """Insert or replace."""
        row = _row(alert)
        put = insert(alerts).values(row).on_conflict_do_update(index_elements=["alert_id"], set_=row)
        self._sql.run(put)

    def get(self, alert_id: str) -> Alert:
        """Read one."""
        body = self._sql.run(select(alerts.c.body).where(alerts.c.alert_id == alert_id)).scalar()
        if body is None:
            msg = f"no alert '{alert_id[:200]}'; `cisterna alerts` lists those that stand"
            raise NotFound(msg, alert_id=alert_id[:200])
        return Alert.model_validate_json(body)

    def of(self, acquisition_id: str) -> Sequence[Alert]:
        """All of a run."""
        wanted = select(alerts.c.body).where(alerts.c.acquisition_id == acquisition_id)
        return self._read(wanted.order_by(alerts.c.raised_at, alerts.c.alert_id))

    def list(
        self,
        *,
        projects: frozenset[str] | None = None,
        unclaimed: bool = True,
        instrument: str | None = None,
        is_open: bool | None = None,
        limit: int | None = None,
    ) -> Sequence[Alert]:
        """Newest first; whose they are is what the run's own row says now."""
        wanted = select(alerts.c.body).join(acquisitions).limit(limit)
        if projects is not None:
            named = acquisitions.c.project.in_(sorted(projects))
            wanted = wanted.where(or_(named, acquisitions.c.project.is_(None)) if unclaimed else named)
        if instrument is not None:
            wanted = wanted.where(alerts.c.instrument == instrument)
        if is_open is not None:
            wanted = wanted.where(alerts.c.closed_at.is_(None) if is_open else alerts.c.closed_at.is_not(None))
        return self._read(wanted.order_by(alerts.c.raised_at.desc(), alerts.c.alert_id.desc()))

    def put_picture(self, alert_id: str, png: bytes) -> None:
        """Insert or replace."""
        put = insert(alert_pictures).values(alert_id=alert_id, png=png)
        self._sql.run(put.on_conflict_do_update(index_elements=["alert_id"], set_={"png": png}))

    def picture(self, alert_id: str) -> bytes | None:
        """Read it."""
        found = self._sql.run(select(alert_pictures.c.png).where(alert_pictures.c.alert_id == alert_id)).scalar()
        return None if found is None else bytes(found)

    def baseline(self, acquisition_id: str) -> RunBaseline:
        """Read it, or begin one."""
        body = self._sql.run(select(baselines.c.body).where(baselines.c.acquisition_id == acquisition_id)).scalar()
        return RunBaseline() if body is None else RunBaseline.model_validate_json(body)

    def put_baseline(self, acquisition_id: str, baseline: RunBaseline) -> None:
        """Insert or replace."""
        body = body_of(baseline)
        put = insert(baselines).values(acquisition_id=acquisition_id, body=body)
        self._sql.run(put.on_conflict_do_update(index_elements=["acquisition_id"], set_={"body": body}))

    def forget_baseline(self, acquisition_id: str) -> None:
        """Remove it."""
        self._sql.run(delete(baselines).where(baselines.c.acquisition_id == acquisition_id))

    def _read(self, wanted: Any) -> Sequence[Alert]:
        return [Alert.model_validate_json(body) for body in self._sql.run(wanted).scalars()]


def _row(alert: Alert) -> dict[str, object]:
    return {
        "alert_id": alert.alert_id,
        "acquisition_id": alert.acquisition_id,
        "instrument": alert.instrument,
        "kind": alert.kind.value,
        "raised_at": alert.raised_at,
        "closed_at": alert.closed_at,
        "body": body_of(alert),
    }
