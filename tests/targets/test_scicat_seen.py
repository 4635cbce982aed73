"""Who sees what at SciCat, and when: lists of files are public by themselves there, and outlive their dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cisterna.adapters import target_scicat
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import StoreUnavailable, TargetRefused
from cisterna.metadata.record import InstrumentFacts
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.testing.fault_proxy import Effect, Rule
from cisterna.testing.target_request import BODIES, FILES, REASON, MemoryBytes, deposit_request, tombstone_of
from tests.targets.test_scicat import ScicatStage, described_as


@pytest.fixture
def stage(stack: ExitStack) -> ScicatStage:
    return ScicatStage(stack)


class CutLists(MemoryBytes):
    """Files of which the last list cannot be read."""

    def files(self, record: PublicRecord) -> Iterator[PublicFile]:
        yield from record.files
        raise StoreUnavailable("the archive does not answer", key="lists/3")


def test_no_list_is_to_be_seen_before_all_of_them_are_there(
    stage: ScicatStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_scicat, "BLOCK_FILES", 1)
    there, seen = [], []
    rule = Rule(Effect.NONE, times=99)
    rule.before = lambda _: (there.append(len(stage.server.blocks)), seen.append(len(stage.server.public_files())))
    stage.proxy.add(rule)

    done = stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert 1 in there
    assert not any(public for lists, public in zip(there, seen, strict=True) if lists < len(BODIES))
    assert stage.server.public_files() == list(BODIES)
    assert stage.standing(deposit_request("scicat").key) == [done.outside_id]


def test_of_what_could_not_be_read_to_its_end_no_list_is_to_be_seen(
    stage: ScicatStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_scicat, "BLOCK_FILES", 1)
    request = deposit_request("scicat")

    with pytest.raises(StoreUnavailable):
        stage.target.deposit(request, known=None, files=CutLists(BODIES))

    assert stage.server.public_files() == []
    assert stage.standing(request.key) == []


def test_groups_see_a_dataset_once_it_is_shown(stack: ExitStack) -> None:
    stage = ScicatStage(stack, access_groups=("guests",))
    groups = []
    rule = Rule(Effect.NONE, times=99)
    rule.when = lambda asked: "origdatablocks" in asked.path
    rule.before = lambda _: groups.extend(one["accessGroups"] for one in stage.server.datasets.values())
    stage.proxy.add(rule)

    stage.target.deposit(deposit_request("scicat"), known=None, files=FILES)

    assert groups
    assert not any(groups)
    assert (stage.only()["accessGroups"], stage.only()["isPublished"]) == (["guests"], True)


def test_a_list_that_may_only_be_hidden_is_hidden_from_groups_too(stack: ExitStack) -> None:
    stage = ScicatStage(stack, may_delete=False, access_groups=("guests",))
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    (block,) = stage.server.blocks.values()
    block["accessGroups"] = ["guests"]  # as one that was added while its dataset was shown

    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert gone is not None
    assert "for its own group to see" in str(gone.remark)
    (block,) = stage.server.blocks.values()
    assert (block["isPublished"], block["accessGroups"]) == (False, [])


@pytest.mark.parametrize("is_told", [True, False])
def test_lists_that_outlived_their_dataset_are_removed_by_a_withdrawal(stage: ScicatStage, is_told: bool) -> None:
    """Somebody deleted the dataset there; its lists stay, and are public."""
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.server.datasets.clear()
    assert stage.server.public_files()

    gone = stage.target.withdraw(tombstone_of(request), known=done if is_told else None, reason=REASON)

    assert stage.server.blocks == {}
    assert gone is not None
    assert gone.state is DepositState.WITHDRAWN


def test_lists_that_outlived_their_dataset_and_cannot_be_removed_keep_a_withdrawal_open(stack: ExitStack) -> None:
    stage = ScicatStage(stack, may_delete=False)
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    stage.server.datasets.clear()

    with pytest.raises(TargetRefused, match="not found for attaching"):
        stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)


def test_a_withdrawal_leaves_neither_place_nor_instrument(stack: ExitStack) -> None:
    stage = ScicatStage(stack, instruments={"Squid 3": "instrument-7"})
    instrument = InstrumentFacts(name="Squid 3", profile="squid")
    request = described_as(deposit_request("scicat"), instrument=instrument)
    done = stage.target.deposit(request, known=None, files=FILES)

    stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert (stage.only()["creationLocation"], stage.only()["instrumentIds"]) == ("", [])


@pytest.mark.parametrize("says_expired", [True, False])
@pytest.mark.parametrize(("method", "kind"), [("DELETE", "origdatablocks"), ("PATCH", "datasets"), ("GET", "datasets")])
def test_a_token_that_is_over_too_early_is_not_taken_for_a_right_that_is_missing(
    stack: ExitStack, says_expired: bool, method: str, kind: str
) -> None:
    """A backend that was started with another key knows none of its tokens, and takes who asks for nobody."""
    stage = ScicatStage(stack, says_expired=says_expired)
    request = deposit_request("scicat")
    done = stage.target.deposit(request, known=None, files=FILES)
    rule = Rule(Effect.NONE, times=1)
    rule.when = lambda asked: asked.method == method and asked.path.startswith(f"/api/v4/{kind}")
    rule.before = lambda _: stage.server.tokens.clear()
    stage.proxy.add(rule)

    gone = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert rule.fired
    assert gone is not None
    assert gone.remark is None
    assert stage.server.blocks == {}


def test_what_the_account_may_not_is_not_asked_for_with_ever_new_tokens(stack: ExitStack) -> None:
    stage = ScicatStage(stack, may_delete=False)
    requests = [deposit_request("scicat", name=name) for name in ("plate", "other")]
    for request in requests:
        done = stage.target.deposit(request, known=None, files=FILES)
        before = len(stage.server.tokens)

        stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

        assert len(stage.server.tokens) - before <= 2


def test_a_list_of_long_paths_passes_a_proxy_that_takes_a_megabyte(stage: ScicatStage) -> None:
    """What nginx takes in one request, unless it is told otherwise."""
    request = deposit_request("scicat")
    (first, *_) = request.record.files
    many = tuple(first.model_copy(update={"path": f"data/{'a' * 1200}/{number}.tiff"}) for number in range(900))
    record = request.record.model_copy(update={"files": many})

    stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert len(stage.server.public_files()) == len(many)
    assert max(len(one.body) for one in stage.server.seen) < 1024 * 1024


def test_hostile_names_arrive_as_they_are_and_are_found_again(
    stage: ScicatStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_scicat, "BLOCK_FILES", 1)
    names = ['data/"}, "$where": {"', "data/$ne", "data/å #?%2F&+.txt", "data/a.b.0.path", "data/\\"]
    request = deposit_request("scicat", bodies=dict.fromkeys(names, b"x"))
    done = stage.target.deposit(request, known=None, files=MemoryBytes(BODIES))
    before = stage.writes()

    stage.target.deposit(request, known=done, files=MemoryBytes(BODIES))

    assert stage.server.public_files() == names
    assert stage.writes() == before
