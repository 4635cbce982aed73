"""Deliveries of data to people, in PostgreSQL; of every secret only a digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_delivery_tables import data_deliveries, delivery_keys, delivery_uses
from cisterna.adapters.catalogue_tables import datasets, versions
from cisterna.domain.delivery import ALL_OF_MONTH, Delivery, DeliveryKey, DeliveryUse
from cisterna.domain.errors import NotFound

_FOLD = sql_text(
    """
    WITH taken AS (
        DELETE FROM delivery_uses WHERE use_id IN (
            SELECT use_id FROM delivery_uses WHERE day < :before AND path <> :all ORDER BY day, use_id LIMIT :limit
            FOR UPDATE SKIP LOCKED
        ) RETURNING *
    ), folded AS (
        INSERT INTO delivery_uses (use_id, delivery_id, version_id, day, path, requests, bytes_sent, first_at, last_at)
        SELECT encode(sha256(convert_to(concat_ws(E'\n', delivery_id, month, :all), 'UTF8')), 'hex'),
            delivery_id, version_id, month, :all, sum(requests), sum(bytes_sent), min(first_at), max(last_at)
        FROM (SELECT *, date_trunc('month', day)::date AS month FROM taken) AS placed
        GROUP BY delivery_id, version_id, month
        ON CONFLICT (use_id) DO UPDATE SET
            requests = delivery_uses.requests + excluded.requests,
            bytes_sent = delivery_uses.bytes_sent + excluded.bytes_sent,
            first_at = least(delivery_uses.first_at, excluded.first_at),
            last_at = greatest(delivery_uses.last_at, excluded.last_at)
    )
    SELECT count(*) FROM taken
    """
)


class SqlDeliveries:
    """Implements `ports.delivery.Deliveries`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, delivery: Delivery) -> None:
        """Insert or replace."""
        row = {
            "delivery_id": delivery.delivery_id,
            "version_id": delivery.version_id,
            "delivered_at": delivery.delivered_at,
            "expires_at": delivery.expires_at,
            "body": body_of(delivery),
        }
        put = insert(data_deliveries).values(row)
        self._sql.run(put.on_conflict_do_update(index_elements=["delivery_id"], set_=row))

    def get(self, delivery_id: str) -> Delivery:
        """Read and lock one."""
        wanted = select(data_deliveries.c.body).where(data_deliveries.c.delivery_id == delivery_id).with_for_update()
        body = self._sql.run(wanted).scalar()
        if body is None:
            msg = f"no delivery '{delivery_id[:100]}'; `cisterna deliveries` shows those there are"
            raise NotFound(msg, delivery_id=delivery_id[:100])
        return Delivery.model_validate_json(body)

    def of(self, version_id: str) -> Sequence[Delivery]:
        """Oldest first."""
        wanted = select(data_deliveries.c.body).where(data_deliveries.c.version_id == version_id)
        return self._read(wanted.order_by(data_deliveries.c.delivered_at, data_deliveries.c.delivery_id))

    def list(
        self, *, projects: frozenset[str], good_at: datetime | None = None, limit: int | None = None
    ) -> Sequence[Delivery]:
        """Newest first."""
        wanted = (
            select(data_deliveries.c.body)
            .join(versions, versions.c.version_id == data_deliveries.c.version_id)
            .join(datasets, datasets.c.dataset_id == versions.c.dataset_id)
            .where(datasets.c.project.in_(sorted(projects)))
        )
        if good_at is not None:
            is_revoked = data_deliveries.c.body.op("->>")("revoked_at").is_not(None)
            wanted = wanted.where(data_deliveries.c.expires_at > good_at, ~is_revoked)
        newest = wanted.order_by(data_deliveries.c.delivered_at.desc(), data_deliveries.c.delivery_id)
        return self._read(newest.limit(limit))

    def add_key(self, key: DeliveryKey) -> None:
        """Insert."""
        self._sql.run(insert(delivery_keys).values(key.model_dump()))

    def drop_key(self, secret_sha256: str) -> None:
        """Remove."""
        self._sql.run(delete(delivery_keys).where(delivery_keys.c.secret_sha256 == secret_sha256))

    def by_key(self, secret_sha256: str) -> Delivery | None:
        """By the digest of the secret."""
        wanted = select(data_deliveries.c.body).join(delivery_keys)
        body = self._sql.run(wanted.where(delivery_keys.c.secret_sha256 == secret_sha256)).scalar()
        return None if body is None else Delivery.model_validate_json(body)

    def note_use(self, use: DeliveryUse) -> None:
        """Insert, or add to what is there."""
        put = insert(delivery_uses).values(use.model_dump())
        change = {
            "requests": delivery_uses.c.requests + put.excluded.requests,
            "bytes_sent": delivery_uses.c.bytes_sent + put.excluded.bytes_sent,
            "last_at": func.greatest(delivery_uses.c.last_at, put.excluded.last_at),
        }
        self._sql.run(put.on_conflict_do_update(index_elements=["use_id"], set_=change))

    def fold_uses(self, *, before: date, limit: int) -> int:
        """In one statement, so that nothing is ever counted twice or not at all."""
        told = {"before": before, "limit": limit, "all": ALL_OF_MONTH}
        count: int = self._sql.run(_FOLD, told).scalar_one()
        return count

    def uses(self, delivery_id: str, *, limit: int) -> Sequence[DeliveryUse]:
        """Latest first."""
        wanted = select(delivery_uses).where(delivery_uses.c.delivery_id == delivery_id).limit(limit)
        found = self._sql.run(wanted.order_by(delivery_uses.c.last_at.desc(), delivery_uses.c.path))
        return [DeliveryUse(**row) for row in found.mappings()]

    def _read(self, wanted: Any) -> Sequence[Delivery]:
        return [Delivery.model_validate_json(body) for body in self._sql.run(wanted).scalars()]
