"""The review checklist on the page of a version and in the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.review import Act
from cisterna.metadata.record import Origin
from cisterna.services.approve import Answers
from cisterna.testing.factory import make_checklist, make_point
from cisterna.testing.memory_store import MemoryStore
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.reviewing import answers_to
from tests.web.site import BASE_URL, Site

Visit = Callable[..., Browser]
Call = Callable[..., Response]
SAID = {"origins": {"access": Origin.PROJECT.value}}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


def seen_on(browser: Browser, version: Version) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', browser.get(f"/datasets/{version.dataset_id}").text)
    assert found
    return found[1]


def form(version: Version, answers: Answers | None = None, **fields: Any) -> dict[str, Any]:
    given = answers.given if answers else ()
    return {
        "version_id": version.version_id,
        "evidence_digest": version.evidence_digest or "",
        "act": "accept",
        "reason": "Looked at every image.",
        "seen": (answers.seen if answers else None) or "",
        "tick": [one.point for one in given if one.ticked],
        "point": [one.point for one in given],
        "remark": [one.remark or "" for one in given],
        **fields,
    }


def send(browser: Browser, version: Version, **fields: Any) -> Response:
    address = f"/datasets/{version.dataset_id}"
    return browser.submit(f"{address}/decision", page=address, **fields)


def shown(page: str, point: str) -> str:
    """Give the part of a page that shows a point."""
    found = re.search(rf'<li class="point [^"]*">(?:(?!</li>).)*id="asks-{point}".*?</li>', page, re.DOTALL)
    assert found, point
    return unescape(found[0])


def test_a_point_is_shown_judged_with_its_reason_and_field_or_with_a_tick(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", title="Plate 7", said=SAID, missing=("licence",))

    page = visit("sten").get(f"/datasets/{version.dataset_id}").text

    licence, title, readme = shown(page, "licence"), shown(page, "title"), shown(page, "readme")
    for words in ("there is none: all rights are reserved", '<a href="#field-licence">', 'value="licence"', "overrule"):
        assert words in licence
    assert 'name="tick" value="title"' in title
    assert "I looked: it is so" in title
    assert 'name="tick"' not in readme
    assert "as it was archived" in readme
    assert "advice" in shown(page, "funding")
    assert "advice" not in title
    assert '<tr id="field-licence"' in page
    assert "The review checklist has 8 open points." in page


def test_every_control_of_the_list_has_a_label_and_belongs_to_the_form_of_the_decision(
    site: Site, visit: Visit
) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED)

    page = visit("sten").get(f"/datasets/{version.dataset_id}").text

    section = page[page.index('<section id="checklist"') : page.index('id="h-related"')]
    controls = re.findall(r"<input (?!type=\"hidden\")[^>]*>", section)
    assert len(controls) > 30
    for control in controls:
        named = re.search(r'id="([^"]+)"', control)
        assert named, control
        assert f'<label for="{named[1]}">' in section
    assert all('form="decide-form"' in one for one in re.findall(r"<input [^>]*>", section))
    assert section.count("<fieldset") == section.count("<legend>") == 4
    assert '<form id="decide-form"' in page


def test_a_steward_answers_the_list_and_it_is_shown_with_the_decision(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7", said=SAID, verdict=Verdict.REVIEW), visit("sten")
    given = [
        one.model_copy(update={"remark": "asked <b>Ada</b>"}) if one.point == "submitter-may" else one
        for one in answers_to(site, version).given
    ]

    answer = send(browser, version, **form(version, Answers(given, answers_to(site, version).seen)))

    assert answer.status_code == 303, answer.text
    page = browser.get(answer.headers["location"]).text
    assert site.now(version).stage is Stage.ACCEPTED
    assert "Checklist repository-review 1: 27 of 27 points hold" in page
    assert "asked &lt;b&gt;Ada&lt;/b&gt;" in page
    assert "Known, and no matter." in page
    assert '<section id="checklist"' not in page


def test_what_is_open_is_named_and_nothing_that_was_typed_is_lost(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7", said=SAID), visit("sten")
    fields = form(version, tick=["title"], point=["title", "funding"], remark=["", HOSTILE], reason=HOSTILE)
    fields["seen"] = seen_on(browser, version)

    answer = send(browser, version, **fields)

    assert answer.status_code == 409
    assert "The description tells others enough to use the data (description): not answered" in unescape(answer.text)
    assert "What you answered is still below." in answer.text
    assert 'value="title" form="decide-form" aria-describedby="asks-title" checked' in answer.text
    assert 'value="description" form="decide-form" aria-describedby="asks-description">' in answer.text
    assert "<script>alert" not in answer.text
    assert unescape(answer.text).count(HOSTILE) == 2
    assert site.now(version).stage is Stage.IN_REVIEW


@pytest.mark.parametrize(
    "broken",
    [
        {"remark": ["x"] * 3, "point": ["title"]},
        {"tick": ["no-such-point"]},
        {"point": ["title"], "remark": ["x" * 1001]},
        {"reason": " "},
    ],
)
def test_a_form_that_is_none_is_refused_and_decides_nothing(site: Site, visit: Visit, broken: dict[str, Any]) -> None:
    version, browser = site.lay_version("plate-7", said=SAID), visit("sten")

    answer = send(browser, version, **{**form(version, answers_to(site, version)), **broken})

    assert answer.status_code == 422
    assert site.now(version).stage is Stage.IN_REVIEW


def test_a_judgement_that_changed_since_the_page_was_shown_is_told_and_the_ticks_stay(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7", said=SAID), visit("sten")
    fields = form(version, answers_to(site, version))
    root = site.dataset(version).object_root
    site.store.put(f"{root}/{version.staged['README.md'].content_path}", b"harm")

    answer = send(browser, version, **fields)

    assert answer.status_code == 409
    assert "is not what was shown to you" in answer.text
    assert 'value="title" form="decide-form" aria-describedby="asks-title" checked' in answer.text
    assert site.now(version).stage is Stage.IN_REVIEW
    assert seen_on(browser, version) != fields["seen"]


def test_a_page_that_does_not_tell_what_it_showed_accepts_nothing(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7", said=SAID), visit("sten")

    answer = send(browser, version, **form(version, answers_to(site, version), seen=""))

    assert answer.status_code == 409
    assert "is not what was shown to you" in answer.text


def test_what_was_ticked_before_changes_were_asked_for_is_ticked_when_the_same_steward_comes_back(
    site: Site, visit: Visit
) -> None:
    version, browser = site.lay_version("plate-7", said=SAID), visit("sten")
    fields = form(version, act="request-changes", tick=["title"], point=["title"], remark=["well said"])
    fields["seen"] = seen_on(browser, version)
    assert send(browser, version, **fields).status_code == 303
    ticked = 'value="title" form="decide-form" aria-describedby="asks-title" checked'

    assert ticked in browser.get(f"/datasets/{version.dataset_id}").text
    assert ticked not in visit("stina").get(f"/datasets/{version.dataset_id}").text


def test_for_use_inside_alone_is_said_beside_the_decision_and_before_the_publication(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7", said=SAID), visit("sten")

    answer = send(browser, version, **form(version, inside_only="yes"))

    page = browser.get(answer.headers["location"]).text
    assert '<span class="badge scope-inside">inside alone</span>' in page
    owner = visit("ada").get(f"/datasets/{version.dataset_id}").text
    assert "sten accepted it for use inside alone" in owner
    assert "accept it by the checklist" in owner


def test_what_is_in_quarantine_and_accepted_inside_alone_is_not_said_to_be_publishable(
    site: Site, visit: Visit
) -> None:
    version, browser = site.lay_version("plate-8", verdict=Verdict.QUARANTINED), visit("sten")

    answer = send(browser, version, **form(version, inside_only="yes"))

    page = browser.get(answer.headers["location"]).text
    assert "by sten, for use inside alone." in page
    assert "may publish it" not in page


@pytest.mark.parametrize("name", ["vera", "rita", "ada"])
def test_who_is_no_steward_sees_no_form_of_the_list(site: Site, visit: Visit, name: str) -> None:
    version = site.lay_version("plate-7")

    assert 'name="tick"' not in visit(name).get(f"/datasets/{version.dataset_id}").text


def test_a_store_that_is_away_leaves_the_evidence_and_every_other_decision(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7"), visit("sten")
    assert isinstance(site.store, MemoryStore)
    site.store.fail_on("get", times=20, key_ends=version.staged["README.md"].content_path)

    page = browser.get(f"/datasets/{version.dataset_id}")

    assert page.status_code == 200
    assert "The review checklist cannot be judged now" in page.text
    assert send(browser, version, **form(version, act="reject")).status_code == 303


def test_a_list_of_the_sites_stands_in_place_of_ours_and_its_words_are_text(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    own = make_checklist(make_point("odd", text=HOSTILE, part=HOSTILE, help=HOSTILE), title=HOSTILE, source=HOSTILE)
    parts = replace(site.parts, checklist=own)
    client = TestClient(app_on(parts), base_url=BASE_URL, follow_redirects=False)
    browser = Browser(client)
    browser.sign_in("sten")

    page = browser.get(f"/datasets/{version.dataset_id}").text

    assert unescape(page).count(HOSTILE) == 5
    assert "<script>alert" not in page
    assert 'name="tick" value="odd"' in page


# --- the API ----------------------------------------------------------------------------------------------------------


def test_a_program_reads_the_list_answers_it_and_accepts(site: Site, call: Call) -> None:
    version = site.lay_version("plate-7", said=SAID)
    base = f"/versions/{version.version_id}"

    found = call("sten", "GET", f"{base}/checklist").json()
    answers = [
        {"point": one["point"]["id"], "ticked": True, "remark": None if one["met"] is None else "no matter"}
        for one in found["points"]
        if not one["met"]
    ]
    body = {"act": "accept", "reason": "fine", "evidence_digest": found["evidence_digest"]}
    bare = call("sten", "POST", f"{base}/decisions", body)
    done = call("sten", "POST", f"{base}/decisions", {**body, "checklist": {"seen": found["seen"], "answers": answers}})

    assert (bare.status_code, bare.json()["code"]) == (409, "decision-refused")
    assert "title" in bare.json()["facts"]["points"]
    assert (done.status_code, done.json()["stage"]) == (201, "accepted")
    kept = call("sten", "GET", f"/datasets/{version.version_id}").json()["decisions"][0]["checklist"]
    assert (kept["id"], kept["digest"]) == (found["checklist"]["id"], found["digest"])


@pytest.mark.parametrize(
    "checklist",
    [
        {"answers": [{"point": "title", "ticked": True}] * 101},
        {"answers": [{"point": "title", "ticked": "perhaps"}]},
        {"answers": [{"point": "title", "colour": "red"}]},
        {"answers": [{"point": "title", "remark": "x" * 5000}]},
        {"answers": [{"point": "title", "remark": "\x00"}]},
        {"answers": [{"point": "no-such-point"}]},
        {"answers": "all"},
        {"seen": "x" * 200},
    ],
)
def test_a_body_that_is_none_decides_nothing(site: Site, call: Call, checklist: dict[str, Any]) -> None:
    version = site.lay_version("plate-7", said=SAID)
    body = {"act": "accept", "reason": "fine", "evidence_digest": version.evidence_digest, "checklist": checklist}

    assert call("sten", "POST", f"/versions/{version.version_id}/decisions", body).status_code == 422
    assert site.now(version).stage is Stage.IN_REVIEW


@pytest.mark.parametrize(("name", "status"), [("sten", 200), ("vera", 200), ("otto", 404)])
def test_the_list_of_a_version_is_read_by_who_may_see_it(site: Site, call: Call, name: str, status: int) -> None:
    version = site.lay_version("plate-7")

    assert call(name, "GET", f"/versions/{version.version_id}/checklist").status_code == status


def test_decisions_other_than_an_acceptance_need_no_list(site: Site, call: Call) -> None:
    version = site.lay_version("plate-7")
    body = {"act": Act.REJECT.value, "reason": "blurred", "evidence_digest": version.evidence_digest}

    assert call("sten", "POST", f"/versions/{version.version_id}/decisions", body).status_code == 201


def test_the_list_is_nowhere_outside(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", said=SAID)
    nobody = visit()

    assert nobody.get(f"/datasets/{version.dataset_id}").status_code == 303
    assert nobody.get(f"/api/v1/versions/{version.version_id}/checklist").status_code == 401
