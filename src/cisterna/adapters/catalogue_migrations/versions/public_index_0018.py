"""Make what is public known to search, statistics and harvesters."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import op
from sqlalchemy.exc import DBAPIError

from cisterna.domain.errors import NotReady

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Run the statements of the file beside this one, once the server compares words by their trigrams."""
    connection = op.get_bind()
    try:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege | psycopg.errors.FeatureNotSupported):
            raise
        msg = (
            f"the catalogue's database lacks the extension pg_trgm ({error.orig}); it comes with PostgreSQL's contrib "
            "modules, and whoever runs the server adds it: CREATE EXTENSION pg_trgm"
        )
        raise NotReady(msg, part="catalogue") from error
    statements = Path(__file__).with_suffix(".sql").read_text("utf-8")
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
