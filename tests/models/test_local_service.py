"""The talk between our own processes, against callers and services that do not keep to it."""

from __future__ import annotations

import contextlib
import json
import struct
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.adapters.local_service import LocalService, Message, NoAnswer, ask, text_of
from cisterna.domain.errors import Conflict, InvalidInput

LIMIT_BYTES = 4096


def reply(message: Message) -> Message:
    """Give back what came, or fail as asked."""
    match message.content.get("fail"):
        case "by name":
            raise Conflict("somebody else was faster")
        case "by type":
            raise TypeError("int and str")
        case "badly":
            raise RuntimeError("on fire\nin two lines")
        case "beyond":
            return Message({"value": float("nan")})
    return Message({"heard": message.content}, message.blobs)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl-") as name:
        yield Path(name)


def start(path: Path, **options: Any) -> LocalService:
    service = LocalService(path, reply, **{"limit_bytes": LIMIT_BYTES, "silence_seconds": 5.0, **options})

    def serve() -> None:
        with contextlib.suppress(OSError):  # a test closed it
            service.serve()

    threading.Thread(target=serve, daemon=True).start()
    return service


@pytest.fixture
def socket(folder: Path) -> Path:
    start(folder / "s")
    return folder / "s"


def question(path: Path, content: dict[str, Any], *blobs: bytes, timeout_seconds: float = 5.0) -> Message:
    return ask(path, Message(content, blobs), timeout_seconds=timeout_seconds, limit_bytes=LIMIT_BYTES)


def test_content_and_blobs_come_as_they_were_sent(socket: Path) -> None:
    answer = question(socket, {"a": [1, None, "ö"]}, b"", b"\x80pickle?", b"x" * 2000)

    assert answer.content == {"heard": {"a": [1, None, "ö"]}}
    assert answer.blobs == (b"", b"\x80pickle?", b"x" * 2000)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered_with_an_error_or_an_object_and_the_service_goes_on(socket: Path, body: bytes) -> None:
    with Client(str(socket), "AF_UNIX") as connection:
        connection.send_bytes(body)
        assert connection.poll(5)
        assert isinstance(json.loads(connection.recv_bytes()), dict)

    assert question(socket, {"b": 1}).content == {"heard": {"b": 1}}


MALFORMED = {
    "not JSON": b"\xff\xfe",
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "deep": b"[" * 4000,
    "a list": b"[]",
    "NaN": b'{"a": NaN}',
    "five blobs": b'{"blobs": 5}',
    "minus one blob": b'{"blobs": -1}',
    "true blobs": b'{"blobs": true}',
    "blobs that are a text": b'{"blobs": "1"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
def test_after_a_malformed_request_nothing_on_its_connection_is_taken_for_a_request(socket: Path, body: bytes) -> None:
    """The blobs that came with it could hold anything."""
    with Client(str(socket), "AF_UNIX") as connection:
        frames = [body, b'{"op": "smuggled"}']
        connection._send(b"".join(struct.pack("!i", len(frame)) + frame for frame in frames))  # type: ignore[attr-defined]
        answer = json.loads(connection.recv_bytes())
        with pytest.raises((EOFError, OSError)):
            connection.recv_bytes()

    assert answer["code"] == "invalid-input"
    assert question(socket, {}).content == {"heard": {}}


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        ("by name", "conflict", "somebody else was faster"),
        ("by type", "invalid-input", "cannot be understood"),
        ("badly", "error", "RuntimeError: on fire in two lines"),
    ],
)
def test_a_failure_is_an_answer_with_a_code_and_the_connection_goes_on(
    socket: Path, failure: str, code: str, words: str
) -> None:
    with Client(str(socket), "AF_UNIX") as connection:
        connection.send_bytes(json.dumps({"fail": failure}).encode())
        answer = json.loads(connection.recv_bytes())
        connection.send_bytes(b"{}")
        following = json.loads(connection.recv_bytes())

    assert answer["code"] == code
    assert words in answer["error"]
    assert following["heard"] == {}


def test_an_answer_that_cannot_be_said_is_an_error(socket: Path) -> None:
    answer = question(socket, {"fail": "beyond"})

    assert answer.content["code"] == "error"
    assert "cannot be said" in answer.content["error"]


@pytest.mark.parametrize("blobs", [[b"x" * (LIMIT_BYTES + 1)], [b"x" * 3000, b"y" * 3000]], ids=["one", "together"])
def test_more_than_the_limit_is_hung_up_on(socket: Path, blobs: list[bytes]) -> None:
    with pytest.raises(NoAnswer):
        question(socket, {}, *blobs)

    assert question(socket, {}).content


def test_a_frame_that_claims_an_exabyte_is_hung_up_on(socket: Path) -> None:
    with Client(str(socket), "AF_UNIX") as connection:
        connection._send(struct.pack("!i", -1) + struct.pack("!Q", 2**60))  # type: ignore[attr-defined]
        with pytest.raises((EOFError, OSError)):
            connection.recv_bytes()

    assert question(socket, {}).content


def test_a_caller_that_stalls_in_the_middle_of_a_frame_does_not_keep_its_place(folder: Path) -> None:
    start(folder / "s", silence_seconds=0.2, connections_max=1)
    with Client(str(folder / "s"), "AF_UNIX") as stalled:
        stalled._send(struct.pack("!i", 100) + b"half")  # type: ignore[attr-defined]
        with pytest.raises((EOFError, OSError)):
            stalled.recv_bytes()

    assert question(folder / "s", {}).content


def test_more_callers_than_there_are_places_are_turned_away_and_may_come_again(folder: Path) -> None:
    start(folder / "s", connections_max=1)
    with Client(str(folder / "s"), "AF_UNIX") as first:
        first.send_bytes(b"{}")
        first.recv_bytes()
        with pytest.raises(NoAnswer):
            question(folder / "s", {})
    await_answer(folder / "s")


def await_answer(path: Path) -> None:
    for _ in range(1000):
        try:
            assert question(path, {}).content
        except NoAnswer:
            continue
        return
    pytest.fail("it never answered")


def test_only_its_owner_may_speak_to_it(socket: Path) -> None:
    assert socket.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in socket.parent.iterdir()] == ["s"]


def test_nobody_there_is_no_answer(folder: Path) -> None:
    with pytest.raises(NoAnswer, match="does not answer"):
        question(folder / "s", {})


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "gave no answer within"),
        ([b"{"], "broke off"),
        ([b"[]"], "broke off"),
        ([b'{"blobs": 2}', b"x"], "broke off"),
    ],
    ids=["silence", "no JSON", "a list", "a blob too few"],
)
def test_what_is_no_answer_is_told_as_none_in_time(folder: Path, frames: list[bytes], words: str) -> None:
    def talk(connection: Connection[bytes, bytes]) -> None:
        connection.recv_bytes()
        for frame in frames:
            connection.send_bytes(frame)
        connection.poll(5)

    with Listener(str(folder / "s"), "AF_UNIX") as listener:

        def serve() -> None:
            with listener.accept() as connection:
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(NoAnswer, match=words):
            question(folder / "s", {}, timeout_seconds=0.3)
        thread.join()


def test_a_new_service_takes_the_place_and_the_old_one_leaves_it_there(folder: Path) -> None:
    old = start(folder / "s")
    start(folder / "s")

    old.close()

    assert question(folder / "s", {}).content


def test_a_closed_service_leaves_no_socket(folder: Path) -> None:
    service = LocalService(folder / "s", reply, limit_bytes=LIMIT_BYTES)

    service.close()
    service.close()

    assert list(folder.iterdir()) == []


def test_a_text_is_a_text() -> None:
    assert text_of({"a": "b"}, "a") == "b"
    for content in ({}, {"a": 1}, {"a": None}, {"a": ["b"]}):
        with pytest.raises(InvalidInput, match="a must be a text"):
            text_of(content, "a")
