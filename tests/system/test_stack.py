"""One command starts everything, and nothing reaches beyond the machine."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from cisterna.bootstrap import Endpoints
from cisterna.domain.errors import NotReady
from tests.system.provisioned import DEFAULT_PORTS, Provisioned, taken
from tests.system.running import MODULES, RunningStack, digests, short_folder, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

LOOPBACK = {"127.0.0.1", "::1"}


@pytest.fixture
def home() -> Iterator[RunningStack]:
    """A home on which nothing was started yet; nothing of it runs afterwards."""
    with short_folder() as folder:
        made = RunningStack(folder / "home")
        yield made
        made.stop()
        assert not made.named()


@pytest.fixture(scope="module")
def stack(provisioned: Provisioned) -> RunningStack:
    """A stack whose default ports were taken, called from a folder with a `flows` of its own."""
    return provisioned.stack


def is_elsewhere(stack: RunningStack, before: Endpoints) -> bool:
    """Tell whether everything answers again, and not where it did."""
    try:
        stack.home.require_ready()
        return stack.home.endpoints() != before
    except NotReady:
        return False


def connections(stack: RunningStack) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for process in stack.processes():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found += [(process.name(), one) for one in process.net_connections(kind="inet")]
    return found


def test_after_the_first_start_every_part_answers(stack: RunningStack) -> None:
    answer = stack.run_apart("doctor")

    assert answer.code == 0, answer.out
    conditions = {part["part"]: part["condition"] for part in answer.document["parts"]}
    assert {"settings", "stack", "catalogue", "archive", "public bucket", "prefect", "web", "dispatcher"} <= set(
        conditions
    )
    assert "failed" not in conditions.values()


def test_default_ports_that_are_taken_give_way(stack: RunningStack) -> None:
    endpoints = stack.home.endpoints()

    used = {
        int(url.rsplit(":", 1)[1].split("/")[0])
        for url in (endpoints.web_url, endpoints.s3_endpoint, endpoints.prefect_api_url)
    }
    assert len(used) == 3
    assert not used & set(DEFAULT_PORTS)


def test_everything_listens_on_this_machine_only(stack: RunningStack) -> None:
    listening = [(name, one) for name, one in connections(stack) if one.status == psutil.CONN_LISTEN]

    assert listening
    assert [(name, one) for name, one in listening if one.laddr.ip not in LOOPBACK] == []


def test_no_connection_leaves_the_machine_while_it_works_through_another_client(
    stack: RunningStack, tmp_path: Path
) -> None:
    folder, seen, done = write_run(tmp_path / "zone"), set(), threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            seen.update((name, one.raddr.ip) for name, one in connections(stack) if one.raddr)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = stack.ingest(folder)
    finally:
        done.set()
        watcher.join()

    assert answer.code == 0, answer.out
    assert stack.ok("check", answer.document["dataset_id"], "--store", "archive")["fixity"] == "ok"
    stack.ok("restore", answer.document["dataset_id"], "--to", str(tmp_path / "back"))
    assert digests(tmp_path / "back" / "data") == digests(folder)
    assert seen
    assert {(name, address) for name, address in seen if address not in LOOPBACK} == set()


def test_files_with_secrets_are_their_owners_alone_and_no_log_tells_them(stack: RunningStack) -> None:
    endpoints = stack.home.endpoints()
    secrets = {endpoints.archive_secret_access_key, endpoints.public_secret_access_key}
    values = [secret.get_secret_value().encode() for secret in secrets]
    token = next(line for line in stack.up_log.read_text().splitlines() if "/setup/" in line).rsplit("/", 1)[1]
    values.append(token.encode())

    telling, open_to_others = [], []
    for file in sorted(stack.folder.rglob("*")):
        relative = file.relative_to(stack.folder)
        if not file.is_file() or file.is_symlink() or relative.parts[:2] in {("postgres", "data"), ("store", "data")}:
            continue
        content = file.read_bytes()
        if any(value in content for value in values):
            telling.append(str(relative))
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                open_to_others.append(str(relative))
    assert open_to_others == []
    assert set(telling) == {"run/endpoints.json", "store/identities.json", "store/keys.json"}
    for process in stack.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline()).encode()
            assert not any(value in line for value in values), process
    assert stat.S_IMODE(stack.folder.stat().st_mode) == 0o700


def test_a_second_start_on_the_same_home_is_refused_and_names_the_holder(stack: RunningStack) -> None:
    assert stack.process is not None
    until((stack.folder / "run" / "worker-keeping.ready").exists, seconds=60, what="the worker that comes last")
    parts = [part for part in MODULES if part != "postgres"]  # which has a process for each connection
    before = {part: stack.pids(part) for part in parts}

    answer = stack.run_apart("up", timeout=60)

    assert answer.code == 5
    assert str(stack.process.pid) in answer.reason
    assert str(stack.folder) in answer.reason
    assert {part: stack.pids(part) for part in parts} == before
    assert all(before.values())
    assert stack.run("doctor").code == 0


@pytest.mark.torture
def test_after_a_clean_stop_the_second_start_goes_on_with_all_that_was_there(
    stack: RunningStack, tmp_path: Path
) -> None:
    """In CI a stack that was stopped, and whose database was lost besides, shows it: `test_rebuild.py`."""
    assert stack.ingest(write_run(tmp_path / "zone", seed=6)).code == 0
    until(lambda: stack.run("check").code == 0, seconds=90, what="the copies of all", every=0.5)
    before = {row["version_id"] for row in stack.rows()}
    assert stack.stop() == 0
    assert not stack.named()

    stack.start()

    assert before <= {row["version_id"] for row in stack.rows()}
    assert stack.ok("check")["fixity"] == "ok"


@pytest.mark.torture
def test_a_part_that_lost_its_port_takes_everything_to_another_address(stack: RunningStack, tmp_path: Path) -> None:
    """A killed server's port is anybody's: what came up elsewhere and was told to nobody would stop all work."""
    before = stack.home.endpoints()
    port = urlsplit(before.prefect_api_url).port or 0

    def take(held: contextlib.ExitStack) -> bool:
        return held.enter_context(taken(port))

    with contextlib.ExitStack() as held:
        stack.kill("prefect")
        until(lambda: take(held), seconds=5, what=f"port {port} for another program", every=0.001)
        until(lambda: is_elsewhere(stack, before), seconds=180, what="another address", every=0.2)

        assert stack.home.endpoints().prefect_api_url != before.prefect_api_url
        answer = stack.ingest(write_run(tmp_path / "zone", seed=7))
        assert answer.code == 0, answer.out
        stack.await_healthy()
        assert "everything starts anew" in stack.up_log.read_text()


def test_a_name_in_the_environment_that_is_no_setting_is_refused_by_name(home: RunningStack) -> None:
    answer = home.run_apart("doctor", given={"CISTERNA_WEB__PROT": "8080"})

    assert answer.code == 1
    assert "CISTERNA_WEB__PROT" in answer.reason
    assert not home.folder.exists()


def test_doctor_before_the_first_start_says_so_and_creates_nothing(home: RunningStack) -> None:
    answer = home.run("doctor")

    assert answer.code == 5
    assert "cisterna up" in json.dumps(answer.document)
    assert not home.folder.exists()


@pytest.mark.parametrize("name", ["WEB", "STORE", "PREFECT"])
def test_a_port_that_was_asked_for_by_name_and_is_taken_is_refused(home: RunningStack, name: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]

        answer = home.run_apart("up", given={f"CISTERNA_{name}__PORT": str(port)}, timeout=120)

    assert answer.code in {1, 5}
    assert str(port) in answer.reason, answer.document
    assert "taken" in answer.reason or "in use" in answer.reason
    assert not home.named()


def test_a_home_that_cannot_be_written_is_refused_with_its_path(home: RunningStack) -> None:
    home.folder.write_text("this is a file")

    answer = home.run_apart("up", timeout=60)

    assert answer.code in {1, 5}
    assert str(home.folder) in answer.reason
    home.folder.unlink()
