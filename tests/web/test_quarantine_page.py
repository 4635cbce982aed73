"""What a steward sees and does about data in quarantine, on pages and by the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from httpx import Response

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.review import Act
from cisterna.domain.work import WorkKind
from cisterna.testing.factory import make_finding
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]
Call = Callable[..., Response]

PNG = b"\x89PNG"


def failing(site: Site, verdict: Verdict = Verdict.QUARANTINED) -> Version:
    finding = make_finding("focus-min", Outcome.FAILED, message="A1 is out of focus", files=("0/A1_1_0_BF.tiff",))
    return site.lay_version(
        "plate-8", title="Plate 8", verdict=verdict, reason="1 image is out of focus", findings=(finding,)
    )


def form(version: Version, act: str, **fields: str) -> dict[str, str]:
    shown = {"version_id": version.version_id, "evidence_digest": version.evidence_digest or ""}
    return {**shown, "act": act, "reason": "No cell is in it.", **fields}


def discard(browser: Browser, version: Version, **fields: str) -> Response:
    address = f"/datasets/{version.dataset_id}"
    return browser.submit(f"{address}/decision", page=address, **form(version, "discard", **fields))


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.QUARANTINED, "Accept although quarantined"),
        (Verdict.NOT_ASSESSED, "Accept although not assessed"),
    ],
)
def test_the_page_says_what_quarantine_means_and_asks_why_the_findings_do_not_matter(
    site: Site, visit: Visit, verdict: Verdict, words: str
) -> None:
    version = failing(site, verdict)

    page = visit("sten").get(f"/datasets/{version.dataset_id}").text

    assert "no model runs on it" in page
    assert words in page
    assert "why the findings do not matter" in page
    assert "model:nuclei-unet" not in page


def test_what_waits_for_another_reason_is_accepted_in_plain_words(site: Site, visit: Visit) -> None:
    version = failing(site, Verdict.REVIEW)

    page = visit("sten").get(f"/datasets/{version.dataset_id}").text

    assert "In quarantine" not in page
    assert ">Accept</button>" in page


def test_what_was_accepted_although_it_is_quarantined_says_so_and_by_whom(site: Site, visit: Visit) -> None:
    version = site.decide(failing(site), reason="The dark wells are the controls.")

    page = visit("rita").get(f"/datasets/{version.dataset_id}").text

    assert "Accepted although it is quarantined, by sten" in page
    assert "model:nuclei-unet" in page


def test_discarding_asks_for_the_name_and_leaves_a_tombstone_with_the_reason(site: Site, visit: Visit) -> None:
    version, browser = failing(site), visit("sten")
    address = f"/datasets/{version.dataset_id}"

    refused = discard(browser, version, confirm="Plate 9")
    assert refused.status_code == 422
    assert site.now(version).stage is Stage.IN_REVIEW
    answer = discard(browser, version, confirm=" Plate  8 ")
    page = browser.get(address).text

    assert answer.status_code == 303
    assert site.now(version).stage is Stage.REJECTED
    assert "Discarded by sten:" in page
    assert "No cell is in it." in page
    for gone in ('value="accept"', 'value="discard"', 'value="request-changes"', "/reprocessing", "/publication"):
        assert gone not in page


def test_what_was_public_is_gone_from_the_public_pages_once_it_is_discarded(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate 7")
    browser, pid = visit("sten"), site.dataset(version).pid
    assert "your reason stands on its tombstone" in browser.get(f"/datasets/{version.dataset_id}").text

    discard(browser, version, confirm="Plate 7")

    assert site.now(version).stage is Stage.WITHDRAWN
    landing = visit(None).get(f"/{pid}")
    assert "No cell is in it." in landing.text
    assert "data/0/A1_0_0_BF.tiff" not in landing.text


@pytest.mark.parametrize("name", ["vera", "rita", "ada", "otto"])
def test_who_is_no_steward_of_the_project_neither_sees_the_way_to_discard_nor_goes_it(
    site: Site, visit: Visit, name: str
) -> None:
    version, browser = failing(site), visit(name)
    address = f"/datasets/{version.dataset_id}"

    page = browser.get(address).text
    answer = browser.submit(f"{address}/decision", **form(version, "discard", confirm="Plate 8"))

    assert 'value="discard"' not in page
    assert answer.status_code in {403, 404}
    assert site.now(version).stage is Stage.IN_REVIEW


def test_judging_again_is_one_act_with_a_reason_on_the_page_and_a_step_from_the_queue(site: Site, visit: Visit) -> None:
    version, browser = failing(site), visit("rita")
    address = f"/datasets/{version.dataset_id}"
    assert f'href="{address}#recheck"' in browser.get("/").text
    assert 'id="recheck"' in browser.get(address).text

    answer = browser.submit(
        f"{address}/reprocessing", page=address, version_id=version.version_id, what="stage:gated", reason="Mended."
    )

    assert answer.status_code == 303
    with site.catalogue.begin() as tx:
        (work,) = tx.inbox.list(subject=f"{version.dataset_id}:v1.1")
    assert (work.kind, work.parameters["from_stage"]) == (WorkKind.REPROCESS, "gated")


def test_the_queue_shows_the_gravest_first_with_its_worst_picture_and_who_may_do_what(site: Site, visit: Visit) -> None:
    site.lay_version("plate-7", title="Plate 7", verdict=Verdict.REVIEW)
    version = failing(site)
    picture = f"/datasets/{version.dataset_id}/worst?version=v1"

    steward, viewer = visit("sten").get("/").text, visit("vera").get("/").text

    assert steward.index("Plate 8") < steward.index("Plate 7")
    assert picture in steward
    assert "You may accept, reject, ask for changes or discard." in steward
    assert "Decides: olga, root, sten and 1 more" in viewer
    assert "#recheck" not in viewer


def test_the_worst_picture_is_the_one_that_fails_and_only_for_who_may_see_it(site: Site, visit: Visit) -> None:
    version = failing(site)
    address = f"/datasets/{version.dataset_id}/worst?version=v1"
    failed = visit("vera").get(f"/datasets/{version.dataset_id}/preview?version=v1&path=data/0/A1_1_0_BF.tiff")

    shown = visit("vera").get(address)

    assert (shown.status_code, shown.content) == (200, failed.content)
    assert shown.content.startswith(PNG)
    assert visit("otto").get(address).status_code == 404


def test_what_has_no_picture_shows_a_blank_one(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-9", files=("acquisition.yaml",))

    shown = visit("sten").get(f"/datasets/{version.dataset_id}/worst?version=v1")

    assert shown.headers["content-type"] == "image/svg+xml"
    assert "script" not in shown.text


def test_hostile_words_are_shown_as_text_that_cannot_turn_its_surroundings_round(site: Site, visit: Visit) -> None:
    version, browser = failing(site), visit("sten")

    discard(browser, version, confirm="Plate 8", reason="<img src=x onerror=alert(1)> \u202eesrever {{7*7}}")
    page = browser.get(f"/datasets/{version.dataset_id}").text

    assert "<img src=x" not in page
    assert '<q dir="auto">&lt;img src=x onerror=alert(1)&gt; \u202eesrever {{7*7}}</q>' in page


@pytest.mark.parametrize("reason", ["x" * 100_000, "", " ", "a\0b"])
def test_a_reason_that_cannot_be_kept_is_refused_and_nothing_is_decided(site: Site, visit: Visit, reason: str) -> None:
    version = failing(site)

    answer = discard(visit("sten"), version, confirm="Plate 8", reason=reason)

    assert answer.status_code == 422
    assert site.now(version).stage is Stage.IN_REVIEW


def test_a_replayed_or_late_discard_is_a_visible_conflict(site: Site, visit: Visit) -> None:
    version, browser = failing(site), visit("sten")
    fields = form(version, "discard", confirm="Plate 8")
    address = f"/datasets/{version.dataset_id}"
    secret = browser.csrf(address)
    assert browser.submit(f"{address}/decision", csrf=secret, **fields).status_code == 303

    again = browser.submit(f"{address}/decision", csrf=secret, **fields)
    late = visit("stina").submit(f"{address}/decision", **form(version, "accept"))

    assert (again.status_code, late.status_code) == (409, 409)
    assert "sten decided" in late.text
    with site.catalogue.begin() as tx:
        assert [one.act for one in tx.datasets.decisions(version.version_id)] == [Act.DISCARD]


def test_the_api_discards_and_refuses_models_on_what_is_in_quarantine(site: Site, call: Call) -> None:
    version = failing(site)
    base = f"/versions/{version.version_id}"

    model = call("rita", "POST", f"{base}/reprocessing", {"model": "nuclei-unet", "reason": "count"})
    body = {"act": "discard", "reason": "No cell is in it.", "evidence_digest": version.evidence_digest}
    by_researcher = call("rita", "POST", f"{base}/decisions", body)
    done = call("sten", "POST", f"{base}/decisions", body)
    again = call("rita", "POST", f"{base}/reprocessing", {"from_stage": "gated", "reason": "look"})

    assert (model.status_code, model.json()["code"]) == (409, "quarantined")
    assert (by_researcher.status_code, done.status_code) == (403, 201)
    assert done.json()["stage"] == "rejected"
    assert (again.status_code, again.json()["code"]) == (409, "quarantined")
