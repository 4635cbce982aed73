"""What all flows have in common: when a step is tried again, how runs are named, and what makes two requests one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task

from cisterna.domain.errors import CisternaError, LeaseLost
from cisterna.domain.work import KEEPING, Attempt, Work
from flows.held import withhold

P = ParamSpec("P")
R = TypeVar("R")

STEP_RETRY_SECONDS: list[float] = [0.5, 2.0]
"""Pauses before a step is done again within its attempt: enough for a database or a store that restarts.

What lasts longer puts the work back; `services.attempt` says when it is begun anew."""


def waiting_may_help(error: BaseException) -> bool:
    """Read an error's `retryable`: the same call may succeed although nobody changes anything."""
    return isinstance(error, CisternaError) and error.retryable


def _step_may_be_retried(_task: Task[..., Any], _run: Any, state: Any) -> bool:
    """Prefect's `retry_condition_fn`: the exception of a failed step is the state's data."""
    error = state.data
    return isinstance(error, BaseException) and not isinstance(error, LeaseLost) and waiting_may_help(error)


def step(function: Callable[P, R]) -> Task[P, R]:
    """Make a task of a step: one service call, tried again when its error says that waiting may help.

    Nothing is cached or kept by Prefect: what a step has done is in the catalogue and in the archive. Of restricted
    work Prefect is not told why it failed.
    """

    @wraps(function)
    def shielded(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except Exception as error:
            told = withhold(error)
            if told is error:
                raise
            raise told from None

    made = task(
        name=function.__name__.replace("_", "-"),
        retries=len(STEP_RETRY_SECONDS),
        retry_delay_seconds=STEP_RETRY_SECONDS,
        retry_condition_fn=_step_may_be_retried,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return made(shielded)


def flow_run_name(work: Work, *, title: str) -> str:
    """Name a flow run for people: what it is about, and which attempt this is once there is more than one."""
    shown = title or work.subject
    return shown if work.attempts <= 1 else f"{shown} (attempt {work.attempts})"


def flow_run_tags(work: Work) -> list[str]:
    """Tag a flow run so that it is found by its work, its subject, and its instrument or store."""
    tags = ["cisterna", work_tag(work.work_id), f"subject:{work.subject}"]
    if work.kind in KEEPING:
        return [*tags, f"store:{work.parameters.get('store')}"]
    instrument = work.parameters.get("instrument") or work.fairness
    return [*tags, f"instrument:{instrument}"] if instrument else tags


def work_tag(work_id: str) -> str:
    """Tag that all flow runs of one piece of work share."""
    return f"work:{work_id}"


def attempt_key(attempt: Attempt) -> str:
    """Idempotency key of the flow run of an attempt: asking twice gives one run."""
    return f"cisterna-{attempt.run_id}"


def pool_key(work: Work, *, round_: int) -> str:
    """Idempotency key of the flow run that a pool is asked for; `round_` counts runs that ended without taking it.

    Work that waits for room is put back without an attempt being counted, and is then told by when it is due.
    """
    due = int(work.not_before.timestamp() * 1_000_000)
    return f"cisterna-{work.work_id}-{work.attempts}-{due}-{round_}"
