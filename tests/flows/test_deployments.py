"""What deployments/prefect.yaml names exists: flows, parameters, events."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events import DeploymentEventTrigger
from prefect.flows import Flow

from cisterna.domain.event import EVENT_NAMES
from cisterna.domain.work import INLINE_ONLY, KEEPING, WorkKind
from cisterna.settings import Dispatch

FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"


def deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(FILE.read_text("utf-8"))["deployments"]
    return found


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    module, _, name = deployment["entrypoint"].rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, Flow)
    return found


def triggers() -> list[Any]:
    return [
        pytest.param(deployment, trigger, id=f"{deployment['entrypoint']}-{number}")
        for deployment in deployments()
        for number, trigger in enumerate(deployment.get("triggers", []))
    ]


def test_nothing_is_pulled_since_the_flows_are_installed() -> None:
    assert yaml.safe_load(FILE.read_text("utf-8"))["pull"] == []


@pytest.mark.parametrize("deployment", deployments(), ids=lambda one: f"{one['entrypoint']}-{one['name']}")
def test_each_deployment_runs_a_flow_by_the_work_it_is_given(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)

    assert list(inspect.signature(flow.fn).parameters) == ["work_id"]
    assert flow.name in {kind.value for kind in WorkKind}
    assert flow.name == deployment["entrypoint"].split(".")[1]
    assert deployment["name"] == deployment["work_pool"]["name"]


def test_each_kind_of_work_has_a_deployment_but_for_what_deletes_source_files() -> None:
    assert {flow_of(one).name for one in deployments()} == {kind.value for kind in set(WorkKind) - INLINE_ONLY}


def test_every_kind_of_work_is_done_by_a_worker_or_asked_of_a_pool() -> None:
    pools = dict.fromkeys(("ingest", "ahead", "infer", "publish", "convert", "keep"), "pool:slow")

    inline, asked = Dispatch(), Dispatch.model_validate(pools)

    assert {kind: inline.executor_of(kind) for kind in WorkKind} == dict.fromkeys(WorkKind, "inline")
    assert {kind for kind in WorkKind if asked.executor_of(kind) == "inline"} == INLINE_ONLY


@pytest.mark.parametrize("stage", ["ingest", "ahead", "infer", "publish", "convert", "keep"])
def test_each_stage_goes_where_its_setting_says(stage: str) -> None:
    only = Dispatch.model_validate({stage: "pool:slow"})

    kinds = {"ingest": {WorkKind.INGEST, WorkKind.REPROCESS}, "keep": KEEPING}.get(stage, {stage})
    assert {kind for kind in WorkKind if only.executor_of(kind) == "pool:slow"} == kinds


@pytest.mark.parametrize(("deployment", "trigger"), triggers())
def test_each_trigger_waits_for_an_event_that_is_sent(deployment: dict[str, Any], trigger: dict[str, Any]) -> None:
    parsed = DeploymentEventTrigger.model_validate(trigger)

    assert {name.removeprefix("cisterna.") for name in parsed.expect} <= set(EVENT_NAMES)
    assert all(name.startswith("cisterna.") for name in parsed.expect)
    assert set(parsed.parameters or {}) <= set(inspect.signature(flow_of(deployment).fn).parameters)
    assert parsed.match.matches({"cisterna.kind": flow_of(deployment).name})
