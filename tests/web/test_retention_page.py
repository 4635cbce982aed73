"""A dataset's page says how long it is kept, by which rule, and what no store enforces; names are shown as text."""

from __future__ import annotations

from collections.abc import Callable

from cisterna.domain.protection import Aspect, Protection, Standing, Wanted
from cisterna.domain.retention import RetentionRule
from cisterna.ports.catalogue import Catalogue
from cisterna.testing.clock import START
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


def test_without_a_rule_the_page_says_forever(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", title="Plate 7")

    assert "kept forever: no retention rule matches it" in visit("sten").get(f"/datasets/{version.dataset_id}").text


def test_the_page_tells_the_rule_its_end_and_what_no_store_enforces(
    site: Site, visit: Visit, catalogue: Catalogue
) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    with catalogue.begin() as tx:
        tx.retention_rules.add(
            RetentionRule(rule_id="r<1>", keep_years=1000, person="sten", reason="policy", set_at=START)
        )
        tx.protections.put(
            Protection(
                dataset_id=version.dataset_id,
                store="mirror",
                wanted=Wanted(legal_hold=True),
                hold=Aspect(standing=Standing.NOT_ENFORCED, words="mirror <b>does not</b> enforce it"),
                looked_at=START,
            )
        )
    steward = visit("sten")

    page = steward.get(f"/datasets/{version.dataset_id}").text

    assert "by the rule for everything (r&lt;1&gt;)" in page
    assert "Not due:" in page
    assert "mirror &lt;b&gt;does not&lt;/b&gt; enforce it" in page
    assert "not enforced by the store." in page
    told = steward.get(f"/api/v1/datasets/{version.dataset_id}").json()
    assert told["retention"]["rule"]["keep_years"] == 1000
    assert told["protections"][0]["hold"]["standing"] == "not-enforced"
