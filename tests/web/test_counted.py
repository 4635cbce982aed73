"""Bytes of an answer are counted as they go out, whole or broken off, and of content only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.responses import Response, StreamingResponse

from cisterna.web.counted import CountedResponse
from cisterna.web.public_door import Door


def send_all(answer: Response, *, method: str = "GET", hangs_up_after: int | None = None) -> list[int]:
    """Send an answer to somebody who hangs up after so many chunks; return what was told of it."""
    told: list[int] = []
    scope = {"type": "http", "method": method, "asgi": {"version": "3.0", "spec_version": "2.3"}}

    async def carry() -> None:
        hung_up = asyncio.Event()
        chunks = 0

        async def receive() -> dict[str, Any]:
            await hung_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal chunks
            chunks += bool(message.get("body"))
            if chunks == hangs_up_after:
                hung_up.set()
                await asyncio.sleep(0)

        await CountedResponse(answer, told.append, door=Door("deliveries", threads=1, inside=1))(scope, receive, send)

    asyncio.run(carry())
    return told


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 10


def test_a_whole_answer_is_counted_once_and_an_empty_one_as_nothing() -> None:
    assert send_all(StreamingResponse(iter([b"abc", b"", b"de"]))) == [5]
    assert send_all(Response(b"abc", 206)) == [3]
    assert send_all(Response()) == [0]


def test_who_hangs_up_is_counted_up_to_there() -> None:
    (told,) = send_all(StreamingResponse(endless()), hangs_up_after=3)

    assert 20 <= told <= 60


def test_what_breaks_is_counted_up_to_there_and_stays_broken() -> None:
    told: list[int] = []

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise RuntimeError("the store is gone")

    async def carry() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        async def send(_message: Any) -> None:
            return

        scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.3"}}
        await CountedResponse(StreamingResponse(broken()), told.append, door=Door("deliveries", threads=1, inside=1))(
            scope, receive, send
        )

    with pytest.raises(BaseException, match=r"store is gone|unhandled errors"):
        asyncio.run(carry())
    assert told == [3]


@pytest.mark.parametrize("status", [304, 404, 416])
def test_what_gives_no_content_is_not_counted(status: int) -> None:
    assert send_all(Response(b"words", status)) == []
    assert send_all(Response(), method="HEAD") == []
