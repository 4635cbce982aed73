"""Verifying files in the browser and by the API: digests only, and of what the person may see."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.staging import read_staged
from cisterna.testing.factory import make_sha512
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


def digest_of(site: Site, dataset_id: str) -> str:
    with site.catalogue.begin() as tx:
        dataset, version = tx.datasets.get(dataset_id), tx.datasets.versions(dataset_id)[-1]
    manifest = load_manifest(read_staged(version, MANIFEST_PATH, dataset=dataset, store=site.store), tables=site.tables)
    return manifest.files[0].sha512


def ask(browser: Browser, *digests: str) -> dict[str, object]:
    answer = browser.client.post(
        "/api/v1/digests", json={"digests": list(digests)}, headers={"x-csrf-token": browser.csrf()}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()["stores"]
    return found


def test_a_digest_is_answered_for_who_may_see_the_data_and_for_nobody_else(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-1")
    digest = digest_of(site, version.dataset_id)

    assert ask(visit("vera"), digest, make_sha512("nowhere")) == {digest: ["archive"]}
    assert ask(visit("otto"), digest) == {}


def test_who_is_not_signed_in_asks_nothing(site: Site, visit: Visit) -> None:
    answer = visit().client.post("/api/v1/digests", json={"digests": [make_sha512()]})

    assert answer.status_code == 401
    assert visit().get("/verify").status_code == 303


@pytest.mark.parametrize("body", [{"digests": []}, {"digests": ["x"]}, {"digests": [make_sha512()] * 2001}, {}, []])
def test_a_body_that_is_no_list_of_digests_is_refused(site: Site, visit: Visit, body: object) -> None:
    browser = visit("vera")

    answer = browser.client.post("/api/v1/digests", json=body, headers={"x-csrf-token": browser.csrf()})

    assert answer.status_code == 422


def test_the_page_works_for_everybody_who_is_signed_in(site: Site, visit: Visit) -> None:
    page = visit("vera").get("/verify")

    assert page.status_code == 200
    assert "/static/verify.js" in page.text
    assert "cisterna verify-copy" in page.text
