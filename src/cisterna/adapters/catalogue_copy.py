"""Stores, and what is known of each object in each of them, in PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import copies, receipts, stores, versions
from cisterna.domain.dataset import Version
from cisterna.domain.stored_copy import StoredCopy

# One version a dataset, the newest: a copy is of the whole object.
_LACKING = sql_text(
    """
    SELECT DISTINCT ON (versions.dataset_id) versions.body
    FROM versions
    WHERE EXISTS (SELECT FROM receipts AS own WHERE own.version_id = versions.version_id AND own.store = :first)
        AND NOT EXISTS (SELECT FROM receipts AS own WHERE own.version_id = versions.version_id AND own.store = :store)
        AND NOT EXISTS (
            SELECT FROM copies
            WHERE copies.dataset_id = versions.dataset_id AND copies.store = :store AND copies.next_at > :now
        )
    ORDER BY versions.dataset_id, versions.number DESC, versions.revision DESC
    LIMIT :limit
    """
)

# Read through the index: of those that are not due by age, only the few whose last look ended badly.
_DUE = sql_text(
    """
    SELECT body FROM copies
    WHERE store = :store AND next_at <= :now
        AND (checked_at IS NULL OR checked_at < :checked_before OR fixity IN ('damaged', 'could-not-check'))
        AND EXISTS (
            SELECT FROM receipts JOIN versions ON versions.version_id = receipts.version_id
            WHERE versions.dataset_id = copies.dataset_id AND receipts.store = :store
        )
    ORDER BY checked_at NULLS FIRST, dataset_id
    LIMIT :limit
    """
)

_OF_REGISTERED = (
    select(copies.c.body).join(stores, stores.c.name == copies.c.store).where(stores.c.registered)
).order_by(copies.c.dataset_id, stores.c.position)


class SqlCopies:
    """Implements `ports.catalogue.Copies`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def register(self, stores_named: Sequence[str]) -> None:
        """Say which stores there are."""
        wanted = list(dict.fromkeys(stores_named))
        self._sql.run(update(stores).where(stores.c.name.not_in(wanted)).values(registered=False))
        for position, name in enumerate(wanted):
            row = {"position": position, "registered": True}
            put = insert(stores).values(name=name, **row)
            self._sql.run(put.on_conflict_do_update(index_elements=["name"], set_=row))

    def stores(self) -> Sequence[str]:
        """The registered ones."""
        return list(
            self._sql.run(select(stores.c.name).where(stores.c.registered).order_by(stores.c.position)).scalars()
        )

    def get(self, dataset_id: str, store: str) -> StoredCopy | None:
        """Read one and hold its row."""
        wanted = select(copies.c.body).where(copies.c.dataset_id == dataset_id, copies.c.store == store)
        body = self._sql.run(wanted.with_for_update()).scalar()
        return None if body is None else StoredCopy.model_validate_json(body)

    def put(self, copy: StoredCopy) -> None:
        """Insert it, or replace what is there."""
        row = {
            "fixity": copy.fixity.value if copy.fixity else None,
            "checked_at": copy.checked_at,
            "next_at": copy.next_at,
            "body": body_of(copy),
        }
        put = insert(copies).values(dataset_id=copy.dataset_id, store=copy.store, **row)
        self._sql.run(put.on_conflict_do_update(index_elements=["dataset_id", "store"], set_=row))

    def of(self, dataset_id: str) -> Sequence[StoredCopy]:
        """Those of one object."""
        found = self._sql.run(_OF_REGISTERED.where(copies.c.dataset_id == dataset_id)).scalars()
        return [StoredCopy.model_validate_json(body) for body in found]

    def list(self) -> Sequence[StoredCopy]:
        """All of them."""
        return [StoredCopy.model_validate_json(body) for body in self._sql.run(_OF_REGISTERED).scalars()]

    def proven(self, dataset_id: str | None = None) -> Mapping[str, frozenset[str]]:
        """Stores by version."""
        wanted = select(receipts.c.version_id, receipts.c.store).distinct()
        wanted = wanted.join(stores, stores.c.name == receipts.c.store).where(stores.c.registered)
        if dataset_id is not None:
            wanted = wanted.join(versions, versions.c.version_id == receipts.c.version_id)
            wanted = wanted.where(versions.c.dataset_id == dataset_id)
        found: dict[str, set[str]] = defaultdict(set)
        for row in self._sql.run(wanted):
            found[row.version_id].add(row.store)
        return {version_id: frozenset(names) for version_id, names in found.items()}

    def lacking(self, store: str, *, first: str, now: datetime, limit: int) -> Sequence[Version]:
        """Find what is to be copied."""
        values = {"store": store, "first": first, "now": now, "limit": limit}
        return [Version.model_validate_json(body) for body in self._sql.run(_LACKING, values).scalars()]

    def due(self, store: str, *, checked_before: datetime, now: datetime, limit: int) -> Sequence[StoredCopy]:
        """Find what is to be read again."""
        values = {"store": store, "checked_before": checked_before, "now": now, "limit": limit}
        return [StoredCopy.model_validate_json(body) for body in self._sql.run(_DUE, values).scalars()]

    def count(self, store: str, *, checked_since: datetime | None = None) -> int:
        """Count objects."""
        wanted = select(func.count()).select_from(copies).where(copies.c.store == store)
        if checked_since is not None:
            wanted = wanted.where(copies.c.checked_at >= checked_since)
        return int(self._sql.run(wanted).scalar_one())
