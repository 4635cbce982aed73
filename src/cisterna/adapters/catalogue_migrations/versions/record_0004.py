"""Note which rows changed, so that the archive keeps a record of the catalogue that it can be rebuilt from."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what is not recorded yet and how far the record goes; `upgrade` sets the triggers that fill the first."""
    op.execute(
        """
        CREATE TABLE changes (
            sequence bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_changes PRIMARY KEY,
            kind text NOT NULL,
            key text NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        CREATE TABLE segments (
            number bigint CONSTRAINT pk_segments PRIMARY KEY,
            digest text NOT NULL,
            written_at timestamptz NOT NULL
        );
        ALTER TABLE acquisitions ALTER CONSTRAINT fk_acquisitions_dataset_id DEFERRABLE;
        """
    )
