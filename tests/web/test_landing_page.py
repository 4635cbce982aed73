"""The landing page for people: all that is public of a dataset, and nothing that leads astray."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from cisterna.domain.access import Extent
from cisterna.domain.dataset import Version
from cisterna.domain.project import Access
from cisterna.metadata.croissant import CROISSANT
from cisterna.metadata.forms import FORMS, Form
from cisterna.metadata.record import MetadataRecord
from cisterna.ports.publisher import PublicRecord
from cisterna.testing.clock import START
from cisterna.web.landing_facts import about, access_words, made, samples
from cisterna.web.presenting import moment
from cisterna.web.public_forms import creators_of
from tests.metadata.strategies import records
from tests.web.client import Browser
from tests.web.full_description import EVERYTHING
from tests.web.site import Site

Visit = Callable[..., Browser]


def words_of(page: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<main")[2])))


def records_code(page: str) -> str:
    found = re.search(r'<textarea[^>]* id="records"[^>]*>([^<]*)</textarea>', page)
    return unescape(found[1]) if found else ""


def replace_record(site: Site, version: Version, **changes: Any) -> PublicRecord:
    record = site.portal.find(site.dataset(version).pid)
    assert record is not None
    changed = record.model_copy(update=changes)
    site.portal.publish(changed)
    return changed


def test_a_page_tells_everything_that_is_public_of_a_dataset(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7", said=EVERYTHING)).pid

    page = visit().get(f"/{pid}").text

    words = words_of(page)
    for told in (
        "Nuclei of untreated cells, for a segmentation model.",
        "Two fields a well.",
        "Open: anybody may read and download the files",
        "Ola Berg data collector",
        "Imaging Core hosting institution",
        "Swedish Research Council 2026-01234 Cells & <their> nuclei",
        "Homo sapiens NCBITaxon:9606",
        "On nuclei paper",
        "Dnr 2026-00123 ethics approval",
        "Cell lines U-2 OS",
        "Wells 96",
        "squid-1 Cephla Squid+",
        moment(START),
        "nuclei-unet 1.0.0",
        "review 1 of 3 images is dim.",
        "All 3 images can be read.",
        "20x/0.8",
    ):
        assert told in words, told
    for address in (
        "https://orcid.org/0000-0002-1694-233X",
        "https://ror.org/048a87296",
        "https://funder.example/2026-01234",
        "http://purl.obolibrary.org/obo/NCBITaxon_9606",
        "https://doi.org/10.5555/12345678",
    ):
        assert f'href="{address}"' in page, address


def test_every_picture_has_words_and_every_link_a_place(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7", said=EVERYTHING)).pid

    page = visit().get(f"/{pid}").text

    assert all(' alt="Preview of ' in one for one in re.findall(r"<img[^>]*>", page))
    identities = re.findall(r'\sid="([^"]+)"', page)
    assert len(identities) == len(set(identities))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', page)) <= set(identities)
    assert all(re.match(r"https?://|/|#", one) for one in re.findall(r'href="([^"]*)"', page))


def test_of_what_nobody_said_there_is_no_empty_section(site: Site, visit: Visit) -> None:
    bare: dict[str, Any] = {
        "keywords": [],
        "instrument": None,
        "imaging": None,
        "dates": {"described": "2026-01-05T08:00:00Z"},
    }
    pid = site.dataset(site.lay_published("plate-7", said=bare, files=("notes.txt",))).pid

    page = visit().get(f"/{pid}").text

    assert page.count("<h2") == len(re.findall(r"<h2[^>]*>(?:Cite as|Files|Versions|This description)", page))
    assert not re.search(r"<dl[^>]*>\s*</dl>|<dd>\s*</dd>|<ul[^>]*>\s*</ul>", page)


@pytest.mark.parametrize(
    ("access", "until", "words"),
    [
        (Access.OPEN, None, "Open"),
        (Access.EMBARGOED, None, "not public yet"),
        (Access.EMBARGOED, "2027-05-01", "on 2027-05-01"),
        (Access.RESTRICTED, None, "ask the publisher"),
        (Access.CLOSED, None, "not given out"),
    ],
)
def test_who_may_have_the_files_is_said_in_words(site: Site, access: Access, until: str | None, words: str) -> None:
    metadata = site.lay_version("plate-7").metadata
    assert metadata is not None

    record = MetadataRecord.model_validate(metadata | {"access": access.value, "embargo_until": until})

    assert words in access_words(record)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=records())
def test_whatever_a_record_says_can_be_told_and_leads_to_the_web_alone(record: MetadataRecord) -> None:
    for fact in (*about(record), *made(record), *samples(record)):
        assert fact.label
        for one in fact.said:
            assert one.text
            assert one.url is None or one.url.startswith(("https://", "http://"))


def test_what_a_later_version_wrote_is_shown_as_far_as_it_is_understood(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate 7")
    pid = site.dataset(version).pid
    found = site.portal.find(pid)
    assert found is not None
    site.portal.publish(found.model_copy(update={"metadata": found.metadata | {"schema_version": 99}}))

    page = visit().get(f"/{pid}")

    assert page.status_code == 200
    assert "Ada Holm; Björn Ek (2026). Plate 7. v1." in page.text
    assert "data/0/A1_0_0_BF.tiff" in page.text


def test_a_page_gives_to_copy_how_its_files_are_loaded_as_records(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser = visit()

    code = records_code(browser.get(f"/{pid}").text)
    address = code.removeprefix('mlcroissant.Dataset("').removesuffix('")')
    answer = browser.get(address, accept="*/*", user_agent="python-requests/2.32.5")

    assert address == f"{site.base_url}/{pid}/v1?format=croissant"
    assert answer.json()["conformsTo"] == CROISSANT
    assert answer.json()["recordSet"][0]["@id"] == "files"


def test_a_program_that_names_no_wish_gets_the_page_whoever_it_is(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid

    answers = [
        visit().get(f"/{pid}", accept="*/*", user_agent=name)
        for name in ("python-requests/2.32.5", "curl/8.5.0", "F-UJI")
    ]

    assert {one.headers["content-type"] for one in answers} == {"text/html; charset=utf-8"}
    assert {one.headers["vary"] for one in answers} == {"accept"}
    assert len({one.headers["etag"] for one in answers}) == 1


def test_what_has_no_public_files_offers_no_records(site: Site, visit: Visit) -> None:
    found = replace_record(site, site.lay_published("plate-7"), files=(), lists=(), extent=Extent.METADATA)

    assert records_code(visit().get(f"/{found.pid}").text) == ""


def test_mlcroissant_loads_the_files_of_a_served_page_by_what_the_page_gives_to_copy(
    served: Site, tmp_path: Path
) -> None:
    python = os.environ.get("CISTERNA_MLCROISSANT")
    if not python:
        pytest.skip("CISTERNA_MLCROISSANT names no Python that has mlcroissant")
    version = served.lay_published("plate-7", files=("a b.txt", "c.csv"))
    page = httpx.get(f"{served.base_url}/{served.dataset(version).pid}").text
    script = f"""
import json, sys, mlcroissant
rows = list({records_code(page)}.records("files"))
json.dump([[row["files/path"], row["files/bytes"], row["files/sha512"]] for row in rows], sys.stdout)
"""

    done = subprocess.run(
        [python, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
        env={**os.environ, "CROISSANT_CACHE": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    record = served.portal.find(served.dataset(version).pid)
    assert record is not None
    assert json.loads(done.stdout) == [[one.path, one.size_bytes, one.sha512] for one in record.files]


def test_programs_that_keep_references_find_what_they_take(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser = visit()

    offered = re.findall(r'class="button small" href="([^"]*)"', browser.get(f"/{pid}").text)

    assert offered == [f"/{pid}/v1?format={name}" for name in ("bibtex", "csl", "ris")]
    answers = [browser.get(address) for address in offered]
    name = pid.rpartition("/")[2]
    assert [answer.headers["content-disposition"] for answer in answers] == [
        f'inline; filename="{name}-v1{suffix}"' for suffix in (".bib", ".json", ".ris")
    ]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_is_had_by_its_name_and_by_its_media_type(site: Site, visit: Visit, form: Form) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser = visit()

    named, typed = (
        browser.get(f"/{pid}?format={form.name}", accept="text/html"),
        browser.get(f"/{pid}", accept=form.media_type),
    )

    assert named.content == typed.content != b""
    assert {one.headers["content-type"].partition("; charset")[0] for one in (named, typed)} == {form.media_type}
    assert typed.headers["content-location"] == f"http://testserver/{pid}?format={form.name}"
    assert typed.headers["vary"] == "accept"


def test_where_no_form_fits_the_answer_lists_what_there_is(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser = visit()

    refused, unknown = browser.get(f"/{pid}", accept="image/png, text/*;q=0"), browser.get(f"/{pid}?format=docx")

    assert (refused.status_code, unknown.status_code) == (406, 404)
    for answer in (refused, unknown):
        assert answer.headers["content-type"] == "application/problem+json"
        offered = {one["media_type"]: one["address"] for one in answer.json()["offered"]}
        assert set(offered) == {"text/html", *(form.media_type for form in FORMS)}
        for media_type, address in offered.items():
            found = browser.get(address.removeprefix("http://testserver"), accept="image/png")
            assert found.headers["content-type"].startswith(media_type)


def test_a_tombstone_keeps_how_it_was_cited_and_nothing_that_it_held(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate 7", said=EVERYTHING)
    pid = site.dataset(version).pid
    site.withdraw(version, reason="The stain was mislabelled.")

    page = visit().get(f"/{pid}")

    assert page.status_code == 410
    assert page.headers["x-robots-tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in page.text
    words = words_of(page.text)
    for kept in ("Plate 7", "Ada Holm", "National Imaging Facility", "The stain was mislabelled.", "2026"):
        assert kept in words, kept
    for gone in ("Swedish Research Council", "U-2 OS", "DAPI", "squid-1", "ld+json", "data/0"):
        assert gone not in page.text, gone
    kept_bytes = b"".join(site.public.get(one.key)[0] for one in site.public.list(""))
    assert b"Swedish Research Council" not in kept_bytes
    kept_names = {"title", "creators", "publisher", "publication_year", "data_type"}
    assert set(json.loads(kept_bytes)["metadata"]) == kept_names


def test_a_creator_of_the_first_schema_with_wrong_digits_in_a_ror_is_still_cited() -> None:
    said = {"schema_version": 1, "creators": [{"name": "Ada Holm", "ror": "https://ror.org/05gq02988"}]}
    record = PublicRecord(
        pid="ark:/99999/a", dataset_id="a", version="v1", title="a", metadata=said, published_at=START
    )

    assert [(one.name, one.ror) for one in creators_of(record)] == [("Ada Holm", None)]


@pytest.mark.parametrize("rest", ["", "/v1", "/linkset", "/v1/files/data/0/A1_0_0_BF.tiff"])
@pytest.mark.parametrize("query", ["", "?format=linkset-json&page=2"])
def test_the_form_of_an_ark_without_a_slash_leads_to_the_same_place_below_it(
    site: Site, visit: Visit, rest: str, query: str
) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    address = f"/{pid.replace('ark:/', 'ark:')}{rest}{query}"

    answer = visit().get(address)

    assert (answer.status_code, answer.headers["location"]) == (301, f"/{pid}{rest}{query}")


@pytest.mark.parametrize("rest", ["/..%2f..%2fsign-in", "/v1/%0d%0aset-cookie:%20a=b", "/%2f%2fevil.example", "/é"])
def test_the_form_of_an_ark_without_a_slash_leads_nowhere_else(visit: Visit, rest: str) -> None:
    answer = visit().get(f"/ark:99999/abc{rest}")

    assert answer.headers.get("location", "/ark:/99999/abc/").startswith("/ark:/99999/abc/")
    assert answer.status_code in {301, 404}
    assert "set-cookie" not in answer.headers


def test_wishes_in_several_headers_are_read_as_one(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    client, several = visit().client, [("accept", "text/html;q=0.1"), ("accept", "application/x-bibtex")]

    page = client.get(f"/{pid}", headers=several)
    links = client.get(f"/{pid}/linkset", headers=[("accept", "text/html"), ("accept", "application/linkset+json")])
    known = client.get(f"/{pid}", headers=[*several, ("if-none-match", '"x"'), ("if-none-match", page.headers["etag"])])

    assert page.headers["content-type"] == "application/x-bibtex"
    assert links.headers["content-type"] == "application/linkset+json"
    assert known.status_code == 304
