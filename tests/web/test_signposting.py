"""Links for machines, as the parser of the Signposting community reads them: FAIR Signposting, level 2."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from signposting.linkheader import find_signposting_http_link
from signposting.linkset import Linkset, LinksetJSON, _parse_linkset, _parse_linkset_json
from signposting.signpost import AbsoluteURI, Signposting

from cisterna.metadata.forms import FORMS
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.web.signposting import HEADER_LIMIT, Description, Link, Signposts, link_header, linkset_json, linkset_text
from cisterna.web.wording import say
from tests.web.client import Browser
from tests.web.site import BASE_URL, Site

Visit = Callable[..., Browser]

LINKSETS = {"linkset": "application/linkset", "linkset-json": "application/linkset+json"}
PAGE = "https://data.facility.example/ark:/99999/abc"
both_forms = pytest.mark.parametrize("name", LINKSETS)


def of_header(browser: Browser, path: str) -> Signposting:
    """Read the links of an answer's one header."""
    answer = browser.client.head(path)
    assert answer.status_code == 200, path
    links = answer.headers.get_list("link")
    assert [len(link) <= HEADER_LIMIT for link in links] == [True]
    return find_signposting_http_link(links, AbsoluteURI(BASE_URL + path))


def of_linkset(browser: Browser, address: str) -> Signposting:
    """Read a link set, which has to be what the link to it says."""
    answer = browser.get(address.removeprefix(BASE_URL))
    kind = answer.headers["content-type"]
    assert answer.status_code == 200, address
    document = (LinksetJSON if kind.endswith("json") else Linkset)(
        answer.text, kind, AbsoluteURI(address), AbsoluteURI(address)
    )
    return _parse_linkset_json(document) if kind.endswith("json") else _parse_linkset(document)


def a_file(path: str) -> PublicFile:
    return PublicFile(path=path, size_bytes=1, sha512="0" * 128, media_type="text/csv", content_key="k")


def targets(found: Signposting, rel: str) -> list[str]:
    return sorted(str(one.target) for one in found if str(one.rel) == rel)


def test_a_landing_page_leads_to_identifier_descriptions_files_licence_authors_and_link_sets(
    site: Site, visit: Visit
) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    page = f"{BASE_URL}/{pid}"

    found = of_header(visit(), f"/{pid}")

    assert targets(found, "cite-as") == [page]
    assert targets(found, "type") == ["https://schema.org/AboutPage", "https://schema.org/Dataset"]
    assert targets(found, "license") == ["https://spdx.org/licenses/CC-BY-4.0"]
    assert targets(found, "author") == ["https://orcid.org/0000-0002-1825-0097"]
    assert {(str(one.target), str(one.type)) for one in found.linksets} == {
        (f"{page}/linkset?format={name}", media_type) for name, media_type in LINKSETS.items()
    }
    assert {(str(one.target), str(one.type), *map(str, one.profiles)) for one in found.describedBy} >= {
        (f"{page}?format=json-ld", "application/ld+json"),
        (f"{page}?format=crate", "application/ld+json", "https://w3id.org/ro/crate"),
    }
    assert {(str(one.target), str(one.type)) for one in found.items} >= {
        (f"{page}/files/data/0/A1_0_0_BF.tiff", "image/tiff"),
        (f"{page}/files/README.md", "text/markdown"),
    }


def test_every_link_leads_to_what_it_says_it_leads_to(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser = visit()

    found = of_header(browser, f"/{pid}/v1")

    assert len(found.describedBy) == len(FORMS)
    for one in (*found.describedBy, *found.items, *found.linksets):
        answer = browser.get(str(one.target).removeprefix(BASE_URL))
        assert answer.status_code == 200, one
        assert answer.headers["content-type"].partition(";")[0] == str(one.type), one
        assert all(f'profile="{profile}"' in answer.headers["content-type"] for profile in one.profiles), one


def test_files_and_descriptions_lead_back_to_the_page_and_to_the_link_sets(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser, page = visit(), f"{BASE_URL}/{pid}"

    file = of_header(browser, f"/{pid}/files/data/0/A1_0_0_BF.tiff")
    description = browser.get(f"/{pid}?format=datacite")

    assert targets(file, "collection") == [page]
    assert targets(file, "type") == ["https://schema.org/ImageObject"]
    assert targets(file, "describedby") == [f"{page}?format=crate"]
    assert targets(file, "cite-as") == targets(file, "license") == targets(file, "author") == []
    assert len(file.linksets) == 2
    assert f'<{page}>; rel="describes"; type="text/html"' in description.headers["link"]
    assert description.headers["link"].count('rel="linkset"') == 2


@both_forms
def test_a_link_set_has_every_link_of_page_files_and_descriptions(site: Site, visit: Visit, name: str) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser, page = visit(), f"{BASE_URL}/{pid}"

    found = of_linkset(browser, f"{page}/linkset?format={name}")

    header = of_header(browser, f"/{pid}")
    of_page = found.for_context(AbsoluteURI(page))
    for rel in ("cite-as", "type", "license", "author", "describedby", "item", "linkset"):
        assert targets(of_page, rel) == targets(header, rel) != [], rel
    for item in header.items:
        of_item = found.for_context(AbsoluteURI(str(item.target)))
        assert targets(of_item, "collection") == [page]
        assert len(of_item.types) == 1


@both_forms
def test_in_a_link_set_each_description_says_what_it_describes(site: Site, visit: Visit, name: str) -> None:
    """The parser knows no `describes` yet."""
    pid = site.dataset(site.lay_published("plate-7")).pid
    page = f"{BASE_URL}/{pid}"

    text = visit().get(f"/{pid}/linkset?format={name}").text

    addresses = {f"{page}?format={form.name}" for form in FORMS}
    if name == "linkset-json":
        contexts = json.loads(text)["linkset"]
        assert len({one["anchor"] for one in contexts}) == len(contexts)
        said = {one["anchor"]: one["describes"] for one in contexts if "describes" in one}
        assert said == {one: [{"href": page, "type": "text/html"}] for one in addresses}
    else:
        assert all(f'<{page}>; rel="describes"; type="text/html"; anchor="{one}"' in text for one in addresses)


def test_a_link_set_is_chosen_by_what_the_asker_takes(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser, path = visit(), f"/{pid}/linkset"

    for accept, kind in (
        ("application/linkset+json, application/linkset;q=0.9", "application/linkset+json"),
        ("application/linkset", "application/linkset"),
        ("*/*", "application/linkset"),
    ):
        answer = browser.get(path, accept=accept)
        assert (answer.headers["content-type"], answer.headers["vary"]) == (kind, "accept")
    refused = browser.get(path, accept="text/turtle")
    assert refused.status_code == 406
    assert {one["media_type"] for one in refused.json()["offered"]} == set(LINKSETS.values())
    assert browser.get(f"{path}?format=yaml").status_code == 404
    assert browser.get(f"/{pid}/v1/linkset").status_code == 200


def test_a_link_set_that_is_known_is_not_sent_again(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser, path = visit(), f"/{pid}/linkset?format=linkset-json"
    etags = {
        browser.client.head(one).headers["etag"]
        for one in (path, f"/{pid}/linkset?format=linkset", f"/{pid}/v1/linkset?format=linkset-json")
    }

    assert len(etags) == 3
    assert browser.get(path, if_none_match=browser.get(path).headers["etag"]).status_code == 304


def test_of_more_files_than_a_record_names_the_link_sets_have_all(site: Site, visit: Visit) -> None:
    files = tuple(f"fields/{number:04}.csv" for number in range(1_010))
    pid = site.dataset(site.lay_published("many", files=files)).pid
    browser, page = visit(), f"{BASE_URL}/{pid}"

    found = of_linkset(browser, f"{page}/linkset?format=linkset-json")
    lines = set(browser.get(f"/{pid}/linkset?format=linkset").text.split(",\n"))

    expected = {f"{page}/files/data/{path}" for path in files}
    assert expected <= {str(one.target) for one in found.for_context(AbsoluteURI(page)).items}
    assert expected <= {str(one) for one in found.other_contexts}
    assert {f'<{one}>; rel="item"; type="text/csv"; anchor="{page}"' for one in expected} <= lines
    assert {f'<{page}>; rel="collection"; type="text/html"; anchor="{one}"' for one in expected} <= lines


def test_of_ten_thousand_files_the_header_has_what_fits_and_the_link_sets_have_all() -> None:
    of = Signposts(PAGE, [Description(f"{PAGE}?format=f", "text/turtle")], "CC0-1.0", ["0000-0002-1825-0097"])
    files = [a_file(f"data/fields/{number:05}.csv") for number in range(10_000)]
    runs = [files[start : start + 4_000] for start in range(0, 10_000, 4_000)]

    header = link_header([*of.of_page(), *map(of.item, files)])
    text = b"".join(linkset_json(of, lambda: runs)).decode()
    lines = set(b"".join(linkset_text(of, lambda: runs)).decode().split(",\n"))

    expected = {f"{PAGE}/files/{file.path}" for file in files}
    read = find_signposting_http_link([header], AbsoluteURI(PAGE))
    assert len(header) <= HEADER_LIMIT
    assert (len(read.linksets), targets(read, "cite-as")) == (2, [PAGE])
    assert 10 < len(read.items) < 200
    found = _parse_linkset_json(LinksetJSON(text, "application/linkset+json", AbsoluteURI(PAGE), AbsoluteURI(PAGE)))
    assert {str(one.target) for one in found.for_context(AbsoluteURI(PAGE)).items} == expected
    assert {f'<{one}>; rel="item"; type="text/csv"; anchor="{PAGE}"' for one in expected} <= lines


def test_a_tombstone_leads_to_nothing_but_its_identifier(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7")
    pid = site.dataset(version).pid
    site.withdraw(version)
    browser = visit()

    answers = [browser.get(f"/{pid}{rest}") for rest in ("", "/linkset", "/v1/linkset?format=linkset-json")]

    assert {answer.status_code for answer in answers} == {410}
    assert answers[0].headers["link"] == f'<{BASE_URL}/{pid}>; rel="cite-as"'


def test_a_version_is_cited_by_its_doi_once_that_leads_here_and_so_is_its_tombstone(site: Site, visit: Visit) -> None:
    doi, version = "10.5555/abc.v1", site.lay_published("plate-7")
    pid = site.dataset(version).pid
    browser, path, cited = visit(), f"/{pid}/v1", f"https://doi.org/{doi}"

    reserved = give_doi(site, pid, doi)
    waiting = browser.get(path)
    site.portal.publish(reserved.model_copy(update={"doi_leads_here": True}))
    found = of_header(browser, path)
    page = browser.get(path).text
    linkset = of_linkset(browser, f"{BASE_URL}{path}/linkset?format=linkset-json")
    links = linkset.for_context(AbsoluteURI(BASE_URL + path))
    site.withdraw(version)
    gone = browser.get(path)

    assert f'<{BASE_URL}{path}>; rel="cite-as"' in waiting.headers["link"]
    assert say("landing.doi.waits") in waiting.text
    assert cited not in waiting.text.partition("<body")[2]
    assert targets(found, "cite-as") == targets(links, "cite-as") == [cited]
    assert f'<link rel="cite-as" href="{cited}">' in page
    assert f"v1. National Imaging Facility. {cited}</textarea>" in page
    assert f"<code>{pid}/v1</code>" in page
    assert say("landing.doi.waits") not in page
    assert gone.status_code == 410
    assert gone.headers["link"] == f'<{cited}>; rel="cite-as"'
    assert cited in gone.text


def give_doi(site: Site, pid: str, doi: str) -> PublicRecord:
    record = site.portal.find(pid, version="v1")
    assert record is not None
    reserved = record.model_copy(update={"doi": doi})
    site.portal.publish(reserved)
    return reserved


def test_a_header_is_filled_from_the_first_link_on_and_never_beyond_its_limit() -> None:
    links = [Link("item", f"https://a.example/{'x' * 90}/{number}") for number in range(1000)]

    header = link_header(links)

    assert HEADER_LIMIT - 130 < len(header) <= HEADER_LIMIT
    assert header.startswith("<https://a.example/xxx")
    assert header.split(", ")[-1].endswith('; rel="item"')


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_link_sets_are_whole_however_the_files_are_cut_into_runs(count: int) -> None:
    files = [a_file(f"data/{number}") for number in range(count)]
    of = Signposts(PAGE, [Description(f"{PAGE}?format=f", "text/turtle")], None, [])
    runs = [files[start : start + 2] for start in range(0, count, 2)]

    document = json.loads(b"".join(linkset_json(of, lambda: runs)))
    lines = b"".join(linkset_text(of, lambda: runs)).decode().split(",\n")

    assert [len(one.get("item", [])) for one in document["linkset"]] == [count, 0, *[0] * count]
    assert [line.count("; rel=") for line in lines] == [1] * (len(list(of.of_page())) + 1 + 3 * count)
