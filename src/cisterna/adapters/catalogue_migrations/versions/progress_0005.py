"""Let an attempt say how far it has come."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; attempts that are open say nothing until their next look."""
    op.get_bind().exec_driver_sql("ALTER TABLE attempts ADD COLUMN progress json")
