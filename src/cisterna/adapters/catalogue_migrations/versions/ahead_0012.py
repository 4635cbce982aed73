"""Remember how fast acquisitions are written, and what was read ahead of them."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    """Add the tables."""
    op.get_bind().exec_driver_sql(
        """
        CREATE TABLE aheads (
            acquisition_id TEXT NOT NULL,
            object_root TEXT NOT NULL,
            body JSON NOT NULL,
            CONSTRAINT pk_aheads PRIMARY KEY (acquisition_id),
            CONSTRAINT uq_aheads_object_root UNIQUE (object_root),
            CONSTRAINT fk_aheads_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES acquisitions (acquisition_id)
        )
        """
    )
    op.get_bind().exec_driver_sql(
        """
        CREATE TABLE ahead_batches (
            acquisition_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            content_path TEXT NOT NULL,
            sha512 TEXT NOT NULL,
            seen JSON NOT NULL,
            CONSTRAINT pk_ahead_batches PRIMARY KEY (acquisition_id, number),
            CONSTRAINT fk_ahead_batches_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES aheads (acquisition_id)
        )
        """
    )
    op.get_bind().exec_driver_sql(
        """
        CREATE TABLE writings (
            acquisition_id TEXT NOT NULL,
            body JSON NOT NULL,
            CONSTRAINT pk_writings PRIMARY KEY (acquisition_id),
            CONSTRAINT fk_writings_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES acquisitions (acquisition_id)
        )
        """
    )
