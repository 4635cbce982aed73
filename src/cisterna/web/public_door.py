"""How the public comes in: some at once and soon turned away, so that who works here finds a thread and an answer."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from anyio import CapacityLimiter, WouldBlock, move_on_after, to_thread
from starlette.types import Message, Send

from cisterna.domain.errors import Overloaded
from cisterna.web.wording import say

_LOG = logging.getLogger(__name__)
_TOLD_SECONDS = 60.0
_GRACE_SECONDS = 30.0
_PIECE_BYTES = 256 * 1024
SLOWEST_BYTES_PER_SECOND = 4096
"""Who takes less keeps a place from others; an old modem takes more."""


class TakenTooSlowly(Exception):
    """Whoever asked hardly takes its answer; what is left of it is not sent."""


class Door:
    """Lets so many requests in at once, and gives each a thread of its own number, not one of those that staff use.

    Args:
        name: What lies behind it, for the log.
        threads: How many are answered at the same time.
        inside: How many are let in: those that are answered, that wait for it, and that are being sent; None for all.
        wait_seconds: How long one waits to be answered before it is turned away.
        grace_seconds: How long a piece of an answer may take, however short, before whoever asked is too slow.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        inside: int | None = None,
        wait_seconds: float = 2.0,
        grace_seconds: float = _GRACE_SECONDS,
    ) -> None:
        self._name = name
        self._turns = CapacityLimiter(threads)
        self._threads = CapacityLimiter(threads)  # whoever has a turn finds one: turns are what is waited for
        self._most = inside
        self._wait_seconds = wait_seconds
        self._grace_seconds = grace_seconds
        self._inside = self._refused = 0
        self._told_at = -_TOLD_SECONDS

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Let a request in until it is answered to its end. Raises `Overloaded` when too many are."""
        if self._most is not None and self._inside >= self._most:
            raise self._refusal()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def in_time(self, send: Send) -> Send:
        """Send each piece of an answer in a time that grows with it, so that nobody holds a place by taking nothing.

        What is sent comes back at once until the connection holds enough that was not taken, and of what is large a
        piece is sent after the other, so that no connection holds all of it. Raises `TakenTooSlowly`.
        """

        async def sent(message: Message) -> None:
            for piece in _pieces(message):
                seconds = self._grace_seconds + len(piece.get("body", b"")) / SLOWEST_BYTES_PER_SECOND
                with move_on_after(seconds) as scope:
                    await send(piece)
                if scope.cancelled_caught:
                    _LOG.info("an answer from %s was broken off: it was taken too slowly", self._name)
                    raise TakenTooSlowly

        return sent

    async def answer(self, work: Callable[[], Any]) -> Any:
        """Run what makes an answer in a thread. Raises `Overloaded` when none comes free in time."""
        turn = object()
        await self._take(turn)
        return await self._run(turn, work)

    async def send(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Give what is sent, each chunk read in a thread of this door; what has begun waits as long as it must."""
        while (chunk := await self.finish(partial(next, chunks, None))) is not None:
            yield chunk

    async def finish(self, work: Callable[[], Any]) -> Any:
        """Run what belongs to an answer that has begun: it waits for its turn as long as it must."""
        turn = object()
        await self._turns.acquire_on_behalf_of(turn)
        return await self._run(turn, work)

    async def _take(self, turn: object) -> None:
        """Take a turn that is free whatever the clock says: only who has to wait for others is turned away.

        On a machine that stands still for seconds time is up before one has asked, or while a turn came free.
        """
        if self._took(turn):
            return
        with move_on_after(self._wait_seconds):
            await self._turns.acquire_on_behalf_of(turn)
            return
        if not self._took(turn):
            raise self._refusal()

    def _took(self, turn: object) -> bool:
        try:
            self._turns.acquire_on_behalf_of_nowait(turn)
        except WouldBlock:
            return False
        return True

    async def _run(self, turn: object, work: Callable[[], Any]) -> Any:
        try:
            return await to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._turns.release_on_behalf_of(turn)

    def _refusal(self) -> Overloaded:
        """Say it once a minute in the log, however many are turned away."""
        self._refused += 1
        now = time.monotonic()
        if now - self._told_at >= _TOLD_SECONDS:
            _LOG.warning("%d requests to %s were turned away: too many at once", self._refused, self._name)
            self._told_at, self._refused = now, 0
        return Overloaded(say("problem.overloaded"), part=self._name)


def _pieces(message: Message) -> Iterator[Message]:
    body = message.get("body", b"")
    if len(body) <= _PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), _PIECE_BYTES):
        is_last = start + _PIECE_BYTES >= len(body)
        more = not is_last or message.get("more_body", False)
        yield {**message, "body": body[start : start + _PIECE_BYTES], "more_body": more}
