"""What may be erased is one object's root and no other prefix, and what speaks against it is told in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from cisterna.domain.erasure import (
    ErasedObject,
    ErasureState,
    Obstacles,
    Remainder,
    RemovalKind,
    objections,
    read_order,
    require_object_root,
    state_after,
)
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.identifier import ark
from cisterna.domain.ocfl import object_root
from cisterna.domain.record_segment import RECORD_PID, RECORD_ROOT
from cisterna.testing.clock import START
from cisterna.testing.factory import make_dataset

DATASET = make_dataset().dataset_id
PID = ark(DATASET)
ROOT = object_root(PID)
NEIGHBOUR = ark(make_dataset("run-2").dataset_id)


def test_the_root_of_the_pid_itself_passes() -> None:
    require_object_root(ROOT, pid=PID)


@pytest.mark.parametrize(
    "root",
    [
        "",
        "/",
        ".",
        "*",
        f"{ROOT}/",
        f"/{ROOT}",
        ROOT[:-1],
        f"{ROOT}0",
        ROOT.rsplit("/", 1)[0],
        ROOT[:3],
        f"{ROOT}/../{object_root(NEIGHBOUR)}",
        object_root(NEIGHBOUR),
        ROOT.upper(),
        f"{ROOT}\n",
        f"{ROOT}\x00",
        RECORD_ROOT,
        "extensions",
    ],
)
def test_no_other_prefix_does(root: str) -> None:
    with pytest.raises(HostileInput, match="nothing was deleted"):
        require_object_root(root, pid=PID)
    with pytest.raises((ValidationError, HostileInput)):
        ErasedObject(dataset_id=DATASET, pid=PID, object_root=root)


def test_the_record_of_the_catalogue_cannot_be_named() -> None:
    with pytest.raises(HostileInput):
        require_object_root(RECORD_ROOT, pid=RECORD_PID)


def test_nothing_speaks_against_it_when_nothing_is_there() -> None:
    assert objections(Obstacles(), kind=RemovalKind.ERASURE, now=START) == ()


def test_each_obstacle_is_told_with_what_to_do() -> None:
    found = Obstacles(
        locks=(("ds-x in archive", "a legal hold of the store is on"),),
        under_way=("copy ds-x:v1",),
        release_begun=True,
        due_at=START + timedelta(days=1),
    )

    told = objections(found, kind=RemovalKind.RETENTION, now=START)

    assert [one.condition for one in told] == ["no-lock", "no-work", "no-release", "is-due"]
    assert all(one.words for one in told)


def test_a_disposal_waits_for_the_end_of_the_retention() -> None:
    due = Obstacles(due_at=START)

    assert objections(due, kind=RemovalKind.RETENTION, now=START) == ()
    assert len(objections(due, kind=RemovalKind.RETENTION, now=START - timedelta(seconds=1))) == 1
    assert len(objections(Obstacles(), kind=RemovalKind.RETENTION, now=START)) == 1


def test_it_is_done_only_when_nothing_more_may_go() -> None:
    beyond = Remainder(what="lineage", where="there", reason="sent", is_open=False)

    assert state_after([]) is ErasureState.DONE
    assert state_after([beyond]) is ErasureState.DONE
    assert state_after([beyond, beyond.model_copy(update={"is_open": True})]) is ErasureState.INCOMPLETE


@pytest.mark.parametrize("name", ["controller", "basis", "decision", "reason"])
@pytest.mark.parametrize("value", ["", "  \t", "a\x1b[2J", "a\x00", "x" * 10_001])
def test_a_decision_lacks_nothing_and_holds_nothing_that_a_terminal_obeys(name: str, value: str) -> None:
    given = {"controller": "U", "basis": "B", "decision": "1", "reason": "r", name: value}

    with pytest.raises(InvalidInput, match=name):
        read_order(kind=RemovalKind.ERASURE, **given)
