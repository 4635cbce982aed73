"""What need not be sent again is not, and what changed is."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha512

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from cisterna.web.conditional import Validators
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]

FILE = "data/0/A1_0_0_BF.tiff"
CHANGED = datetime(2026, 11, 30, 12, 0, 0, 700_000, tzinfo=UTC)
THERE = Validators(etag='"abc"', modified=CHANGED)


def asking(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "headers": raw})


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        pytest.param({}, False, id="nothing-asked"),
        pytest.param({"if_none_match": '"abc"'}, True, id="the-tag"),
        pytest.param({"if_none_match": 'W/"abc"'}, True, id="the-tag-weakly"),
        pytest.param({"if_none_match": '"x", "abc"'}, True, id="one-of-several"),
        pytest.param({"if_none_match": "*"}, True, id="any"),
        pytest.param({"if_none_match": '"x"'}, False, id="another"),
        pytest.param({"if_none_match": "abc"}, False, id="unquoted"),
        pytest.param({"if_modified_since": "Mon, 30 Nov 2026 12:00:00 GMT"}, True, id="the-same-second"),
        pytest.param({"if_modified_since": "Mon, 30 Nov 2026 11:59:59 GMT"}, False, id="before"),
        pytest.param({"if_modified_since": "Monday, 30-Nov-26 12:00:01 GMT"}, True, id="the-oldest-form"),
        pytest.param({"if_modified_since": "yesterday"}, False, id="no-date"),
        pytest.param({"if_modified_since": "Mon, 30 Nov 99999 12:00:00 GMT"}, False, id="no-year-there-is"),
        pytest.param(
            {"if_none_match": '"x"', "if_modified_since": "Mon, 30 Nov 2026 12:00:00 GMT"}, False, id="the-tag-decides"
        ),
    ],
)
def test_an_asker_has_it_by_its_tag_or_else_by_its_date(headers: dict[str, str], known: bool) -> None:
    assert THERE.are_known(asking(**headers)) == known


def test_what_has_no_date_is_known_by_its_tag_alone() -> None:
    undated = Validators(etag='"abc"')

    assert undated.headers() == {"etag": '"abc"'}
    assert not undated.are_known(asking(if_modified_since="Mon, 30 Nov 2026 12:00:00 GMT"))


@given(tag=st.text(max_size=60), since=st.text(max_size=60))
def test_no_header_breaks_the_answer(tag: str, since: str) -> None:
    assert THERE.are_known(asking(if_modified_since=since)) in {True, False}
    assert not THERE.are_known(asking(if_none_match=tag.replace("abc", "").replace("*", ""), if_modified_since=since))


@pytest.mark.parametrize(
    "rest",
    ["", "/v1", "?format=json-ld", "/linkset", f"/files/{FILE}", f"/v1/preview/{FILE}", "/v1/manifest-sha512.txt"],
)
def test_everything_public_is_answered_with_validators_and_not_sent_twice(site: Site, visit: Visit, rest: str) -> None:
    address = f"/{site.dataset(site.lay_published('plate-7')).pid}{rest}"
    browser = visit()

    first = browser.get(address)
    by_tag = browser.get(address, if_none_match=first.headers["etag"])
    by_date = browser.get(address, if_modified_since=first.headers["last-modified"])
    only_headers = browser.client.head(address)

    assert first.headers["cache-control"].startswith("public, max-age=")
    for again in (by_tag, by_date):
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert only_headers.status_code == 200
    assert only_headers.headers["etag"] == first.headers["etag"]
    assert only_headers.headers["content-type"] == first.headers["content-type"]


@pytest.mark.parametrize("rest", ["", "?format=datacite", f"/files/{FILE}"])
def test_what_is_sent_whole_carries_its_digest(site: Site, visit: Visit, rest: str) -> None:
    answer = visit().get(f"/{site.dataset(site.lay_published('plate-7')).pid}{rest}")

    digest = b64encode(sha512(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-512=:{digest}:"


def test_the_digest_of_a_part_of_a_file_is_that_of_the_whole(site: Site, visit: Visit) -> None:
    address = f"/{site.dataset(site.lay_published('plate-7')).pid}/files/{FILE}"
    browser = visit()

    part = browser.get(address, range="bytes=0-9")

    assert part.status_code == 206
    assert part.headers["repr-digest"] == browser.get(address).headers["repr-digest"]


def test_a_page_changes_with_a_withdrawal_and_its_date_too(site: Site, visit: Visit) -> None:
    first = site.lay_published("plate-7")
    address = f"/{site.dataset(first).pid}"
    browser = visit()
    before = browser.get(address)
    site.clock.advance(timedelta(hours=1))

    site.withdraw(first)

    after = browser.get(
        address, if_none_match=before.headers["etag"], if_modified_since=before.headers["last-modified"]
    )
    assert after.status_code == 410


MATCHED = [
    pytest.param({"if_match": '"abc"'}, False, id="the-tag"),
    pytest.param({"if_match": '"x", "abc"'}, False, id="one-of-several"),
    pytest.param({"if_match": "*"}, False, id="any"),
    pytest.param({"if_match": '"x"'}, True, id="another"),
    pytest.param({"if_match": 'W/"abc"'}, True, id="weakly-is-not-the-same-bytes"),
    pytest.param({"if_unmodified_since": "Mon, 30 Nov 2026 12:00:00 GMT"}, False, id="the-same-second"),
    pytest.param({"if_unmodified_since": "Mon, 30 Nov 2026 11:59:59 GMT"}, True, id="changed-since"),
    pytest.param({"if_unmodified_since": "yesterday"}, False, id="no-date"),
    pytest.param(
        {"if_match": '"abc"', "if_unmodified_since": "Mon, 30 Nov 2026 11:59:59 GMT"}, False, id="the-tag-decides"
    ),
]


@pytest.mark.parametrize(("headers", "changed"), MATCHED)
def test_who_goes_on_with_what_it_has_is_told_when_it_changed(headers: dict[str, str], changed: bool) -> None:
    assert THERE.have_changed(asking(**headers)) == changed


@pytest.mark.parametrize("rest", ["", "?format=json-ld", "/linkset", "/v1/manifest-sha512.txt", f"/files/{FILE}"])
def test_a_program_that_fetches_in_parts_gets_no_part_of_another_state(site: Site, visit: Visit, rest: str) -> None:
    address = f"/{site.dataset(site.lay_published('plate-7')).pid}{rest}"
    browser = visit()
    tag = browser.get(address).headers["etag"]

    same = browser.get(address, if_match=tag, range="bytes=0-9")
    other = browser.get(address, if_match='"of-the-version-before"', range="bytes=0-9")

    assert same.status_code in {200, 206}
    assert (other.status_code, other.content) == (412, b"")
    assert (other.headers["etag"], other.headers["cache-control"]) == (tag, "no-store")


def test_a_range_that_there_is_not_spoils_nothing_for_who_comes_next(site: Site, visit: Visit) -> None:
    address = f"/{site.dataset(site.lay_published('plate-7')).pid}/files/{FILE}"

    refused = visit().get(address, range="bytes=99999999-")

    assert (refused.status_code, refused.headers["cache-control"]) == (416, "no-store")


@pytest.mark.parametrize(
    "path",
    [
        "{pid}",
        "{pid}?format=json-ld",
        "{pid}?format=none",
        "{pid}/linkset",
        "{pid}/v1/manifest-sha512.txt",
        "{pid}/v1/preview/" + FILE,
        "{pid}/files/" + FILE,
        "browse",
        "browse/statistics",
        "browse/statistics.csv",
        "browse/newest.atom",
        "sitemap.xml",
        "api/v1/public/datasets",
        "api/v1/public/statistics",
    ],
)
def test_no_cache_shows_what_is_public_beyond_its_time_even_when_nobody_answers_it(
    site: Site, visit: Visit, path: str
) -> None:
    version = site.lay_published("plate-7")
    address = "/" + path.format(pid=site.dataset(version).pid)
    standing = visit().get(address)
    site.withdraw(version)
    withdrawn = visit().get(address)

    for answer in (standing, withdrawn):
        said = {one.strip() for one in answer.headers["cache-control"].split(",")}
        assert {"public", "must-revalidate"} <= said or said == {"no-store"}


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/ark:/99999/none", "/api/v1/datasets", "/oai", "/none"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_what_does_not_say_that_it_may_be_kept_is_kept_by_nobody(visit: Visit, path: str, accept: str) -> None:
    answer = visit().get(path, accept=accept)

    assert answer.headers["cache-control"] in {"no-store", "no-cache"}
