"""What a steward sees of the FAIR score, before anything is published, and what programs get."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cisterna.domain.dataset import Version
from cisterna.metadata.fair_criteria import CRITERIA
from cisterna.metadata.fair_criterion import RestsOn
from tests.web.client import Browser
from tests.web.full_description import EVERYTHING
from tests.web.site import Site

Visit = Callable[..., Browser]


def score_of(browser: Browser, version: Version) -> Any:
    return browser.get(f"/api/v1/versions/{version.version_id}/fair-score").json()


def test_the_page_names_what_is_missing_and_each_link_leads_to_its_field(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-8", missing=("licence",))
    sten = visit("sten")

    page = sten.get(f"/datasets/{version.dataset_id}").text

    score = score_of(sten, version)
    section = page[page.index('id="fair-score"') : page.index('id="checklist"')]
    assert f"{score['percent']:g} %" in section.replace("\N{NARROW NO-BREAK SPACE}", " ")
    wanted = {one["field"] for one in score["missing"] if one["field"]}
    assert {"licence", "description", "samples.organisms", "references.paper"} <= wanted
    assert set(re.findall(r'href="#field-([^"]+)"', section)) == wanted
    assert wanted <= set(re.findall(r'<tr id="field-([^"]+)"', page))
    assert "licence=CC-BY-4.0" in section


def test_who_is_about_to_publish_sees_the_score_first(site: Site, visit: Visit) -> None:
    version = site.decide(site.lay_version("plate-7", said=EVERYTHING))
    ada = visit("ada")

    page = ada.get(f"/datasets/{version.dataset_id}").text

    card = page[page.index('id="h-publish"') :]
    count = len(score_of(ada, version)["missing"])
    assert f"{count} points are missing" in card
    assert card.index('href="#fair-score"') < card.index("</button>")


def test_the_score_is_told_to_programs_with_every_criterion(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    browser = visit("sten")

    score = score_of(browser, version)

    told = {one["key"]: one for one in score["criteria"]}
    assert set(told) == {one.key for one in CRITERIA if one.rests_on is not RestsOn.SOFTWARE}
    assert (told["licence"]["standing"], told["organisms"]["standing"]) == ("met", "not-met")
    assert {one["standing"] for one in score["by_software"]} == {"met"}
    assert score["points"] == sum(one["points"] for one in score["criteria"])


def test_the_score_is_nobodys_who_may_not_see_the_dataset(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")

    answer = visit("otto").get(f"/api/v1/versions/{version.version_id}/fair-score")

    assert answer.status_code == 404
    assert "criteria" not in answer.text


def test_what_is_not_described_has_no_score_and_its_page_is_shown(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    with site.catalogue.begin() as tx:
        found = tx.datasets.get_version(version.version_id)
        tx.datasets.save_version(found.model_copy(update={"metadata": {**(found.metadata or {}), "schema_version": 9}}))
    sten = visit("sten")

    page = sten.get(f"/datasets/{version.dataset_id}")

    assert page.status_code == 200
    assert 'id="fair-score"' not in page.text
    assert sten.get(f"/api/v1/versions/{version.version_id}/fair-score").status_code == 422


def test_formats_are_not_judged_while_their_list_cannot_be_read_and_are_when_it_can(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    dataset, sten = site.dataset(version), visit("sten")
    key = f"{dataset.object_root}/{version.staged['provenance/manifest.parquet'].content_path}"
    body, _ = site.store.get(key)
    site.store.delete([key])

    lost = {one["key"]: one["standing"] for one in score_of(sten, version)["criteria"]}
    site.store.put(key, body)
    found = {one["key"]: one["standing"] for one in score_of(sten, version)["criteria"]}

    assert lost["formats"] == "not-assessable"
    assert found["formats"] in {"met", "partly"}
