"""The table of what is wanted of places outside; a version's stay when it goes: what stands outside still stands."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSON, TIMESTAMP

from cisterna.adapters.catalogue_tables import metadata

deposits = Table(
    "deposits",
    metadata,
    Column("key", Text, primary_key=True),
    Column("dataset_id", Text, ForeignKey("datasets.dataset_id"), nullable=False),
    Column("target", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_at", TIMESTAMP(timezone=True)),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("body", JSON, nullable=False),
    CheckConstraint(
        "state IN ('wanted', 'reserved', 'deposited', 'failed', 'withdrawing', 'withdrawn')", name="state_is_known"
    ),
)
Index("ix_deposits_dataset_id", deposits.c.dataset_id)
Index("ix_deposits_due", deposits.c.target, deposits.c.next_at, postgresql_where=deposits.c.next_at.is_not(None))
