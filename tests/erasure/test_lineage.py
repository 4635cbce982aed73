"""A run that a lineage backend was told the begin of is told the end of, though its data were erased in between."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.sink_openlineage import LineageFile, OpenLineageSink
from cisterna.domain.dataset import Version
from cisterna.domain.erasure import ErasureState
from cisterna.domain.errors import StoreUnavailable
from cisterna.domain.work import WorkKind
from cisterna.services.attempt import Begun, complete_attempt, fail_attempt, start_attempt
from cisterna.services.erase import erase_dataset
from cisterna.services.send_events import send_due
from cisterna.services.work_request import request_work
from tests.erasure.yard import ORDER, SECRET, Yard
from tests.services.world import PLACE


@pytest.fixture
def sink(yard: Yard, tmp_path: Path) -> OpenLineageSink:
    made = OpenLineageSink(LineageFile(tmp_path / "lineage.jsonl"), namespace="facility", inside=True)
    with yard.catalogue.begin() as tx:
        tx.outbox.register([yard.sink.name, made.name])
    return made


def begin(yard: Yard, version: Version, kind: WorkKind = WorkKind.INFER) -> Begun:
    parameters = {"model": "nuclei@1", "reason": SECRET}
    with yard.catalogue.begin() as tx:
        asked = request_work(
            tx,
            kind,
            version.version_id,
            key=f"{kind}:{version.version_id}",
            parameters=parameters,
            clock=yard.facility.clock,
        )
    begun = start_attempt(
        catalogue=yard.catalogue,
        clock=yard.facility.clock,
        owner="worker",
        lease=timedelta(minutes=1),
        place=PLACE,
        attempts_max=3,
        work_id=asked.work_id,
    )
    assert begun is not None
    return begun


def deliver(yard: Yard, sink: OpenLineageSink) -> list[dict[str, Any]]:
    send_due(sink, catalogue=yard.catalogue, clock=yard.facility.clock)
    lines = (yard.facility.landing.parent / "lineage.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def kinds(events: list[dict[str, Any]], run_id: str) -> Counter[str]:
    return Counter(one["eventType"] for one in events if one["run"]["runId"] == run_id)


@pytest.mark.parametrize("is_begin_told", [True, False])
def test_the_end_of_a_run_that_waits_in_the_outbox_outlives_the_erasure_of_its_data(
    yard: Yard, sink: OpenLineageSink, is_begin_told: bool
) -> None:
    doomed, neighbour = yard.archived(), yard.archived("run-2")
    begun, beside = begin(yard, doomed), begin(yard, neighbour)
    before = deliver(yard, sink) if is_begin_told else []
    told = {"catalogue": yard.catalogue, "clock": yard.facility.clock, "place": PLACE}
    complete_attempt(begun, outcome=f"{SECRET} was counted", **told)
    complete_attempt(beside, outcome="done", **told)

    erase_dataset(doomed.dataset_id, person="anna", order=ORDER, site=yard.site)
    events = deliver(yard, sink)

    once = Counter({"START": 1, "COMPLETE": 1})
    assert kinds(events, begun.attempt.run_id) == kinds(events, beside.attempt.run_id) == once
    late = [one for one in events[len(before) :] if one["run"]["runId"] == begun.attempt.run_id]
    assert late
    assert not [one for one in late if SECRET in json.dumps(one) or doomed.dataset_id in json.dumps(one)]
    assert {one["job"]["name"] for one in events if one["run"]["runId"] == begun.attempt.run_id} == {"infer.nuclei@1"}
    assert deliver(yard, sink) == events


def test_the_failure_of_a_run_is_told_without_its_words(yard: Yard, sink: OpenLineageSink) -> None:
    doomed = yard.archived()
    begun = begin(yard, doomed)
    deliver(yard, sink)
    words = f"no answer about {SECRET}"
    told = {"catalogue": yard.catalogue, "clock": yard.facility.clock, "place": PLACE}
    fail_attempt(begun, StoreUnavailable(words), attempts_max=1, **told)

    erase_dataset(doomed.dataset_id, person="anna", order=ORDER, site=yard.site)
    events = deliver(yard, sink)

    assert kinds(events, begun.attempt.run_id) == Counter({"START": 1, "FAIL": 1})
    assert SECRET not in json.dumps(events[-1])


def test_an_erasure_that_goes_on_tells_nothing_twice(yard: Yard, sink: OpenLineageSink) -> None:
    doomed = yard.archived()
    begun = begin(yard, doomed)
    deliver(yard, sink)
    complete_attempt(begun, outcome="done", catalogue=yard.catalogue, clock=yard.facility.clock, place=PLACE)
    erasure = erase_dataset(doomed.dataset_id, person="anna", order=ORDER, site=yard.site)
    with yard.catalogue.begin() as tx:
        waiting = tx.outbox.undelivered()[sink.name]

    with yard.catalogue.begin() as tx:  # as a second attempt at the erasure does
        tx.erasures.save(tx.erasures.get(erasure.erasure_id).model_copy(update={"state": ErasureState.BEGUN}))
        tx.erasures.purge(erasure)
        assert tx.outbox.undelivered()[sink.name] == waiting

    assert kinds(deliver(yard, sink), begun.attempt.run_id) == Counter({"START": 1, "COMPLETE": 1})
