"""How much of the facility each project uses, summed in PostgreSQL: its answer grows with projects and months only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_connection import Statements
from cisterna.ports.usage import ArchivedSum, DeliveredSum

# A part's files are its whole's, and a revision's are those of the version it revises: each is counted once, where the
# store first proved that it holds them.
_ARCHIVED = sql_text(
    """
    WITH proven AS (
        SELECT datasets.dataset_id, datasets.project, receipts.store, versions.number,
            min(receipts.verified_at) AS at,
            max((versions.body ->> 'file_count')::bigint) AS files,
            max((versions.body ->> 'total_bytes')::bigint) AS total_bytes,
            bool_or(datasets.body ->> 'model' IS NOT NULL) AS is_derived
        FROM receipts
        JOIN versions ON versions.version_id = receipts.version_id
        JOIN datasets ON datasets.dataset_id = versions.dataset_id
        WHERE NOT datasets.relations @> '[{"kind": "IsPartOf"}]'
        GROUP BY datasets.dataset_id, receipts.store, versions.number
    ), placed AS (
        SELECT *, row_number() OVER (PARTITION BY dataset_id, store ORDER BY at, number) AS place FROM proven
    )
    SELECT project, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, store,
        count(*) FILTER (WHERE place = 1) AS datasets, count(*) AS versions,
        count(*) FILTER (WHERE is_derived) AS derived,
        sum(files)::bigint AS files, sum(total_bytes)::bigint AS total_bytes
    FROM placed
    WHERE at < :before
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    """
)
_DELIVERED = sql_text(
    """
    WITH told AS (
        SELECT version_id, to_char(delivered_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
            1 AS deliveries, 0 AS requests, 0::bigint AS bytes_sent
        FROM data_deliveries WHERE delivered_at >= :since AND delivered_at < :before
        UNION ALL
        SELECT version_id, to_char(day, 'YYYY-MM'), 0, requests, bytes_sent
        FROM delivery_uses
        WHERE day >= (:since AT TIME ZONE 'UTC')::date AND day < (:before AT TIME ZONE 'UTC')::date
    )
    SELECT datasets.project, told.month, sum(told.deliveries)::bigint AS deliveries,
        sum(told.requests)::bigint AS requests, sum(told.bytes_sent)::bigint AS bytes_sent
    FROM told
    JOIN versions ON versions.version_id = told.version_id
    JOIN datasets ON datasets.dataset_id = versions.dataset_id
    GROUP BY 1, 2
    ORDER BY 1, 2
    """
)


class SqlUsageBook:
    """Implements `ports.usage.UsageBook`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def archived(self, *, before: datetime) -> Sequence[ArchivedSum]:
        """Sum what was proven."""
        return [ArchivedSum._make(row) for row in self._sql.run(_ARCHIVED, {"before": before})]

    def delivered(self, *, since: datetime, before: datetime) -> Sequence[DeliveredSum]:
        """Sum what was delivered."""
        return [DeliveredSum._make(row) for row in self._sql.run(_DELIVERED, {"since": since, "before": before})]
