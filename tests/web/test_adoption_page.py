"""The pages of shares: for those who run the site, with every guess and its reason, and names shown as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Response

from cisterna.domain.adoption import Sureness
from cisterna.services.adopt_scan import Halted
from tests.adopt.share import NAME, Taken, lay, squid_run
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.fixture
def taken(site: Site, quick_path: Path) -> Taken:
    return lay_share(site, quick_path)


def lay_share(site: Site, folder: Path) -> Taken:
    """Take a share in that holds something of everything."""
    made = Taken(folder / "share", site.catalogue, site.clock)
    made.top.mkdir()
    squid_run(made.top / "squid-1/atlas")
    squid_run(made.top / "whose", hour=9)
    lay(made.top, "README.txt", "odd/a.bin", "odd/<b>b.bin", "spectra/<i>one.mzML")
    made.begin()
    made.scan()
    made.clock.advance(timedelta(days=2))
    made.say(under="squid-1/atlas", project="atlas", reason="the lab book says so")
    made.register(Sureness.LIKELY)
    return made


def test_a_share_is_shown_with_what_was_found_and_why_it_is_taken_for_that(visit: Visit, taken: Taken) -> None:
    page = visit("olga").get(f"/shares/{NAME}").text

    assert "knows it by files that lie directly in it" in page
    assert "a folder on its way is called &#39;squid-1&#39;" in page
    assert "nothing in its path or metadata names an instrument" in page
    assert "1 folders that no profile knows, and 1 files that lie beside runs" in page
    assert "olga said so: the lab book says so" in page
    assert "nobody has asked for it" in page
    assert f'href="/shares/{NAME}"' in visit("olga").get("/shares").text


def test_finds_are_chosen_by_how_sure_they_are(visit: Visit, taken: Taken) -> None:
    browser = visit("olga")

    def rows(query: str) -> int:
        return browser.get(f"/shares/{NAME}?{query}").text.count('<th scope="row" class="path">')

    assert [rows(f"sure={sure}") for sure in ("certain", "likely", "unsure")] == [1, 0, 4]
    assert rows("kind=loose") == 1
    assert rows("standing=found&kind=run") == 2
    assert rows("under=whose") == rows("under=*hose*") == 1
    assert rows("under=%25") == 0


def test_names_are_shown_as_text(visit: Visit, taken: Taken) -> None:
    folder = taken.top / "<script>alert(1)<script>"
    folder.mkdir()
    (folder.parent / "spectra/<i>one.mzML").rename(folder / "one.mzML")
    taken.begin(again=True)
    taken.scan()

    page = visit("olga").get(f"/shares/{NAME}").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_nobody_but_those_who_run_the_site_sees_what_lies_in_shares(visit: Visit, taken: Taken) -> None:
    for name in ("sten", "stina", "rita", "ada"):
        browser = visit(name)
        assert browser.get("/shares").status_code == 404
        assert browser.get(f"/shares/{NAME}").status_code == 404
        assert "/shares" not in browser.get("/").text


@pytest.mark.parametrize("query", ["sure=perhaps", "kind=x", "standing=1", "page=0"])
def test_a_choice_that_there_is_not_is_refused(visit: Visit, taken: Taken, query: str) -> None:
    assert visit("olga").get(f"/shares/{NAME}?{query}").status_code == 422


def test_a_share_that_there_is_not_is_not_found(visit: Visit) -> None:
    assert visit("olga").get("/shares/none").status_code == 404


def test_what_keeps_an_inventory_from_going_on_is_said(visit: Visit, taken: Taken) -> None:
    taken.begin(again=True)
    taken.top.rename(taken.top.with_name("away"))
    taken.scan()

    page = visit("olga").get(f"/shares/{NAME}").text

    assert "Nothing goes on now:" in page
    assert "cannot be looked at" in page


def test_a_share_before_its_inventory_says_so(site: Site, visit: Visit, quick_path: Path) -> None:
    def stopping() -> None:
        raise Halted

    made = Taken(quick_path, site.catalogue, site.clock, keep_on=stopping)
    made.begin()

    assert "It has not begun." in visit("olga").get(f"/shares/{NAME}").text


def test_programs_see_and_correct_the_same(call: Callable[..., Response], taken: Taken) -> None:
    said = {"under": "whose", "project": "other", "reason": "it is theirs"}

    assert [one["name"] for one in call("olga", "GET", "/adoptions").json()] == [NAME]
    assert call("olga", "GET", f"/adoptions/{NAME}").json()["standings"]["registered"]["finds"] == 1
    assert call("olga", "POST", f"/adoptions/{NAME}/assignments", said).json()["finds"] == 1
    (found,) = call("olga", "GET", f"/adoptions/{NAME}/finds?sure=certain&standing=found").json()
    assert (found["find"]["project"]["value"], found["find"]["project"]["person"]) == ("other", "olga")
    assert call("olga", "GET", "/adoptions/none/finds").status_code == 404
    for path in ("", f"/{NAME}", f"/{NAME}/finds"):
        assert call("sten", "GET", f"/adoptions{path}").status_code == 404
    assert call("sten", "POST", f"/adoptions/{NAME}/assignments", said).status_code == 404
