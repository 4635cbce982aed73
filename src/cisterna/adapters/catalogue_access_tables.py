"""Tables of what may have changed in access: marks by who changes something, and looks at publications for it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, Index, Table, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from cisterna.adapters.catalogue_tables import metadata

access_marks = Table(
    "access_marks",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("project", Text),
    Column("dataset_id", Text),
    CheckConstraint("(project IS NULL) <> (dataset_id IS NULL)", name="names_one"),
)

access_looks = Table(
    "access_looks",
    metadata,
    Column("version_id", Text, primary_key=True),
    Column("due_at", TIMESTAMP(timezone=True), nullable=False),
    Column("waits", Boolean, nullable=False),
)
Index("ix_access_looks_due", access_looks.c.waits, access_looks.c.due_at)
