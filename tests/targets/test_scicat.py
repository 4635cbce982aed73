"""A SciCat catalogue as a target, against a stand-in over real HTTP whose every answer can be broken."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import ValidationError

from cisterna.adapters import target_scicat
from cisterna.adapters.scicat_service import ScicatService
from cisterna.adapters.target_scicat import ScicatTarget
from cisterna.adapters.target_setting import Carries, SciCat
from cisterna.domain.access import Extent
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.metadata.record import Dates, ImagingFacts, InstrumentFacts, MetadataRecord, Related, SoftwareFacts
from cisterna.ports.target import DepositRequest
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.fault_proxy import Effect, Rule
from cisterna.testing.outside_server import Fault, said
from cisterna.testing.scicat_stand_in import ScicatStandIn
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

PASSWORD = "sc-fedcba9876543210"
SAID = {
    "name": "scicat",
    "username": "ingestor",
    "password": PASSWORD,
    "pid_prefix": "20.500.12345",
    "owner": "Imaging Facility",
    "contact_email": "data@example.org",
    "owner_group": "imaging",
    "location": "/site/imaging",
}


class ScicatStage(ProxiedStage):
    secret = PASSWORD

    def __init__(
        self,
        stack: ExitStack,
        *,
        may_give_pids: bool = True,
        may_delete: bool = True,
        says_expired: bool = False,
        **setting: object,
    ) -> None:
        self.server = stack.enter_context(
            ScicatStandIn(
                username="ingestor",
                password=PASSWORD,
                groups=("imaging",),
                may_give_pids=may_give_pids,
                may_delete=may_delete,
                says_expired=says_expired,
            )
        )
        self.stand_before(self.server, stack)
        made = SciCat.model_validate({**SAID, "url": self.proxy.url, **setting})
        self.clock = SettableClock()
        service = ScicatService(
            made.url, target="scicat", username=made.username, password=made.password, clock=self.clock
        )
        stack.callback(service.close)
        self.target = ScicatTarget(service, made, clock=self.clock)

    def standing(self, key: str) -> Sequence[str]:
        return [pid for pid in self.made(key) if self.server.datasets[pid]["isPublished"]]

    def made(self, key: str) -> Sequence[str]:
        name, _, version = key.partition("@")[0].removeprefix("ds-").partition(":")
        folder = f"/{name}/{version}/files"
        return [pid for pid, one in self.server.datasets.items() if one["sourceFolder"].endswith(folder)]

    def told(self, key: str) -> str:
        pids = self.made(key)
        blocks = [one for one in self.server.blocks.values() if one["datasetId"] in pids]
        return json.dumps([*(self.server.datasets[pid] for pid in pids), *blocks], ensure_ascii=False, default=str)

    def writes(self) -> int:
        asks = ("/login", "/isValid")
        return sum(one.method != "GET" and not one.path.endswith(asks) for one in self.server.seen)

    def only(self) -> dict[str, Any]:
        (dataset,) = self.server.datasets.values()
        return dataset


@pytest.fixture
def stage(stack: ExitStack) -> ScicatStage:
    return ScicatStage(stack)


def described_as(request: DepositRequest, **facts: object) -> DepositRequest:
    record = MetadataRecord.model_validate({**request.record.metadata, **facts})
    told = request.record.model_copy(update={"metadata": record.model_dump(mode="json")})
    return request.model_copy(update={"record": told})


def sent_to(stage: ScicatStage, method: str, kind: str) -> list[dict[str, Any]]:
    asked = [one for one in stage.server.seen if one.method == method and one.path.startswith(f"/api/v4/{kind}")]
    return [one.json for one in asked]


class TestScicat(TargetContract):
    """Every promise, while nothing breaks."""

    @pytest.fixture
    def stage(self, stage: ScicatStage) -> ScicatStage:
        stage.faults = frozenset({Fault.LOST, Fault.ERROR_BODY, Fault.THROTTLED})
        return stage


@pytest.mark.torture
class TestScicatWhateverBreaks(TargetContract):
    """Every promise, with every fault at every request."""

    @pytest.fixture
    def stage(self, stage: ScicatStage) -> ScicatStage:
        return stage


@pytest.mark.torture
class TestScicatWithoutTheRightToDelete(TargetContract):
    """Every promise, for an account that may hide and delete nothing; what would narrow is withdrawn there instead."""

    @pytest.fixture
    def stage(self, stack: ExitStack) -> ScicatStage:
        return ScicatStage(stack, may_delete=False)

    def test_what_narrows_stands_as_it_did_and_is_whole_again_under_the_same_identifier(
        self, stage: ScicatStage
    ) -> None:
        """A published dataset shows all its lists, hidden ones as well: so none may be left."""
        request = deposit_request("scicat")
        first = stage.target.deposit(request, known=None, files=FILES)

        with pytest.raises(TargetRefused, match="DELETE_GROUPS"):
            stage.target.deposit(narrowed_of(request), known=first, files=FILES)

        assert stage.target.withdraw(tombstone_of(request), known=first, reason=REASON)
        assert stage.standing(request.key) == []


def test_what_a_version_is_stands_in_the_catalogue_and_leads_here(stage: ScicatStage) -> None:
    request = deposit_request("scicat", doi="10.1234/abc")

    done = stage.target.deposit(request, known=None, files=FILES)

    dataset = stage.only()
    name = request.pid.rpartition("/")[2]
    assert done.outside_id == dataset["pid"] == f"20.500.12345/{name}-v1"
    assert done.address == f"{stage.proxy.url}/datasets/20.500.12345%2F{name}-v1"
    assert dataset["sourceFolder"] == f"{request.address}/v1/files"
    assert (dataset["type"], dataset["isPublished"]) == ("raw", True)
    assert (dataset["datasetName"], dataset["license"]) == ("Nuclei of plate", "CC-BY-4.0")
    assert dataset["description"] == "Seen with a lamp.\nTwice."
    assert dataset["principalInvestigators"] == ["Holm, Ada", "Björn Ek"]
    assert (dataset["owner"], dataset["ownerGroup"]) == ("Imaging Facility", "imaging")
    assert dataset["comment"].endswith("https://doi.org/10.1234/abc")
    assert dataset["scientificMetadata"]["ark"] == {"value": request.pid, "unit": ""}
    assert dataset["datasetlifecycle"]["archivable"] is False
    assert (dataset["numberOfFiles"], dataset["size"]) == (2, sum(map(len, BODIES.values())))


def test_every_file_is_named_with_its_size_and_digest(stage: ScicatStage) -> None:
    request = deposit_request("scicat")

    done = stage.target.deposit(request, known=None, files=FILES)

    (block,) = stage.server.blocks.values()
    assert (block["chkAlg"], block["isPublished"]) == ("sha512", True)
    assert [(one["path"], one["size"], one["chk"]) for one in stage.server.files_of(done.outside_id)] == [
        (one.path, one.size_bytes, one.sha512) for one in request.record.files
    ]


def test_facts_of_instrument_and_images_have_values_and_units(stack: ExitStack) -> None:
    stage = ScicatStage(stack, instruments={"Squid 3": "instrument-7"})
    facts: Mapping[str, object] = {
        "instrument": InstrumentFacts(name="Squid 3", profile="squid", serial="12"),
        "imaging": ImagingFacts(channels=("BF", "DAPI"), pixel_size_um=0.5, z_planes=3, magnification=20),
        "dates": Dates(described=START, acquired_from=START, acquired_to=START),
    }

    stage.target.deposit(described_as(deposit_request("scicat"), **facts), known=None, files=FILES)

    dataset = stage.only()
    known = dataset["scientificMetadata"]
    assert (dataset["creationLocation"], dataset["instrumentIds"]) == ("/site/imaging/Squid 3", ["instrument-7"])
    assert dataset["startTime"] == dataset["endTime"] == "2026-11-23T08:00:00.000Z"
    assert known["pixel_size"] == {"value": 0.5, "unit": "um", "valueSI": 0.5e-6, "unitSI": "m"}
    assert known["channels"] == {"value": "BF; DAPI", "unit": ""}
    assert known["z_planes"] == {"value": 3, "unit": ""}
    assert not [name for name in known if name[0] in "uv"]


def test_derived_data_name_their_sources_as_the_catalogue_does_where_it_has_them(stage: ScicatStage) -> None:
    source = deposit_request("scicat", name="source")
    there = stage.target.deposit(source, known=None, files=FILES)
    unknown = deposit_request("scicat", name="elsewhere").pid
    relations = [Related(kind="IsDerivedFrom", pid=pid, version="v1") for pid in (source.pid, unknown)]
    software = SoftwareFacts(name="cellseg", version="2.1")
    request = described_as(
        deposit_request("scicat", name="labels"), derived=True, relations=relations, software=software
    )

    done = stage.target.deposit(request, known=None, files=FILES)

    dataset = stage.server.datasets[done.outside_id]
    assert dataset["type"] == "derived"
    assert dataset["inputDatasets"] == [there.outside_id, unknown]
    assert dataset["usedSoftware"] == ["cellseg 2.1"]


def test_what_stands_as_it_should_is_left_alone(stage: ScicatStage) -> None:
    imaging = ImagingFacts(pixel_size_um=0.5)
    request = described_as(deposit_request("scicat"), imaging=imaging)
    done = stage.target.deposit(request, known=None, files=FILES)
    before = stage.writes()

    for known in (None, done):
        stage.target.deposit(request, known=known, files=FILES)

    assert stage.writes() == before


def test_many_files_are_named_in_lists_of_bounded_length(stage: ScicatStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_scicat, "BLOCK_FILES", 2)
    bodies = {f"data/{number}.tiff": b"same" for number in range(25)}
    request = deposit_request("scicat", bodies=bodies)
    rule = stage.strike(Fault.LOST, skip=9)
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=MemoryBytes(bodies))
    assert rule.fired

    done = stage.target.deposit(request, known=None, files=MemoryBytes(bodies))

    assert len(stage.server.blocks) == 13
    assert sorted(one["path"] for one in stage.server.files_of(done.outside_id)) == sorted(bodies)
    assert (stage.only()["numberOfFiles"], stage.only()["size"]) == (25, 100)


def test_paths_that_are_long_make_shorter_lists(stage: ScicatStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_scicat, "BLOCK_BYTES", 1500)
    bodies = {f"data/{'å' * 90}{number}": b"x" for number in range(4)}

    done = stage.target.deposit(deposit_request("scicat", bodies=bodies), known=None, files=MemoryBytes(bodies))

    assert len(stage.server.blocks) > 1
    assert [one["path"] for one in stage.server.files_of(done.outside_id)] == list(bodies)


def test_a_list_that_came_twice_is_taken_out_before_anything_is_shown(stage: ScicatStage) -> None:
    request = deposit_request("scicat")
    rule = stage.strike(Fault.BROKEN, skip=0)
    rule.when = lambda asked: asked.method == "PATCH"
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (block,) = stage.server.blocks.values()
    stage.server.blocks["late"] = {**block, "_id": "late"}
    stage.heal()

    done = stage.target.deposit(request, known=None, files=FILES)

    assert [one["path"] for one in stage.server.files_of(done.outside_id)] == list(BODIES)


def test_nothing_is_shown_with_lists_that_nobody_can_remove(stack: ExitStack) -> None:
    stage = ScicatStage(stack, may_delete=False)
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)
    narrower = request.record.model_copy(update={"files": (), "extent": Extent.METADATA})

    with pytest.raises(TargetRefused, match="DELETE_GROUPS"):
        stage.target.deposit(request.model_copy(update={"record": narrower}), known=done, files=FILES)

    assert stage.standing(request.key) == []


def test_a_description_alone_is_registered_without_lists_of_files(stage: ScicatStage) -> None:
    request = deposit_request("scicat")
    bare = request.record.model_copy(update={"files": (), "extent": Extent.METADATA})

    done = stage.target.deposit(request.model_copy(update={"record": bare}), known=None, files=FILES)

    assert stage.standing(request.key) == [done.outside_id]
    assert stage.server.blocks == {}


@pytest.mark.parametrize(
    ("carries", "named"), [(Carries.DESCRIPTION, ["README.md"]), (Carries.NONE, []), (Carries.ALL, list(BODIES))]
)
def test_only_those_files_are_named_that_the_settings_say(stack: ExitStack, carries: Carries, named: list[str]) -> None:
    stage = ScicatStage(stack, carries=carries)

    done = stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert [one["path"] for one in stage.server.files_of(done.outside_id)] == named


def test_more_than_the_settings_allow_is_refused_before_anything_is_begun(stack: ExitStack) -> None:
    stage = ScicatStage(stack, files_most=1)

    with pytest.raises(TargetRefused, match="has 2 files"):
        stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert stage.server.seen == []


def test_a_dataset_that_was_registered_late_is_found_and_not_made_twice(stage: ScicatStage) -> None:
    request = deposit_request("scicat")
    stage.target.deposit(request, known=None, files=FILES)
    missing = said(404, {"statusCode": 404, "message": "dataset: null not found", "error": "Not Found"})
    rule = Rule(Effect.ANSWER, times=1, answer=lambda _: missing)
    rule.when = lambda asked: asked.method == "GET"
    stage.proxy.add(rule)

    done = stage.target.deposit(request, known=None, files=FILES)

    assert rule.fired
    assert stage.made(request.key) == [done.outside_id]


def test_what_is_known_to_stand_is_found_under_the_pid_that_it_got(stack: ExitStack, stage: ScicatStage) -> None:
    request = deposit_request("scicat")
    before = stage.target.deposit(request, known=None, files=FILES)
    other = ScicatStage(stack, pid_prefix="20.500.99999")
    other.server.datasets, other.server.blocks = stage.server.datasets, stage.server.blocks

    after = other.target.deposit(request, known=before, files=FILES)

    assert after.outside_id == before.outside_id
    assert other.made(request.key) == [before.outside_id]


def test_a_withdrawal_leaves_nothing_of_the_description_and_no_list_of_files(stage: ScicatStage) -> None:
    request = described_as(deposit_request("scicat"), imaging=ImagingFacts(pixel_size_um=0.5))
    done = stage.target.deposit(request, known=None, files=FILES)

    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    dataset = stage.only()
    assert gone is not None
    assert gone.remark is None
    assert dataset["description"] == f"Withdrawn: {REASON}"
    assert (dataset["isPublished"], dataset["scientificMetadata"], dataset["keywords"]) == (False, {}, [])
    assert "Ada" not in json.dumps(dataset)
    assert stage.server.blocks == {}


def test_a_list_that_may_not_be_removed_is_hidden_and_told(stack: ExitStack) -> None:
    stage = ScicatStage(stack, may_delete=False)
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)

    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    (block,) = stage.server.blocks.values()
    assert block["isPublished"] is False
    assert gone is not None
    assert "keeps the list of files" in str(gone.remark)


@pytest.mark.parametrize("may_delete", [True, False])
def test_what_was_withdrawn_is_shown_again_under_its_pid(stack: ExitStack, may_delete: bool) -> None:
    stage = ScicatStage(stack, may_delete=may_delete)
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    again = stage.target.deposit(request, known=gone, files=FILES)

    assert again.state is DepositState.DEPOSITED
    assert stage.standing(request.key) == [done.outside_id] == [again.outside_id]
    assert stage.only()["description"] == "Seen with a lamp.\nTwice."
    assert [one["path"] for one in stage.server.files_of(done.outside_id)] == list(BODIES)
    assert all(one["isPublished"] for one in stage.server.blocks.values())


def test_a_dataset_of_somebody_else_is_left_alone(stage: ScicatStage) -> None:
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.only()["sourceFolder"] = f"/data{request.pid}/v10"
    before = stage.writes()

    for call in (
        lambda: stage.target.deposit(request, known=None, files=FILES),
        lambda: stage.target.withdraw(tombstone_of(request), known=done, reason=REASON),
    ):
        with pytest.raises(TargetRefused, match="none of ours"):
            call()

    assert stage.writes() == before


def test_an_account_that_may_give_no_pids_is_told_what_it_lacks(stack: ExitStack) -> None:
    stage = ScicatStage(stack, may_give_pids=False)

    with pytest.raises(TargetRefused, match="CREATE_DATASET_WITH_PID_GROUPS"):
        stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)
    report = stage.target.test()

    assert not report.is_usable
    assert "CREATE_DATASET_WITH_PID_GROUPS" in report.words
    assert stage.server.datasets == {}


def test_a_look_names_what_is_missing(stack: ExitStack) -> None:
    refused = ScicatStage(stack, password="sc-some-other-word").target.test()
    group = ScicatStage(stack, owner_group="others").target.test()

    assert not refused.is_usable
    assert "credential" in refused.words
    assert not group.is_usable
    assert "group others" in group.words


def test_a_backend_without_version_4_is_not_taken_for_one_without_the_dataset(stage: ScicatStage) -> None:
    missing = said(404, {"statusCode": 404, "message": "Cannot GET /api/v4/datasets/1", "error": "Not Found"})
    rule = Rule(Effect.ANSWER, answer=lambda _: missing)
    rule.when = lambda asked: asked.method == "GET"
    stage.proxy.add(rule)

    with pytest.raises(TargetRefused, match="newer backend"):
        stage.target.withdraw(tombstone_of(deposit_request("scicat")), known=None, reason=REASON)


def test_a_backend_without_lists_of_version_4_is_known_before_anything_is_begun(stage: ScicatStage) -> None:
    missing = said(404, {"statusCode": 404, "message": "Cannot GET /api/v4/origdatablocks", "error": "Not Found"})
    rule = Rule(Effect.ANSWER, times=2, answer=lambda _: missing)
    rule.when = lambda asked: "origdatablocks" in asked.path
    stage.proxy.add(rule)

    report = stage.target.test()
    with pytest.raises(TargetRefused, match=r"from 4\.20 on"):
        stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert not report.is_usable
    assert "newer backend" in report.words
    assert stage.server.datasets == {}


@pytest.mark.parametrize(
    "body", ['{"access_token": "a secret t0ken', '{"token": "x"}', '{"access_token": "a\\nb: c d e"}']
)
def test_what_a_sign_in_answers_is_told_to_nobody(stage: ScicatStage, body: str) -> None:
    answer = (201, [("Content-Type", "application/json")], body.encode())
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: answer))

    with pytest.raises(TargetRefused, match="no token") as refusal:
        stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert "t0ken" not in f"{refusal.value} {refusal.value.facts}"


def test_neither_password_nor_token_is_ever_told(stage: ScicatStage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []

    def echoed(asked: Any) -> Any:
        return said(400, {"statusCode": 400, "message": f"{asked.body.decode()} {asked.headers['authorization']}"})

    def echoed_login(asked: Any) -> Any:
        return said(400, {"statusCode": 400, "message": asked.body.decode()})

    for answer, path in ((echoed, "/api/v4/datasets"), (echoed_login, "/api/v3/auth/login")):
        rule = Rule(Effect.ANSWER, answer=answer)
        rule.when = lambda asked, path=path: asked.method == "POST" and asked.path == path
        stage.proxy.add(rule)
        with pytest.raises(TargetRefused) as refusal:
            stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)
        told.append(f"{refusal.value} {refusal.value.facts}")

    assert stage.server.tokens
    for secret in (PASSWORD, *stage.server.tokens):
        assert secret not in f"{told} {caplog.text}"


@pytest.mark.parametrize("password", ['sc-"quoted" \\ word', "sc-lösenord-å", "sc-<b>bold</b>-word"])
def test_a_password_of_any_characters_is_told_in_none_of_its_spellings(stack: ExitStack, password: str) -> None:
    stage = ScicatStage(stack, password=password)
    told = []
    for body in (json.dumps({"message": password}), json.dumps({"message": password}, ensure_ascii=False), password):
        answer = (400, [("Content-Type", "application/json")], body.encode())
        stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _, answer=answer: answer))
        with pytest.raises(TargetRefused) as refusal:
            stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)
        told.append(str(refusal.value))

    assert [one.count("***") for one in told] == [1, 1, 1]


def test_a_session_begins_anew_before_it_is_over(stage: ScicatStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_scicat, "BLOCK_FILES", 1)
    rule = Rule(Effect.NONE, times=9)
    rule.when = lambda asked: asked.path == "/api/v4/origdatablocks" and asked.method == "POST"
    rule.before = lambda _: stage.clock.advance(601)
    stage.proxy.add(rule)

    stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert len(stage.server.tokens) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://scicat.example.org"),
        ("pid_prefix", "20.500.12345/"),
        ("pid_prefix", "a b"),
        ("contact_email", "nobody"),
        ("contact_email", "a@b.org;c@d.org"),
        ("location", "site"),
        ("location", "/site/"),
        ("password", "short"),
        ("owner_group", ""),
    ],
)
def test_a_setting_that_is_wrong_is_refused_and_no_password_shown(field: str, value: str) -> None:
    good = {**SAID, "url": "https://scicat.example.org"}
    assert PASSWORD not in repr(SciCat.model_validate(good))

    with pytest.raises(ValidationError, match=field):
        SciCat.model_validate({**good, field: value})
