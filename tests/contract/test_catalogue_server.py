"""The catalogue as a server: schema, lost connections, doorbells."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_migrations import alembic_config
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.catalogue_tables import SCHEMA_REVISION, metadata
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import CatalogueUnavailable, Conflict, InvalidInput, NotReady
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import keep_version, make_event, make_project, make_work

LEASE = timedelta(seconds=15)


def until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.01)


@pytest.fixture
def own_server(quick_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that the test may kill."""
    server = EmbeddedPostgres(quick_path / "pg")
    server.start()
    server.ensure_database("cisterna")
    yield server
    server.stop()


@pytest.fixture
def own_catalogue(own_server: EmbeddedPostgres) -> Iterator[SqlCatalogue]:
    made = SqlCatalogue(own_server.endpoint.url("cisterna"))
    made.migrate()
    yield made
    made.close()


def test_the_migrations_build_the_tables_that_the_statements_use(dsn: str) -> None:
    engine = create_engine(dsn)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})

            assert compare_metadata(context, metadata) == []
            assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == SCHEMA_REVISION
    finally:
        engine.dispose()


def test_several_processes_may_migrate_at_once(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_database("migrated_at_once")
    made = [SqlCatalogue(postgres.endpoint.url("migrated_at_once")) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: one.migrate(), made))

        with made[0].begin() as tx:
            assert tx.projects.list() == []
        made[0].migrate()
    finally:
        for one in made:
            one.close()


def test_a_database_of_a_newer_cisterna_is_refused(catalogue: SqlCatalogue) -> None:
    with catalogue._engine.begin() as connection:
        connection.execute(sql_text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(NotReady, match="9999"):
        catalogue.migrate()


def test_a_database_without_the_schema_says_what_to_do(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_database("bare")
    bare = SqlCatalogue(postgres.endpoint.url("bare"))
    try:
        with pytest.raises(NotReady, match="cisterna up"), bare.begin() as tx:
            tx.projects.list()
    finally:
        bare.close()


def test_a_server_on_which_words_cannot_be_compared_says_who_mends_it(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_database("strict")
    with psycopg.connect(postgres.endpoint.libpq_uri("strict"), autocommit=True) as server:
        server.execute("CREATE ROLE tenant LOGIN")
        server.execute("GRANT ALL ON SCHEMA public TO tenant")
    url = make_url(postgres.endpoint.url("strict")).set(username="tenant").render_as_string(hide_password=False)
    strict = SqlCatalogue(url)
    try:
        with pytest.raises(NotReady, match="CREATE EXTENSION pg_trgm"):
            strict.migrate()
    finally:
        strict.close()


def test_no_server_is_a_named_refusal_that_may_be_tried_again(tmp_path: Path) -> None:
    nowhere = SqlCatalogue(f"postgresql://cisterna@/cisterna?host={tmp_path}")

    with pytest.raises(CatalogueUnavailable) as refused, nowhere.begin():
        pytest.fail("a transaction began without a server")
    with pytest.raises(CatalogueUnavailable):
        nowhere.migrate()

    assert refused.value.retryable


def test_two_savers_of_one_version_are_one_success_and_one_conflict(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)
    start = threading.Barrier(2)

    def save(reason: str) -> str:
        start.wait()
        try:
            with catalogue.begin() as tx:
                tx.datasets.save_version(version.model_copy(update={"reason": reason}))
        except Conflict:
            return "conflict"
        return reason

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(save, ["first", "second"]))

    assert min(ends) == "conflict"
    with catalogue.begin() as tx:
        assert tx.datasets.get_version(version.version_id).reason in set(ends) - {"conflict"}


def test_a_killed_server_is_unavailable_and_what_was_acknowledged_is_there_after_it(
    own_server: EmbeddedPostgres, own_catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    version = keep_version(own_catalogue)
    with own_catalogue.begin() as tx:
        tx.outbox.register(["lineage"])
        tx.inbox.request(make_work())
    with own_catalogue.begin() as tx:
        taken = tx.inbox.claim(owner="worker", run_id=clock.new_id(), now=clock.now(), lease=LEASE)
        assert taken is not None
        measured = tx.datasets.save_version(version.model_copy(update={"stage": Stage.MEASURED}))
        tx.outbox.append(make_event("measured", subject=version.version_id))

    with pytest.raises(CatalogueUnavailable), own_catalogue.begin() as tx:  # noqa: PT012 - the kill comes in between
        tx.inbox.require_lease(taken.attempt)
        tx.datasets.save_version(measured.model_copy(update={"stage": Stage.GATED}))
        tx.outbox.append(make_event("gated", subject=version.version_id))
        backends = psutil.Process(own_server.pid).children()
        own_server.kill()
        psutil.wait_procs(backends, timeout=30)  # one that has not noticed yet would still commit
        tx.inbox.finish(taken.attempt, outcome="not acknowledged")
    with pytest.raises(CatalogueUnavailable), own_catalogue.begin():
        pytest.fail("a transaction began on a dead server")
    own_server.start()

    with own_catalogue.begin() as tx:
        tx.inbox.require_lease(taken.attempt)
        assert tx.datasets.get_version(version.version_id) == measured
        assert [event.event_id for event in tx.outbox.history([version.version_id])] == [
            make_event("measured").event_id
        ]
        assert len(tx.outbox.due(sink="lineage", now=clock.now(), limit=9)) == 1


def test_killing_the_server_again_and_again_loses_and_doubles_no_work(
    own_server: EmbeddedPostgres, own_catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    with own_catalogue.begin() as tx:
        tx.outbox.register(["lineage"])
        for number in range(120):
            tx.inbox.request(make_work(f"work-{number}"))
    finished: list[str] = []
    over = threading.Event()

    def work(worker: int) -> None:
        while not over.is_set():
            try:
                with own_catalogue.begin() as tx:
                    taken = tx.inbox.claim(owner=str(worker), run_id=clock.new_id(), now=clock.now(), lease=LEASE)
                if taken is None:
                    with own_catalogue.begin() as tx:
                        tx.inbox.expired(now=clock.advance(16))
                    continue
                with own_catalogue.begin() as tx:
                    tx.inbox.require_lease(taken.attempt)
                    tx.outbox.append(make_event(taken.attempt.run_id, subject=taken.work.work_id))
                    tx.inbox.finish(taken.attempt, outcome="done")
                finished.append(taken.work.work_id)
            except Exception as error:  # noqa: BLE001 - whatever happens, the worker goes on until the test is over
                if not getattr(error, "retryable", False) and type(error).__name__ != "LeaseLost":
                    finished.append(repr(error))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in workers:
        thread.start()
    for share in (20, 60):
        until(lambda share=share: len(finished) >= share)  # type: ignore[misc]
        own_server.kill()
        own_server.start()
    try:
        until(lambda: len(set(finished)) >= 120 or len(finished) > 120, seconds=40)
    finally:
        over.set()
        for thread in workers:
            thread.join()

    with own_catalogue.begin() as tx:
        done = {item.work_id for item in tx.inbox.list()}
        events = tx.outbox.history(list(done))
    assert set(finished) <= done
    assert {item.subject for item in events} == done
    assert len(events) == 120


def test_listening_tells_what_was_committed_and_nothing_of_what_was_rolled_back(catalogue: SqlCatalogue) -> None:
    bell = catalogue.listen(timeout=timedelta(seconds=0.2))
    assert next(bell) == ""

    with pytest.raises(RuntimeError), catalogue.begin() as tx:  # noqa: PT012 - the block is what fails
        tx.inbox.request(make_work("rolled back"))
        raise RuntimeError
    assert next(bell) == ""
    with catalogue.begin() as tx:
        tx.inbox.request(make_work())
        tx.outbox.append(make_event())

    assert {next(bell), next(bell)} == {"inbox", "outbox"}
    bell.close()  # type: ignore[attr-defined]


def test_listening_outlives_a_restart_of_the_server(own_server: EmbeddedPostgres, own_catalogue: SqlCatalogue) -> None:
    heard: list[str] = []
    over = threading.Event()

    def listen() -> None:
        for topic in own_catalogue.listen(timeout=timedelta(seconds=0.1)):
            heard.append(topic)
            if over.is_set():
                return

    def ring(name: str) -> bool:
        with own_catalogue.begin() as tx:
            tx.outbox.append(make_event(name))
        return "outbox" in heard

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        until(lambda: ring("before"))
        own_server.kill()
        beats = len(heard)
        until(lambda: len(heard) > beats)  # it goes on telling that time passes
        own_server.start()
        heard.clear()
        count = iter(range(10_000))
        until(lambda: ring(f"after {next(count)}"))
    finally:
        over.set()
        listener.join()


def test_the_hot_statements_use_their_indexes(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    with catalogue._engine.begin() as connection:
        connection.execute(sql_text("INSERT INTO lanes SELECT 'squid-' || n FROM generate_series(0, 9) AS n"))
        connection.execute(
            sql_text(
                "INSERT INTO works SELECT 'w' || n, 'k' || n, 'ingest', 's' || n, '{}', 'squid-' || n % 10,"
                " CASE WHEN n % 2 = 0 THEN 'done' ELSE 'ready' END, 0, now(), now(), NULL"
                " FROM generate_series(1, 20000) AS n"
            )
        )
        connection.execute(sql_text("INSERT INTO sinks VALUES ('lineage', true)"))
        connection.execute(
            sql_text(
                "INSERT INTO events (event_id, name, subject, occurred_at, restricted, data)"
                " SELECT 'e' || n, 'version.stage', 's' || n % 2000, now(), true, '{}'"
                " FROM generate_series(1, 20000) AS n"
            )
        )
        connection.execute(
            sql_text("INSERT INTO deliveries (sink, sequence, subject) SELECT 'lineage', sequence, subject FROM events")
        )
    with catalogue._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sql_text("VACUUM ANALYZE"))

    from cisterna.adapters import catalogue_inbox, catalogue_outbox

    values = {"now": clock.now() + timedelta(days=3650), "kinds": ["ingest"], "sink": "lineage", "limit": 50}
    for statement, most_rows in ((catalogue_inbox._NEXT_READY, 60), (catalogue_outbox._HEADS, 400)):
        explain = sql_text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
        used = {name: values[name] for name in statement._bindparams}
        with catalogue._engine.connect() as connection:
            plan = connection.execute(explain, used).scalar_one()

        assert _rows_read(plan) <= most_rows, plan


def _rows_read(plan: object) -> float:
    """Sum the rows that every scan of a table or index brought up, those it filtered out included."""
    import json

    def walk(node: dict[str, object]) -> float:
        children: list[dict[str, object]] = node.get("Plans", [])  # type: ignore[assignment]
        own = 0.0
        if "Scan" in str(node["Node Type"]) and node["Node Type"] != "Subquery Scan":
            rows = float(str(node["Actual Rows"])) + float(str(node.get("Rows Removed by Filter", 0)))
            own = rows * float(str(node["Actual Loops"]))
        return own + sum(walk(child) for child in children)

    return walk(json.loads(plan)[0]["Plan"])  # type: ignore[arg-type]


def test_an_error_of_the_database_does_not_show_what_was_written(catalogue: SqlCatalogue) -> None:
    title = "patient " * 3  # written so that it is not in this test's own lines of the traceback
    restricted = make_project(title=title).model_copy(update={"record": 2**40})

    with pytest.raises(InvalidInput) as refused, catalogue.begin() as tx:
        tx.projects.add(restricted)

    assert title.strip() not in "".join(traceback.format_exception(refused.value))
