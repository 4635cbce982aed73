"""The catalogue on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from sqlalchemy import Engine, make_url
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_access import SqlAccessBook
from cisterna.adapters.catalogue_account import SqlAccounts
from cisterna.adapters.catalogue_acquisition import SqlAcquisitions
from cisterna.adapters.catalogue_adoption import SqlAdoptions
from cisterna.adapters.catalogue_ahead import SqlAheads, SqlWritings
from cisterna.adapters.catalogue_alert import SqlAlerts
from cisterna.adapters.catalogue_connection import CHANNEL, CONNECT, Statements, Usage, connect_engine, translated
from cisterna.adapters.catalogue_copy import SqlCopies
from cisterna.adapters.catalogue_dataset import SqlDatasets
from cisterna.adapters.catalogue_delivery import SqlDeliveries
from cisterna.adapters.catalogue_deposit import SqlDeposits
from cisterna.adapters.catalogue_erasure import SqlErasures
from cisterna.adapters.catalogue_hint import SqlHints
from cisterna.adapters.catalogue_hold import SqlHolds
from cisterna.adapters.catalogue_inbox import SqlInbox
from cisterna.adapters.catalogue_instrument import SqlInstruments
from cisterna.adapters.catalogue_instrument_health import SqlInstrumentHealthBook
from cisterna.adapters.catalogue_outbox import SqlOutbox
from cisterna.adapters.catalogue_project import SqlProjects
from cisterna.adapters.catalogue_public import SqlPublicIndex
from cisterna.adapters.catalogue_rebuild import SqlRebuilding
from cisterna.adapters.catalogue_record import SqlRecords
from cisterna.adapters.catalogue_recovery import SqlRecoveries
from cisterna.adapters.catalogue_release import SqlReleases
from cisterna.adapters.catalogue_retention import SqlProtections, SqlRetentionRules
from cisterna.adapters.catalogue_roster import SqlRoster
from cisterna.adapters.catalogue_sighting import SqlSightings
from cisterna.adapters.catalogue_tables import SCHEMA_REVISION
from cisterna.adapters.catalogue_trend import SqlTrendBook
from cisterna.adapters.catalogue_usage import SqlUsageBook
from cisterna.ports.access import AccessBook
from cisterna.ports.account import Accounts
from cisterna.ports.adoption import Adoptions
from cisterna.ports.ahead import Aheads, Writings
from cisterna.ports.alert import Alerts
from cisterna.ports.catalogue import (
    Acquisitions,
    Copies,
    Datasets,
    Erasures,
    Holds,
    Instruments,
    Projects,
    Releases,
    Transaction,
)
from cisterna.ports.delivery import Deliveries
from cisterna.ports.deposit import Deposits
from cisterna.ports.hint import Hints
from cisterna.ports.inbox import Inbox, Outbox
from cisterna.ports.instrument_health import InstrumentHealthBook
from cisterna.ports.public_index import PublicIndex
from cisterna.ports.record import Rebuilding, Records, Recoveries
from cisterna.ports.retention import Protections, RetentionRules
from cisterna.ports.roster import Roster
from cisterna.ports.sighting import Sightings
from cisterna.ports.trend import TrendBook
from cisterna.ports.usage import UsageBook

_RECONNECT_SECONDS = 1.0


class SqlTransaction:
    """Implements `ports.catalogue.Transaction`."""

    def __init__(self, statements: Statements) -> None:
        self.instruments: Instruments = SqlInstruments(statements)
        self.projects: Projects = SqlProjects(statements)
        self.acquisitions: Acquisitions = SqlAcquisitions(statements)
        self.aheads: Aheads = SqlAheads(statements)
        self.writings: Writings = SqlWritings(statements)
        self.datasets: Datasets = SqlDatasets(statements)
        self.access: AccessBook = SqlAccessBook(statements)
        self.copies: Copies = SqlCopies(statements)
        self.deliveries: Deliveries = SqlDeliveries(statements)
        self.deposits: Deposits = SqlDeposits(statements)
        self.holds: Holds = SqlHolds(statements)
        self.releases: Releases = SqlReleases(statements)
        self.retention_rules: RetentionRules = SqlRetentionRules(statements)
        self.protections: Protections = SqlProtections(statements)
        self.erasures: Erasures = SqlErasures(statements)
        self.roster: Roster = SqlRoster(statements)
        self.sightings: Sightings = SqlSightings(statements)
        self.hints: Hints = SqlHints(statements)
        self.adoptions: Adoptions = SqlAdoptions(statements)
        self.inbox: Inbox = SqlInbox(statements)
        self.outbox: Outbox = SqlOutbox(statements)
        self.alerts: Alerts = SqlAlerts(statements)
        self.instrument_health: InstrumentHealthBook = SqlInstrumentHealthBook(statements)
        self.trends: TrendBook = SqlTrendBook(statements)
        self.usage: UsageBook = SqlUsageBook(statements)
        self.public_index: PublicIndex = SqlPublicIndex(statements)
        self.accounts: Accounts = SqlAccounts(statements)
        self.records: Records = SqlRecords(statements)
        self.rebuilding: Rebuilding = SqlRebuilding(statements)
        self.recoveries: Recoveries = SqlRecoveries(statements)


class SqlCatalogue:
    """Implements `ports.catalogue.Catalogue`.

    One instance serves all threads of a process; a child process makes its own.

    Args:
        dsn: `postgresql://...`, with or without a driver's name; PostgreSQL 14 or newer.
        pool_size: Connections kept open; two more are opened under load.
        usage: Of the connections, where it is another one.
    """

    def __init__(self, dsn: str, *, pool_size: int = 4, usage: Usage | None = None) -> None:
        self._url = make_url(dsn).set(drivername="postgresql+psycopg")
        url = self._url.render_as_string(hide_password=False)
        self._engine: Engine = connect_engine(url, usage=usage or Usage(connections=pool_size))

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a transaction: it commits when the block ends and rolls back when it raises."""
        with translated():
            connection = self._engine.connect()
        with connection:
            with translated():
                transaction = connection.begin()
            statements = Statements(connection)
            try:
                yield SqlTransaction(statements)
                statements.send_notifications()
            except BaseException:
                with translated():
                    transaction.rollback()
                raise
            with translated():
                transaction.commit()

    def migrate(self) -> None:
        """Bring the schema to this version of Cisterna; several processes may do so at once."""
        if self._revision() == SCHEMA_REVISION:
            return
        from cisterna.adapters.catalogue_migrations import upgrade

        with translated(), self._engine.begin() as connection:
            upgrade(connection)

    def listen(self, *, timeout: timedelta) -> Iterator[str]:
        """Yield topics on a connection of its own, which is made anew for as long as the server is away.

        `""` comes at every timeout, and after each new connection, because what was told meanwhile is lost.
        """
        while True:
            try:
                with self._listening() as connection:
                    yield ""
                    while True:
                        heard = connection.notifies(timeout=timeout.total_seconds(), stop_after=1)
                        topics = {notice.payload for notice in heard}
                        yield from sorted(topics) or ("",)
            except psycopg.Error:
                time.sleep(min(_RECONNECT_SECONDS, timeout.total_seconds()))
                yield ""

    def close(self) -> None:
        """Give every pooled connection back."""
        self._engine.dispose()

    @contextmanager
    def _listening(self) -> Iterator[psycopg.Connection]:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True, application_name="cisterna-listen", **CONNECT) as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            yield connection

    def _revision(self) -> str | None:
        with translated(), self._engine.connect() as connection:
            if connection.scalar(sql_text("SELECT to_regclass('alembic_version')")) is None:
                return None
            found: str | None = connection.scalar(sql_text("SELECT version_num FROM alembic_version"))
            return found
