"""`restore` of what lies far: what is asked, what is answered, and when it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_keeper import S3ObjectKeeper
from cisterna.adapters.s3_obstore import S3Store
from cisterna.cli import restore as command
from cisterna.cli import run
from cisterna.ports.catalogue import Catalogue
from cisterna.testing.clock import SettableClock
from cisterna.testing.far_tier import FarTier
from cisterna.testing.fault_proxy import FaultProxy
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.vault import Vault

HASTY = Patience(answer_seconds=5.0, connect_seconds=1.0, attempts=2, pause_seconds=0.01)


@pytest.fixture
def dataset(
    *,
    seaweedfs: EmbeddedSeaweedFS,
    s3_endpoint: S3Access,
    object_store: S3Store,
    catalogue: Catalogue,
    clock: SettableClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """Archive a run whose largest file was moved far, and let the command find these parts."""
    (tmp_path / "landing").mkdir()
    with FaultProxy(seaweedfs.endpoint) as proxy:
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        far = S3Store(access, bucket=object_store.bucket, name="archive", patience=HASTY)
        keeper = S3ObjectKeeper(access, bucket=object_store.bucket, store="archive", patience=HASTY)
        facility = Facility(catalogue, clock, tmp_path / "landing")
        vault = Vault(facility, far, MemoryStore(name="mirror"))
        made = vault.archive("far", a=b"alpha" * 50_000, b=b"beta")
        FarTier(proxy, clock=clock).move([vault.key_of(made, b"alpha" * 50_000)])
        parts = SimpleNamespace(
            catalogue=catalogue,
            archive_store=far,
            store_named=lambda _name: far,
            object_keepers={"archive": keeper},
            tables=facility.tables,
        )

        @contextmanager
        def opened(_home: object) -> Iterator[Any]:
            yield parts

        monkeypatch.setattr(command, "opened", opened)
        monkeypatch.setattr(command, "time", SimpleNamespace(sleep=lambda _seconds: clock.advance(3600.0)))
        yield made
        keeper.close()
        far.close()


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run(["restore", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_it_says_what_to_ask_asks_says_how_long_and_goes_on(
    dataset: str, tmp_path: Path, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ("--to", str(tmp_path / "out"))

    code, refused = ask(capsys, dataset, *to)
    assert (code, refused["error"]) == (5, "not-readable-now")
    assert "--thaw-days" in refused["reason"]
    code, rehearsed = ask(capsys, dataset, *to, "--thaw-days", "7", "--dry-run")
    assert (code, rehearsed["thawing"]["far"], rehearsed["thawing"]["asked"]) == (0, 1, 0)
    code, asked = ask(capsys, dataset, *to, "--thaw-days", "7")
    assert (code, asked["thawing"]["asked"]) == (5, 1)
    assert "3 to 5 hours" in asked["reason"]
    clock.advance(5 * 3600.0)
    code, restored = ask(capsys, dataset, *to, "--thaw-days", "7")

    assert (code, restored["version_id"]) == (0, f"{dataset}:v1")
    assert (tmp_path / "out/data/a.txt").read_bytes() == b"alpha" * 50_000


def test_it_waits_where_that_is_asked_for(dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, restored = ask(capsys, dataset, "--to", str(tmp_path / "out"), "--thaw-days", "1", "--wait")

    assert (code, restored["files_present"]) == (0, 0)
    assert (tmp_path / "out/data/a.txt").read_bytes() == b"alpha" * 50_000


def test_a_wait_for_nothing_is_refused(dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ask(capsys, dataset, "--to", str(tmp_path / "out"), "--wait")

    assert (code, said["error"]) == (1, "invalid-input")
    assert not (tmp_path / "out").exists()
