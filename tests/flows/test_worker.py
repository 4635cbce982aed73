"""A worker may be killed, asked to stop or left without Prefect at any moment: the work is done once and nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cisterna.domain.work import Work

    from .conftest import Bench

TERMINAL = {"attempt.completed", "attempt.failed", "attempt.aborted"}


def terminal_events(bench: Bench, work: Work) -> Counter[str]:
    """Count the events that end a run, by run id."""
    return Counter(str(event.data["run_id"]) for event in bench.events(work) if event.name in TERMINAL)


def test_work_is_done_and_its_flow_run_is_named_and_tagged(bench: Bench) -> None:
    bench.worker()

    work = bench.request()
    bench.await_done(work)

    run = bench.wait_for(lambda: [one for one in bench.prefect.flow_runs(work.work_id) if one["state"]["type"] == "COMPLETED"])[0]
    assert run["name"] == "trial-subject"
    assert {"cisterna", f"work:{work.work_id}", "subject:trial-subject"} <= set(run["tags"])
    assert bench.begun() == ["first", "second", "third"]


@pytest.mark.parametrize("step", ["first", "second", "third"])
def test_a_worker_killed_in_the_middle_of_a_step_is_followed_by_another(bench: Bench, step: str) -> None:
    victim = bench.worker(lease_seconds=1.0)
    bench.hold(step)
    work = bench.request()
    bench.await_step(step)

    victim.kill()
    bench.worker(lease_seconds=1.0)
    bench.await_step(step, times=2)
    bench.release(step)
    bench.await_done(work)

    counted = Counter(bench.begun())
    assert counted == {"first": 1, "second": 1, "third": 1} | {step: 2}
    bench.wait_for(lambda: bench.states(work) == ["CRASHED", "COMPLETED"], what="Crashed, then Completed")
