"""Alerts on pages and in the API: to who may see the data, with the picture beside the number and the limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from httpx import Response

from cisterna.domain.alert import Alert, AlertKind, Place
from cisterna.domain.baseline import RunBaseline, Tally
from cisterna.services.alarm_judge import UNCERTAIN
from cisterna.services.alert import close_alert
from tests.web.client import Browser
from tests.web.site import Site, draw_cells

Visit = Callable[..., Browser]
Call = Callable[..., Response]
HOSTILE = "<script>alert(1)</script>\u202e'\"&"


@pytest.fixture
def alert(site: Site) -> Alert:
    run = site.lay_acquisition("plate-1")
    return site.lay_alert(run, picture=draw_cells(1))


def test_the_first_page_shows_what_waits_with_picture_number_and_limit_to_who_may_see_it(
    visit: Visit, alert: Alert
) -> None:
    for name, sees in {"vera": True, "ada": True, "olga": True, "otto": False}.items():
        shown = visit(name).get("/").text
        assert (f"/alerts/{alert.alert_id}/picture" in shown) is sees, name
        assert ("well B3, field 2, channel DAPI" in shown) is sees, name
        assert ("Look at plate-1" in shown) is sees, name
        assert ("102, where the limit is 900" in shown) is sees, name


def test_the_picture_is_sent_to_who_may_see_the_data_and_to_nobody_else(visit: Visit, call: Call, alert: Alert) -> None:
    path = f"/alerts/{alert.alert_id}/picture"
    seen = visit("vera").get(path)

    assert (seen.status_code, seen.headers["content-type"], seen.content) == (200, "image/png", draw_cells(1))
    assert seen.headers["cache-control"].startswith("private")
    assert seen.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert visit("otto").get(path).status_code == 404
    assert visit().get(path).status_code in {303, 401}
    assert call("vera", "GET", path).content == draw_cells(1)
    assert call("otto", "GET", path).status_code == 404
    assert visit("vera").get("/alerts/no-such/picture").status_code == 404


def test_a_steward_or_operator_acknowledges_and_it_waits_no_more(site: Site, visit: Visit, alert: Alert) -> None:
    run, act = f"/acquisitions/{alert.acquisition_id}", f"/alerts/{alert.alert_id}/acknowledgement"
    for name, may in {"vera": False, "rita": False, "ada": False, "stina": True, "olga": True}.items():
        shown = visit(name).get(run).text
        assert "well B3" in shown, name
        assert (act in shown) is may, name
    assert visit("vera").submit(act, reason="no").status_code == 403
    assert visit("otto").submit(act, reason="no").status_code == 404
    assert visit("stina").submit(act, csrf="forged", reason="no").status_code == 403
    assert visit("stina").submit(act, reason=" ").status_code == 422

    answer = visit("stina").submit(act, reason="the lamp is being changed")

    assert answer.status_code == 303
    after = visit("vera").get(run).text
    assert "the lamp is being changed" in after
    assert act not in visit("olga").get(run).text
    assert "well B3" not in visit("vera").get("/").text
    assert "well B3" in visit("vera").get("/alerts").text
    assert visit("olga").submit(act, reason="me too").status_code == 409
    with site.catalogue.begin() as tx:
        assert tx.alerts.get(alert.alert_id).is_open


def test_the_instruments_page_names_the_alerts_of_each(site: Site, visit: Visit, alert: Alert) -> None:
    foreign = site.lay_alert(site.lay_acquisition("theirs", project="other", instrument="squid-1"))

    shown = visit("vera").get("/instruments").text

    assert f"/acquisitions/{alert.acquisition_id}" in shown
    assert foreign.acquisition_id not in shown


def test_names_that_are_code_are_shown_as_text(site: Site, visit: Visit) -> None:
    place = Place.of(f"0/{HOSTILE}.tiff", region=HOSTILE, field=HOSTILE, channel=HOSTILE, t=0)
    run = site.lay_acquisition("odd")
    site.lay_alert(run, place=place, places=(place, place), words=f"The first {place.words}", advice=HOSTILE)

    for path in ("/", "/alerts", f"/acquisitions/{run.acquisition_id}"):
        shown = visit("vera").get(path).text
        assert "&lt;script&gt;" in shown
        assert "<script>alert" not in shown


def test_silence_is_shown_without_a_picture_and_what_is_over_as_such(site: Site, visit: Visit) -> None:
    run = site.lay_acquisition("plate-1")
    words = "Nothing was written for 42 min; by the run's own plan something was due every 10 min."
    silent = site.lay_alert(run, kind=AlertKind.SILENT, place=None, places=(), words=words)
    assert "42 min" in visit("vera").get("/").text
    with site.catalogue.begin() as tx:
        close_alert(tx, silent, run, reason="something was written again", clock=site.clock)

    assert "42 min" not in visit("vera").get("/").text
    shown = visit("vera").get("/alerts").text
    assert "something was written again" in shown
    assert "/picture" not in shown


def test_many_alerts_are_counted_and_the_rest_is_one_step_away(site: Site, visit: Visit) -> None:
    for number in range(8):
        site.lay_alert(site.lay_acquisition(f"plate-{number}"))

    shown = visit("vera").get("/").text

    assert shown.count('<article class="alert') == 6
    assert "and 2 more" in shown
    assert visit("vera").get("/alerts").text.count('<article class="alert') == 8


def test_the_api_lists_and_acknowledges(call: Call, alert: Alert) -> None:
    (listed,) = call("vera", "GET", "/alerts").json()
    assert listed["alert_id"] == alert.alert_id
    assert call("otto", "GET", "/alerts").json() == []
    path = f"/alerts/{alert.alert_id}/acknowledgement"
    assert call("vera", "POST", path, {"reason": "no"}).status_code == 403
    assert call("otto", "POST", path, {"reason": "no"}).status_code == 404
    assert call("stina", "POST", path, {"reason": ""}).status_code == 422

    answer = call("stina", "POST", path, {"reason": "on it"})

    assert answer.status_code == 201
    assert answer.json()["acknowledged"]["person"] == "stina"
    assert call("vera", "GET", "/alerts?closed=true&limit=1").json()[0]["acknowledged"]["reason"] == "on it"


def test_an_alert_s_history_stands_at_the_run(site: Site, visit: Visit, alert: Alert) -> None:
    shown = visit("vera").get(f"/acquisitions/{alert.acquisition_id}").text

    assert "An alert was raised" in shown


def test_what_no_alert_could_be_made_of_is_said_at_the_run(site: Site, visit: Visit) -> None:
    run = site.lay_acquisition("plate-1")
    with site.catalogue.begin() as tx:
        tx.alerts.put_baseline(run.acquisition_id, RunBaseline(unjudged={UNCERTAIN: Tally(keys=("a", "b"))}))

    shown = visit("vera").get(f"/acquisitions/{run.acquisition_id}").text

    assert f"No alert could be made of 2 places: {UNCERTAIN}." in shown


def test_nothing_of_an_alert_is_on_a_page_for_everybody(site: Site, visit: Visit, alert: Alert) -> None:
    for path in ("/", "/alerts", f"/acquisitions/{alert.acquisition_id}", "/sign-in", "/oai?verb=Identify", "/metrics"):
        assert "well B3" not in visit().get(path).text
        assert alert.alert_id not in visit().get(path).text
