"""The inbox gives each piece of work to one owner at a time, and no owner writes after losing it."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import LeaseLost, NotFound
from cisterna.domain.progress import Progress
from cisterna.domain.work import Attempt, Claim, Work, WorkKind, WorkState
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_work

LEASE = timedelta(seconds=15)


def request(catalogue: SqlCatalogue, *works: Work) -> None:
    with catalogue.begin() as tx:
        for work in works:
            tx.inbox.request(work)


def claim(
    catalogue: SqlCatalogue, clock: SettableClock, *, owner: str = "worker", kinds: list[WorkKind] | None = None
) -> Claim | None:
    with catalogue.begin() as tx:
        return tx.inbox.claim(owner=owner, run_id=clock.new_id(), now=clock.now(), lease=LEASE, kinds=kinds)


def must_claim(catalogue: SqlCatalogue, clock: SettableClock, *, owner: str = "worker") -> Claim:
    taken = claim(catalogue, clock, owner=owner)
    assert taken is not None
    return taken


def test_the_same_key_is_the_same_work(catalogue: SqlCatalogue) -> None:
    first = make_work("first", key="ingest:run-1", parameters={"from": "measured"})

    with catalogue.begin() as tx:
        assert tx.inbox.request(first) == first
        assert tx.inbox.request(make_work("second", key="ingest:run-1")) == first

        assert tx.inbox.list() == [first]
        assert tx.inbox.get(first.work_id) == first
        with pytest.raises(NotFound):
            tx.inbox.get("unknown")


def test_a_claim_marks_the_work_and_gives_a_lease(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work())

    taken = must_claim(catalogue, clock, owner="host:7")

    assert (taken.work.state, taken.work.attempts) == (WorkState.LEASED, 1)
    assert taken.attempt.expires_at == clock.now() + LEASE
    assert claim(catalogue, clock) is None
    with catalogue.begin() as tx:
        assert tx.inbox.claims_of("host:7") == [taken]
        assert tx.inbox.claims_of("host:8") == []


def test_work_is_not_given_out_before_its_time_nor_to_those_who_do_not_do_its_kind(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, make_work(kind=WorkKind.INFER, not_before=clock.now() + timedelta(minutes=1)))

    assert claim(catalogue, clock) is None
    clock.advance(60)
    assert claim(catalogue, clock, kinds=[WorkKind.INGEST, WorkKind.PUBLISH]) is None
    assert claim(catalogue, clock, kinds=[WorkKind.INFER]) is not None


def test_instruments_take_turns_however_long_one_queue_is(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, *(make_work(f"a{number}", fairness="a") for number in range(6)))
    request(catalogue, make_work("b0", fairness="b"), make_work("c0", fairness="c"), make_work("b1", fairness="b"))

    order = [must_claim(catalogue, clock).work.fairness for _ in range(9)]

    assert order == ["a", "b", "c", "a", "b", "a", "a", "a", "a"]


def test_the_oldest_work_of_an_instrument_comes_first(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    late, early = clock.now(), clock.now() - timedelta(minutes=5)
    request(catalogue, make_work("late", not_before=late, created_at=late))
    request(catalogue, make_work("early", not_before=early, created_at=early))

    assert [must_claim(catalogue, clock).work.subject for _ in range(2)] == ["early", "late"]


def test_a_claim_locks_one_row_only_and_never_waits(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work("a", fairness="a"), make_work("b", fairness="b"), make_work("c", fairness="c"))

    with catalogue.begin() as first, catalogue.begin() as second, catalogue.begin() as third:
        taken = [
            tx.inbox.claim(owner="o", run_id=clock.new_id(), now=clock.now(), lease=LEASE)
            for tx in (first, second, third)
        ]

    assert sorted(found.work.subject for found in taken if found) == ["a", "b", "c"]


def test_sixteen_threads_claim_two_hundred_works_once_each(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, *(make_work(f"work-{number}", fairness=f"squid-{number % 5}") for number in range(200)))

    def drain(worker: int) -> list[str]:
        done = []
        while taken := claim(catalogue, clock, owner=f"worker-{worker}"):
            with catalogue.begin() as tx:
                tx.inbox.require_lease(taken.attempt)
                tx.inbox.finish(taken.attempt, outcome="done")
            done.append(taken.work.work_id)
        return done

    with ThreadPoolExecutor(16) as pool:
        claimed = Counter(work_id for done in pool.map(drain, range(16)) for work_id in done)

    assert len(claimed) == 200
    assert set(claimed.values()) == {1}
    with catalogue.begin() as tx:
        assert {work.state for work in tx.inbox.list()} == {WorkState.DONE}


def test_a_heartbeat_keeps_the_lease(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work())
    taken = must_claim(catalogue, clock)

    for _ in range(5):
        clock.advance(10)
        with catalogue.begin() as tx:
            tx.inbox.renew(taken.attempt, expires_at=clock.now() + LEASE)
            assert tx.inbox.expired(now=clock.now()) == []

    assert claim(catalogue, clock) is None


def test_an_attempt_that_ran_out_is_told_once_and_its_work_is_ready_again(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, make_work())
    taken = must_claim(catalogue, clock)
    with catalogue.begin() as tx:
        tx.inbox.note_flow_run(taken.attempt, "flow-run")
    clock.advance(16)

    with catalogue.begin() as tx:
        told = tx.inbox.expired(now=clock.now())
    with catalogue.begin() as tx:
        again = tx.inbox.expired(now=clock.now())
        ready = tx.inbox.list(state=WorkState.READY)

    assert [(one.attempt.run_id, one.attempt.flow_run_id) for one in told] == [(taken.attempt.run_id, "flow-run")]
    assert again == []
    assert [work.attempts for work in ready] == [1]


def test_what_was_told_in_a_transaction_that_failed_is_told_again(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, make_work())
    must_claim(catalogue, clock)
    clock.advance(16)

    with pytest.raises(RuntimeError), catalogue.begin() as tx:  # noqa: PT012 - the block is what fails
        assert len(tx.inbox.expired(now=clock.now())) == 1
        raise RuntimeError

    with catalogue.begin() as tx:
        assert len(tx.inbox.expired(now=clock.now())) == 1


def test_work_whose_lease_ran_out_is_taken_over_and_the_old_attempt_is_still_told(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, make_work())
    old = must_claim(catalogue, clock, owner="old")
    clock.advance(16)

    new = must_claim(catalogue, clock, owner="new")

    assert (new.work.work_id, new.work.attempts) == (old.work.work_id, 2)
    with catalogue.begin() as tx:
        told = tx.inbox.expired(now=clock.now())
        assert [one.attempt.run_id for one in told] == [old.attempt.run_id]
        assert tx.inbox.get(new.work.work_id).state is WorkState.LEASED
        tx.inbox.require_lease(new.attempt)


def lost_calls(attempt: Attempt, clock: SettableClock) -> dict[str, object]:
    later = clock.now() + LEASE
    return {
        "require_lease": lambda inbox: inbox.require_lease(attempt),
        "renew": lambda inbox: inbox.renew(attempt, expires_at=later),
        "note_flow_run": lambda inbox: inbox.note_flow_run(attempt, "x"),
        "finish": lambda inbox: inbox.finish(attempt, outcome="x"),
        "put_back": lambda inbox: inbox.put_back(attempt, not_before=later, outcome="x"),
        "give_up": lambda inbox: inbox.give_up(attempt, outcome="x"),
    }


@pytest.mark.parametrize("name", ["require_lease", "renew", "note_flow_run", "finish", "put_back", "give_up"])
@pytest.mark.parametrize("how", ["expired", "taken over", "finished", "put back"])
def test_who_lost_the_lease_changes_nothing(catalogue: SqlCatalogue, clock: SettableClock, name: str, how: str) -> None:
    request(catalogue, make_work())
    taken = must_claim(catalogue, clock)
    clock.advance(16)
    with catalogue.begin() as tx:
        match how:
            case "expired":
                tx.inbox.expired(now=clock.now())
            case "taken over":
                tx.inbox.claim(owner="new", run_id=clock.new_id(), now=clock.now(), lease=LEASE)
            case "finished":
                tx.inbox.finish(taken.attempt, outcome="done")
            case _:
                tx.inbox.put_back(taken.attempt, not_before=clock.now(), outcome="later")
        before = tx.inbox.get(taken.work.work_id)

    with pytest.raises(LeaseLost), catalogue.begin() as tx:
        lost_calls(taken.attempt, clock)[name](tx.inbox)  # type: ignore[operator]

    with catalogue.begin() as tx:
        assert tx.inbox.get(taken.work.work_id) == before


def test_a_lease_cannot_be_taken_while_its_owner_writes(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work())
    taken = must_claim(catalogue, clock)
    clock.advance(16)

    with catalogue.begin() as writing:
        writing.inbox.require_lease(taken.attempt)
        with catalogue.begin() as other:
            assert other.inbox.expired(now=clock.now()) == []
            assert other.inbox.claim(owner="new", run_id=clock.new_id(), now=clock.now(), lease=LEASE) is None
        writing.inbox.finish(taken.attempt, outcome="done")

    assert claim(catalogue, clock) is None


def test_finished_and_failed_work_stays_with_its_outcome(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work("good", fairness="a"), make_work("bad", fairness="b"))
    good, bad = must_claim(catalogue, clock), must_claim(catalogue, clock)

    with catalogue.begin() as tx:
        tx.inbox.finish(good.attempt, outcome="v1 is verified")
        tx.inbox.give_up(bad.attempt, outcome="the disk is gone")

        outcomes = {work.subject: (work.state, work.outcome) for work in tx.inbox.list()}
    assert outcomes == {
        "good": (WorkState.DONE, "v1 is verified"),
        "bad": (WorkState.FAILED, "the disk is gone"),
    }
    assert claim(catalogue, clock) is None


def test_work_that_was_put_back_comes_again_later(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work())
    first = must_claim(catalogue, clock)
    with catalogue.begin() as tx:
        later = clock.now() + timedelta(seconds=30)
        tx.inbox.put_back(first.attempt, not_before=later, outcome="the store did not answer")

    assert claim(catalogue, clock) is None
    clock.advance(30)
    second = must_claim(catalogue, clock)

    assert second.work.attempts == 2
    assert second.attempt.run_id != first.attempt.run_id


def test_work_that_was_put_back_says_why_until_it_is_begun_and_need_not_count_the_attempt(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, make_work(subject="run"))
    request(catalogue, make_work("other", subject="other"))
    first = must_claim(catalogue, clock)
    with catalogue.begin() as tx:
        tx.inbox.put_back(first.attempt, not_before=clock.now(), outcome="no room", counts=False)
        waits, put_off = tx.inbox.get(first.work.work_id), tx.inbox.put_off()
    assert waits.attempts == 0
    assert put_off == {first.work.subject: "no room"}

    with catalogue.begin() as tx:
        again = tx.inbox.claim(
            owner="w", run_id=clock.new_id(), now=clock.now(), lease=timedelta(seconds=9), work_id=first.work.work_id
        )
        assert again is not None
        assert again.work.attempts == 1
        assert tx.inbox.put_off() == {}


def test_requests_of_one_key_at_once_make_one_work(catalogue: SqlCatalogue) -> None:
    start = threading.Barrier(8)

    def ask(number: int) -> str:
        start.wait()
        with catalogue.begin() as tx:
            return tx.inbox.request(make_work(f"asked-{number}", key="one")).work_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


class InboxMachine(RuleBasedStateMachine):
    """Claims, heartbeats, ends and time in any order: no work has two owners, none is lost."""

    catalogue: SqlCatalogue

    def __init__(self) -> None:
        super().__init__()
        self.clock = SettableClock()
        self.requested: set[str] = set()
        self.closed: set[str] = set()
        self.held: dict[str, Attempt] = {}
        with self.catalogue._engine.begin() as connection:
            connection.execute(sql_text("TRUNCATE lanes, works, attempts"))

    @rule(fairness=st.sampled_from("abc"))
    def ask(self, fairness: str) -> None:
        work = make_work(self.clock.new_id(), fairness=fairness)
        request(self.catalogue, work)
        self.requested.add(work.work_id)

    @rule()
    def take(self) -> None:
        with self.catalogue.begin() as tx:
            taken = tx.inbox.claim(owner="worker", run_id=self.clock.new_id(), now=self.clock.now(), lease=LEASE)
        if taken is None:
            valid = {work for work, attempt in self.held.items() if attempt.expires_at >= self.clock.now()}
            assert self.requested - self.closed <= valid
            return
        assert taken.work.work_id in self.requested - self.closed
        before = self.held.get(taken.work.work_id)
        assert before is None or before.expires_at < self.clock.now()
        self.held[taken.work.work_id] = taken.attempt

    @rule(number=st.integers(0, 5), end=st.sampled_from(["finish", "put-back", "give-up", "renew"]))
    def use(self, number: int, end: str) -> None:
        if not self.held:
            return
        work_id, attempt = sorted(self.held.items())[number % len(self.held)]
        with self.catalogue.begin() as tx:
            tx.inbox.require_lease(attempt)
            match end:
                case "renew":
                    until = self.clock.now() + LEASE
                    tx.inbox.renew(attempt, expires_at=until)
                    self.held[work_id] = attempt.model_copy(update={"expires_at": until})
                    return
                case "put-back":
                    tx.inbox.put_back(attempt, not_before=self.clock.now(), outcome="again")
                case "finish":
                    tx.inbox.finish(attempt, outcome="done")
                    self.closed.add(work_id)
                case _:
                    tx.inbox.give_up(attempt, outcome="failed")
                    self.closed.add(work_id)
        del self.held[work_id]

    @rule(seconds=st.sampled_from([1, 10, 20]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def reap(self) -> None:
        with self.catalogue.begin() as tx:
            for told in tx.inbox.expired(now=self.clock.now()):
                present = self.held.get(told.work.work_id)
                if present is not None and present.run_id == told.attempt.run_id:
                    assert present.expires_at < self.clock.now()
                    del self.held[told.work.work_id]

    @invariant()
    def nobody_shares_and_nothing_is_lost(self) -> None:
        with self.catalogue.begin() as tx:
            leases = {one.work.work_id: one.attempt.run_id for one in tx.inbox.claims_of("worker")}
            ready = {work.work_id for work in tx.inbox.list(state=WorkState.READY)}
        assert leases == {work: attempt.run_id for work, attempt in self.held.items()}
        assert ready == self.requested - self.closed - set(leases)


def test_any_order_of_claims_heartbeats_and_ends_keeps_one_owner_for_each_work(catalogue: SqlCatalogue) -> None:
    class Machine(InboxMachine):
        pass

    Machine.catalogue = catalogue
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_burst_of_a_thousand_never_makes_another_instrument_wait_for_more_than_one_turn(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, *(make_work(f"burst-{number}", fairness="busy") for number in range(1000)))
    served = [must_claim(catalogue, clock).work.fairness for _ in range(5)]
    clock.advance(1)
    request(catalogue, make_work("lonely", fairness="quiet"))

    turns = [must_claim(catalogue, clock).work.fairness for _ in range(2)]

    assert served == ["busy"] * 5
    assert "quiet" in turns


def test_an_instrument_whose_runs_keep_coming_is_served_beside_a_burst_by_turns(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, *(make_work(f"burst-{number}", fairness="busy") for number in range(1000)))
    request(catalogue, *(make_work(f"steady-{number}", fairness="quiet") for number in range(20)))

    served = [must_claim(catalogue, clock).work.fairness for _ in range(40)]

    assert served.count("quiet") == 20
    assert all({*served[turn : turn + 2]} == {"busy", "quiet"} for turn in range(0, 40, 2))


def test_a_burst_that_fails_and_is_put_back_again_and_again_starves_no_other(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, *(make_work(f"burst-{number}", fairness="busy") for number in range(100)))
    request(catalogue, make_work("lonely", fairness="quiet"))

    for _ in range(2):
        taken = must_claim(catalogue, clock)
        with catalogue.begin() as tx:
            tx.inbox.put_back(taken.attempt, not_before=clock.now(), outcome="again")
        if taken.work.subject == "lonely":
            return

    pytest.fail("the instrument with one run waited for more than one turn of the other")


def test_only_work_that_is_ready_and_due_waits(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, make_work(not_before=clock.now() + timedelta(minutes=1)))

    def waits(*kinds: WorkKind) -> bool:
        with catalogue.begin() as tx:
            return tx.inbox.is_waiting(kinds=kinds, now=clock.now())

    assert not waits(WorkKind.INGEST)
    clock.advance(60)
    assert waits(WorkKind.INGEST, WorkKind.INFER)
    assert not waits(WorkKind.INFER)
    assert not waits()
    must_claim(catalogue, clock)
    assert not waits(WorkKind.INGEST)


def test_reading_ahead_is_told_neither_as_progress_nor_as_put_off(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    request(catalogue, make_work("ahead", kind=WorkKind.AHEAD), make_work("ingest", subject="run-2"))
    told = Progress(at=clock.now(), done_bytes=1, total_bytes=2, bytes_per_second=0.0)
    for _ in range(2):
        taken = must_claim(catalogue, clock)
        with catalogue.begin() as tx:
            tx.inbox.note_progress(taken.attempt, told)
    with catalogue.begin() as tx:
        assert tx.inbox.progress() == {"run-2": told}
        for held in tx.inbox.claims_of("worker"):
            tx.inbox.put_back(held.attempt, not_before=clock.now(), outcome="no room")
        assert tx.inbox.put_off() == {"run-2": "no room"}
