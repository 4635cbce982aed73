"""Remember the nonces of signed messages, so that a replay is known."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table."""
    op.get_bind().exec_driver_sql(
        """
        CREATE TABLE nonces (
            sender TEXT NOT NULL,
            nonce TEXT NOT NULL,
            until TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_nonces PRIMARY KEY (sender, nonce)
        )
        """
    )
    op.get_bind().exec_driver_sql("CREATE INDEX ix_nonces_until ON nonces (until)")
