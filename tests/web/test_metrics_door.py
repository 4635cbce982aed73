"""Metrics count what is restricted too, so they are told on the machine itself and to operators."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from cisterna.services.api_token import issue_token
from tests.web.application import app_on
from tests.web.site import Site

OUTSIDE = "192.0.2.7"


def asking(site: Site, host: str) -> TestClient:
    return TestClient(app_on(site.parts), base_url=site.base_url, follow_redirects=False, client=(host, 50_000))


def bearer(site: Site, name: str) -> dict[str, str]:
    with site.catalogue.begin() as tx:
        account = tx.accounts.find(name)
    assert account is not None
    secret, _ = issue_token(
        name, label="watch", by=account, catalogue=site.catalogue, clock=site.clock, passwords=site.passwords
    )
    return {"authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1"])
def test_a_program_on_the_machine_itself_is_told(site: Site, host: str) -> None:
    answer = asking(site, host).get("/metrics")

    assert answer.status_code == 200
    assert "cisterna_versions" in answer.text


@pytest.mark.parametrize("host", [OUTSIDE, "10.0.0.1", "2001:db8::1", "testclient", "::ffff:192.0.2.7"])
def test_who_asks_from_elsewhere_without_a_token_learns_no_count(site: Site, host: str) -> None:
    site.lay_version("plate-7")

    answer = asking(site, host).get("/metrics")

    assert answer.status_code == 401
    assert "cisterna_" not in answer.text


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"])
def test_who_asks_by_a_proxy_on_the_machine_is_not_on_it(site: Site, name: str) -> None:
    assert asking(site, "127.0.0.1").get("/metrics", headers={name: "127.0.0.1"}).status_code == 401


def test_an_operator_s_token_is_enough_from_anywhere_and_another_one_is_not(site: Site) -> None:
    client = asking(site, OUTSIDE)

    answers = {
        name: client.get("/metrics", headers=bearer(site, name)).status_code
        for name in ("olga", "root", "vera", "sten")
    }
    forged = client.get("/metrics", headers={"authorization": "Bearer cist_none"})

    assert answers == {"olga": 200, "root": 200, "vera": 403, "sten": 403}
    assert forged.status_code == 401


def test_whether_it_is_ready_is_told_to_anybody(site: Site) -> None:
    assert asking(site, OUTSIDE).get("/readyz").json() == {"ready": True, "faults": {}}
