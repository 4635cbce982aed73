"""Hints over HTTP: who is let in, what is counted, and that nothing else comes of a message."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import SecretStr

from cisterna.services.sender import Sender, signature_of
from cisterna.web.app import create_app
from tests.web.application import app_on
from tests.web.site import Site

SECRET, TOKEN = "s" * 32, "t" * 32
SENDERS = {
    "scope-pc": Sender(name="scope-pc", secret=SecretStr(SECRET)),
    "minio": Sender(name="minio", token=SecretStr(TOKEN)),
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/squid", "type": "run.ended"}
SQUID = json.dumps(EVENT | {"data": {"instrument": "squid-1"}}).encode()
FORM = {"content-type": "application/cloudevents+json"}
Post = Callable[..., Response]


@pytest.fixture
def client(site: Site) -> TestClient:
    app = app_on(dataclasses.replace(site.parts, senders=SENDERS))
    return TestClient(app, base_url=site.base_url, raise_server_exceptions=False, client=("127.0.0.1", 50_000))


@pytest.fixture
def post(site: Site, client: TestClient) -> Post:
    """Send a body as the sender would, or with something changed after it was signed."""

    def posted(
        body: bytes = SQUID,
        path: str = "/api/v1/events",
        *,
        nonce: str = "n" * 22,
        age: float = 0,
        form: dict[str, str] = FORM,
        **changed: str,
    ) -> Response:
        stamp = str(int(site.clock.now().timestamp() - age))
        proof = {"sender": "scope-pc", "timestamp": stamp, "nonce": nonce}
        proof["signature"] = signature_of(SECRET.encode(), timestamp=stamp, nonce=nonce, body=body)
        headers = {f"x-cisterna-{name}": value for name, value in (proof | changed).items()}
        return client.post(path, content=body, headers=headers | form)

    return posted


def counted(client: TestClient, source: str, outcome: str) -> float:
    wanted = f'cisterna_hints_total{{outcome="{outcome}",source="{source}"}}'
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(wanted)]
    return float(line.rpartition(" ")[2])


def heard(site: Site, act: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Tell what was rung while something was done."""
    listening = site.catalogue.listen(timeout=timedelta(seconds=0.2))
    assert next(listening) == ""
    done, topics = act(), []
    while topic := next(listening):
        topics.append(topic)
    listening.close()  # type: ignore[attr-defined]
    return done, topics


def test_a_signed_event_wakes_the_sweep_of_its_instrument(site: Site, client: TestClient, post: Post) -> None:
    answer, topics = heard(site, post)

    assert (answer.status_code, answer.json()) == (202, {"instruments": ["squid-1"], "unknown": 0})
    assert topics == ["hint:squid-1"]
    assert counted(client, "events", "taken") == 1


def test_binary_mode_is_taken_as_well(post: Post) -> None:
    attributes = {f"ce-{name}": value for name, value in EVENT.items()} | {"content-type": "application/json"}

    answer = post(b'{"path": "/landing/squid-2/run 7"}', form=attributes)

    assert answer.json() == {"instruments": ["squid-2"], "unknown": 0}


def test_an_event_for_a_path_outside_every_zone_is_taken_counted_and_does_nothing(
    site: Site, client: TestClient, post: Post
) -> None:
    answer, topics = heard(site, lambda: post(json.dumps(EVENT | {"data": {"path": "/etc/shadow"}}).encode()))

    assert (answer.status_code, answer.json()) == (202, {"instruments": [], "unknown": 1})
    assert topics == []
    assert counted(client, "events", "unknown") == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"signature": "0" * 64}, "forged"),
        ({"sender": "nobody"}, "forged"),
        ({"nonce": "short"}, "forged"),
        ({"age": 301}, "stale"),
        ({"age": -301}, "stale"),
    ],
    ids=str,
)
def test_a_forged_or_stale_event_is_401_counted_and_without_effect(
    site: Site, client: TestClient, post: Post, wrong: dict[str, Any], why: str
) -> None:
    answer, topics = heard(site, lambda: post(**wrong))

    assert (answer.status_code, answer.json()["code"]) == (401, "message-refused")
    assert topics == []
    assert counted(client, "events", why) == 1


def test_a_replayed_event_is_401_also_for_another_web_process(site: Site, client: TestClient, post: Post) -> None:
    assert post().status_code == 202

    answer, topics = heard(site, post)

    assert (answer.status_code, answer.json()["facts"]["why"]) == (401, "replayed")
    assert topics == []
    assert counted(client, "events", "replayed") == 1
    after_a_restart = create_app(dataclasses.replace(site.parts, senders=SENDERS))
    with TestClient(after_a_restart, base_url=site.base_url) as other:
        sent = answer.request
        assert other.post("/api/v1/events", content=SQUID, headers=dict(sent.headers)).status_code == 401


def test_an_event_that_could_not_be_read_may_be_sent_again_mended(client: TestClient, post: Post) -> None:
    assert post(b"{}").status_code == 422
    assert post().status_code == 202
    assert counted(client, "events", "malformed") == 1


def test_nobody_is_let_in_where_no_sender_is_set(site: Site) -> None:
    client = TestClient(app_on(site.parts), base_url=site.base_url, raise_server_exceptions=False)

    assert client.post("/api/v1/events", content=SQUID, headers=FORM).status_code == 401
    assert client.post("/hooks/s3", content=b"{}", headers={"authorization": "Bearer "}).status_code == 401


def s3_records(*keys: str) -> bytes:
    records = [{"s3": {"bucket": {"name": "runs"}, "object": {"key": key}}} for key in keys]
    return json.dumps({"EventName": "s3:ObjectCreated:Put", "Records": records}).encode()


def test_a_store_shows_its_token_or_signs(site: Site, client: TestClient, post: Post) -> None:
    with site.catalogue.begin() as tx:
        squid = tx.instruments.get("squid-1")
        tx.instruments.save(squid.model_copy(update={"path": "s3://runs/squid-1"}))
    body = s3_records("squid-1/run/a.tiff", "squid-1/run/b.tiff", "elsewhere/c")

    shown = client.post("/hooks/s3", content=body, headers={"authorization": f"Bearer {TOKEN}"})
    signed = post(body, "/hooks/s3", form={})

    for answer in (shown, signed):
        assert (answer.status_code, answer.json()) == (202, {"instruments": ["squid-1"], "unknown": 1})
    assert counted(client, "s3", "unknown") == 2


@pytest.mark.parametrize("shown", ["Bearer", "Bearer x", f"Bearer {SECRET}", f"Basic {TOKEN}", "bearer \xe9"], ids=str)
def test_a_store_that_shows_anything_else_is_401(client: TestClient, shown: str) -> None:
    answer = client.post("/hooks/s3", content=s3_records("a"), headers={b"authorization": shown.encode("latin-1")})

    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert counted(client, "s3", "forged") == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"[" * 200_000, 422), (b"x" * 300_000, 422), (b"x" * 1_100_000, 413), (b'{"Records": 1}', 422)],
    ids=lambda value: str(value)[:12],
)
def test_a_body_that_is_too_much_or_nonsense_is_refused(client: TestClient, body: bytes, status: int) -> None:
    answer = client.post("/hooks/s3", content=body, headers={"authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == status
