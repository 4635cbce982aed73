"""Hints from a store that holds a connection open; the server here speaks as MinIO's documentation says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from cisterna.adapters.bucket_hint import BucketHint
from cisterna.adapters.s3_access import S3Access

RECORD = json.dumps({"Records": [{"s3": {"bucket": {"name": "runs"}, "object": {"key": "novaseq/run/a"}}}]}).encode()


class Stream:
    """A server whose answers end after what they are told to say; the last one stays open."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says: list[tuple[int, str, list[bytes]]] = []
        self.go_on = threading.Event()
        self.came = threading.Condition()
        stream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with stream.came:
                    stream.asked.append(self.path)
                    status, kind, lines = stream.says.pop(0) if stream.says else (200, "application/json", [])
                    stays = not stream.says
                    stream.came.notify_all()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                for line in lines:
                    self.wfile.write(line + b"\n")
                    self.wfile.flush()
                if stays:
                    stream.go_on.wait(20)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def await_requests(self, number: int) -> bool:
        with self.came:
            return self.came.wait_for(lambda: len(self.asked) >= number, timeout=20)

    def close(self) -> None:
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream()
    yield made
    made.close()


@pytest.fixture
def listen(stream: Stream) -> Iterator[Callable[[], tuple[BucketHint, threading.Event]]]:
    made: list[BucketHint] = []

    def listening() -> tuple[BucketHint, threading.Event]:
        access = S3Access(
            endpoint=f"http://127.0.0.1:{stream.server.server_port}",
            access_key_id="key",
            secret_access_key=SecretStr("secret"),
        )
        wake = threading.Event()
        made.append(BucketHint(access, bucket="runs", prefix="novaseq", wake=wake, pause_seconds=0.01))
        return made[-1], wake

    yield listening
    stream.go_on.set()
    for one in made:
        one.close()


Listen = Callable[[], tuple[BucketHint, threading.Event]]


def test_a_connection_and_each_record_are_hints_for_the_zones_prefix(stream: Stream, listen: Listen) -> None:
    stream.says = [(200, "application/json", [b" ", b'{"Records": null}', RECORD])]

    hint, wake = listen()

    assert wake.wait(20)
    assert hint.fault is None
    assert "prefix=novaseq%2F" in stream.asked[0]
    assert "s3%3AObjectCreated%3A%2A" in stream.asked[0]


def test_a_stream_that_ends_is_opened_again_and_that_is_a_hint(stream: Stream, listen: Listen) -> None:
    stream.says = [(200, "application/json", [RECORD]), (200, "application/json", [RECORD]), (200, "text/plain", [])]

    hint, wake = listen()

    assert stream.await_requests(3)
    assert wake.wait(20)
    assert hint.fault is None


@pytest.mark.parametrize(
    "said",
    [
        (200, "application/json", [b"[]"]),
        (200, "application/json", [b'"text"']),
        (200, "application/json", [b"{}"]),
        (200, "application/json", [b"\xff\xfe"]),
        (503, "application/xml", [b"<Error><Code>SlowDown</Code></Error>"]),
        (500, "text/plain", [b"no"]),
    ],
    ids=str,
)
def test_whatever_a_server_says_it_is_asked_again(
    stream: Stream, listen: Listen, said: tuple[int, str, list[bytes]]
) -> None:
    stream.says = [said, (200, "application/json", [RECORD])]

    _, wake = listen()

    assert stream.await_requests(2)
    assert wake.wait(20)


def test_a_store_that_lists_instead_is_said_to_give_no_notifications(stream: Stream, listen: Listen) -> None:
    stream.says = [(200, "application/xml", [])]

    hint, wake = listen()

    assert wake.wait(20)
    assert hint.fault is not None
    assert "no notifications" in hint.fault


def test_a_closed_hint_asks_no_more_and_wakes_nobody(stream: Stream, listen: Listen) -> None:
    hint, wake = listen()
    assert wake.wait(20)

    hint.close()
    hint.close()
    wake.clear()
    asked = len(stream.asked)
    stream.go_on.set()

    assert not wake.wait(0.2)
    assert len(stream.asked) == asked
