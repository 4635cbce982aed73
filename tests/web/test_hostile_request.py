"""Whatever text a program sends, it is answered, kept or refused, and no list is lost by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from cisterna.services.api_token import issue_token
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.hostile_request import requests_with
from tests.web.site import Site

LISTS = ("/datasets", "/review", "/projects", "/instruments", "/alerts", "/adoptions", "/erasures")
NO_TEXT = {"NUL": "a\x00b", "half a pair": "\ud800"}
ODD = {
    "pair turned round": "\udc00\ud800",
    "controls": "\u202e\x1b[2J\x07",
    "long number": "9" * 400,
    "pattern": "%_\\",
    "SQL": "'; DROP TABLE x; --",
    "long": "x" * 20_000,
}
CASES = [pytest.param(text, id=name) for name, text in NO_TEXT.items()]
CASES += [pytest.param(text, id=name, marks=pytest.mark.torture) for name, text in ODD.items()]


@pytest.fixture
def headers(site: Site) -> dict[str, str]:
    with site.catalogue.begin() as tx:
        account = tx.accounts.find("root")
    assert account is not None
    secret, _ = issue_token(
        "root", label="t", by=account, catalogue=site.catalogue, clock=site.clock, passwords=site.passwords
    )
    return {"authorization": f"Bearer {secret}", "content-type": "application/json"}


@pytest.mark.parametrize("hostile", CASES)
def test_no_text_in_any_place_of_a_request_is_a_fault_of_ours_or_spoils_a_list(
    site: Site, visit: Callable[..., Browser], headers: dict[str, str], hostile: str
) -> None:
    version, client = site.lay_version("plate-7"), visit().client
    shown = site.lay_published("plate-8")
    real = {
        "version_id": version.version_id,
        "dataset_id": version.dataset_id,
        "identifier": shown.dataset_id,
        "name": "squid-1",
    }
    document = client.get("/api/v1/openapi.json").json()

    faults, told = [], 0
    for one in requests_with(hostile, document, real):
        answer = client.request(one.method, one.path, content=one.body, headers=headers)
        told += 1
        is_refused = answer.status_code == 422
        if answer.status_code == 500 or (one.is_hostile and hostile in NO_TEXT.values() and not is_refused):
            faults.append((answer.status_code, one.method, one.path[:80], (one.body or b"")[:300]))
    lost = [path for path in LISTS if client.get(f"/api/v1{path}", headers=headers).status_code != 200]

    assert (faults, lost) == ([], [])
    assert told > 100


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"title": "a\\u0000b"}', "body.title"),
        (b'{"policy": {"x": ["a", "\\udfff"]}}', "body.policy.x.1"),
        (b'{"\\ud800": 1}', "body (a name)"),
        (b"[" * 300 + b'"\\ud800"' + b"]" * 300, "body.0.0"),
    ],
)
def test_what_is_no_text_is_refused_and_its_place_is_told(
    visit: Callable[..., Browser], headers: dict[str, str], body: bytes, place: str
) -> None:
    answer = visit().client.post("/api/v1/projects", content=body, headers=headers)

    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid-input"
    assert answer.json()["detail"].startswith(place)
    assert "which is no text" in answer.json()["detail"]


def test_a_whole_pair_and_escapes_of_escapes_are_text(visit: Callable[..., Browser], headers: dict[str, str]) -> None:
    body = b'{"slug": "pairs", "title": "\\ud83d\\ude00 \\\\ud800 \\\\u0000", "owner": "ada"}'

    answer = visit().client.post("/api/v1/projects", content=body, headers=headers)

    assert answer.status_code == 201, answer.text
    assert answer.json()["title"] == "\U0001f600 \\ud800 \\u0000"


def test_a_body_that_is_no_json_is_refused_where_none_is_asked_for(site: Site, headers: dict[str, str]) -> None:
    client = TestClient(app_on(site.parts), base_url=site.base_url)

    for sent in (b"{", b"\xff", b"[" * 100_000):
        assert client.request("GET", "/api/v1/datasets", content=sent, headers=headers).status_code == 422
