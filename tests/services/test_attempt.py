"""Each run is told to begin once and to end once, whatever fails or is killed."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import (
    CisternaError,
    Conflict,
    HostileInput,
    LeaseLost,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.event import Event
from cisterna.domain.project import HumanData
from cisterna.domain.work import Claim, WorkKind, WorkState
from cisterna.services.attempt import (
    LONGEST_DELAY,
    abort_expired,
    abort_owned_by,
    complete_attempt,
    delay_before,
    error_words,
    fail_attempt,
    is_retryable,
    start_attempt,
)
from cisterna.services.lineage import RunFacts
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from tests.services.world import (
    ATTEMPTS,
    LEASE,
    PLACE,
    add_acquisition,
    add_version,
    add_work,
    begin,
    found_facility,
)

TERMINAL = {"attempt.completed", "attempt.failed", "attempt.aborted"}


class Bench:
    """A facility with one acquisition and work on it."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock, **defaults: object) -> None:
        self.catalogue, self.clock = catalogue, clock
        found_facility(catalogue, clock, **defaults)
        self.acquisition = add_acquisition(catalogue, clock)
        self.work = add_work(catalogue, clock, self.acquisition.acquisition_id)

    def begin(self, **more: int) -> Claim:
        return begin(self.catalogue, self.clock, **more)

    def complete(self, claim: Claim, *outputs: str) -> None:
        complete_attempt(
            claim, outcome="archived", catalogue=self.catalogue, clock=self.clock, place=PLACE, outputs=outputs
        )

    def fail(self, claim: Claim, error: BaseException, *, at_once: bool = False) -> WorkState | None:
        return fail_attempt(
            claim,
            error,
            attempts_max=ATTEMPTS,
            catalogue=self.catalogue,
            clock=self.clock,
            place=PLACE,
            at_once=at_once,
        )

    def abort(self) -> Sequence[Claim]:
        return abort_expired(catalogue=self.catalogue, clock=self.clock, place=PLACE)

    def nothing_ready(self) -> bool:
        claim = start_attempt(
            catalogue=self.catalogue, clock=self.clock, owner="x", lease=LEASE, place=PLACE, attempts_max=ATTEMPTS
        )
        return claim is None

    def told(self, *subjects: str) -> list[Event]:
        with self.catalogue.begin() as tx:
            return list(tx.outbox.history(subjects or [self.acquisition.acquisition_id]))

    def state(self) -> WorkState:
        with self.catalogue.begin() as tx:
            return tx.inbox.get(self.work.work_id).state


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(catalogue, clock)


def names(events: Sequence[Event]) -> list[str]:
    return [event.name for event in events]


def test_a_completed_attempt_is_told_with_what_it_read_and_wrote(bench: Bench) -> None:
    version = add_version(bench.catalogue, bench.clock, MemoryStore(), acquisition=bench.acquisition)
    claim = bench.begin()

    bench.complete(claim, version.version_id)

    started, completed = bench.told()
    assert (started.name, completed.name) == ("attempt.started", "attempt.completed")
    assert started.subject == bench.acquisition.acquisition_id
    facts = RunFacts.model_validate(completed.data)
    assert facts.run_id == claim.attempt.run_id
    assert facts.job == "ingest.squid-1"
    assert facts.requested_at == bench.work.created_at
    assert (facts.inputs[0].namespace, facts.inputs[0].name) == (f"file://{PLACE.host}", "/landing/squid-1/run 1")
    assert [one.check for one in facts.inputs[0].assertions] == ["focus-min", "saturation-max"]
    assert facts.outputs[0].namespace == "s3://cisterna-archive"
    assert facts.outputs[0].manifest_digest == version.manifest_digest
    assert facts.outputs[0].change == "create"
    assert facts.outputs[0].owner == "rosa"
    assert bench.state() is WorkState.DONE


def test_an_attempt_ends_once(bench: Bench) -> None:
    claim = bench.begin()
    bench.complete(claim)

    with pytest.raises(LeaseLost):
        bench.complete(claim)

    assert bench.fail(claim, StoreUnavailable("away")) is None
    assert names(bench.told()) == ["attempt.started", "attempt.completed"]


def test_nothing_ready_is_nothing_begun(bench: Bench) -> None:
    bench.begin()

    assert bench.nothing_ready()
    assert names(bench.told()) == ["attempt.started"]


def test_what_may_pass_is_tried_again_after_a_while_as_another_run(bench: Bench) -> None:
    first = bench.begin()

    assert bench.fail(first, StoreUnavailable("the store is away; wait")) is WorkState.READY

    assert bench.nothing_ready()
    bench.clock.advance(10)
    second = bench.begin()
    assert second.attempt.run_id != first.attempt.run_id
    assert second.work.attempts == 2
    failed = bench.told()[1]
    assert (failed.data["error"], failed.data["error_code"]) == ("the store is away; wait", "store-unavailable")


def test_what_does_not_pass_holds_the_acquisition_with_the_reason(bench: Bench) -> None:
    claim = bench.begin()

    assert bench.fail(claim, HostileInput("a.tiff is a symlink; copy the file itself")) is WorkState.FAILED

    with bench.catalogue.begin() as tx:
        held = tx.acquisitions.get(bench.acquisition.acquisition_id).held
    assert held == "a.tiff is a symlink; copy the file itself"
    assert names(bench.told()) == ["attempt.started", "attempt.failed", "acquisition.held"]
    assert bench.told()[-1].data["reason"] == held
    assert bench.state() is WorkState.FAILED
    assert bench.nothing_ready()


def test_the_last_allowed_attempt_gives_up(bench: Bench) -> None:
    for _ in range(ATTEMPTS - 1):
        assert bench.fail(bench.begin(), SourceUnavailable("no mount")) is WorkState.READY
        bench.clock.advance(LONGEST_DELAY * 2)

    assert bench.fail(bench.begin(), SourceUnavailable("no mount")) is WorkState.FAILED
    assert Counter(names(bench.told()))["attempt.failed"] == ATTEMPTS


def test_a_worker_asked_to_stop_leaves_its_work_ready_at_once(bench: Bench) -> None:
    assert bench.fail(bench.begin(), HostileInput("not of the work"), at_once=True) is WorkState.READY

    assert bench.begin().work.attempts == 2


def test_a_lease_that_ran_out_is_told_once_however_many_look(bench: Bench) -> None:
    claim = bench.begin()
    bench.clock.advance(LEASE * 2)
    found: list[Sequence[Claim]] = []
    threads = [threading.Thread(target=lambda: found.append(bench.abort())) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, found)) == [0, 0, 0, 1]
    assert names(bench.told()) == ["attempt.started", "attempt.aborted"]
    with pytest.raises(LeaseLost):
        bench.complete(claim)
    assert names(bench.told()) == ["attempt.started", "attempt.aborted"]


def test_the_end_of_the_old_run_is_told_before_the_new_one_begins(bench: Bench) -> None:
    bench.begin()
    bench.clock.advance(LEASE * 2)

    bench.begin()

    assert names(bench.told()) == ["attempt.started", "attempt.aborted", "attempt.started"]


def test_a_worker_seen_to_die_frees_its_work_at_once_and_only_its_own(bench: Bench) -> None:
    other = add_acquisition(bench.catalogue, bench.clock, "run 2")
    add_work(bench.catalogue, bench.clock, other.acquisition_id)
    dead = begin(bench.catalogue, bench.clock, owner="dead")
    alive = begin(bench.catalogue, bench.clock, owner="alive")

    first = abort_owned_by("dead", catalogue=bench.catalogue, clock=bench.clock, place=PLACE)
    again = abort_owned_by("dead", catalogue=bench.catalogue, clock=bench.clock, place=PLACE)

    assert [claim.attempt.run_id for claim in first] == [dead.attempt.run_id]
    assert list(again) == []
    assert names(bench.told(dead.work.subject)) == ["attempt.started", "attempt.aborted"]
    assert names(bench.told(alive.work.subject)) == ["attempt.started"]
    assert bench.begin().work.work_id == dead.work.work_id


def test_work_that_kills_its_worker_every_time_is_given_up(bench: Bench) -> None:
    for _ in range(ATTEMPTS):
        bench.begin()
        bench.clock.advance(LEASE * 2)

    assert bench.nothing_ready()

    assert names(bench.told())[-2:] == ["attempt.failed", "acquisition.held"]
    assert Counter(names(bench.told()))["attempt.started"] == ATTEMPTS + 1
    assert "never came to an end" in str(bench.told()[-1].data["reason"])


def test_a_derivation_names_the_run_that_asked_for_it(bench: Bench) -> None:
    version = add_version(bench.catalogue, bench.clock, MemoryStore(), acquisition=bench.acquisition)
    parent = bench.begin()
    bench.complete(parent, version.version_id)
    bench.clock.advance(1)
    add_work(bench.catalogue, bench.clock, version.version_id, WorkKind.INFER, parameters={"model": "nuclei"})

    bench.begin()

    facts = RunFacts.model_validate(bench.told(version.version_id)[-1].data)
    assert facts.parent is not None
    assert (facts.parent.run_id, facts.parent.job) == (parent.attempt.run_id, "ingest.squid-1")
    assert facts.job == "infer.nuclei"
    assert facts.inputs[0].version == "v1"


def test_work_on_something_unknown_is_told_as_restricted_and_goes_on(bench: Bench) -> None:
    bench.begin()
    add_work(bench.catalogue, bench.clock, "ds-00000000000000000000000000:v1", WorkKind.PUBLISH)

    bench.begin()

    (told,) = bench.told("ds-00000000000000000000000000:v1")
    assert told.restricted
    assert told.data["inputs"] == []


def test_attempts_on_restricted_data_are_told_as_restricted(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock, human_data=HumanData.UNANSWERED)
    bench.complete(bench.begin())

    assert [event.restricted for event in bench.told()] == [True, True]


def test_a_hold_outlives_the_sweep_that_writes_in_the_same_moment(bench: Bench) -> None:
    claim, stop = bench.begin(), threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            try:
                with bench.catalogue.begin() as tx:
                    seen = tx.acquisitions.get(bench.acquisition.acquisition_id)
                    tx.acquisitions.save(seen.model_copy(update={"last_seen": bench.clock.now()}))
            except Conflict:
                continue

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        assert bench.fail(claim, HostileInput("held")) is WorkState.FAILED
    finally:
        stop.set()
        sweeper.join()

    with bench.catalogue.begin() as tx:
        assert tx.acquisitions.get(bench.acquisition.acquisition_id).held == "held"
    assert Counter(names(bench.told()))["attempt.failed"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_each_run_begins_once_and_ends_once(bench: Bench, seed: int) -> None:
    chance, held = random.Random(seed), list[Claim]()
    for number in range(3):
        acquisition = add_acquisition(bench.catalogue, bench.clock, f"more {number}")
        add_work(bench.catalogue, bench.clock, acquisition.acquisition_id)

    for _ in range(40):
        match chance.randrange(6):
            case 0 | 1:
                claim = start_attempt(
                    catalogue=bench.catalogue,
                    clock=bench.clock,
                    owner=f"worker {chance.randrange(2)}",
                    lease=LEASE,
                    place=PLACE,
                    attempts_max=ATTEMPTS,
                )
                held += [claim] if claim else []
            case 2 if held:
                with contextlib.suppress(LeaseLost):
                    bench.complete(chance.choice(held))
            case 3 if held:
                error = chance.choice([StoreUnavailable("away"), HostileInput("bad"), ValueError("a defect")])
                bench.fail(chance.choice(held), error)
            case 4:
                owner = f"worker {chance.randrange(2)}"
                abort_owned_by(owner, catalogue=bench.catalogue, clock=bench.clock, place=PLACE)
            case _:
                bench.clock.advance(chance.choice([1, 10, 20]))
    bench.clock.advance(LEASE * 2)
    bench.abort()

    assert_each_run_is_told_whole(bench, {claim.work.subject for claim in held})


def assert_each_run_is_told_whole(bench: Bench, subjects: set[str]) -> None:
    told: dict[str, list[str]] = {}
    for event in bench.told(*subjects):
        if event.name.startswith("attempt."):
            told.setdefault(str(event.data["run_id"]), []).append(event.name)
    assert told
    for run in told.values():
        assert run[0] == "attempt.started"
        assert len(run) == 2
        assert run[1] in TERMINAL


_WORKER = """
import sys
from datetime import datetime, timedelta
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.system_clock import SystemClock
from cisterna.services.attempt import complete_attempt, start_attempt
from cisterna.services.lineage import Place

class StandingClock(SystemClock):
    def now(self):
        return datetime.fromisoformat(sys.argv[2])

catalogue, clock, place = SqlCatalogue(sys.argv[1]), StandingClock(), Place(host="h", bucket="b")
while True:
    claim = start_attempt(
        catalogue=catalogue, clock=clock, owner="victim", lease=timedelta(hours=1), place=place, attempts_max=1000
    )
    if claim is None:
        break
    print(claim.work.subject, flush=True)
    complete_attempt(claim, outcome="done", catalogue=catalogue, clock=clock, place=place)
"""


@pytest.mark.parametrize("lines", [1, 3, 6])
def test_a_worker_killed_at_any_moment_leaves_no_run_without_an_end(
    catalogue: SqlCatalogue, clock: SettableClock, dsn: str, lines: int
) -> None:
    bench = Bench(catalogue, clock)
    subjects = {bench.acquisition.acquisition_id}
    for number in range(40):
        acquisition = add_acquisition(catalogue, clock, f"more {number}")
        add_work(catalogue, clock, acquisition.acquisition_id)
        subjects.add(acquisition.acquisition_id)

    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, dsn, clock.now().isoformat()], stdout=subprocess.PIPE, text=True
    )
    with worker:
        assert worker.stdout is not None
        for _ in range(lines):
            assert worker.stdout.readline()
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=10)
    abort_owned_by("victim", catalogue=catalogue, clock=clock, place=PLACE)

    assert_each_run_is_told_whole(bench, subjects)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("cannot reach postgresql://cisterna:hunter2@db/x", "hunter2"),
        ("403 for https://s3/x?X-Amz-Signature=abcdef&b=1", "abcdef"),
        ("sent Authorization: Bearer abc.def.ghi", "abc.def.ghi"),
        ("config {'secret_access_key': 'abc123', 'region': 'r'}", "abc123"),
        ("password=hunter2 host=db", "hunter2"),
        ("API-KEY: k-123", "k-123"),
    ],
)
def test_no_secret_gets_into_what_is_told(text: str, hidden: str) -> None:
    assert hidden not in error_words(RuntimeError(text))
    assert hidden not in error_words(ExceptionGroup("many", [StoreUnavailable(text)]))


def test_hostile_error_text_becomes_plain_and_short() -> None:
    words = error_words(ValueError("a\x00b\x1b[31m\ud800" + "x" * 10_000))

    assert len(words) <= 2000
    assert words.encode()
    assert not {"\x00", "\x1b"} & set(words)


def test_an_error_without_words_still_has_a_name() -> None:
    assert error_words(CisternaError("")) == "CisternaError"


def test_a_group_is_tried_again_only_if_each_of_it_may_pass() -> None:
    away, bad = StoreUnavailable("away"), HostileInput("bad")

    assert is_retryable(ExceptionGroup("g", [away, Conflict("raced")]))
    assert not is_retryable(ExceptionGroup("g", [away, bad]))
    assert is_retryable(ValueError("a defect"))


def test_delays_double_with_jitter_up_to_a_limit() -> None:
    low, high = str(uuid.UUID(int=0)), str(uuid.UUID(int=0xFFFFFFFF))

    assert delay_before(2, jitter_id=low) == timedelta(seconds=1)
    assert delay_before(2, jitter_id=high) == timedelta(seconds=3)
    assert delay_before(4, jitter_id=low) == timedelta(seconds=4)
    assert delay_before(1000, jitter_id=high) == LONGEST_DELAY * 1.5
