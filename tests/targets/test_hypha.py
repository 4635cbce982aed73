"""The artifact manager of Hypha as a target, against a stand-in over real HTTP whose every answer can be broken."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import ValidationError

from cisterna.adapters.target_http import Credential, TargetHttp
from cisterna.adapters.target_hypha import HyphaTarget
from cisterna.adapters.target_setting import Carries, Hypha
from cisterna.domain.errors import ChecksumMismatch, TargetRefused, TargetUnavailable
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule
from cisterna.testing.hypha_server import HyphaStandIn
from cisterna.testing.outside_server import Fault, said
from cisterna.testing.target_contract import TargetContract
from cisterna.testing.target_request import (
    BODIES,
    FILES,
    REASON,
    MemoryBytes,
    deposit_request,
    narrowed_of,
    tombstone_of,
)
from tests.targets.proxied_stage import ProxiedStage

TOKEN = "hy-fedcba9876543210"


class HyphaStage(ProxiedStage):
    secret = TOKEN

    def __init__(self, stack: ExitStack, **setting: object) -> None:
        self.server = stack.enter_context(HyphaStandIn(token=TOKEN, collection="imaging/public-data"))
        self.stand_before(self.server, stack)
        self.server.store_url = self.proxy.url
        named = {"name": "hypha", "title": "Hypha", "url": self.proxy.url, "token": TOKEN, **setting}
        made = Hypha.model_validate({"workspace": "imaging", "collection": "public-data", **named})
        clock = SettableClock()
        http = TargetHttp(made.url, target="hypha", credential=Credential("Bearer", made.token), clock=clock)
        store = TargetHttp(made.files_url or made.url, target="hypha", credential=None, clock=clock)
        stack.callback(http.close)
        stack.callback(store.close)
        self.target = HyphaTarget(http, store, made, clock=clock)

    def standing(self, key: str) -> Sequence[str]:
        found = self._under(key)
        return [name for name, one in found.items() if one["versions"] and one["manifest"].get("status") != "withdrawn"]

    def made(self, key: str) -> Sequence[str]:
        return list(self._under(key))

    def told(self, key: str) -> str:
        return json.dumps(self._under(key), ensure_ascii=False, default=str)

    def writes(self) -> int:
        return sum(not one.path.endswith(("/read", "/list_files")) for one in self.server.seen)

    def _under(self, key: str) -> dict[str, dict[str, Any]]:
        alias = key.partition("@")[0].replace(":", "-").replace(".", "-")
        return {name: one for name, one in self.server.artifacts.items() if one["alias"] == alias}


@pytest.fixture
def stage(stack: ExitStack) -> HyphaStage:
    return HyphaStage(stack)


class TestHypha(TargetContract):
    """Every promise, while nothing breaks."""

    struck_by = "TestHyphaWhateverBreaks"

    @pytest.fixture
    def stage(self, stage: HyphaStage) -> HyphaStage:
        stage.faults = frozenset()
        return stage


@pytest.mark.torture
class TestHyphaWhateverBreaks(TargetContract):
    """Every promise, with every fault at every request."""

    @pytest.fixture
    def stage(self, stage: HyphaStage) -> HyphaStage:
        return stage


@pytest.mark.parametrize("function", ["create", "commit"])
def test_what_was_done_and_never_answered_is_not_done_twice(stage: HyphaStage, function: str) -> None:
    rule = stage.strike(Fault.LOST, skip=0)
    rule.when = lambda asked: asked.path.endswith(f"/{function}")
    request = deposit_request("hypha")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == stage.made(request.key) == [done.outside_id]


def test_description_and_files_are_there_and_anybody_may_read_them(stage: HyphaStage) -> None:
    request = deposit_request("hypha", doi="10.1234/abc")

    done = stage.target.deposit(request, known=None, files=FILES)

    artifact = stage.server.artifacts[done.outside_id]
    assert stage.server.bodies[done.outside_id] == dict(BODIES)
    assert artifact["config"]["permissions"] == {"me": "*", "*": "r"}
    manifest = artifact["manifest"]
    assert (manifest["name"], manifest["license"]) == ("Nuclei of plate", "CC-BY-4.0")
    assert manifest["authors"][0] == {"name": "Holm, Ada", "orcid": "0000-0002-1825-0097"}
    assert manifest["identifiers"] == [request.pid, "10.1234/abc"]
    assert manifest["documentation"] == request.address
    assert manifest["cite"][0]["url"] == "https://doi.org/10.1234/abc"
    assert manifest["schema_org"]["name"] == manifest["name"]
    assert artifact["versions"] == [{"version": "v1"}]


def test_a_draft_says_nothing_until_all_is_there(stage: HyphaStage) -> None:
    rule = stage.strike(Fault.BROKEN, skip=0)
    rule.when = lambda asked: asked.path.endswith("/commit")
    request = deposit_request("hypha")

    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)

    (draft,) = stage.server.artifacts.values()
    assert draft["manifest"]["name"] == f"{request.pid} v1"
    assert draft["config"]["permissions"] == {"me": "*"}


def test_what_an_earlier_try_left_behind_is_taken_out(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    rule = stage.strike(Fault.BROKEN, skip=0)
    rule.when = lambda asked: asked.path.endswith("/commit")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    ((name, draft),) = stage.server.artifacts.items()
    stage.server.bodies[name]["README.md"] = b"# Other\n"
    stage.server.bodies[name]["data/left"] = b"over"
    draft["staging"]["files"] += [{"path": "data/left"}, {"path": "never came"}]

    stage.target.deposit(request, known=None, files=FILES)

    assert stage.server.bodies[name] == dict(BODIES)


def test_bytes_that_arrive_otherwise_are_not_made_public(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    spoiled = (200, [("ETag", f'"{"1" * 32}"')], b"")
    stage.proxy.add(Rule(Effect.ANSWER, when=lambda asked: asked.method == "PUT", answer=lambda _: spoiled))

    with pytest.raises(ChecksumMismatch):
        stage.target.deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == []


def test_a_withdrawal_leaves_a_tombstone_without_files(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    done = stage.target.deposit(request, known=None, files=FILES)

    stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    artifact = stage.server.artifacts[done.outside_id]
    assert artifact["manifest"]["description"] == f"Withdrawn: {REASON}"
    assert "schema_org" not in artifact["manifest"]
    assert stage.server.bodies[done.outside_id] == {}


def test_what_was_withdrawn_is_whole_again_once_it_is_public_again(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    done = stage.target.deposit(request, known=None, files=FILES)
    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    again = stage.target.deposit(request, known=gone, files=FILES)

    artifact = stage.server.artifacts[again.outside_id]
    assert again.outside_id == done.outside_id
    assert artifact["manifest"]["name"] == "Nuclei of plate"
    assert artifact["versions"] == [{"version": "v1"}]
    assert stage.server.bodies[done.outside_id] == dict(BODIES)


def test_no_file_stays_beside_a_description_that_is_to_stand_alone(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    done = stage.target.deposit(request, known=None, files=FILES)

    stage.target.deposit(narrowed_of(request), known=done, files=FILES)

    assert stage.server.bodies[done.outside_id] == {}
    assert stage.standing(request.key) == [done.outside_id]


def test_a_draft_that_somebody_committed_is_not_taken_for_the_version(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    rule = stage.strike(Fault.BROKEN, skip=0)
    rule.when = lambda asked: asked.path.endswith("/put_file")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (draft,) = stage.server.artifacts.values()
    draft |= {"versions": [{"version": "v0"}], "staging": None}

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.server.artifacts[done.outside_id]["manifest"]["name"] == "Nuclei of plate"
    assert stage.server.bodies[done.outside_id] == dict(BODIES)


def test_what_has_versions_of_somebody_else_is_not_deleted_to_stand_anew(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    done = stage.target.deposit(request, known=None, files=FILES)
    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)
    stage.server.artifacts[done.outside_id]["versions"].append({"version": "mine"})

    with pytest.raises(TargetRefused, match="further versions"):
        stage.target.deposit(request, known=gone, files=FILES)

    assert done.outside_id in stage.server.artifacts


def test_an_artifact_of_somebody_else_is_left_alone(stage: HyphaStage) -> None:
    request = deposit_request("hypha")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.server.artifacts[done.outside_id]["manifest"] = {"name": "Mine", "cisterna": {"pid": 7}}

    for call in (
        lambda: stage.target.deposit(request, known=None, files=FILES),
        lambda: stage.target.withdraw(tombstone_of(request), known=done, reason=REASON),
    ):
        with pytest.raises(TargetRefused, match="none of ours"):
            call()


def test_a_server_without_an_artifact_manager_is_not_taken_for_one_without_the_artifact(stage: HyphaStage) -> None:
    missing = said(404, {"success": False, "detail": "RemoteException: KeyError: Service not found: artifact-manager"})
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: missing))

    with pytest.raises(TargetRefused, match="artifact manager"):
        stage.target.withdraw(tombstone_of(deposit_request("hypha")), known=None, reason=REASON)


def test_files_go_to_no_store_that_the_settings_do_not_name(stage: HyphaStage) -> None:
    stage.server.store_url = stage.trap.url

    with pytest.raises(TargetRefused, match="files_url"):
        stage.target.deposit(deposit_request("hypha"), known=None, files=FILES)

    assert stage.trap.seen == []


def test_a_store_of_its_own_gets_the_files_and_no_token(stack: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = stack.enter_context(FaultProxy("http://127.0.0.1:1"))
    stage = HyphaStage(stack, files_url=store.url)
    stage.server.store_url = store.url
    seen: list[Any] = []

    def taken(asked: Any) -> Any:
        seen.append(asked)
        return 200, [], b""

    store.add(Rule(Effect.ANSWER, answer=taken))

    with pytest.raises(TargetRefused, match="does not say what it has"):
        stage.target.deposit(deposit_request("hypha"), known=None, files=FILES)

    assert len(seen) == 1
    assert TOKEN not in str(seen[0].headers)
    assert TOKEN not in caplog.text


def test_only_the_description_goes_where_data_do_not(stack: ExitStack) -> None:
    stage = HyphaStage(stack, carries=Carries.DESCRIPTION)

    done = stage.target.deposit(deposit_request("hypha"), known=None, files=FILES)

    assert list(stage.server.bodies[done.outside_id]) == ["README.md"]


def test_more_than_it_takes_is_refused_before_anything_is_begun(stack: ExitStack) -> None:
    stage = HyphaStage(stack, files_most=1)

    with pytest.raises(TargetRefused, match="takes at most 1 files"):
        stage.target.deposit(deposit_request("hypha"), known=None, files=FILES)

    assert stage.server.seen == []


def test_a_look_names_what_is_missing(stack: ExitStack) -> None:
    unknown = HyphaStage(stack, collection="elsewhere").target.test()
    refused = HyphaStage(stack, token="hy-some-other-token").target.test()

    assert not unknown.is_usable
    assert "no collection imaging/elsewhere" in unknown.words
    assert not refused.is_usable
    assert "credential" in refused.words


def test_a_token_goes_to_no_plain_address() -> None:
    named = {"name": "hypha", "token": TOKEN, "workspace": "imaging", "collection": "data"}

    with pytest.raises(ValidationError, match="https"):
        Hypha.model_validate({**named, "url": "http://hypha.example.org"})


def test_hostile_names_of_files_arrive_as_they_are(stage: HyphaStage) -> None:
    bodies = {"data/\u00e5 #?%2F&.txt": b"x", "data/empty": b""}

    done = stage.target.deposit(deposit_request("hypha", bodies=bodies), known=None, files=MemoryBytes(bodies))

    assert stage.server.bodies[done.outside_id] == bodies
