"""A limit is the instrument's: whoever reads from it, in whatever process, takes no more than it together."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.bandwidth import parse_limit, share_of
from cisterna.domain.errors import LeaseLost
from cisterna.domain.work import Attempt
from cisterna.services.attempt import abort_owned_by, start_attempt
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.pace import Pace
from tests.services.world import PLACE, add_acquisition, add_work, found_facility

LIMIT = 40_000_000
PIECE = 200_000
LEASE = timedelta(minutes=5)
PATIENCE_SECONDS = 30.0


def begin(catalogue: SqlCatalogue, run: str, *, owner: str) -> Attempt:
    """Hold work on a run of its own, as a worker does."""
    clock = SystemClock()
    acquisition = add_acquisition(catalogue, clock, run)
    work = add_work(catalogue, clock, acquisition.acquisition_id)
    claim = start_attempt(
        catalogue=catalogue,
        clock=clock,
        owner=owner,
        lease=LEASE,
        place=PLACE,
        attempts_max=3,
        work_id=work.work_id,
    )
    assert claim is not None
    return claim.attempt


class Reader:
    """Reads without an end from one instrument, under a lease, through a connection of its own."""

    def __init__(self, dsn: str, lease: Attempt, *, limit: str = "40MB/s", instrument: str = "squid-1") -> None:
        self.catalogue = SqlCatalogue(dsn)
        clock = SystemClock()
        self.watch = LeaseWatch(lease, catalogue=self.catalogue, clock=clock)
        self.pace = Pace(
            [parse_limit(limit)] if limit else [],
            instrument=instrument,
            total_bytes=10**12,
            clock=clock,
            keep_on=self.keep_on,
        )
        self.read_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def keep_on(self) -> None:
        if self._stop.is_set():
            raise LeaseLost("stopped by the test")
        self.watch.look()

    def start(self) -> None:
        self.watch.begin(self.pace)
        self._thread.start()

    def _read(self) -> None:
        with suppress(LeaseLost):
            while True:
                self.keep_on()
                self.pace.take(PIECE)
                self.read_bytes += PIECE

    def die(self) -> None:
        """End without a word to the others, as a process that is killed does."""
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        self.catalogue.close()


def allowed(catalogue: SqlCatalogue) -> list[float]:
    """Give what each reader has on record, smallest first."""
    with catalogue.begin() as tx:
        told = tx.inbox.progress().values()
    return sorted(one.allowed_bytes_per_second or 0.0 for one in told if one.instrument == "squid-1")


@contextmanager
def never_more_than_the_limit(catalogue: SqlCatalogue) -> Iterator[None]:
    """Look at what is on record all the while; at no moment is it more than the limit."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            seen.append(sum(allowed(catalogue)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(PATIENCE_SECONDS)
    assert seen
    assert max(seen) <= LIMIT * 1.000001


def settles(catalogue: SqlCatalogue, *shares: float) -> bool:
    """Wait until what is on record is that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if allowed(catalogue) == pytest.approx(sorted(shares)):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def facility(catalogue: SqlCatalogue) -> SqlCatalogue:
    found_facility(catalogue, SystemClock())
    return catalogue


@pytest.fixture
def reader(facility: SqlCatalogue, dsn: str) -> Iterator[Callable[..., Reader]]:
    made: list[Reader] = []

    def make(name: str, **more: str) -> Reader:
        one = Reader(dsn, begin(facility, name, owner=name), **more)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.die()


def test_two_readers_share_the_limit_and_all_that_is_read_stays_within_it(
    facility: SqlCatalogue, reader: Callable[..., Reader]
) -> None:
    began = time.monotonic()
    with never_more_than_the_limit(facility):
        readers = [reader("run-a")]
        assert settles(facility, LIMIT)
        readers.append(reader("run-b"))
        assert settles(facility, LIMIT / 2, LIMIT / 2)
        readers.append(reader("run-c"))
        assert settles(facility, LIMIT / 3, LIMIT / 3, LIMIT / 3)
        before = [one.read_bytes for one in readers]
        assert waited(lambda: all(one.read_bytes > was for one, was in zip(readers, before, strict=True)))
        read_bytes = sum(one.read_bytes for one in readers)
        seconds = time.monotonic() - began

    saved_up = LIMIT * 0.25 + 3 * PIECE
    assert read_bytes <= LIMIT * seconds + saved_up


def test_what_a_killed_reader_took_is_given_back_with_its_lease(
    facility: SqlCatalogue, reader: Callable[..., Reader]
) -> None:
    reader("run-a")
    dead = reader("run-b")
    assert settles(facility, LIMIT / 2, LIMIT / 2)

    dead.die()

    assert allowed(facility) == pytest.approx([LIMIT / 2, LIMIT / 2]), "until its end is told it counts"
    abort_owned_by("run-b", place=PLACE, catalogue=facility, clock=SystemClock())
    assert settles(facility, LIMIT)


def test_who_has_read_to_the_end_leaves_the_limit_to_the_others_though_its_work_goes_on(
    facility: SqlCatalogue, reader: Callable[..., Reader]
) -> None:
    reader("run-a")
    done = reader("run-b")
    assert settles(facility, LIMIT / 2, LIMIT / 2)

    done.watch.end()

    assert settles(facility, LIMIT)


def test_another_instrument_and_one_without_a_limit_take_nothing(
    facility: SqlCatalogue, reader: Callable[..., Reader]
) -> None:
    reader("run-a")
    reader("run-b", instrument="squid-2")
    reader("run-c", limit="")

    assert settles(facility, LIMIT)


_CHILD = """
import sys
from tests.services.test_shared_pace import Reader
from cisterna.domain.work import Attempt
reader = Reader(sys.argv[1], Attempt.model_validate_json(sys.argv[2]))
reader.start()
print("reading", flush=True)
sys.stdin.read()
"""


def test_worker_processes_share_it_and_a_killed_process_gives_it_back(facility: SqlCatalogue, dsn: str) -> None:
    children = []
    try:
        with never_more_than_the_limit(facility):
            for name in ("run-a", "run-b"):
                lease = begin(facility, name, owner=name)
                command = [sys.executable, "-c", _CHILD, dsn, lease.model_dump_json()]
                child = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
                )
                children.append(child)
                assert child.stdout is not None
                assert child.stdout.readline() == b"reading\n"
            assert settles(facility, LIMIT / 2, LIMIT / 2)
            children[1].kill()
            children[1].wait(PATIENCE_SECONDS)
            abort_owned_by("run-b", place=PLACE, catalogue=facility, clock=SystemClock())
            assert settles(facility, LIMIT)
    finally:
        for child in children:
            child.kill()
            child.wait(PATIENCE_SECONDS)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()


def waited(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


shares = st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e9)), max_size=20)


@given(limit=st.integers(min_value=1, max_value=10**12), others=shares)
def test_a_share_never_takes_what_others_have(limit: int, others: list[float | None]) -> None:
    even = limit / (len(others) + 1)
    taken = sum(even if one is None else one for one in others)

    share = share_of(limit, others)

    assert 0 <= share <= even
    assert share == 0 or share + taken <= limit * 1.000001


@given(limit=st.integers(min_value=1, max_value=10**12), count=st.integers(min_value=1, max_value=12), data=st.data())
def test_readers_that_take_turns_come_to_even_shares(limit: int, count: int, data: st.DataObject) -> None:
    shares_now = data.draw(st.lists(st.floats(0, limit / count), min_size=count, max_size=count))

    for _ in range(2):
        for number in range(count):
            shares_now[number] = share_of(limit, shares_now[:number] + shares_now[number + 1 :])
            assert sum(shares_now) <= limit * 1.000001

    assert shares_now == pytest.approx([limit / count] * count, rel=1e-6)
