"""Talk between our own processes on one machine: a JSON object, and with it as many blobs of bytes as it announces.

The framing is that of `multiprocessing.connection` on a unix socket in a private folder, bytes only: nothing is ever
unpickled. A message `{"blobs": 2, ...}` is followed by two frames. An answer `{"error": ..., "code": ...}` says what is
wrong. A request whose form is wrong ends its connection once it is answered: what follows it might be taken for one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Client, Connection
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from cisterna.adapters.life_sign import give_life_signs
from cisterna.domain.errors import CisternaError, InvalidInput

CONNECTIONS_MAX = 64
SILENCE_SECONDS = 30.0
BLOBS_MAX = 4

Json = dict[str, Any]
Wire: TypeAlias = "Connection[Any, Any]"


class NoAnswer(Exception):
    """Nobody listens, or what came back in time is no answer; whoever asked says what that means."""


class Message:
    """A JSON object and its blobs."""

    def __init__(self, content: Json, blobs: Sequence[bytes] = ()) -> None:
        self.content = content
        self.blobs = tuple(blobs)


class LocalService:
    """Answers on a unix socket, one thread a connection, until told to stop.

    Args:
        path: Of the socket: short, in a private folder. Whatever is in its place is replaced, in one step, once this
            one listens.
        reply: Makes an answer; whatever it raises becomes an `error`, and the service goes on.
        limit_bytes: The most that a message and its blobs may have.
        connections_max: More than these at once are turned away, which bounds memory.
        silence_seconds: A caller that says nothing for so long, also in the middle of a frame, is hung up on.
    """

    def __init__(
        self,
        path: Path,
        reply: Callable[[Message], Message],
        *,
        limit_bytes: int,
        connections_max: int = CONNECTIONS_MAX,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._path = path
        self._reply = reply
        self._limit_bytes = limit_bytes
        self._silence_seconds = silence_seconds
        aside = path.with_name(f".{os.getpid()}")  # no longer than the shortest of our sockets' names
        aside.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(aside))
        aside.chmod(0o600)
        self._listener.listen(CONNECTIONS_MAX)
        self._inode = aside.stat().st_ino
        aside.replace(path)
        self._free = threading.BoundedSemaphore(connections_max)

    def serve(self) -> None:
        """Take connections for ever; the socket is touched for as long as this process lives."""
        give_life_signs(self._path)
        while True:
            try:
                taken, _ = self._listener.accept()
            except ConnectionError:  # the caller went away before it was taken
                continue
            connection: Wire = Connection(taken.detach())
            if not self._free.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and remove the socket, unless another process has put its own in its place."""
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def end_with_parent(self, parent: int) -> None:
        """End this process when its parent is gone: nobody is left to ask, and a new stack starts its own.

        Args:
            parent: Process id as it was when this process began; it may be gone by now.
        """

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(1.0)
            self.close()
            os._exit(0)

        threading.Thread(target=watch, daemon=True).start()

    def _converse(self, connection: Wire) -> None:
        with connection, contextlib.suppress(EOFError, OSError):  # the caller hung up, or sent more than is allowed
            try:
                bound_silence(connection, seconds=self._silence_seconds)
                while connection.poll(self._silence_seconds):
                    try:
                        request = receive(connection, limit_bytes=self._limit_bytes)
                    except InvalidInput as refusal:
                        send(connection, Message({"error": str(refusal), "code": refusal.code}))
                        return
                    try:
                        send(connection, self._answer(request))
                    except (ValueError, TypeError) as error:  # raised before a byte was sent
                        words = f"the answer cannot be said ({one_line(error)})"
                        send(connection, Message({"error": words, "code": "error"}))
            finally:
                self._free.release()

    def _answer(self, request: Message) -> Message:
        try:
            return self._reply(request)
        except CisternaError as refusal:
            return Message({"error": str(refusal), "code": refusal.code})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return Message({"error": f"the request cannot be understood ({one_line(error)})", "code": "invalid-input"})
        except Exception as error:  # the process serves others: no request may end it
            logging.getLogger(__name__).exception("request failed")
            return Message({"error": f"it failed ({one_line(error)})", "code": "error"})


def ask(path: Path, message: Message, *, timeout_seconds: float, limit_bytes: int) -> Message:
    """Ask once, on a connection of its own, so that a process that was started anew is found at the next call.

    Raises:
        NoAnswer: Nobody listens, it did not answer in time, or not in this language.
    """
    try:
        connection = Client(str(path), "AF_UNIX")
    except OSError as error:
        raise NoAnswer(f"does not answer at {path} ({error})") from error
    with connection:
        try:
            bound_silence(connection, seconds=timeout_seconds)
            send(connection, message)
            if connection.poll(timeout_seconds):
                return receive(connection, limit_bytes=limit_bytes)
        except (EOFError, OSError, InvalidInput) as error:
            raise NoAnswer(f"broke off ({one_line(error)})") from error
    raise NoAnswer(f"gave no answer within {timeout_seconds:g} s")


def send(connection: Wire, message: Message) -> None:
    """Send a message and its blobs."""
    content = {**message.content, "blobs": len(message.blobs)}
    connection.send_bytes(json.dumps(content, allow_nan=False).encode())
    for blob in message.blobs:
        connection.send_bytes(blob)


def receive(connection: Wire, *, limit_bytes: int) -> Message:
    """Receive a message and its blobs, all together within the limit.

    Raises:
        InvalidInput: It is no message; what follows on the connection cannot be trusted to be one.
        EOFError, OSError: The other side hung up, stalled, or sent more than the limit.
    """
    body = connection.recv_bytes(limit_bytes)
    try:
        content = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"a message is JSON ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise InvalidInput("a message is a JSON object")
    count = content.pop("blobs", 0)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= BLOBS_MAX:
        raise InvalidInput(f"a message has at most {BLOBS_MAX} blobs")
    blobs, left = [], limit_bytes - len(body)
    for _ in range(count):
        blobs.append(connection.recv_bytes(max(0, left)))
        left -= len(blobs[-1])
    return Message(content, blobs)


def text_of(content: Mapping[str, Any], name: str) -> str:
    """Take a text out of a message. Raises `InvalidInput`."""
    value = content.get(name)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text")
    return value


def one_line(error: BaseException) -> str:
    """Say an exception in one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def leave_on_signals() -> None:
    """Make SIGTERM and SIGINT end the process by `SystemExit`, so that its socket is removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def bound_silence(connection: Wire, *, seconds: float) -> None:
    """Let no read or write wait longer than this: `poll` only sees that a frame begins, not that it ends."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
