"""The outbox, in PostgreSQL: one row for each event and sink, which goes when the sink has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, and_, bindparam, delete, func, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters import catalogue_tables as tables
from cisterna.adapters.catalogue_connection import Statements, json_of
from cisterna.adapters.catalogue_tables import deliveries, events
from cisterna.domain.event import Event, Refusal, Sending

_APPEND = sql_text(
    """
    WITH added AS (
        INSERT INTO events (event_id, name, subject, occurred_at, restricted, data)
        VALUES (:event_id, :name, :subject, :occurred_at, :restricted, CAST(:data AS json))
        ON CONFLICT (event_id) DO NOTHING
        RETURNING sequence, subject
    )
    INSERT INTO deliveries (sink, sequence, subject)
    SELECT sinks.name, added.sequence, added.subject FROM added CROSS JOIN sinks WHERE sinks.registered
    """
)

# Whoever holds the earliest event of a subject holds the subject: no other sender takes the ones behind it.
_HEADS = sql_text(
    """
    SELECT deliveries.attempts, events.*
    FROM deliveries
    JOIN events ON events.sequence = deliveries.sequence
    JOIN sinks ON sinks.name = deliveries.sink AND sinks.registered
    WHERE deliveries.sink = :sink
        AND (deliveries.not_before IS NULL OR deliveries.not_before <= :now)
        AND NOT EXISTS (
            SELECT FROM deliveries AS earlier
            WHERE earlier.sink = :sink AND earlier.subject = deliveries.subject
                AND earlier.sequence < deliveries.sequence
        )
    ORDER BY deliveries.sequence
    LIMIT :limit
    FOR UPDATE OF deliveries SKIP LOCKED
    """
)

_BEHIND_HEADS = sql_text(
    """
    SELECT deliveries.attempts, events.*
    FROM deliveries
    JOIN events ON events.sequence = deliveries.sequence
    WHERE deliveries.sink = :sink
        AND deliveries.subject = ANY(:subjects)
        AND (deliveries.not_before IS NULL OR deliveries.not_before <= :now)
    ORDER BY deliveries.sequence
    LIMIT :limit
    """
)

_REFUSALS = sql_text(
    """
    SELECT deliveries.sink AS sink, count(*) AS waiting, max(deliveries.attempts) AS attempts,
        min(events.occurred_at) AS since,
        (array_agg(coalesce(deliveries.reason, '') ORDER BY deliveries.attempts DESC, deliveries.sequence))[1] AS reason
    FROM deliveries
    JOIN events ON events.sequence = deliveries.sequence
    JOIN sinks ON sinks.name = deliveries.sink AND sinks.registered
    WHERE deliveries.attempts > 0
    GROUP BY deliveries.sink ORDER BY 3 DESC, 1
    """
)

# Built once: building a statement anew costs three times as much as running it.
_THIS = and_(
    deliveries.c.sink == bindparam("the_sink"),
    deliveries.c.sequence
    == select(events.c.sequence).where(events.c.event_id == bindparam("the_event")).scalar_subquery(),
)
_DELIVERED = delete(deliveries).where(_THIS)
_TRIED = update(deliveries).where(_THIS).values(attempts=deliveries.c.attempts + 1, reason=bindparam("why"))
_BEHIND = update(deliveries).where(
    deliveries.c.sink == bindparam("the_sink"), deliveries.c.subject == bindparam("the_subject")
)


class SqlOutbox:
    """Implements `ports.inbox.Outbox`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def append(self, event: Event) -> None:
        """Add an event for every registered sink."""
        row = event.model_dump(mode="python", exclude={"data"})
        self._sql.run(_APPEND, {**row, "data": json_of(event.data)})
        self._sql.ring("outbox")

    def register(self, sinks: Sequence[str]) -> None:
        """Say which sinks there are; what waits for a dropped one stays until it is registered again."""
        wanted = list(dict.fromkeys(sinks))
        self._sql.run(update(tables.sinks).where(tables.sinks.c.name.not_in(wanted)).values(registered=False))
        for name in wanted:
            row = insert(tables.sinks).values(name=name, registered=True)
            self._sql.run(row.on_conflict_do_update(index_elements=["name"], set_={"registered": True}))

    def due(self, *, sink: str, now: datetime, limit: int) -> Sequence[Sending]:
        """Lock subjects of which something is due, and return what is due of them, each subject's in order."""
        heads = self._sql.run(_HEADS, {"sink": sink, "now": now, "limit": limit}).mappings().all()
        if not heads:
            return []
        held = {"sink": sink, "now": now, "limit": limit, "subjects": [row["subject"] for row in heads]}
        found = self._sql.run(_BEHIND_HEADS, held).mappings()
        return [Sending(event=_event(row), sink=sink, attempts=row["attempts"]) for row in found]

    def delivered(self, deliveries: Sequence[Sending]) -> None:
        """Let deliveries go; their events stay."""
        if deliveries:
            self._sql.run(_DELIVERED, [{"the_sink": one.sink, "the_event": one.event.event_id} for one in deliveries])

    def postponed(self, delivery: Sending, *, not_before: datetime, reason: str) -> None:
        """Count the attempt and try again later; what waits behind it waits as long."""
        sink, event = delivery.sink, delivery.event
        self._sql.run(_TRIED, {"the_sink": sink, "the_event": event.event_id, "why": reason[:2000]})
        self._sql.run(_BEHIND, {"the_sink": sink, "the_subject": event.subject, "not_before": not_before})

    def undelivered(self) -> dict[str, int]:
        """Count what waits, per registered sink."""
        counted = (
            select(tables.sinks.c.name, func.count(deliveries.c.sequence).label("waiting"))
            .outerjoin(deliveries, deliveries.c.sink == tables.sinks.c.name)
            .where(tables.sinks.c.registered)
            .group_by(tables.sinks.c.name)
        )
        return {row["name"]: row["waiting"] for row in self._sql.run(counted).mappings()}

    def refusals(self) -> Sequence[Refusal]:
        """One a sink."""
        return [Refusal.model_validate(dict(row)) for row in self._sql.run(_REFUSALS).mappings()]

    def history(self, subjects: Sequence[str]) -> Sequence[Event]:
        """Every event about these subjects, oldest first."""
        wanted = select(events).where(events.c.subject.in_(list(subjects))).order_by(events.c.sequence)
        return [_event(row) for row in self._sql.run(wanted).mappings()]


def _event(row: RowMapping) -> Event:
    fields = {name: row[name] for name in Event.model_fields if name != "data"}
    return Event(**fields, data=json.loads(row["data"]))
