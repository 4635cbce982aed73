"""A worker may be killed, stopped or left without Prefect at any moment: work is done once, and nothing is lost."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cisterna.domain.work import WorkState
from cisterna.services.attempt import abort_expired
from cisterna.services.lineage import Place

if TYPE_CHECKING:
    from cisterna.domain.work import Work

    from .conftest import Bench

TERMINAL = {"attempt.completed", "attempt.failed", "attempt.aborted"}


PLACE = Place(host="trial", bucket="trial")

pytestmark = pytest.mark.timeout(240)  # a Prefect server starts in 6 s on a machine of its own, and in 60 on a busy one


def ended_runs(bench: Bench, work: Work) -> Counter[str]:
    """Count the events that end a run, by run id."""
    return Counter(str(event.data["run_id"]) for event in bench.events(work) if event.name in TERMINAL)


def test_work_is_done_and_its_flow_run_is_named_and_tagged(bench: Bench) -> None:
    bench.worker()

    work = bench.request()
    bench.await_done(work)

    run = bench.wait_for(
        lambda: [one for one in bench.prefect.flow_runs(work.work_id) if one["state"]["type"] == "COMPLETED"]
    )[0]
    assert run["name"] == "trial-subject"
    assert {"cisterna", f"work:{work.work_id}", "subject:trial-subject"} <= set(run["tags"])
    assert bench.begun() == ["first", "second", "third"]


def test_workers_killed_in_the_middle_of_each_step_are_followed_and_every_run_ends_once(bench: Bench) -> None:
    steps = ["first", "second", "third"]
    for step in steps:
        bench.hold(step)
    victim = bench.worker(lease_seconds=1.0)
    work = bench.request()
    for step in steps:
        bench.await_step(step)
        victim.kill()
        victim = bench.worker(lease_seconds=1.0)
        bench.await_step(step, times=2)
        bench.release(step)
    bench.await_done(work)
    for _ in range(2):
        abort_expired(place=PLACE, catalogue=bench.catalogue, clock=bench.clock)

    assert Counter(bench.begun()) == {"first": 2, "second": 2, "third": 2}
    started = [str(event.data["run_id"]) for event in bench.events(work) if event.name == "attempt.started"]
    assert len(started) == 4
    assert ended_runs(bench, work) == Counter(started)
    expected = ["CRASHED", "CRASHED", "CRASHED", "COMPLETED"]
    bench.wait_for(lambda: bench.states(work) == expected, what="three crashed runs and one that was completed")


def test_a_worker_asked_to_stop_puts_its_work_back_at_once(bench: Bench) -> None:
    stopped = bench.worker(lease_seconds=60.0)
    bench.hold("second")
    work = bench.request()
    bench.await_step("second")

    stopped.stop(timeout_seconds=5)

    assert stopped.exit_code == 0
    assert bench.state(work) is WorkState.READY
    bench.release("second")
    bench.worker()
    bench.await_done(work)
    bench.wait_for(lambda: bench.states(work) == ["CRASHED", "COMPLETED"], what="Crashed, then Completed")


def test_a_worker_that_lost_its_lease_does_not_tell_an_end(bench: Bench) -> None:
    slow = bench.worker(lease_seconds=1.0)
    bench.hold("first")
    work = bench.request()
    bench.await_step("first")
    assert slow.pid is not None

    os.kill(slow.pid, signal.SIGSTOP)
    bench.worker(lease_seconds=1.0)
    bench.await_step("first", times=2)
    os.kill(slow.pid, signal.SIGCONT)
    bench.release("first")
    bench.await_done(work)
    abort_expired(place=PLACE, catalogue=bench.catalogue, clock=bench.clock)

    names = sorted(event.name for event in bench.events(work))
    assert names == ["attempt.aborted", "attempt.completed", "attempt.started", "attempt.started"]


def test_a_defect_is_given_up_after_the_allowed_attempts_and_kept_for_a_person(bench: Bench) -> None:
    bench.worker(attempts=2)

    work = bench.request("doomed")

    bench.wait_for(lambda: bench.state(work) is WorkState.FAILED, what="giving up")
    with bench.catalogue.begin() as tx:
        assert tx.inbox.get(work.work_id).outcome == "RuntimeError: a defect"
    assert [event.name for event in bench.events(work)].count("attempt.failed") == 2
    bench.wait_for(lambda: bench.states(work) == ["FAILED", "FAILED"], what="two failed flow runs")


def test_why_restricted_work_failed_is_not_told_to_prefect(bench: Bench) -> None:
    bench.worker(attempts=2)

    work = bench.request("doomed")  # of no project that is known, so restricted
    bench.wait_for(lambda: bench.state(work) is WorkState.FAILED, what="giving up")

    told = bench.wait_for(lambda: bench.prefect.flow_runs(work.work_id), what="the flow runs")
    assert "a defect" not in str(told)
    assert "cisterna show doomed" in str(told)


def test_work_that_began_is_done_although_prefect_dies_and_its_run_is_told_later(bench: Bench) -> None:
    bench.worker()
    bench.hold("second")
    work = bench.request()
    bench.await_step("second")

    bench.prefect.kill()
    bench.release("second")
    bench.await_done(work)
    bench.prefect.start()
    bench.prefect.await_ready()

    bench.wait_for(lambda: bench.states(work) == ["COMPLETED"], what="Completed, told late")
    assert bench.begun() == ["first", "second", "third"]


def test_work_waits_with_its_lease_while_prefect_is_away(bench: Bench) -> None:
    bench.worker(lease_seconds=1.0)
    bench.prefect.kill()

    work = bench.request()
    bench.wait_for(lambda: bench.state(work) is WorkState.LEASED, what="the lease")
    bench.prefect.start()
    bench.prefect.await_ready()
    bench.await_done(work)

    with bench.catalogue.begin() as tx:
        assert tx.inbox.get(work.work_id).attempts == 1
