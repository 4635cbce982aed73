"""The artifact manager of a real Hypha server, whose files lie in a real SeaweedFS, as a target.

`make torture-hypha` makes the environment that it takes, and runs it; `CISTERNA_HYPHA_PY` names its Python.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cisterna.adapters.child import Child
from cisterna.adapters.free_port import HOST, spare_ports
from cisterna.adapters.life_sign import answers
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.target_http import Credential, TargetHttp
from cisterna.adapters.target_hypha import HyphaTarget
from cisterna.adapters.target_setting import Hypha
from cisterna.domain.errors import TargetUnavailable
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import FaultProxy, Rule
from cisterna.testing.outside_server import Fault, OutsideServer, strike
from cisterna.testing.target_contract import TargetContract
from cisterna.testing.target_request import BODIES, FILES, REASON, MemoryBytes, deposit_request, tombstone_of

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]

WORKSPACE, COLLECTION = "imaging-facility", "public-data"
SERVICES = "public/services/artifact-manager"
_numbers = itertools.count(1)


class HyphaServer:
    """One server with a workspace, a collection that anyone may read, and a token that may write to them."""

    def __init__(self, python: str, *, folder: Path, access: S3Access, bucket: str) -> None:
        self.url = f"http://{HOST}:{spare_ports(1)[0]}"
        self.root = secrets.token_hex(40)
        argv = [python, "-m", "hypha.server", "--host", HOST, "--port", self.url.rpartition(":")[2]]
        argv += ["--public-base-url", self.url, "--enable-s3", "--endpoint-url", access.endpoint]
        argv += ["--access-key-id", access.access_key_id, "--region-name", access.region]
        argv += ["--secret-access-key", access.secret_access_key.get_secret_value(), "--workspace-bucket", bucket]
        argv += ["--database-uri", f"sqlite+aiosqlite:///{folder}/hypha.db", "--root-token", self.root]
        self._child = Child("Hypha", argv, log=folder / "hypha.log")
        self.token = ""

    def start(self) -> None:
        self._child.start()
        self._child.await_ready(lambda: answers(f"{self.url}/health/readiness"), timeout_seconds=120)
        config = {"id": WORKSPACE, "name": WORKSPACE, "description": "Imaging", "persistent": True, "owners": ["root"]}
        self.ask("public/services/ws/create_workspace", self.root, config=config, overwrite=True)
        wish = {"workspace": WORKSPACE, "permission": "read_write", "expires_in": 3600}
        self.token = self.ask(f"{WORKSPACE}/services/ws/generate_token", self.root, config=wish)
        manifest = {"name": "Public data", "description": "Of the facility", "collection": []}
        readable = {"permissions": {"*": "r"}}
        self.ask(
            f"{SERVICES}/create",
            alias=COLLECTION,
            workspace=WORKSPACE,
            type="collection",
            manifest=manifest,
            config=readable,
        )

    def stop(self) -> None:
        self._child.stop()

    def ask(self, place: str, token: str | None = None, **sent: Any) -> Any:
        headers = {"authorization": f"Bearer {token or self.token}"}
        answer = httpx.post(f"{self.url}/{place}", json=sent, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def look(self, place: str = "", *, query: str = "") -> httpx.Response:
        """Read what anybody sees, without a token."""
        address = f"{self.url}/{WORKSPACE}/artifacts/{quote(place)}{query}"
        return httpx.get(address, follow_redirects=True, timeout=60)

    def empty(self) -> None:
        """Delete what tests made, so that lists stay short."""
        for one in self.artifacts():
            self.ask(f"{SERVICES}/delete", self.root, artifact_id=one["id"], delete_files=True)

    def artifacts(self) -> Sequence[dict[str, Any]]:
        sent = {"parent_id": f"{WORKSPACE}/{COLLECTION}", "stage": "all", "limit": 1000}
        return self.ask(f"{SERVICES}/list", **sent)


@pytest.fixture(scope="module")
def hypha(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: S3Access) -> Iterator[HyphaServer]:
    python = os.environ.get("CISTERNA_HYPHA_PY")
    if not python:
        pytest.skip("CISTERNA_HYPHA_PY names no environment: nothing is tried against a real Hypha here")
    bucket = f"hypha-{os.getpid()}"
    store = S3Store(s3_endpoint, bucket=bucket)
    store.create_bucket()
    server = HyphaServer(python, folder=tmp_path_factory.mktemp("hypha"), access=s3_endpoint, bucket=bucket)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        store.close()


class RealStage:
    """The real server, behind a proxy that can break what passes.

    What it did or did not do when its answer never came is what only a real server can show; how a client takes answers
    that are wrong is seen against the stand-in.
    """

    faults = frozenset({Fault.LOST, Fault.UNREACHED})

    def __init__(self, server: HyphaServer, stack: ExitStack, *, files_url: str) -> None:
        self.server = server
        self.secret = server.token
        self.trap = stack.enter_context(OutsideServer())
        self.proxy = stack.enter_context(FaultProxy(server.url))
        setting = Hypha(
            name=f"hypha{next(_numbers)}",
            url=self.proxy.url,
            token=server.token,
            workspace=WORKSPACE,
            collection=COLLECTION,
            files_url=files_url,
        )
        clock = SettableClock()
        http = TargetHttp(setting.url, target="hypha", credential=Credential("Bearer", setting.token), clock=clock)
        store = TargetHttp(files_url, target="hypha", credential=None, clock=clock)
        stack.callback(http.close)
        stack.callback(store.close)
        self.target = HyphaTarget(http, store, setting, clock=clock)

    def strike(self, fault: Fault, *, skip: int) -> Rule:
        return strike(self.proxy, fault, skip=skip, elsewhere=self.trap.url)

    def heal(self) -> None:
        self.proxy.heal()

    def standing(self, key: str) -> Sequence[str]:
        found = self._under(key)
        return [one["id"] for one in found if one["versions"] and one["manifest"].get("status") != "withdrawn"]

    def made(self, key: str) -> Sequence[str]:
        return [one["id"] for one in self._under(key)]

    def told(self, key: str) -> str:
        """Give what the workspace says of it, and what anybody reads."""
        found = self._under(key)
        return "\n".join(
            [json.dumps(found, ensure_ascii=False), *(self.server.look(one["alias"]).text for one in found)]
        )

    def writes(self) -> int:
        return len(self.server.artifacts())

    def strayed(self) -> Sequence[object]:
        return self.trap.seen

    def _under(self, key: str) -> Sequence[dict[str, Any]]:
        alias = key.partition("@")[0].replace(":", "-").replace(".", "-")
        return [one for one in self.server.artifacts() if one["alias"] == alias]


@pytest.fixture
def real(hypha: HyphaServer, s3_endpoint: S3Access) -> Iterator[RealStage]:
    with ExitStack() as stack:
        yield RealStage(hypha, stack, files_url=s3_endpoint.endpoint)
        hypha.empty()


class TestHyphaForReal(TargetContract):
    """Every promise, against the real server."""

    @pytest.fixture
    def stage(self, real: RealStage) -> RealStage:
        return real


def test_anybody_reads_what_was_published_and_only_the_tombstone_of_what_was_withdrawn(real: RealStage) -> None:
    bodies = {**BODIES, "data/empty": b"", "data/\u00e5 #?%.txt": b"x"}
    request = deposit_request("hypha", name="read by anybody", bodies=bodies)

    done = real.target.deposit(request, known=None, files=MemoryBytes(bodies))

    alias = done.outside_id.partition("/")[2]
    manifest = real.server.look(alias).json()["manifest"]
    assert manifest["name"] == "Nuclei of read by anybody"
    assert manifest["schema_org"]["@type"] == "Dataset"
    for path, body in bodies.items():
        assert real.server.look(f"{alias}/files/{path}").content == body
    real.target.withdraw(tombstone_of(request), known=done, reason=REASON)
    gone = real.server.look(alias).json()["manifest"]
    assert gone["description"] == f"Withdrawn: {REASON}"
    assert "authors" not in gone
    for path in bodies:
        assert real.server.look(f"{alias}/files/{path}").status_code == 404


def test_a_draft_tells_nobody_what_it_will_be(real: RealStage) -> None:
    rule = real.strike(Fault.BROKEN, skip=0)
    rule.when = lambda asked: asked.path.endswith("/commit")
    request = deposit_request("hypha", name="draft")
    with pytest.raises(TargetUnavailable):
        real.target.deposit(request, known=None, files=FILES)

    (draft,) = real.made(request.key)

    shown = real.server.look(draft.partition("/")[2]).text
    assert "Nuclei" not in shown
    assert "being brought here" in shown
    assert real.target.withdraw(tombstone_of(request), known=None, reason=REASON) is not None
    assert real.made(request.key) == []


def test_a_token_of_another_workspace_is_refused_in_words(real: RealStage, caplog: pytest.LogCaptureFixture) -> None:
    setting = Hypha(
        name="hypha", url=real.server.url, token="made-up-token", workspace=WORKSPACE, collection=COLLECTION
    )
    clock = SettableClock()
    http = TargetHttp(setting.url, target="hypha", credential=Credential("Bearer", setting.token), clock=clock)
    target = HyphaTarget(http, http, setting, clock=clock)

    report = target.test()

    http.close()
    assert not report.is_usable
    assert "made-up-token" not in f"{report} {caplog.text}"
