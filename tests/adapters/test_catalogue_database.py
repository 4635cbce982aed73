"""A database for a drill: made beside the catalogue's, never in the place of somebody else's."""

from __future__ import annotations

import psycopg
import pytest

from cisterna.adapters.catalogue_database import database_beside
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.domain.errors import AlreadyExists


def names(postgres: EmbeddedPostgres) -> set[str]:
    with psycopg.connect(postgres.endpoint.libpq_uri("postgres")) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}


def test_a_new_database_is_made_and_goes_again_unless_it_is_kept(postgres: EmbeddedPostgres, dsn: str) -> None:
    with database_beside(dsn, "rehearsed", keep=False) as url:
        made = SqlCatalogue(url)
        made.migrate()
        made.close()
        assert "rehearsed" in names(postgres)
    assert "rehearsed" not in names(postgres)

    with database_beside(dsn, "kept", keep=True):
        pass
    with database_beside(dsn, "kept", keep=False):  # it was there before, so it is not this block's to drop
        pass
    assert "kept" in names(postgres)


def test_a_database_that_holds_something_else_is_refused_and_not_touched(postgres: EmbeddedPostgres, dsn: str) -> None:
    postgres.ensure_database("theirs")
    with psycopg.connect(postgres.endpoint.libpq_uri("theirs"), autocommit=True) as connection:
        connection.execute("CREATE TABLE mine (id int)")

    with (
        pytest.raises(AlreadyExists, match="something else than a catalogue"),
        database_beside(dsn, "theirs", keep=False),
    ):
        pytest.fail("it was opened")

    assert "theirs" in names(postgres)


def test_a_name_is_a_name_and_never_a_statement(postgres: EmbeddedPostgres, dsn: str) -> None:
    with database_beside(dsn, 'x"; DROP DATABASE template; --', keep=False):
        assert 'x"; DROP DATABASE template; --' in names(postgres)

    assert "template" in names(postgres)
