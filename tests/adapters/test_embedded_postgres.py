"""The embedded PostgreSQL survives what happens to processes, and loses nothing it acknowledged."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from cisterna.adapters.embedded_postgres import EmbeddedPostgres, end_leftovers, find_binaries
from cisterna.adapters.postgres_endpoint import PostgresEndpoint, recorded_endpoint
from cisterna.domain.errors import NotReady


@pytest.fixture
def server(quick_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(quick_path / "postgres")
    yield made
    made.stop()


def until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.01)


def _holds_at_least(found: set[tuple[int, int]], count: int) -> bool:
    return len(found) >= count


def runs(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def one(endpoint: PostgresEndpoint, statement: str, database: str = "postgres") -> object:
    with psycopg.connect(endpoint.libpq_uri(database)) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def test_it_commits_to_disk_and_listens_on_a_private_socket_only(server: EmbeddedPostgres) -> None:
    endpoint = server.start()

    assert [one(endpoint, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "listen_addresses")] == [
        "on",
        "on",
        "",
    ]
    assert endpoint.socket_folder.stat().st_mode & 0o777 == 0o700


def test_databases_and_extensions_are_made_once(server: EmbeddedPostgres) -> None:
    endpoint = server.start()

    for _ in range(2):
        server.ensure_database("cisterna")
        server.ensure_database("prefect", extensions=["pg_trgm"])

    assert one(endpoint, "SELECT similarity('dataset', 'dataset')", "prefect") == pytest.approx(1.0)


def test_a_hostile_database_name_is_a_name_and_no_statement(server: EmbeddedPostgres) -> None:
    endpoint = server.start()
    name = 'x"; DROP DATABASE postgres; --'

    server.ensure_database(name)

    assert one(endpoint, "SELECT count(*) FROM pg_database WHERE datname LIKE 'x%DROP%'") == 1


def test_a_second_start_finds_what_the_first_left(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start().libpq_uri("postgres")) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    server.stop()

    assert one(server.start(), "SELECT count(*) FROM kept") == 0


def test_nothing_acknowledged_is_lost_when_the_postmaster_is_killed_under_load(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start().libpq_uri("postgres")) as connection:
        connection.execute("CREATE TABLE acknowledged (writer int, n int, PRIMARY KEY (writer, n))")
    acknowledged: set[tuple[int, int]] = set()

    def write(writer: int, round_number: int) -> None:
        number = round_number * 1_000_000
        try:
            with psycopg.connect(server.endpoint.libpq_uri("postgres"), autocommit=True) as connection:
                while True:
                    number += 1
                    connection.execute("INSERT INTO acknowledged VALUES (%s, %s)", [writer, number])
                    acknowledged.add((writer, number))
        except psycopg.OperationalError:
            return

    for round_number in range(3):
        writers = [threading.Thread(target=write, args=(writer, round_number)) for writer in range(4)]
        for thread in writers:
            thread.start()
        reached = partial(_holds_at_least, acknowledged, len(acknowledged) + 200)
        until(reached)
        server.kill()
        for thread in writers:
            thread.join()
        server.start()

    with psycopg.connect(server.endpoint.libpq_uri("postgres")) as connection:
        found = set(connection.execute("SELECT writer, n FROM acknowledged").fetchall())
    assert acknowledged <= found
    assert len(acknowledged) >= 600


def test_killing_the_supervisor_leaves_no_server_and_the_next_start_works(quick_path: Path) -> None:
    folder = quick_path / "postgres"
    program = (
        "import sys, time; from pathlib import Path; from cisterna.adapters.embedded_postgres import EmbeddedPostgres;"
        "made = EmbeddedPostgres(Path(sys.argv[1])); made.start(); made.ensure_database('cisterna');"
        "print(made.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        postmaster = int(supervisor.stdout.readline())
        with pytest.raises(NotReady, match="another Cisterna"):
            EmbeddedPostgres(folder).start()
        supervisor.kill()

    server = EmbeddedPostgres(folder)
    try:
        endpoint = server.start()

        assert not runs(postmaster)
        assert one(endpoint, "SELECT count(*) FROM pg_database WHERE datname = 'cisterna'") == 1
        assert recorded_endpoint(folder) == endpoint
    finally:
        server.stop()


def test_half_an_initdb_is_not_taken_for_a_database(server: EmbeddedPostgres, quick_path: Path) -> None:
    half = quick_path / "postgres" / "data.new"
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    assert one(server.start(), "SELECT 1") == 1
    assert not half.exists()


def test_a_lock_file_that_names_somebody_elses_process_does_not_stop_the_start(
    server: EmbeddedPostgres, quick_path: Path
) -> None:
    server.start()
    lock_file = quick_path / "postgres" / "data" / "postmaster.pid"
    lines = lock_file.read_text().splitlines()
    server.kill()
    lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    assert one(server.start(), "SELECT 1") == 1


def test_a_postmaster_that_nobody_supervises_is_ended_first(server: EmbeddedPostgres, quick_path: Path) -> None:
    server.start()
    orphan = server.pid
    assert orphan is not None

    end_leftovers(quick_path / "postgres" / "data", timeout_seconds=20)

    until(lambda: not runs(orphan))
    assert server.pid is None
    assert one(server.start(), "SELECT 1") == 1


def test_a_home_with_a_long_path_gets_a_short_socket_and_keeps_it(quick_path: Path) -> None:
    folder = quick_path / ("d" * 120) / "postgres"
    server = EmbeddedPostgres(folder)
    try:
        first = server.start()
        server.stop()
        again = server.start()

        assert len(os.fsencode(first.socket_folder)) < 90
        assert again == first == recorded_endpoint(folder)
        assert one(again, "SELECT 1") == 1
    finally:
        server.stop()
        first.socket_folder.rmdir()


def test_a_socket_folder_that_others_can_enter_is_not_used_again(quick_path: Path) -> None:
    folder = quick_path / ("d" * 120) / "postgres"
    server = EmbeddedPostgres(folder)
    folders = []
    try:
        folders.append(server.start().socket_folder)
        server.stop()
        folders[0].chmod(0o777)

        folders.append(server.start().socket_folder)

        assert folders[0] != folders[1]
    finally:
        server.stop()
        for made in folders:
            made.rmdir()


def test_a_server_that_cannot_start_says_why(server: EmbeddedPostgres, quick_path: Path) -> None:
    server.start()
    server.stop()
    (quick_path / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(NotReady, match="incompatible"):
        server.start()


def test_stopping_ends_sessions_without_waiting_for_them(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start().libpq_uri("postgres")) as connection:
        connection.execute("SELECT 1")
        postmaster = server.pid
        assert postmaster is not None

        server.stop()

        assert not runs(postmaster)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_an_endpoint_before_the_first_start_is_refused(quick_path: Path) -> None:
    with pytest.raises(NotReady, match="start"):
        recorded_endpoint(quick_path)
    with pytest.raises(NotReady):
        _ = EmbeddedPostgres(quick_path, binaries=find_binaries()).endpoint


def test_clients_are_told_where_it_listens_even_when_the_path_has_odd_characters() -> None:
    endpoint = PostgresEndpoint(socket_folder=Path("/tmp/a b?&#"))  # noqa: S108 - a name only

    assert endpoint.url("cisterna") == "postgresql+psycopg://cisterna@/cisterna?host=/tmp/a%20b%3F%26%23"
    assert endpoint.asyncpg_url("prefect").startswith("postgresql+asyncpg://cisterna@/prefect?host=/tmp/")


def test_binaries_that_do_not_run_are_a_named_refusal_with_advice(quick_path: Path) -> None:
    broken = quick_path / "bin"
    broken.mkdir()
    (broken / "initdb").write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    (broken / "initdb").chmod(0o755)

    with pytest.raises(NotReady, match=r"no such thing.*database\.dsn"):
        EmbeddedPostgres(quick_path / "postgres", binaries=broken).start()


def test_two_homes_run_side_by_side(server: EmbeddedPostgres, quick_path: Path) -> None:
    other = EmbeddedPostgres(quick_path / "other")
    try:
        first, second = server.start(), other.start()
        server.ensure_database("mine")

        assert one(first, "SELECT count(*) FROM pg_database WHERE datname = 'mine'") == 1
        assert one(second, "SELECT count(*) FROM pg_database WHERE datname = 'mine'") == 0
    finally:
        other.stop()
