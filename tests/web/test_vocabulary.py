"""People and programs find terms, and a project takes none that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from cisterna.domain.project import MetadataDefaults
from cisterna.testing.factory import make_project
from cisterna.testing.memory_vocabulary import small_vocabulary
from cisterna.web.metadata_rows import metadata_rows
from tests.metadata.described import a_record, a_version
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]
Call = Callable[..., Any]
WRONG = "mouse; NCBITaxon:10009"
TOLD = "NCBITaxon:10009 is no term in taxa (2026-01); did you mean 'Mus musculus; NCBITaxon:10090'?"


def test_the_page_finds_terms_to_copy(visit: Visit) -> None:
    browser = visit("rita")

    found = browser.get("/vocabulary?words=mouse").text

    assert "<code>Mus musculus; NCBITaxon:10090</code>" in found
    assert "house mouse" in found
    assert "confocal microscopy" not in found
    assert "confocal microscopy; FBbi:00000251" in browser.get("/vocabulary?words=confocal&prefix=FBbi").text
    assert "NCBITaxon:9606" not in browser.get("/vocabulary?words=human&prefix=FBbi").text
    assert "obsolete" in browser.get("/vocabulary?words=Mus+domesticus").text
    assert 'href="/vocabulary"' in visit("olga").get("/projects/new").text


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", "%00", "%F0%9F%A7%AB", "a%22%3E%3Cb"])
def test_what_is_searched_is_shown_as_text(visit: Visit, words: str) -> None:
    answer = visit("rita").get(f"/vocabulary?words={words}")

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<b" not in answer.text.partition('id="words"')[2].partition(">")[0]


def test_files_that_cannot_be_used_are_shown_to_operators_alone(site: Site, visit: Visit) -> None:
    object.__setattr__(site.parts, "vocabulary", small_vocabulary(faults=["/srv/own/bad.obo is no OBO in line 3"]))

    assert "bad.obo is no OBO" in visit("olga").get("/vocabulary").text
    assert "bad.obo" not in visit("rita").get("/vocabulary").text


def test_nobody_searches_without_signing_in(visit: Visit) -> None:
    assert visit().get("/vocabulary").status_code in {303, 401}
    assert visit().client.get("/api/v1/vocabulary/terms?words=mouse").status_code == 401


def test_the_api_finds_judges_and_lists(call: Call) -> None:
    found = call("rita", "GET", "/vocabulary/terms?words=mouse&limit=1").json()
    judged = call("rita", "GET", "/vocabulary/terms/NCBITaxon:10009?label=mouse").json()
    known = call("rita", "GET", "/vocabulary/terms/http://purl.obolibrary.org/obo/NCBITaxon_9606").json()

    assert [one["curie"] for one in found] == ["NCBITaxon:10090"]
    assert (judged["standing"], judged["words"]) == ("unknown", TOLD)
    assert [one["curie"] for one in judged["suggestions"]] == ["NCBITaxon:10090"]
    assert (known["standing"], known["term"]["label"], known["words"]) == ("known", "Homo sapiens", "")
    assert [one["name"] for one in call("rita", "GET", "/vocabulary/sources").json()] == ["taxa", "memory"]
    assert call("rita", "GET", "/vocabulary/terms/no%20term").status_code == 422
    assert call("rita", "GET", "/vocabulary/terms?words=").status_code == 422


def test_a_project_takes_no_term_that_is_none(site: Site, visit: Visit, call: Call) -> None:
    typed = {"slug": "lungs", "title": "Lungs", "owner": "ada", "subjects": f"human; NCBITaxon:9606\n{WRONG}"}
    answer = visit("olga").submit("/projects", **typed)
    body = {"slug": "lungs", "title": "Lungs", "owner": "ada", "defaults": {"subjects": [WRONG]}}
    by_api = call("olga", "POST", "/projects", body)

    assert answer.status_code == by_api.status_code == 422
    assert f"subjects.1: {TOLD}" in unescape(answer.text)
    assert f"subjects.0: {TOLD}" in by_api.text
    with site.catalogue.begin() as tx:
        assert "lungs" not in [one.slug for one in tx.projects.list()]


def test_a_term_that_stood_before_bars_no_other_change(site: Site, visit: Visit) -> None:
    with site.catalogue.begin() as tx:
        defaults = MetadataDefaults.model_validate({"subjects": [WRONG]})
        tx.projects.add(make_project("lungs", owner="ada", defaults=defaults))
    typed = {"title": "Lungs and all", "owner": "ada", "access": "open", "human_data": "no"}

    kept = visit("ada").submit("/projects/lungs", **typed, subjects=WRONG)
    another = visit("ada").submit("/projects/lungs", **typed, subjects="mice; NCBITaxon:10008", record="1")

    assert kept.status_code == 303, kept.text
    assert another.status_code == 422


def test_what_is_worth_knowing_of_terms_is_shown_with_the_description() -> None:
    record = a_record(vocabulary=small_vocabulary(), steward=None)
    noted = record.model_copy(update={"notes": ("subjects: 'human' has a term",)})

    rows = {row.name: row for row in metadata_rows(a_version(metadata=noted.model_dump(mode="json")))}

    assert (rows["notes"].label, rows["notes"].text) == (
        "Worth knowing of what was said",
        "subjects: 'human' has a term",
    )
