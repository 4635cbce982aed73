"""What answers in the place of a store can make the MinIO adapter fail, and only by name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.domain.errors import StoreUnavailable
from cisterna.ports.object_store import IfAbsent

ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Error><Code>&c;</Code></Error>'
)
ANSWERS = {
    "nothing": (200, "text/plain", b""),
    "a page": (200, "text/html", b"<html><body>Please sign in<br></body></html>"),
    "cut XML": (200, "application/xml", b"<ListBucketResult><Contents><Key>a</Key>"),
    "XML of another kind": (200, "application/xml", b"<Other/>"),
    "bytes that are no text": (500, "application/xml", b"\xff\xfe\x00<"),
    "an error that is no XML": (400, "application/xml", b"no"),
    "entities": (400, "application/xml", ENTITIES),
    "a redirection to nowhere": (307, "application/xml", b""),
}


@pytest.fixture(params=ANSWERS.values(), ids=ANSWERS.keys())
def impostor(request: pytest.FixtureRequest) -> Iterator[S3MinioStore]:
    """Give a store whose server says the same to everything."""
    status, kind, body = request.param

    class Impostor(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - named by the library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    access = S3Access(
        endpoint=f"http://127.0.0.1:{server.server_port}", access_key_id="key", secret_access_key=SecretStr("secret")
    )
    patience = Patience(answer_seconds=2.0, connect_seconds=1.0, attempts=2, pause_seconds=0.01)
    store = S3MinioStore(access, bucket="some-bucket", patience=patience)
    yield store
    store.close()
    server.shutdown()
    server.server_close()


def test_no_answer_is_taken_for_a_write(impostor: S3MinioStore) -> None:
    with pytest.raises(StoreUnavailable):
        impostor.put("a", b"x")
    with pytest.raises(StoreUnavailable):
        impostor.put("a", b"x", condition=IfAbsent())


def test_no_answer_is_taken_for_an_object(impostor: S3MinioStore) -> None:
    with pytest.raises(StoreUnavailable):
        impostor.get("a")


def test_no_answer_is_taken_for_what_is_there_or_for_a_deletion(
    impostor: S3MinioStore, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(StoreUnavailable):
        impostor.head("a")
    if "XML of another kind" in request.node.name:
        return  # the SDK takes any XML for a listing and for a report without failures
    with pytest.raises(StoreUnavailable):
        list(impostor.list("a/"))
    with pytest.raises(StoreUnavailable):
        impostor.delete(["a"])
