"""What a project's datasets say by default is typed on its page, a line an entry, and nothing is lost by saving it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from cisterna.domain.credit import Creator
from cisterna.domain.project import MetadataDefaults
from cisterna.testing.factory import make_project
from tests.metadata.described import CREDIT
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]
TYPED = {
    "slug": "lungs",
    "title": "Lungs",
    "owner": "ada",
    "creators": "Ada Holm; 0000-0002-1825-0097; Farm; https://ror.org/05gq02987\nBo Ek",
    "contributors": "DataCollector: Bo Ek; Farm",
    "publisher": "Brown University",
    "publisher_ror": "ror.org/05gq02987",
    "licence": "CC-BY-4.0",
    "language": "EN",
    "keywords": "cells\n\n lungs ",
    "subjects": "Mus musculus; NCBITaxon:10090",
    "funding": "Research Council; 2026-01",
    "references": "ethics-approval: Dnr 7\npaper: https://doi.org/10.5555/ABC; Lungs",
    "access": "embargoed",
    "embargo_until": "2027-06-30",
}


def defaults_of(site: Site, slug: str = "lungs") -> MetadataDefaults:
    with site.catalogue.begin() as tx:
        return tx.projects.get(slug).defaults


def typed_on(page: str) -> dict[str, str]:
    """Read what the form of a page holds, as a browser would send it."""
    areas = re.findall(r'<textarea id="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    inputs = re.findall(r'<input id="(\w+)" name="\w+"[^>]*? value="([^"]*)"', page)
    chosen = re.findall(r'<select id="(\w+)".*?<option value="([^"]*)" selected', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="(record)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in (*areas, *inputs, *chosen, *hidden)}


def test_every_default_is_typed_on_the_page(site: Site, visit: Visit) -> None:
    answer = visit("olga").submit("/projects", **TYPED)

    assert answer.status_code == 303, answer.text
    kept = defaults_of(site)
    assert [one.ror for one in kept.creators] == ["https://ror.org/05gq02987", None]
    assert kept.keywords == ("cells", "lungs")
    assert [one.line for one in kept.references] == ["ethics-approval: Dnr 7", "paper: 10.5555/abc; Lungs"]
    assert (kept.language, str(kept.embargo_until)) == ("en", "2027-06-30")


def test_saving_the_page_as_it_is_changes_nothing_that_a_line_cannot_tell(site: Site, visit: Visit) -> None:
    defaults = MetadataDefaults.model_validate(
        {
            **{name: value for name, value in CREDIT.items() if name != "samples"},
            "access": "embargoed",
            "publisher": "The Imaging Farm",
            "creators": (
                Creator(name="Ek, Bo", affiliation="Dept. of Cells; <b>Farm</b> 7"),
                Creator(name="Holm,\u2028Ada\nMaria"),
            ),
            "keywords": ("nuclei, stained", "DAPI"),
        }
    )
    with site.catalogue.begin() as tx:
        tx.projects.add(make_project("lungs", owner="ada", defaults=defaults))
    browser = visit("olga")

    answer = browser.submit("/projects/lungs", **typed_on(browser.get("/projects/lungs").text))

    assert answer.status_code == 303, answer.text
    assert defaults_of(site) == defaults


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("contributors", "Other: A\nBo Ek", "Line 2 of the field Contributors cannot be used"),
        ("subjects", "x; NCBITaxon: 1", "Line 1 of the field Subjects cannot be used"),
        ("references", "book: 7", "is not one of"),
        ("funding", "A; https://ror.org/05gq02988", "wrong check digits"),
        ("publisher_ror", "<b>Farm</b>", "publisher_ror: '<b>Farm</b>' is not a ROR id"),
        ("language", "english", "not a language tag"),
        ("embargo_until", "0000-00-00", "no day of the calendar"),
        ("access", "open", "embargo_until goes with access: embargoed"),
        ("keywords", "x" * 2000, "keywords.0"),
    ],
)
def test_a_wrong_line_is_told_with_its_field_and_the_form_keeps_what_was_typed(
    visit: Visit, field: str, value: str, words: str
) -> None:
    answer = visit("olga").submit("/projects", **{**TYPED, field: value})

    assert answer.status_code == 422
    assert words in unescape(answer.text)
    assert "<b>" not in answer.text
    assert typed_on(answer.text).get(field, value) == value


def test_the_api_takes_the_same(call: Callable[..., Any], site: Site) -> None:
    body = {"slug": "lungs", "title": "Lungs", "owner": "ada", "defaults": {"subjects": ["x; UO:1"], "language": "en"}}

    answer = call("olga", "POST", "/projects", body)

    assert answer.status_code == 201, answer.text
    assert answer.json()["defaults"]["subjects"] == [{"label": "x", "curie": "UO:1"}]
    assert defaults_of(site).language == "en"
    assert (
        call("olga", "POST", "/projects", {**body, "slug": "b", "defaults": {"language": "english"}}).status_code == 422
    )
