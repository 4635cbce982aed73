"""Databases beside the catalogue's own, on the same server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from cisterna.adapters.catalogue_connection import CONNECT, translated
from cisterna.domain.errors import AlreadyExists

_FOREIGN = """
SELECT count(*) FROM pg_tables
WHERE schemaname = 'public' AND to_regclass('public.segments') IS NULL
"""


@contextmanager
def database_beside(dsn: str, name: str, *, keep: bool) -> Iterator[str]:
    """Give the URL of another database of a catalogue's server, which is made when it is not there.

    Args:
        dsn: Of the catalogue; its user must be allowed to create databases.
        name: Of the other database.
        keep: Whether it stays when it was made here; otherwise it goes with the block, whatever is in it.

    Raises:
        AlreadyExists: It is there, and what is in it is no catalogue.
        CatalogueUnavailable: The server did not answer.
    """
    ours = make_url(dsn).set(drivername="postgresql")
    beside = ours.set(database=name).render_as_string(hide_password=False)
    admin = ours.render_as_string(hide_password=False)
    is_new = _create(admin, name)
    try:
        if not is_new:
            _require_ours(beside, name)
        yield beside
    finally:
        if is_new and not keep:
            _run(admin, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(admin: str, name: str) -> bool:
    """Make the database; tell whether it was not there."""
    try:
        _run(admin, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except AlreadyExists:
        return False
    return True


def _run(url: str, statement: sql.Composed) -> None:
    with translated(), psycopg.connect(url, autocommit=True, **CONNECT) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.DuplicateDatabase as error:
            raise AlreadyExists("the database is there already") from error


def _require_ours(url: str, name: str) -> None:
    with translated(), psycopg.connect(url, autocommit=True, **CONNECT) as connection:
        row = connection.execute(_FOREIGN).fetchone()
    if row is None or row[0]:
        msg = f"the database '{name}' holds something else than a catalogue; give a name that is not taken"
        raise AlreadyExists(msg, database=name)
