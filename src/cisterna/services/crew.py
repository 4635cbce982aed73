"""A few threads that work through many things and stop together when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class GivenUp(Exception):
    """The crew stops; whoever is in the middle of something large may raise this."""


def work_through(
    items: Iterable[T], worker: Callable[[], Callable[[T], None]], *, workers: int, stop: threading.Event
) -> None:
    """Do something with every item, several at a time; returns when all threads have ended.

    Args:
        items: Taken one by one, so there may be many.
        worker: Makes what one thread does with its items; it may keep a buffer.
        workers: Threads; with one, the caller's own does the work.
        stop: Set at the first failure, for those who look while they work.

    Raises:
        Whatever the first failure was.
    """
    _Crew(iter(items), worker, stop).run(workers)


class _Crew(Generic[T]):
    def __init__(self, items: Iterator[T], worker: Callable[[], Callable[[T], None]], stop: threading.Event) -> None:
        self._items = items
        self._worker = worker
        self._stop = stop
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def run(self, workers: int) -> None:
        if workers <= 1:
            self._work()
        else:
            with ThreadPoolExecutor(workers, thread_name_prefix="crew") as pool:
                try:
                    wait([pool.submit(self._work) for _ in range(workers)])
                except BaseException:  # Ctrl-C, or a flow that is cancelled: the threads would go on to the last item
                    self._stop.set()
                    raise
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            do = self._worker()
            while not self._stop.is_set():
                with self._lock:
                    try:
                        item = next(self._items)
                    except StopIteration:
                        return
                do(item)
        except GivenUp:
            return
        except BaseException as failure:  # noqa: BLE001 - raised again, by the thread that waits for the crew
            with self._lock:
                self._failure = self._failure or failure
            self._stop.set()
