"""An answer whose bytes are counted as they go out, also where the asker hangs up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import Response
from starlette.types import Message, Receive, Scope, Send

from cisterna.web.public_door import Door


class CountedResponse(Response):
    """Another answer, and what is told of it once it has ended, however it ended.

    A stream that is broken off is not closed by whoever iterates over it, so bytes are counted where they are sent.

    Args:
        answer: What is sent.
        sent: Told how many bytes of content went out of an answer that gives content; called in a thread.
        door: Whose threads.
    """

    def __init__(self, answer: Response, sent: Callable[[int], None], *, door: Door) -> None:
        super().__init__()
        self._answer = answer
        self._sent = sent
        self._door = door
        self.status_code = answer.status_code
        self.raw_headers = answer.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        status, total = 0, 0

        async def counting(message: Message) -> None:
            nonlocal status, total
            status = message.get("status", status)
            await send(message)
            total += len(message.get("body", b""))

        try:
            await self._answer(scope, receive, counting)
        finally:
            if scope["method"] == "GET" and status in {200, 206}:
                await self._door.finish(partial(self._sent, total))
