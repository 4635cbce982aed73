"""What anybody finds without an account: by pages, API, feed and site map, and nothing that is not public."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from lxml import etree

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import CatalogueUnavailable, PublicationRefused
from cisterna.domain.project import Access, HumanData
from cisterna.domain.public_entry import Facet
from cisterna.ports.public_index import Listed
from cisterna.services.public_search import Statistics
from cisterna.testing.clock import START
from cisterna.testing.public_index_contract import HOSTILE, entry, pid_of, put
from cisterna.web.browse import statistics_table
from cisterna.web.feeds import ADDRESSES_MOST, write_map, write_map_index
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]

PLACES = (
    "/browse",
    "/browse/statistics",
    "/browse/statistics.csv",
    "/browse/newest.atom",
    "/sitemap.xml",
    "/robots.txt",
    "/oai?verb=ListRecords&metadataPrefix=oai_dc",
    "/api/v1/public/datasets",
    "/api/v1/public/statistics",
)
ATOM = {"a": "http://www.w3.org/2005/Atom"}
MAP = {"m": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def links(page: str) -> dict[str, str]:
    found = re.findall(r'<a href="([^"]+)"[^>]*>(.*?)</a>', page, re.DOTALL)
    return {re.sub(r"<[^>]+>|\s+", " ", text).strip(): unescape(href) for href, text in found}


def test_a_search_page_leads_to_what_was_found_and_narrows_it_down_without_scripts(site: Site, visit: Visit) -> None:
    put(
        site.catalogue,
        site.clock,
        entry("a", title="Nuclei of HeLa", creators=("Ada Holm",), organisms=("Homo sapiens",)),
        entry("b", title="Nuclei of fish", creators=("Ada Holm", "Björn Ek"), organisms=("Danio rerio",)),
        entry("c", title="Spectra", data_type="mass-spectrometry"),
    )
    nobody = visit()

    page = nobody.get("/browse?words=nuclei").text
    assert "1 to 2 of 2 datasets" in page
    assert links(page)["Nuclei of HeLa"] == f"/{pid_of('a')}"
    narrower = nobody.get(links(page)["Danio rerio"]).text
    assert "1 to 1 of 1 datasets" in narrower
    assert "Nuclei of HeLa" not in narrower
    wider = nobody.get(next(href for text, href in links(narrower).items() if text.startswith("Organism"))).text
    assert "1 to 2 of 2 datasets" in wider
    assert "searched was: nuclei" in nobody.get("/browse?words=nuclej").text
    assert "Nothing public is so." in nobody.get("/browse?words=zymurgy").text


def test_pages_of_results_lead_to_each_other(site: Site, visit: Visit) -> None:
    put(site.catalogue, site.clock, *(entry(f"plate-{number}") for number in range(23)))
    nobody = visit()

    first = nobody.get("/browse?sort=title").text
    second = nobody.get(links(first)["Later"]).text

    titles = re.findall(r"Dataset (plate-\d+)", first) + re.findall(r"Dataset (plate-\d+)", second)
    assert sorted(set(titles)) == sorted(f"plate-{number}" for number in range(23))
    assert "21 to 23 of 23 datasets" in second
    assert "Later" not in links(second)


def test_an_empty_site_says_so_everywhere(visit: Visit) -> None:
    for place in PLACES:
        answer = visit().get(place)
        assert answer.status_code == 200, (place, answer.text)
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "Nothing has been published yet." in visit().get("/browse").text
    assert visit().get("/api/v1/public/datasets").json()["total"] == 0


def test_a_hostile_search_is_words_like_any_other(visit: Visit, site: Site) -> None:
    put(site.catalogue, site.clock, entry("a", title="<script>alert(1)</script> & nuclei"))
    nobody = visit()

    for text in HOSTILE:
        typed = text[:30_000]  # a client sends no longer address, and the server takes none
        query = urlencode({"words": typed, "creator": typed}, errors="surrogatepass")
        page, answer = nobody.get(f"/browse?{query}"), nobody.get(f"/api/v1/public/datasets?{query}")
        assert (page.status_code, answer.status_code, answer.json()["total"]) == (200, 200, 0), typed[:40]
    assert "<script>alert" not in nobody.get("/browse").text


@pytest.mark.parametrize("query", ["page=0", "page=99999999", "page=x", "sort=evil", "size=1000", "year=1&" * 11])
def test_what_no_search_can_be_is_refused_by_name(visit: Visit, query: str) -> None:
    answer = visit().get(f"/api/v1/public/datasets?{query}")

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-input"


def test_nothing_that_is_not_public_is_told_anywhere(site: Site, visit: Visit) -> None:
    secret = "zymurgy"
    shown = site.lay_published("plate-1", title="Shown to all")
    for name, fields in {
        "restricted": {"access": Access.RESTRICTED},
        "embargoed": {"access": Access.EMBARGOED},
        "patients": {"human": HumanData.YES},
        "unanswered": {"human": HumanData.UNANSWERED},
    }.items():
        version = site.decide(site.lay_version(name, title=f"{secret} {name}", **fields))  # type: ignore[arg-type]
        with pytest.raises(PublicationRefused):
            site.publish(version)
    site.lay_version("not yet", title=f"{secret} not yet")
    gone = site.lay_published("gone", title=f"{secret} gone")
    site.withdraw(gone)
    nobody, pid = visit(), site.dataset(shown).pid

    for place in PLACES:
        text = nobody.get(place).text
        assert secret not in text, place
        if place not in {"/robots.txt", "/browse/statistics.csv", "/browse/statistics", "/api/v1/public/statistics"}:
            assert pid in text, place
    for place in (f"/browse?words={secret}", f"/api/v1/public/datasets?words={secret}x&sort=newest"):
        assert pid not in nobody.get(place).text
    assert site.dataset(gone).pid not in nobody.get("/sitemap.xml").text


class OnlyIndex:
    """A catalogue of which nothing can be read but the index of what is public."""

    def __init__(self, catalogue: SqlCatalogue) -> None:
        self._catalogue = catalogue

    @contextmanager
    def begin(self) -> Iterator[SimpleNamespace]:
        with self._catalogue.begin() as tx:
            yield SimpleNamespace(public_index=tx.public_index)


def test_pages_that_anybody_may_search_ask_the_catalogue_for_nothing_but_the_index(site: Site) -> None:
    put(site.catalogue, site.clock, entry("a"))
    parts = dataclasses.replace(site.parts, catalogue=OnlyIndex(site.catalogue))  # type: ignore[arg-type]
    client = TestClient(app_on(parts), base_url=site.base_url)

    for place in (*PLACES, "/browse?words=dataset&creator=x", "/sitemap-1.xml"):
        assert client.get(place).status_code == 200, place


def test_the_api_tells_programs_of_any_site_what_is_public(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate of nuclei")
    pid = site.dataset(version).pid

    answer = visit().get("/api/v1/public/datasets?words=nuclei&subject=DAPI&size=1")

    assert answer.headers["access-control-allow-origin"] == "*"
    told = answer.json()
    assert (told["total"], told["page"], told["size"], told["meant"]) == (1, 1, 1, {})
    (one,) = told["datasets"]
    assert one["url"] == f"http://testserver/{pid}"
    assert one["creators"] == ["Ada Holm", "Björn Ek"]
    assert "documents" not in one
    assert {"value": "squid-1", "datasets": 1} in told["facets"]["instrument"]
    sums = visit().get("/api/v1/public/statistics").json()
    assert sums["datasets"] == 1
    assert sums["total_bytes"] == one["total_bytes"]


def test_statistics_are_a_page_a_table_and_json_that_agree(site: Site, visit: Visit) -> None:
    put(site.catalogue, site.clock, entry("a"), entry("b", instrument="=HYPERLINK(1)", total_bytes=2_000_000))
    nobody = visit()

    page = nobody.get("/browse/statistics").text
    rows = list(csv.reader(io.StringIO(nobody.get("/browse/statistics.csv").text)))
    told = nobody.get("/api/v1/public/statistics").json()

    assert rows[1] == ["all", "", "2", "6", "2001000"]
    assert ["instrument", "'=HYPERLINK(1)", "1", "3", "2000000"] in rows
    assert (told["datasets"], told["file_count"], told["total_bytes"]) == (2, 6, 2_001_000)
    assert len(told["sums"]) == len(rows) - 2
    assert "2.0 MB" in page
    assert nobody.get(links(page)["=HYPERLINK(1)"]).text.count("<h2>") == 1


def test_statistics_tell_a_hundred_values_and_how_many_there_are_beside(site: Site, visit: Visit) -> None:
    put(site.catalogue, site.clock, entry("a", affiliations=tuple(f"Group {at:03}" for at in range(120))))
    nobody = visit()

    page = nobody.get("/browse/statistics").text
    table = nobody.get("/browse/statistics.csv").text
    told = nobody.get("/api/v1/public/statistics").json()

    assert [one["value"] for one in told["sums"] if one["facet"] == "affiliation"] == [
        f"Group {at:03}" for at in range(100)
    ]
    assert told["left_out"] == {"affiliation": 20}
    assert page.count("Group 0") == 100
    assert "20 more have fewer" in page
    assert table.splitlines()[-1] == "affiliation,20 more,,,"


def test_a_table_of_nothing_has_its_head() -> None:
    assert statistics_table(Statistics(0, 0, 0, (), {})).splitlines() == [
        "facet,value,datasets,files,bytes",
        "all,,0,0,0",
    ]


def test_the_feed_is_atom_with_the_newest_first(site: Site, visit: Visit) -> None:
    odd = entry("odd", title="a & b <c> \"d\" 'e' ]]>", creators=("Ada & Co",), published_at=START)
    put(site.catalogue, site.clock, odd)
    site.clock.advance(3600)
    version = site.lay_published("plate-7", title="Newest")

    feed = etree.fromstring(visit().get("/browse/newest.atom").content)

    entries = feed.findall("a:entry", ATOM)
    assert [one.findtext("a:title", None, ATOM) for one in entries] == ["Newest", "a & b <c> \"d\" 'e' ]]>"]
    assert entries[0].find("a:link", ATOM).get("href") == f"http://testserver/{site.dataset(version).pid}/v1"
    ids = [one.text for one in feed.iter("{http://www.w3.org/2005/Atom}id")]
    assert len(ids) == len(set(ids)) == 3
    for parent in (feed, *entries):
        assert [len(parent.findall(f"a:{name}", ATOM)) for name in ("id", "title", "updated")] == [1, 1, 1]
        assert parent.findall("a:author", ATOM)


def test_the_map_of_the_site_names_every_dataset_once(site: Site, visit: Visit) -> None:
    put(site.catalogue, site.clock, entry("a"), entry("a", "v2"), entry("b"))

    told = etree.fromstring(visit().get("/sitemap.xml").content)

    found = [one.text for one in told.iter(f"{{{MAP['m']}}}loc")]
    assert found == ["http://testserver/browse", *sorted(f"http://testserver/{pid_of(name)}" for name in "ab")]
    assert told.findtext("m:url[2]/m:lastmod", None, MAP) == "2026-11-23T08:00:00Z"
    assert visit().get("/sitemap-1.xml").text == visit().get("/sitemap.xml").text
    assert visit().get("/sitemap-2.xml").status_code == 404
    assert visit().get("/sitemap-0.xml").status_code == 404
    assert "Sitemap: http://testserver/sitemap.xml" in visit().get("/robots.txt").text


def test_a_map_of_very_many_is_an_index_of_files_that_hold_them_all() -> None:
    total = 2 * ADDRESSES_MOST + 1
    index = etree.fromstring(write_map_index(total, base_url="http://x").encode())

    files = [one.text for one in index.iter(f"{{{MAP['m']}}}loc")]

    assert files == [f"http://x/sitemap-{number}.xml" for number in (1, 2, 3)]
    full = write_map([Listed(f"ark:/99999/{'x' * 26}", START)] * ADDRESSES_MOST, base_url=f"https://{'h' * 60}.se")
    assert len(full.encode()) < 50 * 1024 * 1024


def test_every_facet_can_be_asked_for(site: Site, visit: Visit) -> None:
    fields: dict[Facet, Any] = {
        Facet.DATA_TYPE: {"data_type": "x y&z"},
        Facet.INSTRUMENT: {"instrument": "x y&z"},
        Facet.YEAR: {"year": 1999},
        Facet.LICENCE: {"licence": "x y&z"},
        Facet.ORGANISM: {"organisms": ("x y&z",)},
        Facet.CELL_LINE: {"cell_lines": ("x y&z",)},
        Facet.TREATMENT: {"treatments": ("x y&z",)},
        Facet.STAIN: {"stains": ("x y&z",)},
        Facet.SUBJECT: {"subjects": ("x y&z",)},
        Facet.CREATOR: {"creators": ("x y&z",)},
        Facet.AFFILIATION: {"affiliations": ("x y&z",)},
    }
    assert set(fields) == set(Facet)
    put(site.catalogue, site.clock, *(entry(facet.value, **own) for facet, own in fields.items()))

    for facet in Facet:
        value = "1999" if facet is Facet.YEAR else "x y&z"
        told = visit().get(f"/api/v1/public/datasets?{urlencode({facet.value: value})}").json()
        assert [one["pid"] for one in told["datasets"]] == [pid_of(facet.value)]


def test_who_is_not_signed_in_is_told_no_address_of_a_part_that_does_not_answer(
    site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser, inner = visit(), "connection to 10.1.2.3 failed for key b3e/72a/object"

    def away(*_: object, **__: object) -> object:
        raise CatalogueUnavailable(inner, key="b3e/72a/object")

    monkeypatch.setattr(site.catalogue, "begin", away)
    monkeypatch.setattr(site.public, "list", away)
    for path in (f"/{pid}", "/browse", "/oai?verb=Identify", "/api/v1/public/datasets", "/sitemap.xml"):
        for accept in ("text/html", "application/json"):
            answer = browser.get(path, accept=accept)
            assert answer.status_code == 503, path
            assert "10.1.2.3" not in answer.text, path
            assert "b3e" not in answer.text, path
