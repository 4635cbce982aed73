"""The dispatcher's keeper may be killed or stopped at any moment: no child survives it, and the next one carries on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cisterna.adapters.child import Child
from cisterna.domain.errors import NotReady
from cisterna.domain.instrument import Instrument
from cisterna.domain.work import WorkState
from flows.once import Once
from flows.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Bench

pytestmark = pytest.mark.timeout(240)

KEEPER = Path(__file__).with_name("trial_keeper.py")
ROOT = KEEPER.parents[2]
LONG_LEASE = 120.0  # whoever waits for it to run out fails the test's deadline


@pytest.fixture
def start_keeper(bench: Bench) -> Iterator[Callable[[], Child]]:
    """Start keepers; what is left at the end is killed."""
    started: list[Child] = []

    def start() -> Child:
        (bench.folder / "keeper.ready").unlink(missing_ok=True)
        argv = [sys.executable, str(KEEPER), bench.dsn, bench.prefect.url, str(bench.folder), str(LONG_LEASE)]
        env = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "PREFECT_HOME": str(bench.folder / "prefect-home")}
        child = Child("keeper", argv, log=bench.folder / f"keeper-{len(started)}.log", env=env)
        child.start()
        started.append(child)
        child.await_ready((bench.folder / "keeper.ready").exists, timeout_seconds=60)
        return child

    yield start
    for child in started:
        child.kill()


def worker_pid(bench: Bench) -> int:
    return int((bench.folder / "worker-1.ready").read_text().rpartition(":")[2])


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_worker_that_dies_is_replaced_and_its_lease_ended_at_once(
    bench: Bench, start_keeper: Callable[[], Child]
) -> None:
    start_keeper()
    bench.hold("second")
    work = bench.request()
    bench.await_step("second")

    os.kill(worker_pid(bench), signal.SIGKILL)
    bench.await_step("second", times=2)
    bench.release("second")
    bench.await_done(work)

    names = sorted(event.name for event in bench.events(work))
    assert names == ["attempt.aborted", "attempt.completed", "attempt.started", "attempt.started"]
    bench.wait_for(lambda: bench.states(work) == ["CRASHED", "COMPLETED"], what="Crashed, then Completed")


def test_what_nobody_waits_for_is_started_when_all_others_are_ready(
    bench: Bench, start_keeper: Callable[[], Child]
) -> None:
    start_keeper()
    seen = bench.folder / "seen"

    bench.wait_for(seen.exists, what="the patient child's look round")

    assert {"keeper.ready", "worker-1.ready"} <= set(seen.read_text().split())


def test_a_killed_keeper_leaves_no_child_and_the_next_one_carries_on(
    bench: Bench, start_keeper: Callable[[], Child]
) -> None:
    first = start_keeper()
    bench.hold("second")
    work = bench.request()
    bench.await_step("second")
    orphan = worker_pid(bench)

    first.kill()
    bench.wait_for(lambda: not is_alive(orphan), what="the death of the worker")
    start_keeper()
    bench.await_step("second", times=2)
    bench.release("second")
    bench.await_done(work)

    assert bench.begun() == ["first", "second", "second", "third"]


def test_a_stopped_keeper_leaves_no_process_and_puts_work_back(bench: Bench, start_keeper: Callable[[], Child]) -> None:
    keeper = start_keeper()
    bench.hold("second")
    work = bench.request()
    bench.await_step("second")
    worker = worker_pid(bench)

    keeper.stop(timeout_seconds=20)

    assert keeper.exit_code == 0
    assert not is_alive(worker)
    assert bench.state(work) is WorkState.READY


def test_an_instrument_added_at_run_time_is_swept(
    bench: Bench, start_keeper: Callable[[], Child], tmp_path: Path
) -> None:
    start_keeper()
    zone = tmp_path / "zone"
    zone.mkdir()

    with bench.catalogue.begin() as tx:
        tx.instruments.add(Instrument(name="late", profile="squid", path=str(zone), created_at=bench.clock.now()))

    swept = bench.folder / "swept-late"
    bench.wait_for(lambda: swept.exists() and len(swept.read_text()) >= 2, what="two sweeps")


def test_rounds_through_the_archive_are_taken_again_and_again_whatever_became_of_the_last(
    bench: Bench, start_keeper: Callable[[], Child]
) -> None:
    start_keeper()

    for what in ("recovered", "surveyed"):
        taken = bench.folder / what
        bench.wait_for(lambda taken=taken: taken.exists() and len(taken.read_text()) >= 3, what=f"three times {what}")


def test_what_a_sink_refuses_is_sent_when_it_takes_again(bench: Bench, start_keeper: Callable[[], Child]) -> None:
    (bench.folder / "refuse").touch()
    start_keeper()
    work = bench.request()
    bench.await_done(work)
    bench.wait_for((bench.folder / "refused").exists, what="a refusal")

    (bench.folder / "refuse").unlink()

    sent = bench.folder / "sent"
    bench.wait_for(lambda: sent.exists() and "attempt.completed" in sent.read_text(), what="the last event")
    lines = sent.read_text().splitlines()
    assert len(lines) == len(set(lines))


def test_a_second_dispatcher_on_the_same_home_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "dispatcher.lock"

    with Once(lock), pytest.raises(NotReady, match=f"held by process {os.getpid()}"), Once(lock):
        pytest.fail("two at once")

    with Once(lock):
        assert lock.read_text() == str(os.getpid())


def test_a_child_that_keeps_dying_is_started_again_later_and_later(tmp_path: Path) -> None:
    deaths: list[int] = []
    supervisor = Supervisor(lambda _name, pid: deaths.append(pid))
    marks = tmp_path / "marks"
    command = f"open({str(marks)!r}, 'a').write('x')"
    supervisor.add(Child("flighty", [sys.executable, "-S", "-c", command], log=tmp_path / "log"))
    _tend_until(supervisor, lambda: len(deaths) >= 3)

    supervisor.tend()

    assert len(set(deaths)) == len(deaths)
    assert len(marks.read_text()) == 3
    assert not supervisor.are_ready()
    supervisor.stop(timeout_seconds=1)


def _tend_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        supervisor.tend()
        time.sleep(0.01)
