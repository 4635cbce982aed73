"""A crew does everything once, and stops together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cisterna.services.crew import GivenUp, work_through


@pytest.mark.parametrize("workers", [1, 4])
def test_every_item_is_done_once(workers: int) -> None:
    done: list[int] = []

    work_through(range(1000), lambda: done.append, workers=workers, stop=threading.Event())

    assert sorted(done) == list(range(1000))


def test_nothing_to_do_is_no_failure() -> None:
    work_through([], lambda: pytest.fail, workers=4, stop=threading.Event())


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_failure_stops_all_and_is_told(workers: int) -> None:
    done: list[int] = []

    def do(item: int) -> None:
        if item == 10:
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match="10"):
        work_through(range(1_000_000), lambda: do, workers=workers, stop=threading.Event())
    assert len(done) < 1_000_000


def test_whoever_gives_up_does_not_hide_why() -> None:
    stop, both = threading.Event(), threading.Barrier(2)

    def do(item: int) -> None:
        both.wait(10)
        if item == 0:
            raise ValueError("the reason")
        stop.wait(10)
        raise GivenUp

    with pytest.raises(ValueError, match="the reason"):
        work_through(range(2), lambda: do, workers=2, stop=stop)


def test_each_worker_has_what_it_made_for_itself() -> None:
    made: list[threading.Thread] = []
    both = threading.Barrier(2)

    def worker() -> Callable[[int], None]:
        owner = threading.current_thread()
        made.append(owner)

        def do(_: int) -> None:
            both.wait(10)
            assert threading.current_thread() is owner

        return do

    work_through(range(2), worker, workers=2, stop=threading.Event())

    assert len(set(made)) == 2


def test_an_interrupted_caller_does_not_wait_for_the_last_item() -> None:
    done: list[int] = []
    begun, pause = threading.Event(), threading.Event()

    def do(item: int) -> None:
        begun.set()
        done.append(item)
        pause.wait(0.001)

    def interrupt() -> None:
        begun.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # Whoever starts the tests in the background of a shell without job control has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(interrupt)
            with pytest.raises(KeyboardInterrupt):
                work_through(range(1_000_000), lambda: do, workers=2, stop=threading.Event())
    finally:
        signal.signal(signal.SIGINT, before)

    assert len(done) < 1_000_000
