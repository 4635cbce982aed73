"""Signs of life of our own processes: one that hangs is no better than one that died, and nobody else would notice."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

SIGN_SECONDS = 5.0
"""How often a process gives one, or is asked."""

HUNG_SECONDS = 120.0
"""A process that was silent for so long is killed: no start, no recovery and no busy machine takes as long."""


def answers(url: str) -> bool:
    """Ask a server of ours once; False when it does not answer 200 within two seconds."""
    asked = urlsplit(url)
    connection = http.client.HTTPConnection(asked.hostname or "", asked.port, timeout=2.0)
    try:
        connection.request("GET", asked.path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Sign(Protocol):
    """What tells for how long nothing was heard of a process."""

    def silent_seconds(self) -> float:
        """Seconds for which a sign of life has been missed; 0 after `begin_anew`."""
        ...

    def begin_anew(self) -> None:
        """Forget what was: another process has taken the place."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


def give_life_signs(file: Path) -> None:
    """Touch a file that exists again and again, for as long as this process can run a thread."""

    def give() -> None:
        while True:
            with suppress(OSError):  # it is made when the process can be used, and removed by whoever buries it
                os.utime(file)
            time.sleep(SIGN_SECONDS)

    threading.Thread(target=give, name="life", daemon=True).start()


class TouchedFile:
    """Looks at a file that a process touches; while there is none, the process is still starting and is left alone.

    Only that the time of the file changes counts, so a clock that is set forward kills nobody.

    Attributes:
        file: Touched at least every `SIGN_SECONDS`.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: int | None = None
        self._heard_at = time.monotonic()

    def silent_seconds(self) -> float:
        """Seconds since the file was touched, as far as this was called."""
        try:
            touched = self.file.stat().st_mtime_ns
        except OSError:
            self.begin_anew()
            return 0.0
        if touched != self._seen:
            self._seen, self._heard_at = touched, time.monotonic()
        return time.monotonic() - self._heard_at

    def begin_anew(self) -> None:
        """Forget what was."""
        self._seen, self._heard_at = None, time.monotonic()

    def close(self) -> None:
        """Nothing is held."""


class Asked:
    """Asks a server, in a thread of its own, whether it answers.

    It is silent from the first question without an answer: when this process itself was stopped for an hour, nobody was
    asked, and nobody was silent.

    Args:
        answers: Asks once, and tells in bounded time.
        every_seconds: Between two questions.
    """

    def __init__(self, answers: Callable[[], bool], *, every_seconds: float = SIGN_SECONDS) -> None:
        self._answers = answers
        self._every = every_seconds
        self._unanswered_since: float | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._ask, name="life", daemon=True).start()

    def silent_seconds(self) -> float:
        """Seconds since the first question that had no answer."""
        since = self._unanswered_since
        return 0.0 if since is None else time.monotonic() - since

    def begin_anew(self) -> None:
        """Forget what was."""
        self._unanswered_since = None

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()

    def _ask(self) -> None:
        while not self._closed.wait(self._every):
            asked_at, is_heard = time.monotonic(), False
            with suppress(Exception):  # whatever a half dead server provokes is no answer
                is_heard = self._answers()
            if is_heard:
                self._unanswered_since = None
            elif self._unanswered_since is None:
                self._unanswered_since = asked_at
