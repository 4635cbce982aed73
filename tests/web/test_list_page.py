"""The list of everything a person may see."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from cisterna.domain.dataset import Stage
from cisterna.domain.finding import Verdict
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


def test_the_first_page_shows_the_first_of_many_and_leads_to_the_rest(site: Site, visit: Visit) -> None:
    for number in range(27):
        site.lay_version(f"plate-{number}", verdict=Verdict.REVIEW)

    sten = visit("sten")
    front = sten.get("/").text
    rest = sten.get("/datasets?group=review").text

    assert len(set(re.findall(r"plate-\d+", front))) == 25
    assert 'href="/datasets?group=review">and 2 more' in front
    assert len(set(re.findall(r"plate-\d+", rest))) == 27


def test_pages_lead_to_each_other_and_keep_what_was_asked_for(site: Site, visit: Visit) -> None:
    for number in range(51):
        site.lay_acquisition(f"run-{number}")
    site.lay_acquisition("other")

    sten = visit("sten")
    first = sten.get("/datasets?words=run-").text
    (later,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = sten.get(later.replace("&amp;", "&")).text

    titles = [re.findall(r">(run-\d+|other)</a>", page) for page in (first, second)]
    assert sorted(titles[0] + titles[1]) == sorted(f"run-{number}" for number in range(51))
    assert "51 to 51 of 51" in second
    assert 'rel="next"' not in second
    assert 'rel="prev"' in second


def test_somebody_is_shown_only_what_they_may_see(site: Site, visit: Visit) -> None:
    site.lay_version("mine")
    site.lay_version("secret", project="other")

    shown = visit("stina").get("/datasets").text

    assert "mine" in shown
    assert "secret" not in shown
    assert "other" not in re.findall(r"<option[^>]*>([^<]*)</option>", shown)


def test_the_api_gives_a_page_of_a_group(site: Site, visit: Visit) -> None:
    for number in range(3):
        site.lay_version(f"plate-{number}")
    site.lay_acquisition("run")

    rows = visit("sten").get("/api/v1/datasets?group=review&limit=2&offset=1").json()

    assert [row["title"] for row in rows] == ["plate-1", "plate-2"]
    assert {row["stage"] for row in rows} == {Stage.IN_REVIEW.value}


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=99999999999", "group=x", "words=a%00b", f"words={'x' * 201}"]
)
def test_a_question_that_makes_no_sense_is_refused_in_words(site: Site, visit: Visit, query: str) -> None:
    assert visit("sten").get(f"/datasets?{query}").status_code == 422


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", "%", "' OR 1=1 --", "日本"])
def test_whatever_is_looked_for_finds_itself_only_and_is_shown_as_text(site: Site, visit: Visit, words: str) -> None:
    site.lay_acquisition("run")

    answer = visit("sten").get(f"/datasets?{urlencode({'words': words, 'project': words, 'instrument': words})}")

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "run</a>" not in answer.text
