"""The Prefect server runs as ours on PostgreSQL, comes back after a kill and leaves no process behind."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_prefect import EmbeddedPrefect, client_environment
from cisterna.adapters.free_port import claim_port, spare_ports
from cisterna.domain.errors import NotReady

PATIENCE_SECONDS = 150.0
"""An import of Prefect's server takes five CPU seconds, and tests share the machine."""


def ask(server: EmbeddedPrefect, path: str, body: object | None = None) -> object:
    verb = "GET" if body is None else "POST"
    return httpx.request(verb, server.api_url + path, json=body, timeout=30, trust_env=False).raise_for_status().json()


@pytest.mark.system
@pytest.mark.timeout(400)
def test_it_keeps_its_runs_over_a_kill_and_stops_without_a_trace(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    postgres.ensure_database("prefect_test", extensions=["pg_trgm"])
    url = postgres.endpoint.asyncpg_url("prefect_test")
    port = spare_ports(1)[0]
    server = EmbeddedPrefect(tmp_path / "prefect", log=tmp_path / "log", database_url=url, port=port)
    try:
        server.start(timeout_seconds=PATIENCE_SECONDS)
        address, first = server.api_url, server.pid
        made = ask(server, "/flows/", {"name": "kept"})
        server.kill()
        assert not server.is_healthy()
        with pytest.raises(NotReady):
            server.await_ready(timeout_seconds=5.0)

        server.start(timeout_seconds=PATIENCE_SECONDS)

        assert server.api_url == address
        assert ask(server, "/flows/name/kept") == made
        settings = ask(server, "/admin/settings")
        assert isinstance(settings, dict)
        assert settings["server"]["analytics_enabled"] is False
        assert url.split("@")[0] not in Path(f"/proc/{server.pid}/cmdline").read_text()
        second = server.pid
    finally:
        server.stop(timeout_seconds=30.0)

    assert server.pid is None
    for pid in (first, second):
        assert not Path(f"/proc/{pid}").exists()
        assert _children_of(pid) == []


def _children_of(pid: int | None) -> list[int]:
    """Whoever is in the server's session: it leads one, and its pid names it."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                if os.getsid(int(one.name)) == pid:
                    found.append(int(one.name))
            except ProcessLookupError:
                continue
    return found


def test_clients_are_told_of_our_server_and_of_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "of another server")
    server = EmbeddedPrefect(tmp_path, log=tmp_path / "log", database_url="postgresql+asyncpg://u@/p?host=/x")
    server._claim = claim = claim_port(4242, is_fixed=False, setting="prefect.port")
    claim.release()

    environment = client_environment(server.api_url, home=tmp_path)

    assert environment["PREFECT_API_URL"] == f"http://127.0.0.1:{claim.port}/api"
    assert environment["PREFECT_SERVER_EPHEMERAL_ENABLED"] == "false"
    assert environment["DO_NOT_TRACK"] == "1"
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in environment
    assert "PREFECT_API_KEY" not in server.environment()
    assert server.environment()["PREFECT_SERVER_DATABASE_CONNECTION_URL"].startswith("postgresql+asyncpg://")


def test_what_was_not_started_has_no_address(tmp_path: Path) -> None:
    server = EmbeddedPrefect(tmp_path, log=tmp_path / "log", database_url="postgresql+asyncpg://u@/p?host=/x")

    with pytest.raises(NotReady):
        _ = server.api_url
    with pytest.raises(NotReady):
        server.await_ready()
    server.stop()
