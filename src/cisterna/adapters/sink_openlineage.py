"""Sends what attempts read and wrote to an OpenLineage file or backend."""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

from cisterna.adapters.openlineage_event import run_event
from cisterna.domain.errors import SinkUnavailable
from cisterna.domain.event import Event

_REMEMBERED = 100
"""Lines; `services.send_events` sends a fifth as many before it notes them."""
_STEP_BYTES = 65_536


class LineageTarget(Protocol):
    """Where OpenLineage events go."""

    def emit(self, event: RunEvent) -> None:
        """Hand over one event durably. Raises `SinkUnavailable`."""
        ...


class LineageFile:
    """A file with one event a line, safe to share between processes.

    A line is appended and synced under a lock. What a killed writer left without a line end was never acknowledged, so
    the next writer cuts it off and the outbox sends it again. What stands there already, because only the note that it
    was sent got lost, is not written twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: deque[bytes] | None = None

    def emit(self, event: RunEvent) -> None:
        """Append one line, unless it is among the last hundred.

        Raises:
            SinkUnavailable: The file cannot be written; it is then as it was.
        """
        line = Serde.to_json(event).encode() + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._last is None:
                    self._last = deque(_last_lines(file), maxlen=_REMEMBERED)
                if line not in self._last:
                    _append(file, line)
                    self._last.append(line)
            finally:
                os.close(file)
        except OSError as error:
            msg = f"{self._path} cannot be written ({error.strerror or error}); make room or mend its permissions"
            raise SinkUnavailable(msg, path=str(self._path)) from error


class LineageBackend:
    """An HTTP backend such as Marquez, configured by arguments alone.

    The client would otherwise look for `openlineage.yml` in the working directory, take proxies and passwords from the
    environment, retry for 9 s, and call it a success when a redirect made its POST a GET.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, endpoint: str = "api/v1/lineage", timeout_seconds: float = 3.0
    ) -> None:
        auth = ApiKeyTokenProvider({"api_key": api_key}) if api_key else TokenProvider({})
        retry = {"total": 0, "redirect": 0, "raise_on_redirect": True}
        self._url = url
        self._transport = HttpTransport(
            HttpConfig(url=url, endpoint=endpoint, timeout=timeout_seconds, auth=auth, retry=retry)
        )
        session = self._transport.session
        session.trust_env = False
        session.max_redirects = 0
        session.stream = True  # the answer's body is never read, so one that drips cannot hold us

    def emit(self, event: RunEvent) -> None:
        """POST one event. Raises `SinkUnavailable` unless the answer is 2xx."""
        try:
            self._transport.emit(event)
        except OSError as error:  # what requests raises is an OSError
            msg = f"the OpenLineage backend at {self._url} did not take an event: {error}"
            raise SinkUnavailable(msg, url=self._url) from error

    def close(self) -> None:
        """Close kept connections."""
        self._transport.close()


class OpenLineageSink:
    """Implements `ports.sink.EventSink` for `attempt.*` events; all others are no lineage and pass by.

    A backend gets the same event again after a kill between sending and noting it: it knows it by its run id, type and
    time, as OpenLineage asks of it.
    """

    name = "openlineage"

    def __init__(self, target: LineageTarget, *, namespace: str, inside: bool) -> None:
        self.inside = inside
        self._target = target
        self._namespace = namespace

    def send(self, event: Event) -> None:
        """Translate and hand over. Raises `SinkUnavailable`, `InvalidInput`."""
        translated = run_event(event, namespace=self._namespace, inside=self.inside)
        if translated is not None:
            self._target.emit(translated)


def openlineage_lines(events: Iterable[Event], *, namespace: str, inside: bool = True) -> Iterator[str]:
    """Write events as OpenLineage, one JSON document a line; those that are no lineage are left out."""
    for event in events:
        translated = run_event(event, namespace=namespace, inside=inside)
        if translated is not None:
            yield Serde.to_json(translated)


def _append(file: int, line: bytes) -> None:
    end = os.lseek(file, 0, os.SEEK_END)
    whole = _end_of_last_line(file, end)
    if whole < end:
        os.ftruncate(file, whole)
    written = 0
    try:
        while written < len(line):
            written += os.pwrite(file, line[written:], whole + written)
        os.fsync(file)
    except OSError:
        os.ftruncate(file, whole)
        raise


def _last_lines(file: int) -> list[bytes]:
    """Read whole lines from the end: what was sent and not noted is at most one transaction's worth of them."""
    end = os.lseek(file, 0, os.SEEK_END)
    start, tail = end, b""
    while start > 0 and tail.count(b"\n") <= _REMEMBERED:
        step = min(_STEP_BYTES, start)
        start -= step
        tail = os.pread(file, step, start) + tail
    whole = tail.splitlines(keepends=True)[0 if start == 0 else 1 :]
    return [line for line in whole if line.endswith(b"\n")][-_REMEMBERED:]


def _end_of_last_line(file: int, end: int) -> int:
    """Return the offset just after the last line end."""
    while end > 0:
        start = max(0, end - _STEP_BYTES)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
