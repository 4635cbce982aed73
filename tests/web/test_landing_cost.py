"""What a landing page costs its bucket: the same few requests however many versions there are, and bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.adapters.portal import Portal
from cisterna.ports.publisher import PublicRecord
from cisterna.testing.memory_store import MemoryStore
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


def lay_versions(site: Site, count: int) -> PublicRecord:
    """Publish so many versions of a dataset, and give the newest."""
    record = site.portal.find(site.dataset(site.lay_published("plate-7")).pid)
    assert record is not None
    for number in range(2, count + 1):
        record = record.model_copy(update={"version": f"v{number}"})
        site.portal.publish(record)
    return record


def requests_of(site: Site, browser: Browser, path: str) -> dict[str, int]:
    """Count what a page asks of the public bucket when it was asked for before."""
    assert isinstance(site.public, MemoryStore)
    browser.get(path)
    before = site.public.calls.copy()
    browser.get(path)
    return dict(site.public.calls - before)


@pytest.mark.parametrize("count", [2, 30])
def test_a_landing_page_costs_two_requests_however_many_versions_there_are(
    site: Site, visit: Visit, count: int
) -> None:
    newest = lay_versions(site, count)
    base, browser = f"/{newest.pid}", visit()

    assert requests_of(site, browser, base) == {"list": 2}
    assert requests_of(site, browser, f"{base}/v1") == {"head": 1, "list": 1}
    assert requests_of(site, browser, f"{base}?format=datacite") == {"list": 1}
    assert requests_of(site, browser, f"{base}/v1/files/README.md") == {"head": 1}


def test_what_another_process_withdraws_is_gone_from_every_page_at_once(site: Site, visit: Visit) -> None:
    newest = lay_versions(site, 3)
    base, browser = f"/{newest.pid}", visit()
    for path in (base, f"{base}/v2", f"{base}/v3", f"{base}/v3/files/README.md"):
        assert browser.get(path).status_code == 200, path
    told = {"tombstone": "wrong stain", "withdrawn_at": site.clock.now()}

    Portal(site.public, base_url=site.base_url).withdraw(newest.model_copy(update=told))

    assert browser.get(f"{base}/v3").status_code == 410
    assert browser.get(f"{base}/v3/files/README.md").status_code == 410
    assert ">v2</strong>" in browser.get(base).text
    assert browser.get(f"{base}/v1").text.count("Withdrawn") == 1
