"""Every page and address about quality, found by its routers: what a person may not know of is told to nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.routing import APIRoute

from cisterna.domain.acquisition import AcquisitionState
from cisterna.web import (
    alert_api,
    alert_page,
    instrument_page,
    quality_api,
    quality_page,
    quality_report_api,
    trend_page,
)
from tests.web.client import Browser
from tests.web.quality_files import plate_metrics, quality_files
from tests.web.site import Site
from tests.web.test_trend_page import lay_month

Visit = Callable[..., Browser]
SECRET = "secret-patient"
OPEN_TO_ALL = {"/static/report.css"}


def routes() -> Iterator[tuple[str, str]]:
    for module in (
        alert_api, alert_page, instrument_page, quality_api, quality_page, quality_report_api, trend_page
    ):  # fmt: skip
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            yield from ((method, route.path) for method in sorted(route.methods))


@pytest.fixture
def names(site: Site) -> dict[str, str]:
    """Data of patients alone, judged, with a past and an alert; and what an address of theirs holds."""
    lay_month(site, 9, project="patients", name=SECRET)
    version = site.lay_version(SECRET, project="patients", quality=quality_files(plate_metrics(2, 3)))
    run = site.lay_acquisition(f"{SECRET}-run", state=AcquisitionState.WRITING, project="patients")
    alert = site.lay_alert(run, picture=b"\x89PNG\r\n\x1a\n" + SECRET.encode())
    return {
        "dataset_id": version.dataset_id,
        "version": "v1",
        "version_id": version.version_id,
        "name": "squid-1",
        "alert_id": alert.alert_id,
    }


def test_nobody_who_is_not_signed_in_is_answered(visit: Visit, names: dict[str, str]) -> None:
    browser = visit()
    for method, path in routes():
        if path not in OPEN_TO_ALL:
            answer = browser.client.request(method, path.format(**names), json={})
            assert answer.status_code in {303, 401}, (method, path)
            assert answer.headers.get("location", "/sign-in").startswith("/sign-in"), (method, path)


def test_of_data_that_a_person_may_not_see_no_address_tells_a_word(visit: Visit, names: dict[str, str]) -> None:
    owner, strangers = visit("ada"), [visit("otto"), visit("vera")]
    told = 0
    for method, path in routes():
        if method != "GET" or path in OPEN_TO_ALL:
            continue
        address = path.format(**names)
        secrets = [one for one in (SECRET, names["dataset_id"], names["alert_id"]) if one not in address]
        for stranger in strangers:
            answer = stranger.get(address)
            assert answer.status_code == 404 or "{" not in path, path
            assert not any(one in answer.text for one in secrets), path
        told += any(one in owner.get(address).text for one in secrets)
    assert told > 5  # what strangers are not told, its owner is


def test_a_change_that_no_page_of_ours_sent_is_refused(visit: Visit, names: dict[str, str]) -> None:
    browser = visit("root")
    changes = [(method, path) for method, path in routes() if method != "GET"]
    for method, path in changes:
        body = {"json" if path.startswith("/api") else "data": {"reason": "x"}}
        assert browser.client.request(method, path.format(**names), **body).status_code == 403, path
    assert len(changes) > 4
