"""HEAD tells what GET would, and nothing else: a program that asks first is not told another size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from httpx import Headers

from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]

FILE = "data/0/A1_0_0_BF.tiff"
_OF_THE_DAY = {"content-length", "transfer-encoding", "date"}


def told(headers: Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OF_THE_DAY}


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/v1",
        "?format=json-ld",
        "?format=none",
        "?page=7",
        "/linkset",
        "/linkset?format=linkset-json",
        f"/files/{FILE}",
        "/files/data/none",
        f"/v1/preview/{FILE}",
        "/v1/manifest-sha512.txt",
        "/v9",
    ],
)
def test_of_a_dataset_head_tells_what_get_does(site: Site, visit: Visit, rest: str) -> None:
    address = f"/{site.dataset(site.lay_published('plate-7')).pid}{rest}"

    _require_alike(visit(), address)


@pytest.mark.parametrize("rest", ["", "/v1", "/linkset", f"/files/{FILE}", "/v1/manifest-sha512.txt"])
def test_of_a_tombstone_head_tells_what_get_does(site: Site, visit: Visit, rest: str) -> None:
    version = site.lay_published("plate-7")
    site.withdraw(version)

    _require_alike(visit(), f"/{site.dataset(version).pid}{rest}")


@pytest.mark.parametrize(
    "path",
    [
        "/browse",
        "/browse/statistics",
        "/browse/statistics.csv",
        "/browse/newest.atom",
        "/sitemap.xml",
        "/sitemap-9.xml",
        "/robots.txt",
        "/oai?verb=ListSets",
        "/oai",
    ],
)
def test_of_what_is_public_at_all_head_tells_what_get_does(site: Site, visit: Visit, path: str) -> None:
    site.lay_published("plate-7")

    _require_alike(visit(), path)


def _require_alike(browser: Browser, address: str) -> None:
    whole, head = browser.get(address), browser.client.head(address)

    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert told(head.headers) == told(whole.headers)
    assert head.headers.get("content-length") in {None, str(len(whole.content))}
