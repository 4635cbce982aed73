"""Talk between our own processes on one machine: a JSON object, and with it as many blobs of bytes as it announces.

The framing is that of `multiprocessing.connection` on a unix socket in a private folder, bytes only: nothing is ever
unpickled. A message `{"blobs": 2, ...}` is followed by two frames. An answer `{"error": ...}` says what is wrong.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from cisterna.domain.errors import CisternaError, InvalidInput

CONNECTIONS_MAX = 64
SILENCE_SECONDS = 30.0
BLOBS_MAX = 4

Json = dict[str, Any]
Wire: TypeAlias = "Connection[Any, Any]"


class Message:
    """A JSON object and its blobs."""

    def __init__(self, content: Json, blobs: Sequence[bytes] = ()) -> None:
        self.content = content
        self.blobs = tuple(blobs)


class LocalService:
    """Answers on a unix socket, one thread a connection, until told to stop.

    Args:
        path: Of the socket: short, in a private folder. A dead socket in its place is replaced.
        reply: Makes an answer; whatever it raises becomes an `error`, and the service goes on.
        limit_bytes: The longest frame that is taken.
    """

    def __init__(self, path: Path, reply: Callable[[Message], Message], *, limit_bytes: int) -> None:
        self._path = path
        self._reply = reply
        self._limit_bytes = limit_bytes
        path.unlink(missing_ok=True)
        self._listener = Listener(str(path), "AF_UNIX", backlog=CONNECTIONS_MAX)
        path.chmod(0o600)
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)

    def serve(self) -> None:
        """Take connections for ever; more than 64 at once are turned away."""
        while True:
            try:
                connection = self._listener.accept()
            except ConnectionError:  # the caller went away before it was taken
                continue
            if not self._free.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _converse(self, connection: Wire) -> None:
        with connection, contextlib.suppress(EOFError, OSError):  # the caller hung up, or sent more than is allowed
            try:
                while connection.poll(SILENCE_SECONDS):
                    send(connection, self._answer(connection))
            finally:
                self._free.release()

    def _answer(self, connection: Wire) -> Message:
        try:
            return self._reply(receive(connection, limit_bytes=self._limit_bytes))
        except CisternaError as refusal:
            return Message({"error": str(refusal), "code": refusal.code})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return Message({"error": f"the request cannot be understood ({one_line(error)})", "code": "invalid-input"})
        except (EOFError, OSError):
            raise
        except Exception as error:  # the process serves others: no request may end it
            logging.getLogger(__name__).exception("request failed")
            return Message({"error": f"it failed ({one_line(error)})", "code": "error"})


def ask(path: Path, message: Message, *, timeout_seconds: float, limit_bytes: int) -> Message:
    """Ask once, on a connection of its own, so that a process that was started anew is found at the next call.

    Raises:
        OSError, EOFError, ValueError, TimeoutError: It did not answer, or not in this language.
    """
    with Client(str(path), "AF_UNIX") as connection:
        send(connection, message)
        if not connection.poll(timeout_seconds):
            raise TimeoutError(f"no answer within {timeout_seconds:g} s")
        return receive(connection, limit_bytes=limit_bytes)


def send(connection: Wire, message: Message) -> None:
    """Send a message and its blobs."""
    content = {**message.content, "blobs": len(message.blobs)}
    connection.send_bytes(json.dumps(content, allow_nan=False).encode())
    for blob in message.blobs:
        connection.send_bytes(blob)


def receive(connection: Wire, *, limit_bytes: int) -> Message:
    """Receive a message and its blobs. Raises `InvalidInput`, `ValueError`, `EOFError`, `OSError`."""
    content = json.loads(connection.recv_bytes(limit_bytes), parse_constant=_refuse)
    if not isinstance(content, dict):
        raise InvalidInput("a message is a JSON object")
    count = content.pop("blobs", 0)
    if not isinstance(count, int) or not 0 <= count <= BLOBS_MAX:
        raise InvalidInput(f"a message has at most {BLOBS_MAX} blobs")
    return Message(content, [connection.recv_bytes(limit_bytes) for _ in range(count)])


def text_of(content: Mapping[str, Any], name: str) -> str:
    """Take a text out of a message. Raises `InvalidInput`."""
    value = content.get(name)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text")
    return value


def one_line(error: Exception) -> str:
    """Say an exception in one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def leave_on_signals() -> None:
    """Make SIGTERM and SIGINT end the process by `SystemExit`, so that its socket is removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def end_with_parent(path: Path) -> None:
    """End this process when its parent is gone: nobody is left to ask, and a new stack starts its own."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        path.unlink(missing_ok=True)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
