"""A process that reads files, and the wire to it; one that dies or hangs is done for, and another takes its place."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import BinaryIO

from cisterna.adapters.child import Child
from cisterna.adapters.local_service import Json, Message, Wire, bound_silence, one_line, receive, send
from cisterna.domain.errors import InvalidInput

_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TMPDIR")
_LAST_SECONDS, _CLOSE_SECONDS = 1.0, 10.0


class ReaderLost(Exception):
    """The process died, hung, or gave what is no answer; the message says which, after "its reader"."""


class ReaderChild:
    """One process that reads files; used by one thread at a time.

    Args:
        name: For people.
        module: That is run, with `--wire FD` and the options.
        log: What the process and its libraries print.
        answer_bytes: The most that an answer may have.
    """

    def __init__(self, name: str, module: str, *options: str, log: Path, answer_bytes: int) -> None:
        self._limit_bytes = answer_bytes
        ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-m", module, "--wire", str(theirs.fileno()), *options]
            self._child = Child(name, argv, log=log, env=_environment(), pass_fds=(theirs.fileno(),))
            try:
                self._child.start()
            except BaseException:
                ours.close()
                raise
        self._wire: Wire = Connection(ours.detach())

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid

    def ask(self, content: Json, *, timeout_seconds: float, file: BinaryIO | None = None) -> Message:
        """Ask, and send a file's descriptor along.

        Raises:
            ReaderLost: There will be no answer; the process has been killed.
        """
        try:
            bound_silence(self._wire, seconds=timeout_seconds)
            send(self._wire, Message(content))
            if file is not None:
                send_handle(self._wire, file.fileno(), self._child.pid)
            if self._wire.poll(timeout_seconds):
                return receive(self._wire, limit_bytes=self._limit_bytes)
        except BlockingIOError:  # it stopped in the middle of an answer
            pass
        except (EOFError, OSError, InvalidInput) as error:
            code = self._child.await_end(timeout_seconds=_LAST_SECONDS)
            self.kill()
            how = f"ended by signal {-code}" if code is not None and code < 0 else f"broke off ({one_line(error)})"
            raise ReaderLost(how) from error
        self.kill()
        raise ReaderLost(f"gave no answer within {timeout_seconds:g} s and was killed")

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()
        self._wire.close()


def _environment() -> dict[str, str]:
    """Give what a Python process needs to find its packages, and none of our secrets."""
    kept = {name: value for name in _KEPT if (value := os.environ.get(name)) is not None}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class ReaderChildren:
    """Processes that read files, kept warm between files; at most so many at a time.

    The kernel kills a child when the thread that started it ends, so one thread that lives as long as this object
    starts them all.

    Args:
        start: Starts one. Raises `OSError`.
        most: Who wants one more waits.
    """

    def __init__(self, start: Callable[[], ReaderChild], *, most: int = 2) -> None:
        self._start = start
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="reader-children")
        self._places = threading.BoundedSemaphore(most)
        self._idle: list[ReaderChild] = []

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for a turn; whoever has it may take one child at a time."""
        with self._places:
            yield

    def take(self) -> ReaderChild:
        """Give a child that waits, or a new one. Raises `ReaderLost` when none can be started."""
        while self._idle:
            with suppress(IndexError):
                child = self._idle.pop()
                if child.pid is not None:
                    return child
                child.kill()  # somebody else ended it while it waited
        try:
            return self._starter.submit(self._start).result()
        except OSError as error:
            raise ReaderLost(f"could not be started ({error})") from error

    def give_back(self, child: ReaderChild) -> None:
        """Have a child let go of its file, whose room would not be free before, and keep it for the next one."""
        with suppress(ReaderLost):
            child.ask({"op": "close"}, timeout_seconds=_CLOSE_SECONDS)
            self._idle.append(child)

    def close(self) -> None:
        """End those that wait."""
        while self._idle:
            self._idle.pop().kill()
        self._starter.shutdown()
