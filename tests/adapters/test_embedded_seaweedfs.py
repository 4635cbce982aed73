"""The embedded object store starts, is private, and loses nothing when it is killed."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS, find_weed
from cisterna.adapters.free_port import PortLost, spare_ports
from cisterna.adapters.s3_access import Patience
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import CisternaError, NotReady, SettingsInvalid, StoreUnavailable
from cisterna.testing.object_store_contract import LARGE_BYTES, eventually, varied_bytes
from tests.store_fixtures import SHORT, new_seaweedfs

IMPATIENT = Patience(answer_seconds=5.0, connect_seconds=1.0, attempts=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedSeaweedFS]:
    made = new_seaweedfs(tmp_path)
    yield made
    made.kill()
    made.stop()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def archive(server: EmbeddedSeaweedFS, *, patience: Patience = SHORT) -> S3Store:
    return S3Store(server.archive_access, bucket=server.archive_bucket, patience=patience)


@pytest.mark.timeout(180)
def test_every_acknowledged_write_is_there_after_kills(server: EmbeddedSeaweedFS) -> None:
    server.start()
    endpoint, access = server.endpoint, server.archive_access
    acknowledged: dict[str, bytes] = {}
    ended = threading.Event()

    def write(thread: int) -> None:
        store = archive(server, patience=IMPATIENT)
        number = 0
        while not ended.is_set():
            number += 1
            key, body = f"{thread}/{number}", os.urandom(1 + number * 977 % 200_000)
            try:
                store.put(key, body)
            except StoreUnavailable:
                ended.wait(0.02)
                continue
            acknowledged[key] = body
        store.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        enough = len(acknowledged) + 150
        assert eventually(lambda: len(acknowledged) >= enough, seconds=60.0)  # noqa: B023 - used at once
        server.kill()
        server.start(timeout_seconds=60.0)
    ended.set()
    for thread in threads:
        thread.join()

    assert (server.endpoint, server.archive_access) == (endpoint, access)
    store = archive(server)
    lost = [key for key, body in acknowledged.items() if store.get(key)[0] != body]
    assert lost == []
    assert {one.key for one in store.list("")} >= set(acknowledged)
    store.close()


@pytest.mark.timeout(120)
def test_a_polite_stop_ends_the_process_and_keeps_everything(server: EmbeddedSeaweedFS) -> None:
    server.start()
    store = archive(server)
    upload = store.begin_upload("large")
    upload.write(varied_bytes(LARGE_BYTES))
    upload.complete()
    pid = server.pid

    server.stop()
    server.stop()

    assert server.pid is None
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(StoreUnavailable):
        store.head("large")
    server.start()
    server.start()
    assert b"".join(store.stream("large")) == varied_bytes(LARGE_BYTES)
    store.close()


def test_secrets_are_for_the_owner_only_and_on_no_command_line(seaweedfs: EmbeddedSeaweedFS) -> None:
    folder = seaweedfs._folder
    secrets = [
        access.secret_access_key.get_secret_value() for access in (seaweedfs.archive_access, seaweedfs.public_access)
    ]

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("keys.json", "identities.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    arguments = Path(f"/proc/{seaweedfs.pid}/cmdline").read_text()
    assert not any(secret in arguments for secret in secrets)
    assert not any(secret in repr(seaweedfs.archive_access) + repr(seaweedfs.public_access) for secret in secrets)


def test_the_public_identity_sees_the_public_bucket_only(seaweedfs: EmbeddedSeaweedFS) -> None:
    ours = archive(seaweedfs)
    ours.put("secret", b"x")
    public = S3Store(seaweedfs.public_access, bucket=seaweedfs.public_bucket, patience=SHORT)
    intruder = S3Store(seaweedfs.public_access, bucket=seaweedfs.archive_bucket, patience=IMPATIENT)

    public.put("page", b"x")
    assert [one.key for one in public.list("")] == ["page"]
    public.delete(["page"])
    for act in (
        lambda: intruder.get("secret"),
        lambda: intruder.head("secret"),
        lambda: list(intruder.list("")),
        lambda: intruder.put("secret", b"y"),
        lambda: intruder.delete(["secret"]),
        lambda: intruder.begin_upload("secret").complete(),
    ):
        with pytest.raises(StoreUnavailable):
            act()
    assert ours.get("secret")[0] == b"x"
    for store in (ours, public, intruder):
        store.close()


def test_no_door_but_s3_gives_objects_away(seaweedfs: EmbeddedSeaweedFS) -> None:
    ours = archive(seaweedfs)
    ours.put("folder/secret", b"restricted bytes")
    ports = json.loads((seaweedfs._folder / "ports.json").read_text())

    for port in (ports["s3"], ports["filer"]):
        for path in (
            f"/buckets/{seaweedfs.archive_bucket}/folder/secret",
            f"/{seaweedfs.archive_bucket}/folder/secret",
        ):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5)
            assert refusal.value.code in {401, 403, 404}
            refusal.value.close()
    ours.close()


def test_everything_listens_on_this_machine_only(seaweedfs: EmbeddedSeaweedFS) -> None:
    listening = {
        line.split()[9]: line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{seaweedfs.pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    own = {str(file.readlink()) for file in Path(f"/proc/{seaweedfs.pid}/fd").iterdir() if file.is_symlink()}
    addresses = [address for inode, address in listening.items() if f"socket:[{inode}]" in own]

    assert addresses
    assert all(address.startswith("0100007F:") for address in addresses)


def test_a_port_that_was_set_is_not_given_up(tmp_path: Path, taken_port: int) -> None:
    server = EmbeddedSeaweedFS(tmp_path / "store", log=tmp_path / "log", port=taken_port, port_is_fixed=True)

    with pytest.raises(SettingsInvalid, match=r"store\.port"):
        server.start()
    assert server.pid is None


@pytest.mark.parametrize("is_fixed", [False, True], ids=["ours", "the user's"])
def test_a_port_that_is_lost_between_choice_and_start_is_told(tmp_path: Path, *, is_fixed: bool) -> None:
    delayed, is_taken = tmp_path / "weed", tmp_path / "taken"
    delayed.write_text(f'#!/bin/sh\nwhile [ ! -e {is_taken} ]; do sleep 0.01; done\nexec {find_weed()} "$@"\n')
    delayed.chmod(0o755)
    server = EmbeddedSeaweedFS(
        tmp_path / "store", log=tmp_path / "log", port=spare_ports(1)[0], port_is_fixed=is_fixed, binary=delayed
    )
    taking: list[socket.socket] = []

    def take() -> None:
        assert eventually(lambda: server.pid is not None, seconds=30.0)
        taking.append(socket.create_server(("127.0.0.1", int(server.endpoint.rpartition(":")[2]))))
        is_taken.touch()

    thief = threading.Thread(target=take)
    thief.start()
    with pytest.raises(SettingsInvalid if is_fixed else PortLost, match=r"taken|took port"):
        server.start(timeout_seconds=60.0)
    thief.join()
    lost = server.endpoint
    try:
        if not is_fixed:
            server.start(timeout_seconds=60.0)
            assert server.endpoint != lost
    finally:
        server.stop()
        taking[0].close()


def test_damaged_keys_are_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "keys.json").write_text('{"archive_secret": "hidden"')

    with pytest.raises(SettingsInvalid, match=r"keys\.json") as refusal:
        EmbeddedSeaweedFS(tmp_path / "store", log=tmp_path / "log").start()
    assert "hidden" not in str(refusal.value)


def test_what_was_not_started_has_no_address(tmp_path: Path) -> None:
    server = EmbeddedSeaweedFS(tmp_path / "store", log=tmp_path / "log")

    with pytest.raises(NotReady):
        _ = server.endpoint
    server.stop()


def test_a_binary_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "weed"
    broken.write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    broken.chmod(0o755)
    server = EmbeddedSeaweedFS(tmp_path / "store", log=tmp_path / "log", port=spare_ports(1)[0], binary=broken)

    with pytest.raises(CisternaError, match=r"code 3.*the disk is full"):
        server.start(timeout_seconds=10.0)


def test_the_installed_binary_is_found() -> None:
    assert os.access(find_weed(), os.X_OK)
