"""Tables of deliveries of data to people; `deliveries` in `catalogue_tables` is the outbox's, of events to sinks."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSON, TIMESTAMP

from cisterna.adapters.catalogue_tables import metadata

__all__ = ["data_deliveries", "delivery_keys", "delivery_uses", "metadata"]


def _of_delivery() -> Column[str]:
    return Column("delivery_id", Text, ForeignKey("data_deliveries.delivery_id", ondelete="CASCADE"), nullable=False)


def _moment(name: str) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False)


data_deliveries = Table(
    "data_deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("version_id", Text, ForeignKey("versions.version_id"), nullable=False),
    _moment("delivered_at"),
    _moment("expires_at"),
    Column("body", JSON, nullable=False),
)
Index("ix_data_deliveries_version_id", data_deliveries.c.version_id, data_deliveries.c.delivered_at)
Index("ix_data_deliveries_newest", data_deliveries.c.delivered_at.desc(), data_deliveries.c.delivery_id)

delivery_keys = Table(
    "delivery_keys",
    metadata,
    Column("secret_sha256", Text, primary_key=True),
    _of_delivery(),
    Column("version_id", Text, nullable=False),
    _moment("made_at"),
)
Index("ix_delivery_keys_delivery_id", delivery_keys.c.delivery_id)

delivery_uses = Table(
    "delivery_uses",
    metadata,
    Column("use_id", Text, primary_key=True),
    _of_delivery(),
    Column("version_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("path", Text, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("bytes_sent", BigInteger, nullable=False),
    _moment("first_at"),
    _moment("last_at"),
    CheckConstraint("requests >= 1 AND bytes_sent >= 0", name="is_counted"),
)
Index("ix_delivery_uses_delivery_id", delivery_uses.c.delivery_id, delivery_uses.c.last_at)
Index("ix_delivery_uses_day", delivery_uses.c.day)
