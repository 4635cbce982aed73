"""Fixtures on the real embedded PostgreSQL: one server for the session, a database for each test."""

from __future__ import annotations

import gc
import itertools
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from xdist.remote import Producer

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.testing.clock import SettableClock
from tests.division import Division, turn_of

pytest_plugins = ["tests.store_fixtures", "tests.landing_fixtures"]

_numbers = itertools.count(1)

settings.register_profile("quick", max_examples=30)
settings.register_profile("torture", max_examples=400)


@contextmanager
def _quick_folder() -> Iterator[Path]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private folder is made in it
    with tempfile.TemporaryDirectory(prefix="cisterna-test-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """An empty folder in memory where that is possible, so that many small fsyncs cost nothing."""
    with _quick_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running server with a database `template` that holds the schema."""
    with _quick_folder() as folder:
        server = EmbeddedPostgres(folder / "pg")
        try:
            endpoint = server.start()
            server.ensure_database("template")
            template = SqlCatalogue(endpoint.url("template"))
            template.migrate()
            template.close()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def administration(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    """A connection that makes and drops databases: one for each of two thousand tests is half of what these cost."""
    with closing(psycopg.connect(postgres.endpoint.libpq_uri("postgres"), autocommit=True)) as connection:
        yield connection


@contextmanager
def _fresh_database(server: EmbeddedPostgres, administration: psycopg.Connection[Any]) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    made = sql.Identifier(name)
    administration.execute(  # files in memory are copied faster than written once more through the log
        sql.SQL("CREATE DATABASE {} TEMPLATE template STRATEGY FILE_COPY").format(made)
    )
    yield server.endpoint.url(name)
    administration.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(made))


@pytest.fixture
def dsn(postgres: EmbeddedPostgres, administration: psycopg.Connection[Any]) -> Iterator[str]:
    """SQLAlchemy's URL of a fresh database with the schema."""
    with _fresh_database(postgres, administration) as url:
        yield url


@pytest.fixture
def catalogue(dsn: str) -> Iterator[SqlCatalogue]:
    """The catalogue on a fresh database."""
    made = SqlCatalogue(dsn)
    yield made
    made.close()


@pytest.fixture
def empty_catalogue(postgres: EmbeddedPostgres, administration: psycopg.Connection[Any]) -> Iterator[SqlCatalogue]:
    """A second catalogue, on a fresh database of its own."""
    with _fresh_database(postgres, administration) as url:
        made = SqlCatalogue(url)
        yield made
        made.close()


@pytest.fixture
def clock() -> SettableClock:
    """A clock that stands still until a test moves it."""
    return SettableClock()


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples of each property in CI, where the next run tries others, and many more in the torture."""
    settings.load_profile("torture" if "not torture" not in config.option.markexpr else "quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from a million objects that are there to stay: a fifth of the time, four times.

    Set aside afterwards, they are not looked at again and again while the tests run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first."""
    items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Division:
    """Divide the tests among processes so that files that share a stack share a process."""
    return Division(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what tests are told from the command line."""
    parser.addoption("--kills", type=int, default=20, help="how many runs the random kills strike (torture)")
    parser.addoption("--strikes", type=int, default=500, help="how many kills strike archiving workers and their store")
    parser.addoption("--seed", type=int, default=None, help="of what is left to chance, as an earlier run told it")
    parser.addoption("--sparse-gib", type=int, default=4, help="size of the large sparse file (large)")
