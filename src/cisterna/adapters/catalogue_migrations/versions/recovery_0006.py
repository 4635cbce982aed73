"""Keep what recovery had to do with objects."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    op.get_bind().exec_driver_sql(
        """
        CREATE TABLE recoveries (
            object_root TEXT NOT NULL,
            state TEXT NOT NULL,
            body JSON NOT NULL,
            CONSTRAINT pk_recoveries PRIMARY KEY (object_root)
        )
        """
    )
