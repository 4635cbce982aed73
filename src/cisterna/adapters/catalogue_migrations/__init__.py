"""The catalogue's schema, step by step; every step that was released stays as it is."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_record import watch_changes
from cisterna.domain.errors import NotReady

_LOCK = 0x63697374_65726E61  # "cisterna"
FOLDER = Path(__file__).parent


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest step in the connection's transaction; others who try meanwhile wait.

    Raises:
        NotReady: The database belongs to a newer Cisterna.
    """
    connection.execute(sql_text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    try:
        command.upgrade(alembic_config(connection), "head")
        watch_changes(connection)
    except CommandError as error:
        msg = f"this Cisterna does not know the database's schema ({error}); run the version that wrote it, or a newer"
        raise NotReady(msg, part="catalogue") from error


def alembic_config(connection: Connection) -> Config:
    """Tell Alembic where the steps are and which connection to use."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
