"""Connections that nobody keeps without asking or taking: the public shares them with who works here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from cisterna.web.public_door import SLOWEST_BYTES_PER_SECOND

_LOG = logging.getLogger(__name__)


class Connection(H11Protocol):
    """A connection that is ended when whoever is at its other end lets us wait, and before that where room is needed.

    We wait for a request, for the rest of its body, and until an answer is taken. The server alone waits for each of
    these without end: with a byte now and then, or none, one machine could keep every place.

    Attributes:
        grace_seconds: How long we wait while nothing moves. What moves gives more time, by the slowest rate there is.
        look_seconds: How often it is looked at.
    """

    grace_seconds = 30.0
    look_seconds = 5.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._outgoing: _Outgoing | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._left_seconds = self.grace_seconds
        self._received = self._moved = 0
        self._made_at = self.loop.time()
        self._is_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take it; where all places are taken, the one that has let us wait the longest is ended."""
        self._make_room()
        self._outgoing = _Outgoing(transport)
        super().connection_made(cast("asyncio.Transport", self._outgoing))
        self._next_look = self.loop.call_later(self.look_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        self._received += len(data)
        super().data_received(data)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: many clients ask for another protocol, and are content with this one."""

    def _make_room(self) -> None:
        if self.limit_concurrency is None or len(self.connections) + 1 < self.limit_concurrency:
            return
        waiting = [one for one in self.connections if isinstance(one, Connection) and one.may_go]
        if waiting:
            min(waiting, key=lambda one: one.age).end()

    @property
    def may_go(self) -> bool:
        """Whether it never asked, or has let us wait at the last look and does still."""
        has_waited = self.cycle is None or self._left_seconds < self.grace_seconds
        return has_waited and self._lets_us_wait() and not self._is_ended

    @property
    def age(self) -> tuple[float, float]:
        """Tell which of several goes first: the one that has the least time left, then the one that came first."""
        return self._left_seconds, self._made_at

    def end(self) -> None:
        """Break it off with all that was not taken: to close it in order would wait for that."""
        _LOG.info("a connection was ended: nothing was asked or taken on it for too long")
        self._is_ended = True
        self.transport.abort()

    def _lets_us_wait(self) -> bool:
        if self._outgoing is None or self._outgoing.get_write_buffer_size() > 0:
            return True
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.flow.read_paused

    def _look(self) -> None:
        moved = self._received + (self._outgoing.taken if self._outgoing else 0)
        gained_seconds, self._moved = (moved - self._moved) / SLOWEST_BYTES_PER_SECOND, moved
        left = self._left_seconds - self.look_seconds + gained_seconds
        self._left_seconds = min(self.grace_seconds, left) if self._lets_us_wait() else self.grace_seconds
        if self._left_seconds <= 0:
            self.end()
        else:
            self._next_look = self.loop.call_later(self.look_seconds, self._look)


class _Outgoing:
    """A transport of which is known how much of what was written is taken."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def taken(self) -> int:
        """Bytes that the other end has, or that are on their way to it."""
        return self._written - self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Write, without waiting."""
        self._written += len(data)
        self._transport.write(data)
