"""The page of an instrument and its document: what it tells, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from httpx import Response

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.instrument import LongSilence
from cisterna.domain.instrument_health import Week
from cisterna.services import instrument_health as service
from cisterna.testing.clock import START
from cisterna.testing.factory import make_finding
from cisterna.web.instrument_page import bars_of
from tests.web.client import Browser
from tests.web.site import Site
from tests.web.test_trend_page import lay_month, lay_value

Visit = Callable[..., Browser]
Call = Callable[..., Response]


def fill(site: Site) -> None:
    blurred = (make_finding("focus-min", Outcome.FAILED, message="A1 is out of focus"),)
    site.lay_version("secret-1", title="Secret title", project="other", verdict=Verdict.REVIEW, findings=blurred)
    site.lay_version("plate-1")
    site.lay_version("plate-2", title="Plate <b>2</b>", verdict=Verdict.QUARANTINED, findings=blurred)
    site.lay_acquisition(
        "plate-9", state=AcquisitionState.ABORTED, held="The operator aborted the run", reason="aborted"
    )


def test_the_page_tells_what_passed_what_fails_most_and_what_is_held(site: Site, visit: Visit) -> None:
    fill(site)

    page = visit("olga").get("/instruments/squid-1").text

    for words in ("33.3", "1 of 3 judged", "focus-min", "The operator aborted the run"):
        assert words in page
    assert '<rect class="week-quarantined"' in page
    assert 'href="/instruments/squid-1"' in visit("olga").get("/instruments").text


def test_of_other_projects_nothing_is_told_and_nothing_counted(site: Site, visit: Visit, call: Call) -> None:
    fill(site)

    page = visit("vera").get("/instruments/squid-1").text
    told = call("vera", "GET", "/instruments/squid-1/health").json()

    assert "1 of 2 judged" in page
    assert "Plate &lt;b&gt;2&lt;/b&gt;" in page
    assert "Secret title" not in page
    assert told["rates"][0]["counts"] == {"passed": 1, "review": 0, "quarantined": 1, "not-assessed": 0}
    assert told["drift"] is None
    assert "Shown to those who may see all data" in page


@pytest.mark.parametrize("name", ["squid-2", "no-such", "squid-1%00", "..%2f..%2fetc", "%F0%9F%94%AC"])
def test_an_instrument_of_which_a_person_may_see_nothing_is_as_if_it_were_not_there(
    site: Site, visit: Visit, call: Call, name: str
) -> None:
    fill(site)

    assert visit("vera").get(f"/instruments/{name}").status_code == 404
    assert call("vera", "GET", f"/instruments/{name}/health").status_code == 404


def test_an_instrument_without_any_run_has_a_page_for_operators(site: Site, visit: Visit) -> None:
    page = visit("olga").get("/instruments/codex-1").text

    assert "No run of it was ever seen." in page
    assert "nothing was judged" in page


def lay_daily(site: Site, runs: int = 20) -> None:
    for back in range(runs):
        seen = START - timedelta(days=back)
        site.lay_acquisition(f"day-{back}", state=AcquisitionState.COMPLETE, first_seen=seen, settled_since=seen)


def test_a_silent_instrument_says_so_with_what_was_usual_and_when_it_was_told(site: Site, visit: Visit) -> None:
    lay_daily(site)
    site.clock.advance(timedelta(days=3))
    raised = LongSilence(since=START, raised_at=START + timedelta(days=2), quiet_seconds=1, limit_seconds=1, words="w")
    with site.catalogue.begin() as tx:
        tx.instruments.save(tx.instruments.get("squid-1").model_copy(update={"silence": raised}))

    page = visit("olga").get("/instruments/squid-1").text

    assert "Nothing has come from it for 3 d; more than 2 d is too long." in page
    assert "In three of four weeks its longest pause was at most 24 h." in page
    assert "Usually one begins every 24 h, with pauses of up to 24 h, by 20 beginnings." in page
    assert "Told 2026-11-25 08:00" in page
    assert visit("olga").get("/instruments").text.count('class="badge watched-silent"') == 1


def test_an_instrument_whose_runs_were_first_seen_together_does_not_say_how_often_one_begins(
    site: Site, visit: Visit
) -> None:
    for number in range(6):
        site.lay_acquisition(f"run-{number}", state=AcquisitionState.COMPLETE)
    site.clock.advance(timedelta(days=3))

    page = visit("olga").get("/instruments/squid-1").text

    assert "Of too few runs it is known when they began" in page
    assert "Something last came 3 d ago." in page
    assert "every 0" not in page
    assert "Silent" not in page


def test_runs_that_say_when_they_began_tell_how_often_one_does_however_they_were_seen(site: Site, visit: Visit) -> None:
    for number in range(6):
        began = START - timedelta(hours=5 * number)
        site.lay_acquisition(f"run-{number}", state=AcquisitionState.COMPLETE, started_at=began)

    assert (
        "Usually one begins every 5 h, with pauses of up to 5 h, by 6 beginnings."
        in visit("olga").get("/instruments/squid-1").text
    )


def test_the_document_holds_all_that_the_page_says(site: Site, call: Call) -> None:
    fill(site)

    told = call("olga", "GET", "/instruments/squid-1/health").json()

    assert [one["days"] for one in told["rates"]] == [7, 30, 90]
    assert told["rates"][0]["passed_share"] == pytest.approx(1 / 3)
    assert len(told["weeks"]) == 13
    assert (told["failing"][0]["check"], told["failing"][0]["count"]) == ("focus-min", 2)
    assert (told["held_count"], told["held"][0]["title"]) == (1, "plate-9")
    assert told["silence"]["is_silent"] is False


def test_what_moved_is_seen_however_many_datasets_the_last_days_brought(
    site: Site, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_JUDGED", 8)
    lay_month(site, 10)
    site.clock.advance(timedelta(days=8))
    for number in range(9):
        lay_value(site, f"lately-{number}", 0.2)

    told = call("olga", "GET", "/instruments/squid-1/health").json()["drift"]

    assert [(one["metric"], one["recent"], one["recent_count"]) for one in told] == [("focus_median", 0.2, 8)]


def test_bars_are_stacked_to_the_height_of_their_week() -> None:
    counts = dict.fromkeys(Verdict, 0)
    full = Week(begins=START, counts={**counts, Verdict.PASSED: 3, Verdict.QUARANTINED: 1})
    half = Week(begins=START, counts={**counts, Verdict.REVIEW: 2})

    first, second = bars_of((full, half))

    assert [(one.verdict, one.y, one.height) for one in first.pieces] == [
        (Verdict.PASSED, 25.0, 75.0),
        (Verdict.QUARANTINED, 0.0, 25.0),
    ]
    assert [(one.y, one.height) for one in second.pieces] == [(50.0, 50.0)]
    assert bars_of((Week(begins=START, counts=counts),))[0].pieces == ()
