"""Who connects and asks nothing, or asks and takes nothing, keeps no connection from those that do."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cisterna.web.connection import Connection

LARGE = 32 * 1024 * 1024
"""More than the buffers of both ends take."""
PLACES = 6
DEADLINE_SECONDS = 20


class Impatient(Connection):
    grace_seconds = 0.4
    look_seconds = 0.05


class Served(NamedTuple):
    place: tuple[str, int]
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://{self.place[0]}:{self.place[1]}"

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer by the path."""
    request = Request(scope, receive)
    answer: Response = PlainTextResponse("short")
    match request.url.path:
        case "/large":
            answer = Response(bytes(LARGE))
        case "/late":
            await asyncio.sleep(3 * Impatient.grace_seconds)
        case "/body":
            answer = PlainTextResponse(str(len(await request.body())))
    await answer(scope, receive, send)


@contextmanager
def serving(protocol: type[Connection]) -> Iterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol,
        log_level="error",
        limit_concurrency=PLACES,
        lifespan="off",
        ws="none",
        timeout_keep_alive=60,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield Served(listener.getsockname(), server)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(DEADLINE_SECONDS)
        listener.close()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Impatient) as made:
        yield made


@pytest.fixture
def patient() -> Iterator[Served]:
    with serving(Connection) as made:
        yield made


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def trickle(connection: socket.socket, piece: bytes) -> None:
    """Send a little again and again until the other end has had enough."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while time.monotonic() < deadline:
            connection.sendall(piece)
            time.sleep(0.02)
    except OSError:
        return
    pytest.fail("it was taken on and on")


def test_who_connects_and_asks_nothing_is_let_go(served: Served) -> None:
    with socket.create_connection(served.place):
        wait_until(lambda: served.connections == 1)
        wait_until(lambda: served.connections == 0)


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ", id="its-head"),
        pytest.param(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n", id="its-body"),
    ],
)
def test_who_never_ends_a_request_is_let_go(served: Served, begun: bytes) -> None:
    with socket.create_connection(served.place) as slow:
        slow.sendall(begun)
        trickle(slow, b"x")


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
def test_who_asks_and_takes_nothing_is_let_go_with_all_that_it_did_not_take(served: Served, more: bytes) -> None:
    with socket.create_connection(served.place) as slow:
        slow.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n" + more + b"\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: served.connections == 0)


def test_between_two_requests_nobody_is_kept_by_half_of_the_second(served: Served) -> None:
    with socket.create_connection(served.place) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
        trickle(slow, b"G")


def test_who_asks_for_another_protocol_is_answered_by_this_one_and_fills_no_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="uvicorn.error")
    wish = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}

    answer = httpx.get(served.url, headers=wish)

    assert answer.text == "short"
    assert caplog.records == []


def test_who_waits_for_us_may_wait_as_long_as_we_need(served: Served) -> None:
    assert httpx.get(f"{served.url}/late").text == "short"


def test_who_takes_an_answer_steadily_gets_all_of_it(served: Served) -> None:
    with httpx.stream("GET", f"{served.url}/large") as answer:
        taken = 0
        for piece in answer.iter_raw(LARGE // 40):
            taken += len(piece)
            time.sleep(Impatient.look_seconds)  # longer than the whole grace, all pieces together

    assert taken == LARGE


def test_where_all_places_are_taken_who_asks_nothing_makes_room_for_who_does(patient: Served) -> None:
    idle = [socket.create_connection(patient.place) for _ in range(3 * PLACES)]
    try:
        wait_until(lambda: patient.connections == PLACES - 1)
        answers = [httpx.get(patient.url).status_code for _ in range(3)]
    finally:
        for one in idle:
            one.close()

    assert answers == [200, 200, 200]
